# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults 3 and 14: the module is killed at each step, and between the write and the rename of each of its files.

Before the injection nothing has changed; after it the timer reverts on time.
"""

from __future__ import annotations

import pytest

from tests.faults.support.attacks import ATTACKS, BY_NAME, NO_JOURNAL, Attack, every
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target


def module_dies_at(target: Target, attack: Attack, point: str) -> None:
    target.watch(attack)
    result = target.attack(attack, crash=point)
    assert result.get("failed") and result.get("killed") is not False and "deadline" not in result, result
    if point in NO_JOURNAL:
        target.never_in_effect()
        if point != "guarded" and target.has_systemd:  # recovery finds nothing to do, and goes
            target.sh("systemctl start faultline-recover", check=False)
            target.sh(f"sh {STATE}/control.sh sweep")
        target.sh(f"[ ! -e {STATE}/control.sh ] || sh {STATE}/control.sh sweep")
        target.nothing_happened(attack)
    elif point == "journalled":
        target.wait(f"sh {STATE}/control.sh sweep; [ ! -e {STATE}/{attack.module} ]", 60)
        target.as_before()
    elif point in ("armed", "inject:0", "inject:1"):  # not yet what counts as in effect
        found = target.measured()
        assert found.closed, found
        target.row(f"3 module killed at {point}", attack, found)
        assert found.late <= found.allowed and found.closing <= 6 * found.allowed, found
        target.as_before()
    else:
        target.in_time(f"3 module killed at {point}", attack)


@pytest.mark.parametrize(("attack", "point"), every(), ids=str)
def test_module_dies_at_a_step(target: Target, attack: Attack, point: str) -> None:
    module_dies_at(target, attack, point)


@pytest.mark.parametrize(("attack", "point"), every([BY_NAME["process_kill"], BY_NAME["cpu_stress"]], ("prepared", "armed", "injected", "verified")), ids=str)
def test_module_dies_without_systemd(weak: Target, attack: Attack, point: str) -> None:
    module_dies_at(weak, attack, point)


# What a module writes and then renames, in that order; "written" is the whole journal, of which the record is one file.
FILES = ("rename:control.sh", "rename:faultline-recover.service", "rename:record.json", "rename:revert.sh", "written")
UNFINISHED = f"ls -d {STATE}/.new-* {STATE}/*.tmp {STATE}/*/*.tmp /etc/systemd/system/*.tmp /etc/cron.d/*.tmp 2>/dev/null"


def between_write_and_rename(target: Target, attack: Attack, point: str) -> None:
    """A module dies there: no journal, nothing injected, and no residue but what is unfinished."""
    if point == "rename:control.sh":
        target.sh(f"rm -f {STATE}/control.sh")  # else it is not written again
    target.watch(attack)
    result = target.attack(attack, crash=point)
    assert result.get("failed") and result.get("killed") is not False and "deadline" not in result, result
    target.never_in_effect()
    assert not target.exists(f"{STATE}/{attack.module}")
    assert len(target.sh(UNFINISHED, check=False).out.split()) == 1, "it did not die where it should"
    info = target.module("faultline.chaos.attack_info", {"history": 1})
    recovery = ("unit faultline-sweep.", "unit faultline-recover.", "file /etc/systemd/system/faultline-recover.service")  # which goes by itself
    assert info["attacks"] == [] and not [mark for mark in info["residue"] if not mark.startswith(recovery)], info


@pytest.mark.parametrize("point", FILES)
def test_module_dies_between_write_and_rename(target: Target, point: str) -> None:
    """The next attack with the same id is not kept from anything, and nothing of the first one outlives its revert."""
    attack = BY_NAME["process_kill"]
    between_write_and_rename(target, attack, point)
    assert target.attack(attack, duration="60s").get("status") == "active"
    assert target.module("faultline.chaos.revert", {"all": True})["reverted"] == [attack.module]
    assert not target.sh(UNFINISHED, check=False).out
    target.as_before()


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_the_sweep_removes_a_journal_that_was_not_published(target: Target, attack: Attack) -> None:
    """Nobody attacks again: the recovery timer, which was set up before, cleans up and goes."""
    between_write_and_rename(target, attack, "written")
    target.sh(f"sh {STATE}/control.sh sweep")
    assert not target.sh(UNFINISHED, check=False).out
    target.nothing_happened(attack)


def test_module_dies_before_its_result_is_noted(target: Target) -> None:
    """By then it is injected: the file goes with the journal, on time."""
    attack = BY_NAME["process_kill"]
    target.watch(attack)
    assert target.attack(attack, crash="rename:effect").get("failed")
    target.in_time("14 module killed before the rename of its effect", attack)
    assert not target.sh(UNFINISHED, check=False).out


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nothing_dies(target: Target, attack: Attack) -> None:
    """The measure of the others: the timer alone."""
    target.watch(attack)
    result = target.played(attack.name, target.options(attack))  # the modules of other tests have no controller: see direct.py
    assert result.get("status") == "active", result
    target.in_time("0 nothing", attack)
    assert target.history()[-1]["by"] == "timer"


def test_nothing_dies_without_systemd(weak: Target) -> None:
    attack = BY_NAME["process_kill"]
    weak.watch(attack)
    result = weak.played(attack.name, weak.options(attack))
    assert (result.get("status"), result.get("deadman")) == ("active", "watcher"), result
    weak.in_time("0 nothing", attack)


@pytest.mark.parametrize("point", ["journalled", "armed", "injected"])
@pytest.mark.parametrize("attack", [BY_NAME["netem"], BY_NAME["cpu_stress"]], ids=str)
def test_the_same_task_after_its_module_died(target: Target, attack: Attack, point: str) -> None:
    """What was begun and never finished is undone and begun anew; before, it was told as active, with no effect measured."""
    assert target.attack(attack, crash=point, duration="5m").get("failed")
    again = target.attack(attack, duration="5m")
    assert (again.get("status"), again.get("changed")) == ("active", True) and again["effect"], again
    assert again["notes"][0] == f"{attack.module} was interrupted while it was applied: undone now"
    assert target.module("faultline.chaos.revert", {"all": True})["reverted"] == [attack.module]
    target.as_before()
