# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that cpu_stress refuses before it touches anything."""

from __future__ import annotations

import math

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._resources import cpu as resources_cpu
from ansible_collections.faultline.chaos.plugins.modules.cpu_stress import CpuStress


def attack(**params) -> CpuStress:
    return CpuStress({"load": 50, "cpus": None, "ramp": 0, **params}, None)


@pytest.mark.parametrize("load", [0, 0.5, 101, -1, "50 %", "50%%", "fifty", "", None, True, False, math.nan, math.inf, "nan", "1e1", [50], {"a": 1}, "50; id"])
def test_loads_that_are_refused(load) -> None:
    with pytest.raises(BadOption, match="^load: "):
        attack(load=load).validate()


@pytest.mark.parametrize(("load", "expected"), [(1, 1.0), (100, 100.0), ("50", 50.0), ("50%", 50.0), ("2.5%", 2.5), (33.3, 33.3)])
def test_loads(load, expected: float) -> None:
    found = attack(load=load)
    found.validate()
    assert found.load == expected


@pytest.mark.parametrize("ramp", [-1, "1y", "", None, True, math.nan, "5m; id", "-5s"])
def test_ramps_that_are_refused(ramp) -> None:
    with pytest.raises(BadOption, match="^ramp: "):
        attack(ramp=ramp).validate()


def test_a_ramp_longer_than_the_attack_is_refused() -> None:
    found = attack(ramp="31s")
    found.validate()
    found.duration = 30.0
    with pytest.raises(BadOption, match="^ramp: .*30s"):
        found.guard()


@pytest.mark.parametrize("cpus", [[], ["-1"], ["0", ""], ["a"], ["3-1"]])
def test_cpus_that_are_refused(cpus: list[str]) -> None:
    with pytest.raises(BadOption, match="^cpus: "):
        attack(cpus=cpus).validate()


def test_a_cpu_that_is_not_online_is_refused_by_guard() -> None:
    found = attack(cpus=["8000"])
    found.validate()
    with pytest.raises(AttackError, match="^cpus: 8000 .*online are"):
        found.guard()


def test_it_holds_each_cpu_once() -> None:
    found = attack(cpus=["1", "0-1"])
    found.validate()
    assert found.resources() == ["cpu:0", "cpu:1"]
    found = attack()
    found.validate()
    assert found.resources() == [f"cpu:{cpu}" for cpu in resources_cpu.allowed()]


def test_plan_says_where_nothing_is_added() -> None:
    found = attack(cpus=["0-2"], load=40)
    found.validate()
    found.duration, found.id, found.journal = 30.0, "a", Journal("/var/lib/faultline")
    plan = found.plan({0: 10.0, 1: 55.0, 2: 40.0})
    assert plan.before.splitlines()[1] == "cpu 1  load 55 %"
    assert plan.after.splitlines()[0] == "cpu 0  load 40 %"
    assert len(plan.notes) == 1 and "CPU 1-2 " in plan.notes[0]
    assert [worker.pid for worker in plan.workers] == [None]  # nothing runs yet
