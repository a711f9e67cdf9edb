# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""custom on real hosts: the programs of a user, with the undo of the collection."""

from __future__ import annotations

import importlib

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

ATTACK = "faultline.chaos.custom"
OPTIONS = {
    "inject": ["sysctl", "-q", "-w", "vm.swappiness=7"],
    "undo": ["sysctl", "-q", "-w", "vm.swappiness=60"],
    "check": ["grep", "-qx", "7", "/proc/sys/vm/swappiness"],
    "undo_check": ["grep", "-qx", "60", "/proc/sys/vm/swappiness"],
}


@pytest.mark.smoke
def test_steps(lab: Lab, n1: str, tell) -> None:
    found = steps(lab, n1, "custom", {**OPTIONS, "duration": "10m"}, measure=["cat", "/proc/sys/vm/swappiness"])
    tell("custom", "vm.swappiness, as its program sets it", 7, int(found["measured"]), "")
    assert found["measured"] == "7" and found["real"]["effect"]["in_effect"] is True and found["real"]["notes"] == []


def test_the_timer_ends_it(lab: Lab, n1: str) -> None:
    result = lab.module(n1, ATTACK, {**OPTIONS, "duration": "15s"})
    assert not result.get("failed"), result
    wait_until(lambda: lab.read(n1, "/proc/sys/vm/swappiness").strip() == "60", 60, "the dead-man undoes it")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["id"], history[-1]["by"], history[-1]["result"]) == (result["id"], "timer", "reverted")


def test_a_program_that_hangs_is_ended_at_the_deadline(lab: Lab, n1: str) -> None:
    script = "#!/bin/sh\nsysctl -q -w vm.swappiness=7\nsleep 100005\n"
    lab.write(n1, "/usr/local/bin/flhang", script, "0755")
    try:
        result = lab.module(n1, ATTACK, {**OPTIONS, "inject": ["flhang"], "duration": "15s"}, timeout=120)
        assert result["failed"], result
        wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "undone")
        assert lab.read(n1, "/proc/sys/vm/swappiness").strip() == "60"
    finally:
        lab.run(n1, "rm -f /usr/local/bin/flhang; pkill -KILL -f 'sleep 100005'", check=False)


def test_a_failure_is_undone_at_once(lab: Lab, n1: str) -> None:
    result = lab.module(n1, ATTACK, {**OPTIONS, "check": ["false"], "duration": "1m"})
    assert result["failed"] and "not in effect" in result["msg"] and "undone at once" in result["msg"], result
    result = lab.module(n1, ATTACK, {**OPTIONS, "inject": ["/usr/bin/false"], "duration": "1m"})
    assert result["failed"] and "inject failed with rc 1" in result["msg"] and "undone at once" in result["msg"], result
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


def test_refusals(lab: Lab, n1: str) -> None:
    for option, argv in (("inject", ["flnothing"]), ("undo", ["bin/x"]), ("check", ["true"]), ("undo_check", ["false"])):
        refused = lab.module(n1, ATTACK, {**OPTIONS, option: argv, "duration": "1m"})
        assert refused["failed"] and refused["msg"].startswith(f"{option}: "), refused


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.custom").EXAMPLES
    done = lab.playbook([{"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}], must_succeed=True)
    assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted"]
