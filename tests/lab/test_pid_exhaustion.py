# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pid_exhaustion on real kernels: the slots asked for are taken, others get no more than what is left, and the way back stays open."""

from __future__ import annotations

import importlib
import shlex

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

# Prints how many threads the processes of the attack have.
HELD = """
import glob
total = 0
for path in glob.glob("/proc/[0-9]*/status"):
    try:
        found = dict(line.split(None, 1) for line in open(path) if len(line.split()) > 1)
    except OSError:
        continue  # it ended meanwhile
    if found["Name:"].strip() == "faultline-pid":
        total += int(found["Threads:"])
print(total)
"""
# Another program starts so many threads (cheap, and each needs a slot), one in so many seconds, and prints how many it could start.
OTHER = """
import _thread, sys, threading, time
threading.stack_size(65536)
lock, started = _thread.allocate_lock(), 0
lock.acquire()
try:
    while started < int(sys.argv[1]):
        _thread.start_new_thread(lock.acquire, ())
        started += 1
        time.sleep(float(sys.argv[2]))
except RuntimeError:
    pass
print(started)
"""


def workers(lab: Lab, host: str) -> int:
    return int(lab.run(host, "cat /proc/[0-9]*/comm 2>/dev/null | grep -cx faultline-pid", check=False).out)


def other(lab: Lab, host: str, count: int, pause: float) -> int:
    """How many threads another program can start, in a service of its own, so that the limit of ssh's does not count."""
    line = f"systemd-run --quiet --wait --pipe -p TasksMax=infinity python3 -c {shlex.quote(OTHER)} {count} {pause}"
    return int(lab.run(host, line, timeout=120).out)


@pytest.fixture
def few(lab: Lab, n1: str):
    """A host with few process slots: a lab host needs some ten milliseconds to start a thread."""
    before = lab.run(n1, "sysctl -n kernel.threads-max; sysctl -q kernel.threads-max=500").out.strip()
    yield 500
    lab.run(n1, f"sysctl -q kernel.threads-max={before}")


@pytest.fixture
def attack(lab: Lab, n1: str):
    """Apply pid_exhaustion on n1 for a test's length; reverted whatever happens."""
    users = {"root"}

    def apply(user: str = "root", **options) -> dict:
        users.add(user)
        return lab.module(n1, "faultline.chaos.pid_exhaustion", {"duration": "10m", **options}, user=user)

    yield apply
    for user in users:
        lab.module(n1, "faultline.chaos.revert", {"all": True}, user=user)
    assert workers(lab, n1) == 0 and lab.run(n1, "ls -d /sys/fs/cgroup/faultline-*", check=False).out == ""


@pytest.mark.parametrize("percent", [10, 50, 75])
@pytest.mark.smoke
def test_steps_and_slots(lab: Lab, n1: str, few: int, percent: int, tell) -> None:
    found = steps(lab, n1, "pid_exhaustion", {"percent": percent, "reserve": 100, "duration": "10m"}, measure=["python3", "-c", HELD])
    effect, measured = found["real"]["effect"], int(found["measured"])
    print(f"asked {percent} % of {effect['free_before']} = {effect['asked']} slots, module measured {effect['measured']}")
    tell("pid_exhaustion", f"threads of its processes at {percent} % of what was free", int(effect["free_before"] * percent / 100), measured, "slots")
    assert effect["asked"] == int(effect["free_before"] * percent / 100) and effect["limited_by"] == "kernel.threads-max" and effect["capped"]
    assert abs(measured - effect["asked"]) <= 2 and abs(effect["measured"] - effect["asked"]) <= 2
    assert effect["free"] >= effect["reserve"] == 100 and effect["limit"] == few


def test_the_way_back_stays_open_at_the_cap(lab: Lab, n1: str, few: int, attack) -> None:
    result = attack(percent=77, reserve=100)
    assert not result.get("failed"), result
    assert lab.run(n1, "true", shared=False).ok
    assert lab.run(n1, "sudo -n true", user="ops", shared=False).ok
    assert lab.module(n1, "ansible.builtin.ping")["ping"] == "pong"


def test_the_attack_gives_way(lab: Lab, n1: str, few: int, attack) -> None:
    """Another program gets more threads than the reserve has slots, for it starts them one by one."""
    result = attack(percent=75, reserve=100)
    started = other(lab, n1, 200, 0.05)
    print(f"reserve {result['effect']['reserve']}, another program wanted 200 threads and started {started}")
    assert started == 200
    wait_until(lambda: int(lab.run(n1, ["python3", "-c", HELD]).out) >= result["effect"]["asked"] - 2, 20, "the slots are taken again")


def test_others_fail_when_they_have_used_up_the_reserve(lab: Lab, n1: str, few: int, attack) -> None:
    result = attack(percent=75, reserve=100, give_way=False)
    free = result["effect"]["free"]
    started = other(lab, n1, 1000, 0)
    print(f"{free} slots were left, another program wanted 1000 threads and started {started}")
    assert abs(started - free) <= 30


def test_the_timer_ends_it(lab: Lab, n1: str, attack) -> None:
    result = attack(count=200, duration="25s")
    assert not result.get("failed"), result
    wait_until(lambda: workers(lab, n1) == 0, 90, "the dead-man ends the workers")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["id"], history[-1]["by"], history[-1]["result"]) == (result["id"], "timer", "reverted")


def test_a_lease_that_is_not_renewed_ends_it_without_any_help(lab: Lab, n1: str, attack) -> None:
    """All dead-men are stopped: the sleepers look at the deadline themselves."""
    result = attack(count=150, duration="10m", lease="20s", run_id="r")
    assert not result.get("failed"), result
    lab.run(n1, f"systemctl stop faultline-sweep.timer faultline-{result['id']}.timer")
    wait_until(lambda: workers(lab, n1) == 0, 40, "the sleepers end with their lease")


def test_without_root_the_limit_around_the_task_counts(lab: Lab, n1: str, attack) -> None:
    result = attack(user="ops", count=20, reserve=100)
    assert not result.get("failed"), result
    print(f"asked 20, measured {result['effect']['measured']}, limited by {result['effect']['limited_by']} ({result['effect']['limit']})")
    assert result["effect"]["measured"] == 20 and result["effect"]["limited_by"] == "pids.max of a control group"
    gone = attack(user="ops", count=20, reserve=100, state="absent")
    assert gone["status"] == "reverted" and workers(lab, n1) == 0


def test_what_would_not_leave_the_reserve_is_refused(lab: Lab, n1: str) -> None:
    refused = lab.module(n1, "faultline.chaos.pid_exhaustion", {"percent": 100, "duration": "60s"})
    assert refused["failed"] and refused["msg"].startswith("percent: 100 is refused: ") and "kernel.threads-max" in refused["msg"], refused


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.pid_exhaustion").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
