# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An experiment over three real hosts, one of which is lost while it is attacked, and one of which fails: nothing is left anywhere.

Runs on the ansible-core of the Python that runs pytest: `make lab-test CORE=2.16 ARGS=tests/lab/test_fleet.py` takes another one.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from tests.lab.support import fingerprint
from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import IGNORE
from tests.support import crash

# On the third host the kernel takes no emulation when it comes to it. A look beforehand, elsewhere, finds that it would.
TC = """#!/bin/sh
[ "$*" = "-batch -" ] || exec /run/tc-real "$@"
commands=$(cat)
case $commands in *"dev fl"*" netem "*) echo "Error: refused by the test." >&2; exit 2;; esac
printf '%s\\n' "$commands" | exec /run/tc-real -batch -
"""
# On the second host the module has injected, and its answer never comes.
PYTHON = f'#!/bin/sh\n{crash.VARIABLE}=hang@injected exec /usr/bin/python3 "$@"\n'
INTERPRETER = "{{ '/run/python-that-hangs' if inventory_hostname == 'n2' else '/usr/bin/python3' }}"
DURATION, GRACE = 30, 10  # seconds


@pytest.fixture
def tc_that_fails(lab: Lab, n3: str):
    lab.run(n3, "cp /usr/sbin/tc /run/tc-real")
    lab.write(n3, "/run/tc-fake", TC, "0755")
    before = lab.fingerprint(n3)
    lab.run(n3, "mount --bind /run/tc-fake /usr/sbin/tc")
    yield before
    lab.run(n3, "umount /usr/sbin/tc; rm -f /run/tc-fake /run/tc-real")


@pytest.fixture
def python_that_hangs(lab: Lab, n2: str):
    lab.write(n2, "/run/python-that-hangs", PYTHON, "0755")
    yield
    lab.net_heal(n2)
    lab.wait_ssh(n2)
    lab.run(n2, "rm -f /run/python-that-hangs")


def cut_when_attacked(lab: Lab, host: str, stop: threading.Event) -> None:
    """Unplug the host as soon as the attack is in effect: it goes on there, and nobody hears of it."""
    while not stop.is_set():
        if lab.run(host, "tc qdisc show | grep netem", check=False).ok:
            lab.net_cut(host)
            return
        time.sleep(0.1)


@pytest.mark.smoke
def test_one_host_lost_and_one_failing(lab: Lab, n1: str, n2: str, n3: str, tc_that_fails, python_that_hangs, tmp_path: Path) -> None:
    before = {host: lab.fingerprint(host) for host in (n1, n2)} | {n3: tc_that_fails}
    plan = {
        "title": "Slow links",
        "steady_state": [{"name": "n1 answers ssh", "type": "tcp", "host": "10.77.0.11", "port": 22}],
        "observe": {"window": "2s", "interval": "500ms", "settle": "2s"},
        "method": [
            {
                "name": "delay",
                "attack": "netem",
                "hosts": "lab",
                "select": {"percent": 100},
                "with": {"interface": "eth0", "delay": "20ms"},
                "duration": f"{DURATION}s",
            }
        ],
        "safety": {"grace": f"{GRACE}s"},
        "report": {"dir": str(tmp_path)},
    }
    stop = threading.Event()
    cutter = threading.Thread(target=cut_when_attacked, args=(lab, n2, stop))
    cutter.start()
    try:
        variables = {"experiment_plan": plan, "ansible_python_interpreter": INTERPRETER}
        play = lab.playbook("faultline.chaos.experiment", variables, env=crash.environment(lab.scratch))
    finally:
        stop.set()
        cutter.join()
    [report] = tmp_path.glob("*/record.json")
    record = json.loads(report.read_text())
    [attack] = [phase for phase in record["phases"] if phase["kind"] == "attack"]
    hosts = {entry["host"]: entry for entry in attack["hosts"]}

    assert play.rc != 0
    outcomes = {name: entry["outcome"] for name, entry in hosts.items()}
    assert (outcomes[n1], outcomes[n2]) == ("reverted", "left_to_timer") and outcomes[n3] in ("not_injected", "reverted"), outcomes
    assert record["verdict"] == "not_reverted", record["verdict_reason"]
    assert "refused by the test" in hosts[n3]["error"]
    [left] = record["left_to_timer"]
    assert left["host"] == n2 and left["deadline"], left
    assert f"{n2} " in play.out[play.out.rindex("TASK [") :] and left["deadline"] in play.out, play.out

    # Nobody has talked to n2 since: its own timer undoes the attack.
    lab.net_heal(n2)
    lab.wait_ssh(n2)
    wait_until(lambda: lab.module(n2, "faultline.chaos.attack_info").get("clean"), DURATION + GRACE + 5, "n2 undoes the attack")
    [last] = lab.module(n2, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (last["result"], last["by"]) == ("reverted", "timer"), last
    lab.run(n3, "umount /usr/sbin/tc")
    for host, found in before.items():
        assert not fingerprint.compare(found, lab.fingerprint(host), IGNORE), host
