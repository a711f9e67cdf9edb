# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.readings import doubts


def of(*readings: dict | None) -> list[str]:
    return doubts([{"host": f"h{number}", "reading": reading} for number, reading in enumerate(readings)])


@pytest.mark.parametrize(
    "reading",
    [None, {}, {"in_place": True}, {"in_place": True, "met": 1}, {"in_place": True, "asked": 50, "measured": 25}, {"asked": 0, "measured": 0}, {"asked": 50}],
)
def test_nothing_to_doubt(reading: dict | None) -> None:
    assert of(reading) == []


@pytest.mark.parametrize(
    "reading, words",
    [
        ({"in_place": False, "lost": "netem on eth0"}, "not there any more when it was undone: netem on eth0 (on h0)"),
        ({"in_place": False}, "which one is unknown"),
        ({"in_place": None}, "could not be read"),
        ({"in_place": True, "met": 0}, "met nothing"),
        ({"in_place": True, "met": 4, "asked": 50, "measured": 24.9}, "24.9 of 50, less than half"),
    ],
)
def test_doubts(reading: dict, words: str) -> None:
    (found,) = of(reading)
    assert words in found


def test_one_that_met_something_is_enough_but_each_must_be_in_place() -> None:
    assert of({"in_place": True, "met": 0}, {"in_place": True, "met": 7}, None) == []
    gone = {"in_place": False, "lost": "x"}
    (found,) = of({"in_place": True, "met": 7}, gone, gone)
    assert found.endswith("undone: x (on h1, h2); look there at who or what changed that, and at the logs of that time")
    assert "look" not in of({"in_place": None})[0]
