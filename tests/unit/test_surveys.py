# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The surveys in docs/surveys ask for what the playbooks take, and whatever is answered makes a plan."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.attack_docs import check_attacks
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from tests.support.paths import CHECKOUT

PLAYBOOKS = CHECKOUT / "playbooks"
SURVEYS = sorted((CHECKOUT / "docs/surveys").glob("*.json"))
NOT_FOR_SURVEYS = {"audit", "cluster_audit", "cluster_halt", "experiment", "halt", "lab"}
# A line of the comment at the top of a playbook that describes a variable; a line that goes on is further right.
DESCRIBED = re.compile(r"^#   ([a-z][a-z0-9_]+) +(\S.*)$", re.MULTILINE)
# What a person would answer where there is no default.
ANSWERS = {
    "hosts": "web", "url": "http://shop.example.com/", "process": "nginx", "service": "nginx", "domains": "db.example.com", "interface": "eth1",
    "dependency": "db.example.com", "names": "db.example.com", "path": "/srv/data", "delay": "100ms", "name": "db.example.com", "addresses": "192.0.2.1",
    "namespace": "shop", "labels": "app=web", "nodes": "pool=web",
}  # fmt: skip
# What a person would have to answer as well.
NEEDED_WITH = {
    "fd": {"resource_stress_process": "nginx"},
    "throttle": {"fault_service": "nginx"},
    "spoof": {"fault_addresses": "192.0.2.1"},
    "file": {"fault_path": "/etc/shop.conf"},
}


def survey(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["spec"]


def playbook(path: Path) -> tuple[str, str]:
    """The comment at the top of a playbook, and the rest."""
    head, dash, body = (PLAYBOOKS / f"{path.stem}.yml").read_text().partition("\n- name:")
    return head, dash + body


def described(path: Path) -> dict[str, str]:
    return dict(DESCRIBED.findall(playbook(path)[0]))


def word_of(variable: str) -> str:
    """The variable without the prefix of its playbook."""
    return variable.removeprefix("resource_stress_").rpartition("fault_")[2]


def test_each_playbook_of_an_attack_has_a_survey() -> None:
    assert {path.stem for path in SURVEYS} == {path.stem for path in PLAYBOOKS.glob("*.yml")} - NOT_FOR_SURVEYS


@pytest.mark.parametrize("path", SURVEYS, ids=lambda path: path.stem)
def test_every_variable_is_one_of_the_playbook(path: Path) -> None:
    asked = [question["variable"] for question in survey(path)]
    assert len(asked) == len(set(asked))
    body = playbook(path)[1]
    for variable in asked:
        assert variable in described(path)
        assert re.search(rf"\b{variable}\b", body), variable


@pytest.mark.parametrize("path", SURVEYS, ids=lambda path: path.stem)
def test_what_the_playbook_needs_is_asked(path: Path) -> None:
    asked = {question["variable"]: question for question in survey(path)}
    needed = {name: words for name, words in described(path).items() if re.search(r"\b(required|needed)\b", words)}
    assert needed
    for name, words in needed.items():
        assert name in asked
        assert asked[name]["required"] or re.search(r"one of the|required for|^[a-z, ]+: ", words)
    for name, question in asked.items():
        if question["required"] and question["default"] == "":
            assert name in needed, f"{name} has no default, and the playbook does not need it"


@pytest.mark.parametrize("path", SURVEYS, ids=lambda path: path.stem)
def test_form(path: Path) -> None:
    found = json.loads(path.read_text())
    assert set(found) == {"name", "description", "spec"}
    for question in found["spec"]:
        assert question["type"] in {"text", "integer", "multiplechoice"}
        assert question["question_name"].strip() and "question_description" in question
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"]
        if question["type"] == "integer":
            assert question["min"] <= question["default"] <= question["max"]
        if question["required"] and question["type"] == "text":
            assert question["min"] >= 1


def plan_of(path: Path, answers: dict[str, Any]) -> dict[str, Any]:
    """The plan that the playbook makes of these answers, which are extra variables and so go before its own."""
    play = yaml.safe_load((PLAYBOOKS / f"{path.stem}.yml").read_text())[-1]
    magic = {"groups": {"all": ["web1", "web2"], "web": ["web1", "web2"]}, "playbook_dir": str(PLAYBOOKS)}
    templar = Templar(loader=DataLoader(), variables={**magic, **trusted(play["vars"]), **answers})
    return normalise(templar.template(trusted("{{ experiment_plan }}")))


def trusted(value: Any) -> Any:
    """ansible-core from 2.19 on evaluates only templates that it was told to trust."""
    try:
        from ansible.template import trust_as_template
    except ImportError:
        return value
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def answered(path: Path) -> dict[str, Any]:
    """All answers as AWX hands them over: what is left empty is an empty text."""
    return {
        question["variable"]: question["default"] if question["default"] != "" or not _needed(question) else ANSWERS[word_of(question["variable"])]
        for question in survey(path)
    }


def _needed(question: dict[str, Any]) -> bool:
    return question["required"] or word_of(question["variable"]) == "url"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (path, {question["variable"]: choice} if choice else {})
        for path in SURVEYS
        for question, choice in [({"variable": ""}, None)] + [(question, choice) for question in survey(path) for choice in question.get("choices", [])]
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else " ".join(value.values()) or "defaults",
)
def test_every_answer_makes_a_plan(path: Path, change: dict[str, Any]) -> None:
    answers = {**answered(path), **change}
    answers.update(NEEDED_WITH.get(next(iter(change.values()), ""), {}))
    plan = plan_of(path, answers)
    check_attacks(plan)
    [step] = plan["method"]
    assert step["hosts"] == ("localhost" if ".k8s_" in step["attack"] else "web")
    assert step["select"]["count"] == 1
    assert step["duration"] == 60


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("network_fault", {"fault_mode": "delay"}),
        ("network_fault", {"fault_mode": "drop", "fault_interface": "eth0"}),
        ("dependency_down", {"dependency_host": "db.example.com"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value.values()),
)
@pytest.mark.parametrize(
    ("told", "expected"),
    [("", None), (" ", None), ("198.51.100.7", ["198.51.100.7"]), (" 198.51.100.0/24 ,2001:db8::/32,", ["198.51.100.0/24", "2001:db8::/32"])],
)
def test_addresses_that_always_pass(name: str, answers: dict[str, Any], told: str, expected: list[str] | None) -> None:
    path = next(path for path in SURVEYS if path.stem == name)
    plan = plan_of(path, {**answered(path), **answers, "fault_control": told})
    check_attacks(plan)
    [step] = plan["method"]
    assert step["with"].get("control_addresses") == expected
    if expected:
        del step["with"]["control_addresses"]
    [without] = plan_of(path, {**answered(path), **answers})["method"]
    assert step["with"] == without["with"]
