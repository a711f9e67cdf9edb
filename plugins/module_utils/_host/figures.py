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
_STALLED = 10  # seconds: a worker that has not written for so long is not at work
_SIZE = 128  # bytes: one block, allocated by the first write, so that a disk that fills up later does not matter


class Figures:
    """asked: what the attack was asked for. met: how often it acted. measured: its mean over the time so far, in the unit of asked."""

    def __init__(self, journal, attack_id, asked=None):
        self.path = os.path.join(journal.directory(attack_id), NAME)
        self.asked = asked
        self.met = None
        self.measured = None
        self._handle = None
        self._written = self._since = 0.0
        self._sum = self._time = 0.0

    def reading(self):
        """The reading of these figures, for an Undo."""
        return undo_figures.Figures(_STALLED)

    def mean(self, value):
        """Take a measured value into the mean, weighted by the time since the value before it."""
        now = uptime()
        if self._since:
            self._sum += value * (now - self._since)
            self._time += now - self._since
            self.measured = self._sum / max(self._time, 0.01)
        self._since = now

    def best(self, value):
        """Take a value that grows into the figures: the most that was reached. While it grows, the next keep() writes at once."""
        if value > (self.measured or 0):
            self._written = 0.0
        self.measured = max(value, self.measured or 0)

    def keep(self, at_once=False):
        """Write the figures, at most once a second. A failure is ignored: the reading then says that it is unclear."""
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
