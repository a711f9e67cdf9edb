# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready playbooks with flat variables: what their heads say is what they take, and their plans know no other options than the role."""

from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import KNOWN
from tests.support.paths import CHECKOUT

PLAYBOOKS = CHECKOUT / "playbooks"
NAMES = ("process_fault", "service_fault", "clock_fault", "host_shutdown", "dns_fault")


@pytest.fixture(params=NAMES)
def text(request: pytest.FixtureRequest) -> str:
    return (PLAYBOOKS / f"{request.param}.yml").read_text()


def test_the_head_says_what_it_takes(text: str) -> None:
    told = {}
    for name, default in re.findall(r"^#   (fault_\w+) .*?(\S+)$", text, re.M):
        told[name] = default
    variables = yaml.safe_load(text)[1]["vars"]
    # With a default where it is used, so that an empty answer of a survey means the same as none.
    used = dict(re.findall(r"\b(fault_\w+) \| default\('?([\w%]+)'?, true\)", text))
    assert set(told) == {name for name in variables if name.startswith("fault_")} | set(used)
    for name, default in told.items():
        value = variables.get(name, used.get(name))
        if value not in ("", 1):
            assert str(value).lower() == default.lower(), name


def test_the_plan_has_no_other_options_than_the_role(text: str) -> None:
    plan = yaml.safe_load(text)[1]["vars"]["experiment_plan"]
    assert set(plan) <= set(KNOWN[""])
    assert set(plan["observe"]) <= set(KNOWN["observe"]) and set(plan["report"]) <= set(KNOWN["report"])
    [step] = plan["method"]
    assert set(step) <= set(KNOWN["method"])
    assert set(re.findall(r"'(\w+)':", step["select"])) <= set(KNOWN["select"])
    assert set(re.findall(r"'(\w+)':", plan["safety"])) <= set(KNOWN["safety"])


def test_the_options_are_those_of_the_attack(text: str) -> None:
    [step] = yaml.safe_load(text)[1]["vars"]["experiment_plan"]["method"]
    options = set(re.findall(r"'(\w+)':", step["with"]))
    for name in ("process_kill", "process_freeze") if "fault_action" in step["attack"] else (step["attack"],):
        module = (PLAYBOOKS.parent / "plugins" / "modules" / f"{name}.py").read_text()
        fragments = (PLAYBOOKS.parent / "plugins" / "doc_fragments" / "_processes.py").read_text() if "_processes" in module else ""
        known = set(re.findall(r"^  (\w+):$", module.partition("EXAMPLES")[0] + fragments, re.M))
        assert options - {"signal", "recover"} <= known, name
