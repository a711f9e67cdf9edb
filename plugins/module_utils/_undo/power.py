# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The reading of an attack that takes the host down."""

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed


class Rebooted(Typed):
    """Whether the host has booted since the attack began, as the number of what it met; until then it waits."""

    def render(self):
        return ["in_place=true met=1", "if same_boot; then met=0; fi"]
