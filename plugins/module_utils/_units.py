# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Strict parsers for durations, percentages and whole numbers. Pure; used on targets and on the controller.

Every parser takes the option's name first, so that its error can name it.
"""

import math
import re
from typing import Optional

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

_WHOLE = r"(?:0|[1-9][0-9]{0,17})"  # no leading zero: YAML takes 010 for 8; few enough digits for int() and float()
NUMBER = r"(" + _WHOLE + r"(?:\.[0-9]+)?)"
_DURATION = r"^" + NUMBER + r" ?(us|ms|s|m|h)?\Z"
_DURATION_FACTOR = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PERCENT = r"^" + NUMBER + r"%?\Z"


def text_of(value: object) -> Optional[str]:
    """The value as text; None for booleans (YAML yes/no), containers and infinite numbers."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return (f"{value:.9f}").rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def duration(option: str, value: object, minimum: float = 0.0, maximum: Optional[float] = None, unit_needed: bool = False) -> float:
    """Seconds as a float from "250ms", "30s", "5m", "1h", or a plain number of seconds.

    With unit_needed a plain number is refused (netem's delays, where 100 could mean seconds or milliseconds).
    """
    text = text_of(value)
    found = re.match(_DURATION, text) if text is not None else None
    if not found:
        raise BadOption(option, value, "write a duration such as 250ms, 30s, 5m or 1h")
    if unit_needed and found.group(2) is None and float(found.group(1)) != 0:
        raise BadOption(option, value, f"add a unit, for example {found.group(1)}ms")
    seconds = float(found.group(1)) * _DURATION_FACTOR[found.group(2) or "s"]
    if seconds < minimum:
        raise BadOption(option, value, f"the least is {human(minimum)}")
    if maximum is not None and seconds > maximum:
        raise BadOption(option, value, f"the most is {human(maximum)}")
    return seconds


def human(seconds: float) -> str:
    """A duration for people: 0.25 -> "250ms", 90 -> "90s", 3600 -> "1h"."""
    if seconds < 1:
        return f"{round(seconds * 1e3, 3):g}ms"
    for size, name in ((3600, "h"), (60, "m")):
        if seconds >= 2 * size and seconds % size == 0 or seconds == size == 3600:
            return "%d%s" % (seconds // size, name)
    return f"{text_of(round(seconds, 3))}s"


def percent(option: str, value: object, minimum: float = 0.0, maximum: float = 100.0) -> float:
    """A percentage as a float from 5, 2.5 or "5%"."""
    text = text_of(value)
    found = re.match(_PERCENT, text) if text is not None else None
    if not found:
        raise BadOption(option, value, "write a percentage such as 5 or 2.5%")
    number = float(found.group(1))
    if not minimum <= number <= maximum:
        raise BadOption(option, value, f"write a percentage from {minimum:g} to {maximum:g}")
    return number


def integer(option: str, value: object, minimum: int, maximum: int) -> int:
    """A whole number in a range; refuses booleans, floats with a fraction and octal-looking text (010)."""
    text = text_of(value)
    if text is None or not re.match(_WHOLE + r"\Z", text) or not minimum <= int(text) <= maximum:
        raise BadOption(option, value, "write a whole number from %d to %d" % (minimum, maximum))
    return int(text)


def port(option: str, value: object) -> int:
    """A TCP or UDP port, 1 to 65535."""
    return integer(option, value, 1, 65535)
