# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Durations on the controller: the one parser of everything that is written in experiments and playbooks.

The grammar is the one of the attacks on the targets, so that "30s" means the same on both sides.
"""

from __future__ import annotations

import typing as t

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._units import duration, human

__all__ = ["DAY", "BadOption", "human", "parse_duration"]

DAY = 86400.0


def parse_duration(value: t.Any, option: str, minimum: float = 0.0, maximum: float = DAY) -> float:
    """Seconds from "50ms", "30s", "5m", "1h" or a plain number of seconds; BadOption names the option, the value and the fix."""
    return duration(option, value, minimum, maximum)
