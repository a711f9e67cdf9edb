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
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.attack_docs import check_attacks
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey import variables
from tests.support.paths import CHECKOUT

PLAYBOOKS = CHECKOUT / "playbooks"
SURVEYS = sorted((CHECKOUT / "docs/surveys").glob("*.json"))
NOT_FOR_SURVEYS = {"_survey", "audit", "cluster_audit", "cluster_halt", "experiment", "halt", "lab"}
# A line of the comment at the top of a playbook that describes a variable; a line that goes on is further right.
DESCRIBED = re.compile(r"^#   ([a-z][a-z0-9_]+) +(\S.*)$", re.MULTILINE)
# What a person would answer where there is no default.
ANSWERS = {
    "hosts": "web", "url": "http://shop.example.com/", "process": "nginx", "service": "nginx", "domains": "db.example.com", "interface": "eth1",
    "dependency_host": "db.example.com", "names": "db.example.com", "path": "/srv/data", "delay": "100ms", "name": "db.example.com", "addresses": "192.0.2.1",
    "namespace": "shop", "labels": "app=web", "nodes": "pool=web",
}  # fmt: skip
OF_THE_PLAYBOOK = {"host_shutdown": {"fault_return"}}
# What a person would have to answer as well.
NEEDED_WITH = {
    "fd": {"fault_process": "nginx"},
    "throttle": {"fault_service": "nginx"},
    "spoof": {"fault_addresses": "192.0.2.1"},
    "drop": {"fault_interface": "eth1"},
    "reject": {"fault_interface": "eth1"},
    "poweroff": {"fault_way_back": "ipmi"},
    "file": {"fault_path": "/etc/shop.conf"},
}


def survey(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["spec"]


def described(path: Path) -> dict[str, str]:
    """The variables in the comment at the top of a playbook, each with its description and its default."""
    return dict(DESCRIBED.findall((PLAYBOOKS / f"{path.stem}.yml").read_text().partition("\n- name:")[0]))


def word_of(variable: str) -> str:
    """The variable without the prefix of its playbook."""
    return variable.rpartition("fault_")[2]


def test_each_playbook_of_an_attack_has_a_survey() -> None:
    assert {path.stem for path in SURVEYS} == {path.stem for path in PLAYBOOKS.glob("*.yml")} - NOT_FOR_SURVEYS


@pytest.mark.parametrize("path", SURVEYS, ids=lambda path: path.stem)
def test_every_variable_is_one_of_the_playbook(path: Path) -> None:
    asked = [question["variable"] for question in survey(path)]
    assert len(asked) == len(set(asked))
    assert set(asked) <= set(described(path))


@pytest.mark.parametrize("path", SURVEYS, ids=lambda path: path.stem)
def test_the_comment_of_a_playbook_has_its_variables_and_their_defaults(path: Path) -> None:
    taken = variables(path.stem)
    words = described(path)
    # The playbook itself hands these to the role.
    assert set(words) == set(taken) | OF_THE_PLAYBOOK.get(path.stem, set())
    for name, default in taken.items():
        told = re.split(r"  +", words[name])
        if default != "":
            assert str(default).lower() == told[-1].lower() if len(told) > 1 else words[name].endswith(f" {default}"), name


@pytest.mark.parametrize("name", [path.stem for path in SURVEYS])
def test_every_playbook_takes_the_common_variables(name: str) -> None:
    common = {"url", "tcp", "success", "duration", "lease", "protected", "window", "settle", "report_dir"}
    assert {f"fault_{word}" for word in common} <= set(variables(name))


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
    [own] = yaml.safe_load((PLAYBOOKS / f"{path.stem}.yml").read_text())
    assert own["ansible.builtin.import_playbook"] == "_survey.yml"
    [look, run] = yaml.safe_load((PLAYBOOKS / "_survey.yml").read_text())
    assert look["vars"] == run["vars"]
    magic = {"groups": {"all": ["web1", "web2"], "web": ["web1", "web2"]}, "playbook_dir": str(PLAYBOOKS)}
    templar = Templar(loader=DataLoader(), variables={**magic, **trusted(run["vars"] | own["vars"]), **answers})
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
    return question["required"] or word_of(question["variable"]) in ("url", "dependency_host")


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


def test_an_answer_is_evaluated_as_ansible_does_it_and_only_once() -> None:
    """A template of the operator counts; one that a person typed into the survey of AWX, which marks it, stays a text."""
    path = next(path for path in SURVEYS if path.stem == "process_fault")
    typed = wrap_var("{{ word }}")
    answers = {**answered(path), "word": "nginx", "fault_process": trusted("{{ word }}"), "fault_user": typed}
    [step] = plan_of(path, answers)["method"]
    assert (step["with"]["name"], step["with"]["user"]) == ("nginx", "{{ word }}")


def test_an_unknown_variable_is_not_evaluated_into_the_plan() -> None:
    """An inventory may have variables of the same prefix, such as the fault domain of a host."""
    path = next(path for path in SURVEYS if path.stem == "clock_fault")
    assert plan_of(path, {**answered(path), "fault_domain": "rack7"}) == plan_of(path, answered(path))
