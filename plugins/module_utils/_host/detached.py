# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Detached processes of an attack: they outlive the module that starts them."""

import os
import signal

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import write_proc
from ansible_collections.faultline.chaos.plugins.module_utils._marks import WORKER_NAME


def detach(function, oom_score=None, name=None, keep=()):
    """Run a function in a process that outlives the module: own session and process group, no open files except keep. Returns its pid."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                os.setsid()
                _report_pid(write_end)
                _bare(set(keep))
                if oom_score is not None:
                    write_proc("/proc/self/oom_score_adj", str(oom_score))
                if name is not None:
                    rename(name)
                function()
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end) as stream:
        pid = stream.read()
    if not pid:
        raise AttackError("a background process could not be started: the target is out of processes or memory")
    return int(pid)


def _report_pid(write_end):
    os.write(write_end, str(os.getpid()).encode("ascii"))


def _bare(keep):
    """Close inherited files (ssh would wait for them), reset signal handlers, and change to / so that no file system stays busy."""
    null = os.open(os.devnull, os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(null, target)
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                continue
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")


def rename(name):
    """Set the name that ps shows for this process."""
    write_proc("/proc/self/comm", (WORKER_NAME % name)[:15])
