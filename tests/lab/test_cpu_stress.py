# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cpu_stress on real kernels: the load asked for is the load measured from outside, and nothing of it outlives its end."""

from __future__ import annotations

import shlex

import pytest

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import examples, steps

pytestmark = pytest.mark.alone

# Prints the load of all CPUs together over some seconds, as top counts it. It begins when its own start is forgotten.
METER = """
import sys, time
def ticks():
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)
time.sleep(2.5)
one = ticks(); time.sleep(float(sys.argv[1])); two = ticks()
print(100.0 * (two[0] - one[0]) / (two[1] - one[1]))
"""
# Works for a fifth of the time.
OTHER = "import time\nwhile True:\n    end = time.monotonic() + 0.02\n    while time.monotonic() < end: pass\n    time.sleep(0.08)\n"
CLOSE = 3.0  # percentage points


def meter(lab: Lab, host: str, seconds: float = 8) -> float:
    return float(lab.run(host, ["python3", "-c", METER, str(seconds)]).out)


def burners(lab: Lab, host: str) -> int:
    """The leader and its burners."""
    return int(lab.run(host, "cat /proc/[0-9]*/comm 2>/dev/null | grep -cx faultline-cpu", check=False).out)


@pytest.fixture
def attack(lab: Lab, n1: str):
    """Apply cpu_stress on n1 for a test's length; reverted whatever happens."""
    users = {"root"}

    def apply(user: str = "root", **options) -> dict:
        users.add(user)
        return lab.module(n1, "faultline.chaos.cpu_stress", {"duration": "10m", **options}, user=user)

    yield apply
    for user in users:
        lab.module(n1, "faultline.chaos.revert", {"all": True}, user=user)
    lab.run(n1, "pkill -f 'time.sleep.0[.]08'", check=False)
    assert burners(lab, n1) == 0


@pytest.mark.parametrize("load", [5, 50, 100])
@pytest.mark.smoke
def test_steps_and_load(lab: Lab, n1: str, load: int, tell) -> None:
    found = steps(lab, n1, "cpu_stress", {"load": load, "duration": "10m"}, settle=4, measure=["python3", "-c", METER, "10"], playbook=True)
    effect, measured = found["real"]["effect"], float(found["measured"])
    print(f"module measured {effect['measured_percent']} %")
    tell("cpu_stress", "load of all CPUs over 10 s", load, measured, "%")
    assert abs(measured - load) <= CLOSE
    assert effect["asked_percent"] == load and effect["cpus"] == [0] and effect["burners"] == 1
    assert found["real"]["resources"] == ["cpu:0"]


def test_the_total_is_what_is_asked(lab: Lab, n1: str, attack) -> None:
    lab.run(n1, f"nohup python3 -c {shlex.quote(OTHER)} >/dev/null 2>&1 & sleep 1")
    other = meter(lab, n1)
    result = attack(load=50)
    assert not result.get("failed"), result
    both = meter(lab, n1)
    lab.run(n1, "pkill -f 'time.sleep.0[.]08'")
    lab.run(n1, ["sleep", "4"])
    alone = meter(lab, n1)
    print(f"others {other:.1f} %, asked 50 %: with others {both:.1f} %, when they ended {alone:.1f} %")
    assert other > 12 and abs(both - 50) <= CLOSE and abs(alone - 50) <= CLOSE


def test_a_load_that_is_there_already_is_not_exceeded(lab: Lab, n1: str, attack) -> None:
    lab.run(n1, f"nohup python3 -c {shlex.quote(OTHER)} >/dev/null 2>&1 & sleep 1")
    result = attack(load=5)
    assert "nothing is added" in result["notes"][0], result
    assert meter(lab, n1) < 30


def test_the_ramp_is_linear(lab: Lab, n1: str, attack) -> None:
    result = attack(load=90, ramp="40s")
    assert not result.get("failed"), result
    assert result["effect"]["measured_percent"] < 60
    early, late = meter(lab, n1, 5), 0.0
    wait_until(lambda: abs(meter(lab, n1, 5) - 90) <= CLOSE, 120, "the ramp ends at what was asked")
    late = meter(lab, n1)
    assert early < late and abs(late - 90) <= CLOSE


def test_everything_ends_with_the_leader(lab: Lab, n1: str, attack) -> None:
    result = attack(load=30)
    assert burners(lab, n1) == 2
    lab.run(n1, "kill -KILL $(pgrep -o -x faultline-cpu)")
    wait_until(lambda: burners(lab, n1) == 0, 30, "the burners end with their leader")
    info = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})
    assert [each["id"] for each in info["attacks"]] == [result["id"]]  # only the revert closes the record


def test_the_timer_ends_it(lab: Lab, n1: str, attack) -> None:
    result = attack(load=30, duration="25s")
    assert not result.get("failed"), result
    wait_until(lambda: burners(lab, n1) == 0, 90, "the dead-man ends the burners")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["id"], history[-1]["by"], history[-1]["result"]) == (result["id"], "timer", "reverted")


def test_without_root(lab: Lab, n1: str, attack) -> None:
    result = attack(user="ops", load=40)
    assert not result.get("failed"), result
    assert result["deadman"] == "watcher" and result["undo"].startswith("/home/ops/.local/state/faultline/")
    assert abs(meter(lab, n1) - 40) <= CLOSE
    assert lab.run(n1, "ps -o user= -p $(pgrep -d, -x faultline-cpu) | sort -u").out.split() == ["ops"]
    gone = attack(user="ops", load=40, state="absent")
    assert gone["status"] == "reverted" and burners(lab, n1) == 0


def test_a_quota_that_keeps_the_load_down_is_an_error(lab: Lab, n1: str) -> None:
    lab.write(n1, "/usr/local/bin/capped", '#!/bin/sh\nexec systemd-run --quiet --scope -p CPUQuota=30% python3 "$@"\n', "0755")
    try:
        options, words = {"load": 90, "duration": "10m"}, {"vars": {"ansible_python_interpreter": "/usr/local/bin/capped"}}
        result = lab.module(n1, "faultline.chaos.cpu_stress", options, task=words, timeout=300)
        assert result["failed"] and "quota" in result["msg"] and "undone at once" in result["msg"], result
        assert burners(lab, n1) == 0 and lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]
    finally:
        lab.run(n1, "rm -f /usr/local/bin/capped")


def test_cpus_that_are_not_there_are_refused(lab: Lab, n1: str) -> None:
    refused = lab.module(n1, "faultline.chaos.cpu_stress", {"load": 50, "cpus": ["0", "7"], "duration": "60s"}, check=True)
    assert refused["failed"] and refused["msg"].startswith("cpus: 7 ") and "online are 0" in refused["msg"]


def test_one_cpu_is_held_once(lab: Lab, n1: str, attack) -> None:
    first = attack(load=10)
    second = attack(load=20, cpus=["0"])
    assert second["failed"] and first["id"] in second["msg"] and "cpu:0" in second["msg"]


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    tasks = examples("cpu_stress")
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": tasks}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
