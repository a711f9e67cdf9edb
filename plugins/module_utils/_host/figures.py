# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Figures that a worker keeps in the journal of its attack while it works; the undo reads them (see _undo/figures.py)."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._undo import figures as undo_figures

NAME = "figures"
_EVERY = 1.0  # seconds
_STALLED = 10  # seconds: one that has not written for so long is idle
_SIZE = 128  # bytes: one block, allocated by the first write, before the disk fills up


class Figures:
    """asked: in a unit of the attack. measured: its mean over the time so far, in the same unit. met: how often it acted."""

    def __init__(self, journal, attack_id, asked=None):
        self.path = os.path.join(journal.directory(attack_id), NAME)
        self.asked = asked
        self.met = None
        self.measured = None
        self._handle = None
        self._written = self._since = 0.0
        self._sum = self._time = 0.0

    def reading(self):
        return undo_figures.Figures(_STALLED)

    def mean(self, value):
        """Take a value into the mean, weighted by the time since the one before."""
        now = uptime()
        if self._since:
            self._sum += value * (now - self._since)
            self._time += now - self._since
            self.measured = self._sum / max(self._time, 0.01)
        self._since = now

    def keep(self, at_once=False):
        """Write the figures, at most once a second. After a failure the reading is unclear."""
        now = uptime()
        if not at_once and now - self._written < _EVERY:
            return
        self._written = now
        lines = ["%s %.3f" % (name, value) for name, value in (("asked", self.asked), ("measured", self.measured)) if value is not None]
        lines += ["met %d" % self.met] if self.met is not None else []
        text = "\n".join(lines + ["at %d" % (now * 100), "end", ""])
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.pwrite(self._handle, text.ljust(_SIZE, "\n").encode("ascii"), 0)
        except OSError:
            pass
