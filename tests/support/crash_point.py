# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces plugins/module_utils/_crash.py in tests (see crash.py): makes a module die, hang, stop or fail at a step.

It runs on the target: Python 3.6, standard library.
"""

import errno
import os
import signal
import time


def crash_point(name):
    """Die (NAME), hang (hang@NAME), stop until SIGCONT (stop@NAME) or fail (fail@NAME) here when the environment asks for it."""
    wanted = os.environ.get("FAULTLINE_TEST_CRASH", "")
    if wanted == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if wanted == "hang@" + name:
        time.sleep(600)
    if wanted == "stop@" + name:
        os.kill(os.getpid(), signal.SIGSTOP)
    if wanted == "fail@" + name:
        raise OSError(errno.EPERM, "refused by the test at " + name)
