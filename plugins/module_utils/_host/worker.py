# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Detached processes of an attack: they outlive the module that starts them."""

import os
import signal

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import alive, start_time, write_proc
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


class Worker:
    """A background process that performs the attack.

    It starts parked, so that the journal has its identity before it does anything; it begins when released, and ends by
    itself when the module dies before that. The kernel's OOM killer takes it first.
    lasts: the effect is in place only while it runs, so it is missed when it has ended before the undo.
    """

    def __init__(self, name, function, lasts=True):
        self.name = name
        self.function = function
        self.lasts = lasts
        self.pid = None
        self.start = None
        self._gate = None

    def park(self):
        read_end, self._gate = os.pipe()
        gate = self._gate

        def begin():
            if os.read(read_end, 1) == b"g":
                os.close(read_end)
                rename(self.name)
                self.function()

        self.pid = detach(begin, oom_score=1000, name="ready", keep=(read_end,))
        os.close(read_end)
        os.set_inheritable(gate, False)
        self.start = start_time(self.pid)
        if self.start is None:
            raise AttackError(f"the worker {self.name} did not start")

    def release(self):
        try:
            os.write(self._gate, b"g")
        except OSError:
            raise AttackError(f"the worker {self.name} ended before it began")
        self._close()

    def abandon(self):
        """End a parked worker by closing its gate."""
        self._close()

    def _close(self):
        if self._gate is not None:
            os.close(self._gate)
            self._gate = None

    def alive(self):
        return alive(self.pid, self.start)
