# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults 7, 9, 10 and 18: the dead-man itself is attacked, undos meet each other, the clock jumps, controllers collide."""

from __future__ import annotations

import time

import pytest

from tests.faults.support.attacks import ATTACKS, BY_NAME, Attack
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target, task

KILL = BY_NAME["process_kill"]
CPU = BY_NAME["cpu_stress"]
SWEEP = 31.0  # seconds between two looks of the recovery timer, with its accuracy


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_the_timer_is_stopped(target: Target, attack: Attack) -> None:
    """The recovery timer finds it."""
    target.watch(attack)
    assert target.attack(attack).get("status") == "active"
    target.sh(f"systemctl stop faultline-{attack.module}.timer")
    found = target.measured()
    target.row("7 timer stopped: the sweep", attack, found)
    assert found.late <= SWEEP + found.allowed, found
    target.as_before()
    assert target.history()[-1]["by"] in (("sweep", "worker") if attack.reverts_itself else ("sweep",))


@pytest.mark.parametrize("how", ["kill -KILL", "systemctl stop"])
def test_the_service_that_waits_for_its_lease_is_ended(target: Target, how: str) -> None:
    """A timer of a renewed lease has fired and waits; killed it is started again, stopped it is left to the sweep."""
    target.watch(KILL)
    unit = f"faultline-{KILL.module}.service"
    assert target.attack(KILL, duration="60s", lease=target.duration, run_id="r").get("status") == "active"
    target.sh(f"sh {STATE}/control.sh renew r {int(target.duration) + 6}")
    target.wait(f"systemctl is-active --quiet {unit}", 40)
    if how == "kill -KILL":
        target.sh(f"kill -KILL $(systemctl show -p MainPID --value {unit})")
    else:
        target.sh(f"systemctl stop {unit}")
    found = target.measured()
    target.row(f"7 service ended by {how.split()[0]}", KILL, found)
    assert found.late <= (5 if how == "kill -KILL" else SWEEP) + found.allowed, found
    target.as_before()


def test_timer_and_recovery_are_stopped(target: Target) -> None:
    """Nobody is left on the host: the next attack finds it."""
    assert target.attack(KILL).get("status") == "active"
    target.sh(f"systemctl stop faultline-{KILL.module}.timer faultline-sweep.timer")
    time.sleep(target.duration + 4)
    info = target.module("faultline.chaos.attack_info", {"history": 1})
    assert [each["status"] for each in info["attacks"]] == ["overdue"], info
    result = target.attack(CPU)
    assert "process_kill was overdue: undone now" in result["notes"], result
    assert target.module("faultline.chaos.revert", {"all": True})["clean"]
    target.as_before()


@pytest.mark.parametrize("attack", [KILL, CPU], ids=str)
def test_one_watcher_is_killed(weak: Target, attack: Attack) -> None:
    weak.watch(attack)
    assert weak.attack(attack).get("deadman") == "watcher"
    weak.sh(f"read -r pid _ <{STATE}/{attack.module}/watchers && kill -KILL $pid")
    weak.in_time("7 one watcher killed", attack)


def test_both_watchers_are_killed(weak: Target) -> None:
    """cron finds it within a minute; without cron the next revert does."""
    weak.watch(KILL)
    assert weak.attack(KILL).get("deadman") == "watcher"
    weak.sh(f"while read -r pid _; do kill -KILL $pid; done <{STATE}/{KILL.module}/watchers")
    if weak.name == "here":
        time.sleep(weak.duration + 1)
        assert weak.module("faultline.chaos.revert", {"all": True})["reverted"] == [KILL.module]
    found = weak.measured()
    weak.row("7 both watchers killed", KILL, found)
    assert found.late <= 61 + found.allowed, found
    weak.as_before()


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_many_undos_at_once(target: Target, attack: Attack) -> None:
    assert target.attack(attack, duration="60s").get("status") == "active"
    before = len(target.history())
    script = f"{STATE}/{attack.module}/revert.sh"
    target.sh(f"for how in hand sweep module; do sh {script} $how & done; sh {STATE}/control.sh revert-all; wait", check=False)
    left = target.wait_left()
    assert not left, left
    assert len(target.history()) == before + 1
    target.as_before()


@pytest.mark.own_kernel
@pytest.mark.parametrize("step", ["+1 hour", "-1 hour"])
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_the_clock_is_stepped(target: Target, attack: Attack, step: str) -> None:
    target.watch(attack)
    assert target.attack(attack).get("status") == "active"
    target.sh(f'date -s "$(date -d "{step}")" >/dev/null')
    found = target.measured()
    target.sh(f"date -s @{time.time() + 0.1:.2f} >/dev/null")
    target.row(f"10 clock {step}", attack, found)
    assert found.late <= found.allowed, found
    target.as_before()


def test_two_controllers_make_the_same_attack(target: Target) -> None:
    """One makes it, the other one finds it, or is refused; there is one timer, and one undo."""
    before = len(target.history())
    with target.controller([task(KILL.name, target.options(KILL, duration="60s"))]) as other:
        result = target.attack(KILL, duration="60s")
        assert other.wait(60) == 0 or result.get("changed")
    assert result.get("status") == "active" or "is being applied by another task" in result["msg"], result
    assert [each["status"] for each in target.module("faultline.chaos.attack_info", {"history": 1})["attacks"]] == ["active"]
    assert target.sh("systemctl list-units --plain --no-legend 'faultline-process_kill.timer' | wc -l").out.strip() == "1"
    refused = target.attack(KILL, id="other")
    assert refused.get("failed") and "is held by the active attack process_kill" in refused["msg"], refused
    assert target.module("faultline.chaos.revert", {"all": True})["reverted"] == [KILL.module]
    assert len(target.history()) == before + 1
    target.as_before()


def test_an_attack_that_begins_slowly_does_not_delay_the_undo_of_another(target: Target) -> None:
    target.watch(KILL)
    assert target.attack(KILL).get("status") == "active"
    with target.controller([task(CPU.name, target.options(CPU, duration="100s"), "hang@guarded")]):
        found = target.measured()
    target.row("18 another module hangs in its guards", KILL, found)
    assert found.late <= found.allowed, found


def test_cycles_leave_nothing(target: Target) -> None:
    """Fault 25, a few of them in one play: the same attack again at once after its revert."""
    cycle = [task(KILL.name, target.options(KILL, duration="60s")), {"name": "revert", "faultline.chaos.revert": {"id": KILL.module}}]
    play = target.playbook(cycle * 4, timeout=300)
    assert play.rc == 0, play
    assert [result["reverted"] for result in play.results("revert")] == [[KILL.module]] * 4
    target.as_before()
