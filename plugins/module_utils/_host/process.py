# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Processes of the target: their identities and the properties that select them."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import parent, read, start_time, state

_KTHREADD = 2  # the parent of all other threads of the kernel


class Process:
    """One process: its identity (pid and start time) and the properties that select it."""

    def __init__(self, pid):
        self.pid = pid
        self.start = start_time(pid)
        self.name = read("/proc/%d/comm" % pid).strip()
        self.argv = read("/proc/%d/cmdline" % pid).rstrip("\0").split("\0")
        try:
            self.uid = os.stat("/proc/%d" % pid).st_uid
        except OSError:
            self.uid = -1

    @property
    def has_no_program(self):
        """True for a thread of the kernel, and for a program that was started with an empty argv."""
        return self.argv == [""]

    def alive(self):
        return self.start is not None and start_time(self.pid) == self.start

    def stopped(self):
        return state(self.pid) == "T"

    def describe(self):
        return {"pid": self.pid, "name": self.name, "command_line": " ".join(self.argv)}


def processes():
    """All living processes, oldest first."""
    found = [Process(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    return sorted((process for process in found if process.start is not None), key=lambda process: (process.start, process.pid))


def has_name(process, name):
    """Exact name, also where the kernel cut it to 15 characters."""
    if len(name) <= 15:
        return process.name == name
    return process.name == name[:15] and os.path.basename(process.argv[0]) == name


def is_kernel_thread(pid):
    """Whether it is kthreadd or a child of it; in a container pid 2 can be any process."""
    return _KTHREADD in (pid, parent(pid)) and read("/proc/%d/comm" % _KTHREADD).strip() == "kthreadd"


def descendants(parents):
    """Children of processes, their children and so on; oldest first, without the parents themselves."""
    known = set(process.pid for process in parents)
    found, rest, more = [], processes(), True
    while more:
        more = [process for process in rest if process.pid not in known and parent(process.pid) in known]
        known.update(process.pid for process in more)
        found += more
    return sorted(found, key=lambda process: (process.start, process.pid))
