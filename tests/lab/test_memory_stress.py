# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""memory_stress on real kernels: what was asked for is what the kernel says, and whatever happens the host keeps its reserve."""

from __future__ import annotations

import importlib
import shlex

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

# Prints the use of the host's memory in percent, as free counts it: mean, least and most over some seconds.
METER = """
import sys, time
def used():
    found = dict(line.split()[:2] for line in open("/proc/meminfo"))
    return 100.0 - 100.0 * int(found["MemAvailable:"]) / int(found["MemTotal:"])
time.sleep(1.5)
found = []
until = time.time() + float(sys.argv[1])
while time.time() < until:
    found.append(used()); time.sleep(0.1)
print(sum(found) / len(found), min(found), max(found))
"""
# Prints what the attack's worker holds, in MiB, and what of it is swapped out.
HELD = """
import glob
for path in glob.glob("/proc/[0-9]*/status"):
    found = dict(line.split(None, 1) for line in open(path) if len(line.split()) > 1)
    if found["Name:"].strip() == "faultline-mem":
        print(int(found["RssAnon:"].split()[0]) / 1024, int(found["VmSwap:"].split()[0]) / 1024)
"""
# Another program: takes so many MiB, holds them for so many seconds.
OTHER = "import sys, time\ntaken = b'x' * (int(sys.argv[1]) << 20)\ntime.sleep(float(sys.argv[2]))\n"
CLOSE = 1.0  # percentage points of the host's memory
OWN = 20  # MiB that the worker itself may take: it is an interpreter with a module


def meter(lab: Lab, host: str, seconds: float = 4) -> tuple[float, ...]:
    return tuple(float(word) for word in lab.run(host, ["python3", "-c", METER, str(seconds)]).out.split())


def workers(lab: Lab, host: str) -> int:
    return int(lab.run(host, "cat /proc/[0-9]*/comm 2>/dev/null | grep -cx faultline-mem", check=False).out)


@pytest.fixture
def attack(lab: Lab, n1: str):
    """Apply memory_stress on n1 for a test's length; reverted whatever happens."""
    users = {"root"}

    def apply(user: str = "root", **options) -> dict:
        users.add(user)
        return lab.module(n1, "faultline.chaos.memory_stress", {"duration": "10m", **options}, user=user)

    yield apply
    for user in users:
        lab.module(n1, "faultline.chaos.revert", {"all": True}, user=user)
    lab.run(n1, "pkill -f 'taken = [b]'", check=False)
    assert workers(lab, n1) == 0 and lab.run(n1, "ls -d /sys/fs/cgroup/faultline-*", check=False).out == ""


@pytest.mark.parametrize("percent", [40, 55, 70])
@pytest.mark.smoke
def test_steps_and_use_of_the_host(lab: Lab, n1: str, percent: int, tell) -> None:
    found = steps(lab, n1, "memory_stress", {"percent": percent, "duration": "10m"}, measure=["python3", "-c", METER, "5"])
    effect = found["real"]["effect"]
    mean, least, most = (float(word) for word in found["measured"].split())
    print(f"module measured {effect['measured_percent']} %, meter {least:.2f} to {most:.2f} %")
    tell("memory_stress", "use of the host over 5 s", percent, mean, "%")
    assert abs(mean - percent) <= CLOSE and abs(effect["measured_percent"] - percent) <= CLOSE
    assert effect["asked_percent"] == percent and effect["capped"] and effect["swapped_bytes"] == 0 and not effect["growing"]


@pytest.mark.parametrize("amount", [16, 60])
def test_steps_and_amount(lab: Lab, n1: str, amount: int, tell) -> None:
    found = steps(lab, n1, "memory_stress", {"amount": f"{amount}MiB", "duration": "10m"}, measure=["python3", "-c", HELD])
    resident, swapped = (float(word) for word in found["measured"].split())
    held = found["real"]["effect"]["held_bytes"] / 2**20
    print(f"module measured {held:.2f} MiB")
    tell("memory_stress", "resident memory of its worker, with its own", amount, resident, "MiB")
    assert abs(held - amount) <= 0.01 * amount + 0.5 and amount <= resident <= amount + OWN and swapped == 0


def test_the_total_stays_while_others_come_and_go(lab: Lab, n1: str, attack) -> None:
    result = attack(percent=60)
    assert not result.get("failed"), result
    alone = meter(lab, n1)
    lab.run(n1, f"nohup python3 -c {shlex.quote(OTHER)} 30 8 >/dev/null 2>&1 & sleep 1.5")
    both = meter(lab, n1, 3)
    lab.run(n1, ["sleep", "6"])
    again = meter(lab, n1)
    print(f"asked 60 %: alone {alone[0]:.2f} %, with another program of 30 MiB {both[0]:.2f} %, when that ended {again[0]:.2f} %")
    assert all(abs(found[0] - 60) <= CLOSE for found in (alone, both, again))


def test_the_attack_gives_way_so_that_the_reserve_stays(lab: Lab, n1: str, attack) -> None:
    """Another program takes more than the reserve: it gets its memory, and the kernel kills nobody."""
    result = attack(amount="100MiB")
    assert not result.get("failed"), result
    reserve, total = result["effect"]["reserve_bytes"] / 2**20, result["effect"]["total_bytes"] / 2**20
    lab.run(n1, f"nohup python3 -c {shlex.quote(OTHER)} {int(reserve) + 20} 30 >/dev/null 2>&1 & sleep 6")
    mean = meter(lab, n1)[0]
    held = float(lab.run(n1, ["python3", "-c", HELD]).out.split()[0])
    left = total * (1 - mean / 100)
    print(f"asked 100 MiB; another program took {int(reserve) + 20} MiB: the attack holds {held:.1f} MiB, {left:.1f} MiB are left, reserve {reserve:.1f} MiB")
    assert held < 95 and left > reserve - 0.02 * total
    assert lab.run(n1, "pgrep -cf 'taken = [b]'").out.strip() == "1"
    assert "oom-kill" not in lab.run(n1, "dmesg | tail -n 30").out


def test_its_cap_ends_the_worker_and_nobody_else(lab: Lab, n1: str, attack) -> None:
    """Out of memory in its own control group: the worker dies, its undo does not need it."""
    result = attack(amount="40MiB", id="capped")
    group = "/sys/fs/cgroup/faultline-capped"
    assert lab.run(n1, f"cat {group}/memory.swap.max {group}/pids.max").out.split() == ["0", "8"]
    assert 40 << 20 < int(lab.run(n1, f"cat {group}/memory.max").out) < 120 << 20
    lab.run(n1, f"echo 10M >{group}/memory.max")
    wait_until(lambda: workers(lab, n1) == 0, 20, "the kernel ends the worker")
    info = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})
    assert [each["id"] for each in info["attacks"]] == [result["id"]]  # only the revert closes the record
    gone = attack(amount="40MiB", id="capped", state="absent")
    assert gone["status"] == "reverted" and lab.run(n1, f"[ ! -e {group} ]").ok
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


def test_the_rate_is_linear(lab: Lab, n1: str, attack) -> None:
    result = attack(amount="60MiB", rate="2MiB")
    assert result["effect"]["growing"], result
    held = "awk '/^RssAnon/ {print $2 / 1024}' /proc/$(pgrep -x faultline-mem)/status; cat /proc/uptime"
    first, begin, _idle = (float(word) for word in lab.run(n1, held).out.split())
    lab.run(n1, ["sleep", "8"])
    second, end, _idle = (float(word) for word in lab.run(n1, held).out.split())
    print(f"asked 2 MiB/s, measured {(second - first) / (end - begin):.2f} MiB/s")
    assert abs((second - first) / (end - begin) - 2) < 0.25


def test_the_timer_ends_it(lab: Lab, n1: str, attack) -> None:
    result = attack(percent=50, duration="25s")
    assert not result.get("failed"), result
    wait_until(lambda: workers(lab, n1) == 0, 90, "the dead-man ends the worker")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["id"], history[-1]["by"], history[-1]["result"]) == (result["id"], "timer", "reverted")


def test_without_root(lab: Lab, n1: str, attack) -> None:
    result = attack(user="ops", percent=45)
    assert not result.get("failed"), result
    assert result["deadman"] == "watcher" and not result["effect"]["capped"]
    assert abs(meter(lab, n1)[0] - 45) <= CLOSE
    gone = attack(user="ops", percent=45, state="absent")
    assert gone["status"] == "reverted" and workers(lab, n1) == 0


def test_what_would_not_leave_the_reserve_is_refused(lab: Lab, n1: str) -> None:
    refused = lab.module(n1, "faultline.chaos.memory_stress", {"percent": 95, "duration": "60s"})
    assert refused["failed"] and refused["msg"].startswith("percent: 95 is refused: with a reserve of "), refused
    refused = lab.module(n1, "faultline.chaos.memory_stress", {"amount": "1TiB", "duration": "60s"}, check=True)
    assert refused["failed"] and refused["msg"].startswith("amount: '1TiB' is refused"), refused


def test_a_room_without_a_record_is_residue(lab: Lab, n1: str) -> None:
    lab.run(n1, "mkdir /sys/fs/cgroup/faultline-lost")
    try:
        info = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})
        assert not info["clean"] and "control group /sys/fs/cgroup/faultline-lost: rmdir /sys/fs/cgroup/faultline-lost" in info["residue"], info
    finally:
        lab.run(n1, "rmdir /sys/fs/cgroup/faultline-lost")


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.memory_stress").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
