# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that every attack has to pass: check, real, check again, real again, measure, revert, revert again."""

from __future__ import annotations

import ast
import time
from typing import Any

import yaml

from tests.lab.support import fingerprint, legacy
from tests.lab.support.lab import REPO, Lab, beyond_the_inventory

# The history grows by design; active attacks are asserted separately. The clock is not compared here.
IGNORE = ("/var/lib/faultline", "time", "_payload_")

# What these have done stays done (a kill), may be put right by others (a stop that its supervisor may heal), or cannot be read (without a check).
WITHOUT_READING = ("process_kill", "service_stop", "custom")


def steps(lab: Lab, host: str, module: str, options: dict, measure: list[str] | None = None, settle: float = 0, playbook: bool = False) -> dict[str, Any]:
    """Run the steps and assert what holds for all attacks. Returns the results by step, and "measured" (stdout).

    measure: a command, run on the host while the attack is active. playbook: by ansible-playbook, which takes three times as long; otherwise
    each module runs by itself, as direct.py does it. The examples of every module and one attack of each family run by ansible-playbook.
    """
    target = {k: v for k, v in options.items() if k not in ("duration", "lease")}
    undo = {**target, "state": "absent"}
    begin = [("check", options, True), ("real", options, False), ("check again", options, True), ("real again", options, False)]
    end = [("revert check", undo, True), ("revert", undo, False), ("revert again", undo, False)]
    run = _by_playbook if playbook or legacy.ASKED_FOR else _one_by_one
    found, told = run(lab, host, module, begin, end, measure, settle)
    _assert_steps(found, told)
    return found


def _one_by_one(lab: Lab, host: str, module: str, begin: list, end: list, measure: list[str] | None, settle: float) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {"before": lab.fingerprint(host)}

    def do(name: str, options: dict, check: bool) -> None:
        found[name] = lab.module(host, f"faultline.chaos.{module}", options, check=check, diff=True)
        assert not found[name].get("failed") and not found[name].get("unreachable"), f"{name}: {found[name]}"

    try:
        for step in begin:
            do(*step)
            if step[0] == "check":
                found["after check"] = lab.fingerprint(host)
        time.sleep(settle)
        done = lab.run(host, measure, check=False) if measure else None
        found["measured"], found["measure"] = (done.out.rstrip("\n"), {"stderr": done.err}) if done else ("", {})
        for step in end:
            do(*step)
        found["info"] = lab.module(host, "faultline.chaos.attack_info", {"history": 1})
    finally:
        if "info" not in found:
            lab.module(host, "faultline.chaos.revert", {"all": True})
    found["after"] = lab.fingerprint(host)
    return found, ""


def _by_playbook(lab: Lab, host: str, module: str, begin: list, end: list, measure: list[str] | None, settle: float) -> tuple[dict[str, Any], str]:
    tasks: list[dict] = [_print("before"), _do(module, *begin[0]), _print("after check"), *(_do(module, *step) for step in begin[1:])]
    if settle:
        tasks.append({"name": "settle", "ansible.builtin.command": {"argv": ["sleep", str(settle)]}})
    if measure:
        tasks.append({"name": "measure", "ansible.builtin.command": {"argv": measure}, "failed_when": False})
    tasks += [*(_do(module, *step) for step in end), {"name": "info", "faultline.chaos.attack_info": {"history": 1}}, _print("after")]
    play = lab.playbook([{"name": "steps", "hosts": host, "gather_facts": False, "tasks": tasks}], hosts=beyond_the_inventory(host))
    found: dict[str, Any] = {}
    for event in play.events:
        if event.get("host") == host and "result" in event:
            found[event["task"]] = event["result"]
    assert play.rc == 0, f"{found.get('real')}\n{play}"
    for name in ("before", "after check", "after"):
        found[name] = fingerprint.parse(found[name]["stdout"])
    found["measured"] = found.get("measure", {}).get("stdout", "")
    return found, play.out


def _assert_steps(found: dict[str, Any], told: str) -> None:
    acted = fingerprint.compare(found["before"], found["after check"], IGNORE)
    assert not acted, f"check mode changed something:\n{acted}"
    assert found["check"]["changed"] and found["check"]["status"] == "planned"
    assert found["check"]["diff"]["after"] != found["check"]["diff"]["before"]
    assert found["real"]["changed"] and found["real"]["status"] == "active" and found["real"]["remaining"] > 0
    for again in ("check again", "real again"):
        assert not found[again]["changed"] and found[again]["status"] == "active" and found[again]["id"] == found["real"]["id"]
    assert found["revert check"]["changed"]
    assert found["revert"]["changed"] and found["revert"]["status"] == "reverted"
    assert not found["revert again"]["changed"] and found["revert again"]["status"] == "absent"
    assert found["info"]["clean"], found["info"]
    ended = found["info"]["history"][-1]
    assert ended["result"] == "reverted"
    assert ended.get("reading", {}).get("in_place") is True or ended["module"] in WITHOUT_READING and "reading" not in ended, ended
    left = fingerprint.compare(found["before"], found["after"], IGNORE)
    assert not left, f"left after the revert:\n{left}\n{told}"


def _do(module: str, name: str, options: dict, check: bool) -> dict:
    return {"name": name, f"faultline.chaos.{module}": options, "check_mode": check, "diff": True}


def _print(name: str) -> dict:
    return {"name": name, "ansible.builtin.command": {"argv": ["python3", "-"], "stdin": fingerprint.SCRIPT}}


def run_examples(lab: Lab, host: str, module: str) -> list[str]:
    """Run the documented examples of a module; returns the status of each one. Attacks still active after an example end before the next one."""
    tasks: list[dict] = []
    for example in examples(module):
        if tasks and example[f"faultline.chaos.{module}"].get("state") != "absent":
            tasks.append({"name": "between", "faultline.chaos.revert": {"all": True}})
        tasks.append(example)
    tasks += [{"name": "end", "faultline.chaos.revert": {"all": True}}, {"name": "info", "faultline.chaos.attack_info": {"history": 1}}]
    before = lab.fingerprint(host)
    try:
        done = lab.playbook([{"name": "examples", "hosts": host, "gather_facts": False, "tasks": tasks}], must_succeed=True)
    finally:
        lab.module(host, "faultline.chaos.revert", {"all": True})
    assert done.results("info", host)[0]["clean"], done.results("info", host)
    left = fingerprint.compare(before, lab.fingerprint(host), IGNORE)
    assert not left, f"left after the examples:\n{left}\n{done.out}"
    return [result["status"] for each in examples(module) for result in done.results(each["name"], host)]


def examples(module: str) -> list[dict]:
    """The tasks in the EXAMPLES of a module."""
    tree = ast.parse((REPO / "plugins" / "modules" / f"{module}.py").read_text())
    [text] = [node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES"]
    return yaml.safe_load(text)
