# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steady state of real hosts: what is asked over ssh, hosts that hang or vanish while they are asked, leases that are renewed."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.support.lab import Lab, wait_until

RUN = "steady-state-test"
SLOW = "20s"  # a login on a busy machine


def watch(lab: Lab, *probes: dict, **options: Any) -> dict:
    """The result of one steady_state task on the controller."""
    task = {"name": "watch", "faultline.chaos.steady_state": {"probes": list(probes), **options}, "failed_when": False}
    play = lab.playbook([{"name": "watch", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}])
    results = play.results("watch", "localhost")
    assert results, play
    print(play.out)
    return results[0]


def later(seconds: float, call: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.start()
    return timer


def logins_of_probes() -> list[str]:
    """Our own ssh processes: their command lines hold the mark of a probe."""
    found = subprocess.run(["pgrep", "-af", "^ssh .*faultline-[0-9a-f]{16}"], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def process(host: str, name: str, **options: Any) -> dict:
    return {"name": f"{name} on {host}", "type": "process", "process": name, "run_on": host, "timeout": SLOW, **options}


def test_hosts_from_the_inside(lab: Lab, n1: str, n2: str) -> None:
    result = watch(
        lab,
        process(n1, "sshd"),
        process(n2, "no-such-thing", expect={"count_max": 0}),
        {"name": "journald", "type": "service", "service": "systemd-journald", "run_on": n2, "timeout": SLOW},
        {"name": "nobody", "type": "service", "service": "no-such-thing", "run_on": n2, "timeout": SLOW, "tolerance": {"success": 0}},
        {"name": "name", "type": "command", "argv": ["uname", "-n"], "run_on": n1, "timeout": SLOW, "expect": {"regex": r"\An1\n\Z"}},
        {
            "name": "quoting",
            "type": "command",
            "argv": ["printf", "%s", '$(id) a\'b "c" ; *'],
            "run_on": n1,
            "timeout": SLOW,
            "expect": {"regex": r"\A\$\(id\) a'b \"c\" ; \*\Z"},
        },
        {"name": "banner", "type": "tcp", "host": "10.77.0.11", "port": 22, "timeout": SLOW, "expect": {"regex": "^SSH-2"}, "tolerance": {"success": "30%"}},
        window="20s",
        interval="2s",
    )
    assert result["met"], result
    found = {probe["name"]: probe["series"][0] for probe in result["probes"]}
    assert found["sshd on n1"]["value"] >= 1
    assert (found["journald"]["value"], found["nobody"]["value"]) == ("active", "not-found")
    assert found["nobody"]["detail"] == "no such service"


def test_a_process_that_ends_is_noticed(lab: Lab, n1: str) -> None:
    lab.run(n1, "cp /bin/sleep /run/fl-patient && exec setsid /run/fl-patient 15 </dev/null >/dev/null 2>&1 &")
    try:
        result = watch(lab, process(n1, "fl-patient"), process(n1, "sshd"), window="120s", phase="during")
    finally:
        lab.run(n1, ["rm", "-f", "/run/fl-patient"])
    assert result["aborted"]
    patient, sshd = result["probes"]
    assert [sample["value"] for sample in patient["series"]][-2:] == [1, 0]
    assert patient["series"][-1]["detail"] == "not running"
    assert sshd["met"]


@pytest.mark.smoke
def test_a_host_that_hangs(lab: Lab, n1: str, n2: str) -> None:
    timer = later(12, lambda: lab.freeze(n2))
    begun = time.monotonic()
    try:
        result = watch(lab, process(n1, "sshd"), process(n2, "sshd", timeout="8s"), window="120s", phase="during")
    finally:
        timer.join()
        lab.thaw(n2)
    assert result["aborted"], result
    assert time.monotonic() - begun < 60
    healthy, hung = result["probes"]
    assert (healthy["met"], hung["met"]) == (True, False)
    assert hung["series"][0]["ok"]
    assert hung["series"][-1]["detail"].startswith("no answer within 8s")
    wait_until(lambda: not logins_of_probes(), 10, "all ssh processes of the probes have ended")


def test_a_host_without_power_and_without_abort(lab: Lab, n1: str, n2: str) -> None:
    """The window is as long as it was to be."""
    lab.cut(n2)
    try:
        result = watch(lab, process(n1, "sshd"), process(n2, "sshd", timeout="3s"), window="10s", abort=False)
    finally:
        lab.start(n2)
    assert not result["aborted"]
    assert [probe["met"] for probe in result["probes"]] == [True, False]
    assert result["probes"][1]["succeeded"] == 0
    assert not logins_of_probes()


def netem(lab: Lab, host: str, lease: str) -> dict:
    found = lab.module(host, "faultline.chaos.netem", {"delay": "1ms", "duration": "10m", "lease": lease, "run_id": RUN})
    assert found.get("status") == "active", found
    return found


def active(lab: Lab, host: str) -> list[dict]:
    return lab.module(host, "faultline.chaos.attack_info")["attacks"]


def test_leases_are_renewed_until_the_window_is_over(lab: Lab, n1: str) -> None:
    netem(lab, n1, "60s")
    result = watch(lab, process(n1, "sshd"), window="75s", phase="during", renew={"hosts": [n1], "run_id": RUN, "lease": "60s"})
    assert result["met"], result
    assert result["lease_lost"] == []
    assert lab.run(n1, "sh /var/lib/faultline/control.sh list").out.strip(), "the attack outlived its first lease"
    wait_until(lambda: not active(lab, n1), 120, "the lease ran out once nobody renewed it")


def test_a_lost_lease_is_told_and_costs_no_other(lab: Lab, n1: str, n2: str) -> None:
    for host in (n1, n2):
        netem(lab, host, "60s")
    lab.net_cut(n2)
    try:
        result = watch(lab, process(n1, "sshd"), window="75s", phase="during", renew={"hosts": [n1, n2], "run_id": RUN, "lease": "60s"})
        still = lab.run(n1, "sh /var/lib/faultline/control.sh list").out.strip()
    finally:
        lab.net_heal(n2)
    assert result["met"], result
    assert result["lease_lost"] == ["n2"]
    assert still
    lab.module(n1, "faultline.chaos.revert", {"run_id": RUN})
    wait_until(lambda: not active(lab, n2), 120, "the target without a lease has reverted")
