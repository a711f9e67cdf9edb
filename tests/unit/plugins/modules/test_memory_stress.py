# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that memory_stress refuses, and what it plans."""

from __future__ import annotations

import math

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._resources import memory
from ansible_collections.faultline.chaos.plugins.modules.memory_stress import MemoryStress

MIB = memory.MIB


class Host:
    is_root = True


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target with 1000 MiB, 400 of them in use, no swap and no control groups."""
    monkeypatch.setattr(memory, "look", lambda limited=True: memory.View(1000 * MIB, 600 * MIB, False))
    monkeypatch.setattr(memory, "meminfo", lambda text=None: {"SwapTotal": 0})
    monkeypatch.setattr(cgroup, "hierarchies", lambda mountinfo=None: {})


def attack(**params) -> MemoryStress:
    found = MemoryStress({"amount": None, "percent": None, "of": "total", "reserve": None, "rate": None, **params}, Host())
    found.duration = 30.0
    found.id, found.journal = "a", Journal("/var/lib/faultline")
    found.validate()
    return found


@pytest.mark.parametrize("amount", [0, -1, "", "10XB", "500 MB; id", True, math.nan, math.inf, [1], {}, "1MiB\n", "0.5MiB", "5e6", "010"])
def test_amounts_that_are_refused(amount) -> None:
    with pytest.raises(BadOption, match="^amount: "):
        attack(amount=amount)


@pytest.mark.parametrize(("amount", "expected"), [("500 MB", 500 * 10**6), ("500MiB", 500 * MIB), (2 * MIB, 2 * MIB), ("1.5GiB", 1536 * MIB)])
def test_amounts(amount, expected: int) -> None:
    assert attack(amount=amount).amount == expected


@pytest.mark.parametrize("percent", [0, 0.5, 101, -1, "50 %", "half", "", True, math.nan, [50], "50; id"])
def test_percentages_that_are_refused(percent) -> None:
    with pytest.raises(BadOption, match="^percent: "):
        attack(percent=percent)


def test_of_belongs_to_percent() -> None:
    with pytest.raises(BadOption, match="^of: "):
        attack(amount="100MB", of="available")


@pytest.mark.parametrize("option", ["reserve", "rate"])
@pytest.mark.parametrize("value", ["", "much", -1, True, math.nan, "10XB", "5m; id"])
def test_sizes_that_are_refused(option: str, value) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(**{option: value})


def test_a_rate_that_never_ends_is_refused() -> None:
    with pytest.raises(BadOption, match="^rate: .*the least is 64 KiB"):
        attack(rate=1)


def test_a_reserve_below_the_floor_is_refused() -> None:
    found = attack(reserve="99MiB")
    with pytest.raises(BadOption, match="^reserve: '99MiB' is refused: the least on this target is 100 MiB"):
        found.guard()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"percent": 76}, "^percent: 76 is refused: with a reserve of 250 MiB the most is 74% on this target"),
        ({"percent": 76, "reserve": "400MiB"}, "^percent: .* with a reserve of 400 MiB the most is 60% on this target"),
        ({"amount": "351MiB"}, "^amount: '351MiB' is refused: with a reserve of 250 MiB the most is 350 MiB now"),
        ({"amount": "100MiB", "reserve": "800MiB"}, "^amount: .* the most is 0 B now"),
        ({"percent": 60, "of": "available"}, "^percent: 60 is refused: with a reserve of 250 MiB the most is 58% now"),
        ({"reserve": "400MiB"}, "^percent: 70.0 is refused"),
    ],
)
def test_what_would_not_leave_the_reserve_is_refused(params: dict, message: str) -> None:
    with pytest.raises(BadOption, match=message):
        attack(**params).guard()


@pytest.mark.parametrize(
    ("params", "amount", "used"),
    [({}, None, 700), ({"percent": "50%"}, None, 500), ({"percent": 50, "of": "available"}, 300, None), ({"amount": "350MiB"}, 350, None)],
)
def test_goals(params: dict, amount: int | None, used: int | None) -> None:
    found = attack(**params)
    found.guard()
    assert found.goal.amount == (amount and amount * MIB) and found.goal.used == (used and used * MIB)
    assert found.goal.reserve == 250 * MIB


def test_plan_says_what_happens() -> None:
    found = attack(percent=60, rate="10MiB")
    found.guard()
    plan = found.plan(found.snapshot())
    assert plan.before == "memory  400 MiB of 1000 MiB in use (40 %)"
    assert plan.after == "memory  600 MiB of 1000 MiB in use (60 %), held there, 10 MiB in a second; 250 MiB stay available"
    assert plan.notes == ["no control group of its own here: the attack is a process group, capped by limits of its own"]
    assert [worker.pid for worker in plan.workers] == [None]  # nothing runs yet


def test_plan_says_when_nothing_is_added_and_where_swap_and_limits_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "meminfo", lambda text=None: {"SwapTotal": 512 * MIB})
    monkeypatch.setattr(memory, "look", lambda limited=True: memory.View(1000 * MIB, 600 * MIB, True))
    found = attack(percent=40)
    found.guard()
    notes = " | ".join(found.plan(found.snapshot()).notes)
    assert "nothing is added" in notes and "512 MiB of swap" in notes and "limits this target to 1000 MiB" in notes
