# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps that say something else on another host. (tests/integration/experiment has the same with Ansible around it.)"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.host_values import refuse_host_values

MANY = 500


class HostVars(dict):
    def raw_get(self, host: str) -> dict[str, Any]:
        return self[host]


class Template:
    """The least of a template engine: {{ name }} or {{ name or 50 }}, and nothing else."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, value: Any, variables: Mapping[str, Any]) -> Any:
        self.calls += 1
        return self._of(value, variables)

    def _of(self, value: Any, variables: Mapping[str, Any]) -> Any:
        if isinstance(value, dict):
            return {key: self._of(item, variables) for key, item in value.items()}
        if isinstance(value, list):
            return [self._of(item, variables) for item in value]
        found = re.fullmatch(r"\{\{ (\w+)(?: or (\d+))? \}\}", value) if isinstance(value, str) else None
        return self._of(variables.get(found[1], found[2] and int(found[2])), variables) if found else value


def task(load: Any, **variables: Any) -> dict[str, Any]:
    """The variables of a task on n0 of many hosts, of which only the last has another `strength`."""
    hosts = {f"n{number}": {"inventory_hostname": f"n{number}", "strength": 1, "other": number} for number in range(MANY)}
    hosts[f"n{MANY - 1}"]["strength"] = 2
    plan = {"title": "{{ other }}", "method": [{"attack": "cpu_stress", "hosts": "all", "with": {"load": load}}]}
    return {**hosts["n0"], "hostvars": HostVars(hosts), "groups": {"all": list(hosts)}, "experiment_plan": plan, **variables}


def evaluations(variables: dict[str, Any]) -> int:
    template = Template()
    refuse_host_values(variables, variables["groups"]["all"], template)
    return template.calls


@pytest.mark.parametrize("variables", [{"load": "{{ strength }}"}, {"load": "{{ step }}", "step": "{{ strength }}"}])
def test_another_value_is_found_also_behind_another_variable(variables: dict[str, Any]) -> None:
    words = f"experiment_plan.method[0].with.load: 1 is refused: that is its value on n0, on n{MANY - 1} it is 2;"
    with pytest.raises(BadOption, match=re.escape(words)):
        evaluations(task(**variables))


def test_a_variable_that_only_the_other_host_has() -> None:
    variables = task("{{ strength or 50 }}")
    for number in range(MANY - 1):
        del variables["hostvars"][f"n{number}"]["strength"]
    del variables["strength"]
    with pytest.raises(BadOption, match="50 is refused: that is its value on n0, on n499 it is 2;"):
        evaluations(variables)


def test_variables_by_a_name_that_is_made_up_are_looked_at_on_every_host() -> None:
    assert evaluations(task("{{ of_the_play }}", of_the_play="{{ vars }}", vars=1)) == 2 + MANY - 1


def test_what_the_play_sets_goes_before_what_hosts_have() -> None:
    assert evaluations(task("{{ strength }}", strength=5)) < MANY * 2


def test_a_difference_that_no_step_uses_is_none() -> None:
    evaluations(task("{{ of_the_play }}", of_the_play=5))


def test_a_plan_without_templates_is_not_evaluated() -> None:
    variables = task(50)
    variables["experiment_plan"]["title"] = "a title"
    assert evaluations(variables) == 0


def test_hosts_that_differ_in_nothing_that_is_used_cost_no_evaluation() -> None:
    variables = task("{{ of_the_play }}", of_the_play=5)
    variables["experiment_plan"]["title"] = "a title"
    assert evaluations(variables) == 2
