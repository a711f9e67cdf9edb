# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import windows as experiment_windows


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def is_open(window: str, when: str) -> bool:
    return experiment_windows.open_until([experiment_windows.parse_window("window", window)], at(when)) is not None


# 2026-03-02 is a Monday.
@pytest.mark.parametrize(
    "window, when, expected",
    [
        ("Mon-Fri 09:00-15:00 UTC", "2026-03-02T09:00:00", True),
        ("Mon-Fri 09:00-15:00 UTC", "2026-03-02T08:59:59", False),
        ("Mon-Fri 09:00-15:00 UTC", "2026-03-02T14:59:59", True),
        ("Mon-Fri 09:00-15:00 UTC", "2026-03-02T15:00:00", False),
        ("Mon-Fri 09:00-15:00 UTC", "2026-03-07T10:00:00", False),
        ("mon,wed 9:00-15:00 UTC", "2026-03-04T10:00:00", True),
        ("mon,wed 9:00-15:00 UTC", "2026-03-03T10:00:00", False),
        ("Sat-Mon 09:00-15:00 UTC", "2026-03-08T10:00:00", True),  # weekdays across the end of the week
        ("Sat-Mon 09:00-15:00 UTC", "2026-03-02T10:00:00", True),
        ("Sat-Mon 09:00-15:00 UTC", "2026-03-03T10:00:00", False),
        ("09:00-15:00 UTC", "2026-03-08T10:00:00", True),  # every day
        ("Mon 00:00-24:00 UTC", "2026-03-02T23:59:59", True),
        ("Mon 00:00-24:00 UTC", "2026-03-03T00:00:00", False),
        ("Mon-Fri 09:00-15:00 Europe/Berlin", "2026-03-02T08:00:00", True),  # 09:00 in Berlin
        ("Mon-Fri 09:00-15:00 Europe/Berlin", "2026-03-02T14:00:00", False),
        ("Mon-Fri 09:00-15:00 Europe/Berlin", "2026-07-06T07:00:00", True),  # summer time
        ("Mon 00:00-02:00 Asia/Tokyo", "2026-03-01T15:30:00", True),  # still Sunday in UTC
    ],
)
def test_open(window: str, when: str, expected: bool) -> None:
    assert is_open(window, when) is expected


@pytest.mark.parametrize(
    "when, expected",
    [
        ("2026-03-06T21:59:59", False),
        ("2026-03-06T22:00:00", True),
        ("2026-03-07T00:00:00", True),  # Saturday, in the window that opened on Friday
        ("2026-03-07T03:59:59", True),
        ("2026-03-07T04:00:00", False),
        ("2026-03-07T23:00:00", False),  # Saturday evening opens nothing
        ("2026-03-06T02:00:00", False),  # Friday morning belongs to Thursday
    ],
)
def test_a_window_across_midnight_belongs_to_the_day_it_opens(when: str, expected: bool) -> None:
    assert is_open("Fri 22:00-04:00 UTC", when) is expected


def test_windows_that_touch_count_as_one() -> None:
    windows = [experiment_windows.parse_window("window", text) for text in ("Mon 22:00-24:00 UTC", "Tue 00:00-02:00 UTC")]
    assert experiment_windows.open_until(windows, at("2026-03-02T23:00:00")) == at("2026-03-03T02:00:00")
    always = [experiment_windows.parse_window("window", "00:00-24:00 UTC")]
    assert experiment_windows.open_until(always, at("2026-03-02T23:00:00")) > at("2026-03-05T00:00:00")


@pytest.mark.parametrize("when, hours", [("2026-03-28T21:00:00", 6), ("2026-10-24T20:00:00", 8)])
def test_a_night_in_which_the_clocks_change_ends_by_the_wall_clock(when: str, hours: int) -> None:
    until = experiment_windows.open_until([experiment_windows.parse_window("window", "Sat 22:00-05:00 Europe/Berlin")], at(when))
    assert until is not None
    assert (until - at(when)).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    "when, seconds, allowed, words",
    [
        ("2026-03-02T14:00:00", 600, True, "open until"),
        ("2026-03-02T14:55:00", 600, False, "closes at Mon 2026-03-02 15:00 UTC, before the experiment would end"),
        ("2026-03-07T10:00:00", 600, False, "opens next at Mon 2026-03-09 09:00 UTC"),
        ("2026-03-06T10:00:00", 600, False, "2026-03-06 is forbidden"),
        ("2026-04-02T10:00:00", 600, False, "2026-04-01..2026-04-03 is forbidden"),
    ],
)
def test_check(when: str, seconds: float, allowed: bool, words: str) -> None:
    windows = [experiment_windows.parse_window("window", "Mon-Fri 09:00-15:00 UTC")]
    forbidden = [experiment_windows.parse_forbidden("forbid", text) for text in ("2026-03-06", "2026-04-01..2026-04-03")]
    assert (result := experiment_windows.may_run(windows, forbidden, at(when), seconds))[0] is allowed
    assert words in result[1]


def test_check_without_windows() -> None:
    assert experiment_windows.may_run([], [], at("2026-03-02T14:00:00"), 1e6) == (True, "no change window is set")
    forbidden = [experiment_windows.parse_forbidden("forbid", "2026-03-03")]
    assert experiment_windows.may_run([], forbidden, at("2026-03-02T23:59:00"), 120) == (False, "2026-03-03 is forbidden")


def test_a_forbidden_date_is_a_date_in_the_zone_of_the_window() -> None:
    windows = [experiment_windows.parse_window("window", "00:00-24:00 Asia/Tokyo")]
    forbidden = [experiment_windows.parse_forbidden("forbid", "2026-03-03")]
    assert experiment_windows.may_run(windows, forbidden, at("2026-03-02T14:00:00"), 60)[0]
    assert not experiment_windows.may_run(windows, forbidden, at("2026-03-02T15:00:00"), 60)[0]


@pytest.mark.parametrize(
    "value",
    [
        "", "always", None, 5, "Mon-Fri", "Mon-Fri 09:00 UTC", "Mon-Fri 09:00-15:00", "Mon-Fri 9-15 UTC", "Mo-Fr 09:00-15:00 UTC",
        "Mon- 09:00-15:00 UTC", "Mon-Wed-Fri 09:00-15:00 UTC", "Mon-Fri 09:00-09:00 UTC", "Mon-Fri 24:00-09:00 UTC", "Mon-Fri 09:60-15:00 UTC",
        "Mon-Fri 09:00-25:00 UTC", "Mon-Fri 09:00-15:00 Europe/Atlantis", "Mon-Fri 09:00-15:00 ../../etc/passwd", "Mon-Fri 09:00-15:00 UTC; id",
        "Mon-Fri 09:00-15:00 UTC\n",
    ],
)  # fmt: skip
def test_bad_windows_are_refused(value: object) -> None:
    with pytest.raises(BadOption, match="safety.window: "):
        experiment_windows.parse_window("safety.window", value)


@pytest.mark.parametrize("value", ["", "24.12.2026", "2026-13-01", "2026-02-30", "2026-12-24..2026-12-23", "2026-12-24/2026-12-26", 20261224, None, "tomorrow"])
def test_bad_dates_are_refused(value: object) -> None:
    with pytest.raises(BadOption, match="safety.forbid: "):
        experiment_windows.parse_forbidden("safety.forbid", value)
