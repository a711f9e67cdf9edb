# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations, as plans, probes and attacks take them."""

from __future__ import annotations

import math
import typing as t

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._units import duration


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("50ms", 0.05), ("30s", 30), ("5m", 300), ("1h", 3600), ("1.5s", 1.5), ("24h", 86400), (30, 30), (0.25, 0.25), ("30", 30), (0, 0)],
)
def test_good(given: t.Any, seconds: float) -> None:
    assert duration("window", given) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "given",
    [
        *(-1, "-1", "-1s", math.nan, "nan", math.inf, "inf", 1e9, "1e9", "25h", "5m; rm -rf /", "$(id)", "5m\n", "\n5m", "", " ", "s"),
        *("5 minutes", "1h30m", "5M", "5d", "١s", True, False, None, [], {}, "1,5s", "+5s", ".5s", "5.s", "0x10", "1_000"),
    ],
)
def test_bad_names_option_value_and_fix(given: t.Any) -> None:
    with pytest.raises(BadOption) as error:
        duration("probe 'shop': timeout", given, maximum=86400)
    message = str(error.value)
    assert message.startswith("probe 'shop': timeout: ")
    assert repr(given) in message
    assert "write a duration such as 250ms, 30s, 5m or 1h" in message or "the most is 24h" in message or "the least is" in message


def test_limits() -> None:
    with pytest.raises(BadOption, match="the least is 1s"):
        duration("duration", 0, minimum=1)
    with pytest.raises(BadOption, match="the most is 1h"):
        duration("duration", "61m", maximum=3600)
