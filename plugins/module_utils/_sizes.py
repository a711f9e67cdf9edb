# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Strict parsers for sizes in bytes and rates in bits, as those of _units.py. Pure; used on targets and on the controller."""

import re
from typing import Optional

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._units import NUMBER, text_of

_RATE = r"^" + NUMBER + r"(k|m|g)?bit\Z"
_RATE_FACTOR = {None: 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_SIZE = r"^" + NUMBER + r" ?(?:([kKMGT])(i?B)?|B)?\Z"


def rate(option: str, value: object, minimum: float = 8.0) -> float:
    """Bits per second as a float from "1mbit", "512kbit", "2.5gbit" or "800bit"."""
    text = text_of(value)
    found = re.match(_RATE, text.lower()) if text is not None else None
    if not found:
        raise BadOption(option, value, "write a rate such as 512kbit, 1mbit or 1gbit")
    bits = float(found.group(1)) * _RATE_FACTOR[found.group(2)]
    if bits < minimum:
        raise BadOption(option, value, f"the least is {minimum:g}bit")
    return bits


def size(option: str, value: object, minimum: int = 0, maximum: Optional[int] = None) -> int:
    """Bytes as an int from 4096, "64KiB", "10MB" or "1.5G", as coreutils count: K, KiB, M ... by 1024, kB, MB ... by 1000."""
    text = text_of(value)
    found = re.match(_SIZE, text) if text is not None else None
    if not found:
        raise BadOption(option, value, "write a size in bytes or with a unit, such as 4096, 64KiB, 100MB or 1GiB")
    power = " KMGT".index((found.group(2) or " ").upper())
    number = int(float(found.group(1)) * (1000 if found.group(3) == "B" else 1024) ** power) if power else int(float(found.group(1)))
    if number < minimum:
        raise BadOption(option, value, f"the least is {human_size(minimum)}")
    if maximum is not None and number > maximum:
        raise BadOption(option, value, f"the most is {human_size(maximum)}")
    return number


def human_size(number: float) -> str:
    """Bytes for people: 1536 -> "1.5 KiB"."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"
