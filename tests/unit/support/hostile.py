# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes with names that are meant to mislead whoever reads /proc."""

from __future__ import annotations

import subprocess
import sys

# As PR_SET_NAME takes them, 15 bytes at the most. Some forge fields of /proc/PID/stat and lines of /proc/PID/status.
NAMES = [b"app\nx", b"a) Z 1 1", b"x\n1 (y) Z 1", b"\n", b") ", b"a\tb c", b"\xff\xfe(", b"*", b"x\x0bUid:\t77\x0b", b"a\rUid:\t77\r", b""]

AS_USER = "import os; os.setgroups([]); os.setgid(5000); os.setuid(5000); "
PROGRAM = """
import ctypes, os, sys, time
assert ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0) == 0
print("ready", flush=True)
time.sleep(100)
"""


def named(name: bytes, *words: str, program: str = PROGRAM, **values) -> subprocess.Popen:
    """A process of that name; it leads a session. The caller ends it."""
    argv = [sys.executable, "-c", program.strip().replace("\n", "; "), name.hex(), *words]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True, **values)
    assert child.stdout
    child.stdout.readline()
    return child
