# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""process_freeze on real kernels: who is frozen does nothing, and does it again afterwards."""

from __future__ import annotations

import importlib

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

NAME = "flticker"
# Counts ten times a second in a file; a child sleeps.
TICKER = f"""
import subprocess, sys, time
open("/proc/self/comm", "w").write("{NAME}")
subprocess.Popen(["/bin/sleep", "100000"])
count = 0
while True:
    count += 1
    with open("/run/{NAME}", "w") as out: out.write(str(count))
    time.sleep(0.1)
"""
# Share of ten seconds in which the first process of that name was stopped, and how often that changed.
METER = f"""
import glob, time
comms = {{path: open(path).read().strip() for path in glob.glob("/proc/[0-9]*/comm")}}
stat = next(path for path, comm in comms.items() if comm == "{NAME}").replace("comm", "stat")
seen, until = [], time.monotonic() + 10
while time.monotonic() < until:
    seen.append(open(stat).read().rpartition(")")[2].split()[0] == "T")
    time.sleep(0.02)
print(100 * sum(seen) / len(seen), sum(a != b for a, b in zip(seen, seen[1:])))
"""


@pytest.fixture
def ticker(lab: Lab, n1: str):
    lab.write(n1, "/run/flticker.py", TICKER)
    lab.run(n1, "setsid python3 /run/flticker.py </dev/null >/dev/null 2>&1 & sleep 1")
    yield n1
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"pkill -KILL -x {NAME}; pkill -KILL -f 'sleep 100000'; rm -f /run/flticker /run/flticker.py", check=False)


def count(lab: Lab, host: str) -> int:
    return int(lab.read(host, f"/run/{NAME}") or 0)


def states(lab: Lab, host: str) -> str:
    return "".join(lab.run(host, f"ps -o stat= -p $(pgrep -d, -x {NAME}),$(pgrep -d, -f '^/bin/sleep 100000$') | cut -c1").out.split())


@pytest.mark.parametrize(("children", "during"), [(False, "TS"), (True, "TT")])
@pytest.mark.smoke
def test_steps_and_stop(lab: Lab, ticker: str, children: bool, during: str, tell) -> None:
    look = f"cat /run/{NAME}; echo; sleep 3; cat /run/{NAME}; echo; ps -o stat= -p $(pgrep -d, -x {NAME}),$(pgrep -d, -f '^/bin/sleep 100000$') | cut -c1"
    found = steps(lab, ticker, "process_freeze", {"name": NAME, "children": children, "duration": "10m"}, measure=["sh", "-c", look])
    one, two, *stat = found["measured"].split()
    effect = found["real"]["effect"]
    print(f"module measured {effect['measured']} frozen, states {stat}")
    tell("process_freeze", "ticks of a frozen program in 3 s, which makes 30", 0, int(two) - int(one), "ticks")
    tell("process_freeze", "processes that are stopped, its child among them or not", 1 + children, "".join(stat).count("T"), "processes")
    assert effect["asked"] == effect["measured"] == 1 + children and effect["newer_children"] == 0
    assert one == two and "".join(stat) == during
    again = count(lab, ticker)
    wait_until(lambda: count(lab, ticker) > again, 10, "the ticker goes on")
    assert states(lab, ticker) in ("SS", "RS")


def test_on_and_off(lab: Lab, ticker: str, tell) -> None:
    result = lab.module(ticker, "faultline.chaos.process_freeze", {"name": NAME, "interval": "1s", "duration": "10m"})
    assert not result.get("failed"), result
    percent, changes = lab.run(ticker, ["python3", "-c", METER]).out.split()
    tell("process_freeze", "share of 10 s in which it is stopped, 1 s on and off", 50, float(percent), "%")
    tell("process_freeze", "changes in 10 s, 1 s on and off", 10, int(changes), "changes")
    assert 35 <= float(percent) <= 65 and 8 <= int(changes) <= 12
    assert lab.module(ticker, "faultline.chaos.process_freeze", {"name": NAME, "interval": "1s", "state": "absent"})["status"] == "reverted"
    percent, _changes = lab.run(ticker, ["python3", "-c", METER]).out.split()
    assert float(percent) == 0


def test_the_timer_ends_it(lab: Lab, ticker: str) -> None:
    result = lab.module(ticker, "faultline.chaos.process_freeze", {"name": NAME, "duration": "15s"})
    assert not result.get("failed"), result
    wait_until(lambda: states(lab, ticker) in ("SS", "RS"), 60, "the dead-man lets it go on")
    wait_until(lambda: lab.module(ticker, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    history = lab.module(ticker, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["id"], history[-1]["by"], history[-1]["result"]) == (result["id"], "timer", "reverted")


def test_what_was_stopped_before_stays_stopped(lab: Lab, ticker: str) -> None:
    lab.run(ticker, "pkill -STOP -f '^/bin/sleep 100000$'; sleep 0.5")
    result = lab.module(ticker, "faultline.chaos.process_freeze", {"name": NAME, "children": True, "duration": "10m"})
    assert "was stopped before" in result["notes"][0] and result["effect"]["asked"] == 1, result
    assert states(lab, ticker) == "TT"
    second = lab.module(ticker, "faultline.chaos.process_freeze", {"name": NAME, "user": "root", "duration": "10m"})
    assert second["failed"] and "stopped already" in second["msg"]
    assert lab.module(ticker, "faultline.chaos.revert", {"all": True})["clean"]
    assert states(lab, ticker) in ("ST", "RT")


@pytest.mark.parametrize("options", [{"name": "sshd"}, {"port": 22}, {"name": "systemd"}, {"name": "flnobody"}, {"pid_file": "/run/none"}])
def test_refusals(lab: Lab, n1: str, options: dict) -> None:
    refused = lab.module(n1, "faultline.chaos.process_freeze", {**options, "duration": "1m"})
    assert refused["failed"] and any(word in refused["msg"] for word in ("protected", "no process", "no process number")), refused


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.process_freeze").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    lab.run(n1, "systemctl start redis-server nginx", timeout=120)
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
        lab.run(n1, "systemctl stop redis-server nginx")
