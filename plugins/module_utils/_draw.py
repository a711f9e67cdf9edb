# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Seeded random order. Pure: the same seed and names give the same order on every machine; used for hosts and for objects in a cluster."""

import hashlib
import math
from typing import Iterable, List

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

LIMIT = 1 << 63


def seed(option: str, value: object) -> str:
    """A seed as text: 42 and "42" draw the same. Errors: BadOption for a value that is hard to note and enter again."""
    number = isinstance(value, int) and not isinstance(value, bool) and -LIMIT <= value < LIMIT
    word = isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable() and value == value.strip()
    if not number and not word:
        raise BadOption(option, value, "write a whole number below 2^63, or 1 to 64 characters without line breaks, and without spaces around them")
    return str(value)


def rank(seed: str, names: Iterable[str]) -> List[str]:
    """The names in the order in which the seed draws them."""
    return sorted(set(names), key=lambda name: (hashlib.sha256((f"{seed}\0{name}").encode()).digest(), name))


def share(percent: float, total: int) -> int:
    """A percentage of a number, rounded down."""
    return int(math.floor(percent * total / 100.0 + 1e-9))
