# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Figures of what an attack holds: bytes of memory, process slots, file handles or ports."""

from ansible_collections.faultline.chaos.plugins.module_utils._host.figures import Figures as Kept

_GROWS = 1.02  # times what it was: less is the noise of a value that is held


class Held(Kept):
    """asked and measured have the unit of what is held. measured: how much of it was held over the time."""

    def __init__(self, journal, attack_id, asked=None):
        super().__init__(journal, attack_id, asked)
        self._most = self._grown = 0.0

    def hold(self, value):
        """Take what is held now: the most while it grows, from then on the mean over time, so that what is lost later counts.

        While it grows, the next keep() writes at once.
        """
        if value > self._most:
            self._most, self._written = value, 0.0
        if self.measured is None or value > self._grown * _GROWS:
            self._grown, self._since, self._sum, self._time = value, 0.0, 0.0, 0.0
            self.measured = value
        self.mean(value)
