# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""process_kill on real kernels: who is named dies, nobody else does, and who supervises or recovers brings it back."""

from __future__ import annotations

import pytest

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import examples, steps

NAME = "flpatient"
PROGRAM = f"/usr/local/bin/{NAME}"
UNIT = "fltest-patient"
# Listens on a port, as a user of the tests.
LISTENER = f"""
import socket, sys, time
open("/proc/self/comm", "w").write("{NAME}")
server = socket.socket()
server.bind(("127.0.0.1", 7433))
server.listen()
time.sleep(100000)
"""


@pytest.fixture
def patient(lab: Lab, n1: str):
    """Two daemons that nobody supervises, whose names and arguments begin alike."""
    lab.run(n1, f"cp /bin/sleep {PROGRAM}; cp /bin/sleep {PROGRAM}2")
    lab.write(n1, f"{PROGRAM}-start", f"#!/bin/sh\nsetsid {PROGRAM} 100000 </dev/null >/dev/null 2>&1 &\n", "0755")
    lab.run(n1, f"{PROGRAM}-start; setsid {PROGRAM}2 100000 </dev/null >/dev/null 2>&1 & sleep 0.5")
    yield n1
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"systemctl stop {UNIT}; pkill -KILL -x {NAME}; pkill -KILL -x {NAME}2; rm -f {PROGRAM}* /run/fllisten.py", check=False)


def pids(lab: Lab, host: str, name: str = NAME) -> list[str]:
    return lab.run(host, f"pgrep -x {name}", check=False).out.split()


@pytest.mark.smoke
def test_steps_and_who_dies(lab: Lab, patient: str, tell) -> None:
    [before], [other] = pids(lab, patient), pids(lab, patient, f"{NAME}2")
    options = {"name": NAME, "signal": "KILL", "recover": [f"{PROGRAM}-start"], "duration": "10m"}
    found = steps(lab, patient, "process_kill", options, measure=["sh", "-c", f"pgrep -cx {NAME}; pgrep -cx {NAME}2"])
    tell("process_kill", "processes that ended, of two with like names", 1, 2 - sum(int(word) for word in found["measured"].split()), "processes")
    assert [each["pid"] for each in found["real"]["effect"]["killed"]] == [int(before)] and found["real"]["effect"]["ended"] == 1
    assert found["measured"].split() == ["0", "1"]
    assert pids(lab, patient) not in ([], [before]) and pids(lab, patient, f"{NAME}2") == [other]


@pytest.mark.parametrize("criterion", ["command_line", "pid_file", "user", "port"])
def test_criteria_are_exact(lab: Lab, patient: str, criterion: str) -> None:
    lab.run(patient, f"setsid {PROGRAM} 100000 1 </dev/null >/dev/null 2>&1 & sleep 0.5")
    lab.write(patient, "/run/fllisten.py", LISTENER)
    lab.run(patient, "setsid su nobody -s /bin/sh -c 'exec python3 /run/fllisten.py' </dev/null >/dev/null 2>&1 & sleep 2")
    listener = lab.run(patient, f"pgrep -x -u nobody {NAME}").out.strip()
    plain = lab.run(patient, f"pgrep -fx '{PROGRAM} 100000'").out.strip()
    lab.write(patient, "/run/flpatient.pid", f"{plain}\n")
    everybody = set(pids(lab, patient))
    options = {
        "command_line": ({"command_line": f"{PROGRAM} 100000"}, plain),
        "pid_file": ({"pid_file": "/run/flpatient.pid"}, plain),
        "user": ({"name": NAME, "user": "nobody"}, listener),
        "port": ({"port": 7433}, listener),
    }
    asked, victim = options[criterion]
    result = lab.module(patient, "faultline.chaos.process_kill", {**asked, "count": 0, "signal": "KILL", "duration": "10m"})
    assert [str(each["pid"]) for each in result["effect"]["killed"]] == [victim], result
    assert set(pids(lab, patient)) == everybody - {victim} and len(everybody) == 3
    lab.run(patient, "rm /run/flpatient.pid")


@pytest.mark.alone  # it counts what a host manages in ten seconds
def test_again_and_again_until_the_timer_ends_it(lab: Lab, patient: str, tell) -> None:
    lab.run(patient, f"pkill -KILL -x {NAME}; systemd-run --quiet --unit={UNIT} -p Restart=always -p RestartSec=100ms -p StartLimitBurst=1000 {PROGRAM} 100000")
    restarts = f"systemctl show -p NRestarts --value {UNIT}"
    result = lab.module(patient, "faultline.chaos.process_kill", {"name": NAME, "signal": "KILL", "interval": "1s", "duration": "10s"})
    assert result["status"] == "active", result
    wait_until(lambda: lab.module(patient, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    [last] = lab.module(patient, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (last["id"], last["by"], last["result"]) == (result["id"], "timer", "reverted")
    killed = int(lab.run(patient, restarts).out)
    tell("process_kill", "restarts by systemd in 10 s, killed once a second", 10, killed, "restarts")
    assert 7 <= killed <= 11
    lab.run(patient, "sleep 3")
    assert int(lab.run(patient, restarts).out) == killed


def test_who_is_protected(lab: Lab, n1: str) -> None:
    lab.run(n1, "echo 1 >/run/flone.pid")
    for options in ({"name": "sshd"}, {"port": 22}, {"name": "systemd"}, {"pid_file": "/run/flone.pid"}, {"name": "kthreadd"}):
        refused = lab.module(n1, "faultline.chaos.process_kill", {**options, "duration": "1m"})
        assert refused["failed"] and "protected" in refused["msg"], refused
    lab.run(n1, "rm /run/flone.pid")


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    lab.run(n1, "systemctl start redis-server; cp /usr/bin/python3 /run/flweb; setsid /run/flweb -m http.server 8080 </dev/null >/dev/null 2>&1 & sleep 3")
    try:
        done = lab.playbook([{"name": "examples", "hosts": n1, "gather_facts": False, "tasks": examples("process_kill")}], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "active", "reverted"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
        lab.run(n1, "systemctl stop redis-server; pkill -KILL flweb; rm -f /run/flweb", check=False)
