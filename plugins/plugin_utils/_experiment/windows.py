# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Change windows and forbidden dates: when an experiment may run. Pure; the caller passes the time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = 'write days, times and a time zone, such as "Mon-Fri 09:00-15:00 Europe/Berlin" or "22:00-04:00 UTC"'
_WINDOW = re.compile(r"^(?:([A-Za-z,-]+) )?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})(?: (\S+))?\Z")
_DATES = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?\Z")
_WHOLE_DAY = 24 * 60


@dataclass(frozen=True)
class Window:
    """Open on these weekdays from one wall clock time to another. An end that is not later than the start is on the next day."""

    days: frozenset[int]
    opens: int  # minutes after midnight
    closes: int
    zone: tzinfo
    text: str

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """The opening on this day, in UTC, so that a clock change for summer time during it does not matter."""
        if day.weekday() not in self.days:
            return None
        next_day = self.closes <= self.opens
        return self._at(day, self.opens), self._at(day + timedelta(days=1) if next_day else day, self.closes)

    def _at(self, day: date, minutes: int) -> datetime:
        if minutes == _WHOLE_DAY:
            day, minutes = day + timedelta(days=1), 0
        local = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=self.zone)
        return local.astimezone(timezone.utc)

    def around(self, when: datetime) -> tuple[datetime, datetime] | None:
        """The opening that contains this moment."""
        today = when.astimezone(self.zone).date()
        for day in (today, today - timedelta(days=1)):
            span = self.on(day)
            if span and span[0] <= when < span[1]:
                return span
        return None

    def next_opening(self, when: datetime) -> datetime | None:
        today = when.astimezone(self.zone).date()
        spans = (self.on(today + timedelta(days=ahead)) for ahead in range(9))
        return next((span[0] for span in spans if span and span[0] > when), None)


@dataclass(frozen=True)
class Forbidden:
    """A date, or the days from one date to another, both included."""

    first: date
    last: date
    text: str


def parse_window(option: str, value: object) -> Window:
    found = _WINDOW.match(value) if isinstance(value, str) else None
    if not found:
        raise BadOption(option, value, _FORM)
    opens, closes = (_minutes(option, value, found.group(at), found.group(at + 1)) for at in (2, 4))
    if opens == closes or opens == _WHOLE_DAY:
        raise BadOption(option, value, "the window is empty; write 00:00-24:00 for the whole day")
    if found.group(6) is None:
        raise BadOption(option, value, "name the time zone behind the times, such as Europe/Berlin or UTC")
    days = _days(option, value, found.group(1))
    return Window(days, opens, closes, _zone(option, value, found.group(6)), str(value))


def _minutes(option: str, value: object, hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _WHOLE_DAY:
        raise BadOption(option, value, "times go from 00:00 to 24:00")
    return total


def _days(option: str, value: object, text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        names = [name.capitalize() for name in part.split("-")]
        if len(names) > 2 or any(name not in DAYS for name in names):
            raise BadOption(option, value, "write weekdays as Mon, Mon-Fri or Mon,Wed,Fri")
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found.update(day % 7 for day in range(first, last + 1 if last >= first else last + 8))
    return frozenset(found)


def _zone(option: str, value: object, name: str) -> tzinfo:
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        fix = f"{name} is no time zone known here; write UTC or a name such as Europe/Berlin (a slim image may lack tzdata)"
        raise BadOption(option, value, fix) from error


def parse_forbidden(option: str, value: object) -> Forbidden:
    found = _DATES.match(value) if isinstance(value, str) else None
    try:
        if not found:
            raise ValueError
        first = date.fromisoformat(found.group(1))
        last = date.fromisoformat(found.group(2)) if found.group(2) else first
    except ValueError:
        raise BadOption(option, value, 'write a date or a range, such as "2026-12-24" or "2026-12-24..2027-01-02"') from None
    if last < first:
        raise BadOption(option, value, "the range ends before it begins")
    return Forbidden(first, last, str(value))


def open_until(windows: Sequence[Window], when: datetime) -> datetime | None:
    """The end of the present opening, or None when closed. Windows that touch or overlap are joined."""
    end: datetime | None = None
    moment = when
    for _step in range(len(windows) * 8 + 1):
        later = max((span[1] for span in (window.around(moment) for window in windows) if span), default=None)
        if later is None:
            return end
        end = moment = later
    return end


def may_run(windows: Sequence[Window], forbidden: Sequence[Forbidden], when: datetime, seconds: float) -> tuple[bool, str]:
    """Whether work that begins at `when` and takes `seconds` is allowed: (allowed, one sentence)."""
    finish = when + timedelta(seconds=seconds)
    zones = list({window.zone: None for window in windows}) or [timezone.utc]
    for zone in zones:
        first, last = when.astimezone(zone).date(), finish.astimezone(zone).date()
        for dates in forbidden:
            if first <= dates.last and last >= dates.first:
                return False, f"{dates.text} is forbidden"
    if not windows:
        return True, "no change window is set"
    names = " or ".join(window.text for window in windows)
    until = open_until(windows, when)
    if until is None:
        openings = [(opening, window) for window in windows if (opening := window.next_opening(when))]
        opening, window = min(openings, key=lambda pair: pair[0])
        return False, f"outside of {names}; it opens next at {shown(opening, window.zone)}"
    if finish > until:
        return False, f"{names} closes at {shown(until, zones[0])}, before the experiment would end ({shown(finish, zones[0])})"
    return True, f"inside {names}, open until {shown(until, zones[0])}"


def shown(when: datetime, zone: tzinfo) -> str:
    local = when.astimezone(zone)
    return f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {local.tzname()}"
