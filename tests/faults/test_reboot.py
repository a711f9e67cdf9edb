# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault 5: the host is rebooted, or loses its power, in the middle of an attack."""

from __future__ import annotations

import pytest

from tests.faults.support.attacks import ATTACKS, BY_NAME, Attack, every
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target, task
from tests.lab.support.lab import wait_until


def reboot(target: Target) -> None:
    boot = target.boot_id()
    target.sh("systemctl reboot || reboot", check=False)
    wait_until(lambda: target.lab.answers(target.name) and target.boot_id() != boot, 90, f"{target.name} is up again", 0.5)


def power_cut(target: Target) -> None:
    target.lab.cut(target.name)
    target.lab.start(target.name)


own_kernel = pytest.mark.own_kernel  # without power it forgets what was not yet on the disk
HOW = {"systemctl reboot": reboot, "power cut": power_cut}


def recovered(target: Target, attack: Attack) -> None:
    """Closed at boot, without the kernel's part, and recovery is gone."""
    target.wait(f"[ -d {STATE} ] && [ ! -e {STATE}/{attack.module} ]", 60)
    target.wait(target.running(), 30)
    left = target.wait_left(40)
    assert not left, left
    differs = target.differs()
    assert not differs, differs
    last = target.history()[-1]
    assert (last["id"], last["by"], last["result"]) == (attack.module, "sweep", "reverted")


@pytest.mark.parametrize("how", ["systemctl reboot", pytest.param("power cut", marks=own_kernel)])
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_reboot_in_the_middle(target: Target, attack: Attack, how: str) -> None:
    assert target.attack(attack, duration="10m").get("status") == "active"
    HOW[how](target)
    recovered(target, attack)


@own_kernel
@pytest.mark.parametrize(("attack", "point"), every([BY_NAME["netem"]], ("journalled", "armed", "inject:1", "injected")), ids=str)
def test_a_power_cut_at_a_step(target: Target, attack: Attack, point: str) -> None:
    """Fault 14 too: the journal and what finds it at boot are on the disk before anything is changed."""
    with target.controller([task(attack.name, target.options(attack, duration="10m"), f"hang@{point}")]):
        target.wait_point(attack, point)
        power_cut(target)
    recovered(target, attack)


@own_kernel
def test_a_power_cut_between_write_and_rename(target: Target) -> None:
    """Fault 14: the journal is written and not yet published, so nothing was changed; the boot removes what is left of it."""
    attack = BY_NAME["process_kill"]
    before = len(target.history())
    with target.controller([task(attack.name, target.options(attack, duration="10m"), "hang@written")]):
        target.wait_point(attack, "written")
        power_cut(target)
    target.wait(target.running(), 60)
    assert not target.exists(f"{STATE}/{attack.module}")
    left = target.wait_left(60)
    assert not left, left
    differs = target.differs()
    assert not differs, differs
    assert len(target.history()) == before
    assert target.attack(attack).get("status") == "active"


def test_a_power_cut_without_systemd(lab, weak: Target) -> None:
    if weak.name == "here":
        assert weak.attack(BY_NAME["process_kill"]).get("notes", [""])[-1].startswith("nothing here runs at boot")
        return
    attack = BY_NAME["process_kill"]
    assert weak.attack(attack, duration="10m").get("deadman") == "watcher"
    power_cut(weak)
    recovered(weak, attack)
