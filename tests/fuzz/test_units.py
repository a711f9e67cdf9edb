# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations, sizes, rates, percentages and whole numbers: a number within the limits, or a refusal that names the option."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._sizes import human_size, rate, size
from ansible_collections.faultline.chaos.plugins.module_utils._units import duration, human, integer, percent, port
from tests.fuzz.words import answers

PARSERS = {
    "duration": (lambda value: duration("opt", value), 0.0, math.inf),
    "duration with limits": (lambda value: duration("opt", value, minimum=1.0, maximum=86400.0), 1.0, 86400.0),
    "duration with unit": (lambda value: duration("opt", value, unit_needed=True), 0.0, math.inf),
    "percent": (lambda value: percent("opt", value), 0.0, 100.0),
    "integer": (lambda value: integer("opt", value, 0, 2**31), 0, 2**31),
    "port": (lambda value: port("opt", value), 1, 65535),
    "rate": (lambda value: rate("opt", value), 8.0, math.inf),
    "size": (lambda value: size("opt", value), 0, math.inf),
    "size with limits": (lambda value: size("opt", value, 4096, 1 << 40), 4096, 1 << 40),
}


@pytest.mark.parametrize("name", PARSERS)
@given(value=answers())
@example(value="9" * 5000)
@example(value="9" * 400 + "h")
def test_a_number_within_the_limits_or_a_refusal(name: str, value) -> None:
    parse, least, most = PARSERS[name]
    try:
        found = parse(value)
    except BadOption as error:
        assert str(error).startswith("opt: ") and len(str(error)) > len("opt:  is refused: ") and error.details == {"option": "opt"}
        return
    assert math.isfinite(found) and least <= found <= most
    if not isinstance(value, float):  # which is rounded to nanoseconds
        assert parse(str(value)) == found, "as text it means the same"


@given(seconds=st.one_of(st.integers(0, 10**12), st.integers(0, 10**7).map(lambda ms: ms / 1000), st.floats(0.001, 1e9)))
def test_a_duration_for_people_is_that_duration(seconds: float) -> None:
    assert duration("opt", human(seconds)) == pytest.approx(seconds, abs=0.0005 if seconds >= 1 else 5e-7)


@given(number=st.integers(0, 10**15))
def test_a_size_for_people_is_near_that_size(number: int) -> None:
    assert size("opt", human_size(number)) == pytest.approx(number, rel=0.001, abs=1)
