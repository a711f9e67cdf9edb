# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""When a stressor ends by itself. It may hold resources that its undo needs, so it does not wait for the undo."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import state_dir
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime


class Deadline:
    """The end of an attack: its duration is over, its lease was not renewed, or its record is gone."""

    def __init__(self, attack_id, duration):
        self.until = uptime() + duration
        self._file = os.path.join(state_dir(), attack_id, "deadline")

    def over(self):
        now = uptime()
        if now >= self.until:
            return True
        try:
            with open(self._file, errors="replace") as handle:
                text = handle.read().strip()
        except OSError:
            return not os.path.lexists(self._file)  # else: no file handle is free just now
        return text.isdecimal() and len(text) < 16 and now * 100 >= int(text)
