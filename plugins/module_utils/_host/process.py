# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Processes of the target."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import alive, read, start_of, stat_of, state

SHOWN = 4096  # characters of a command line; a neighbour's may have megabytes


class Process:
    """One process: its identity (pid and start time) and the properties that select it."""

    def __init__(self, pid):
        found = stat_of(pid)
        self.pid = pid
        self.start = start_of(found)
        self.name = found.name if found else ""
        self._argv = None
        try:
            self.uid = os.stat("/proc/%d" % pid).st_uid
        except OSError:
            self.uid = -1

    @property
    def argv(self):
        """Its arguments, as far as they are shown; read once, for it may end."""
        if self._argv is None:
            self._argv = read("/proc/%d/cmdline" % self.pid, most=SHOWN).rstrip("\0").split("\0")
        return self._argv

    @property
    def has_no_program(self):
        """True for a thread of the kernel, and for a program that was started with an empty argv."""
        return self.argv == [""]

    def alive(self):
        return alive(self.pid, self.start)

    def stopped(self):
        return state(self.pid) == "T"

    def describe(self):
        return {"pid": self.pid, "name": self.name, "command_line": " ".join(self.argv)}


def processes():
    """All living processes, oldest first."""
    found = [Process(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    return sorted((process for process in found if process.start is not None), key=lambda process: (process.start, process.pid))
