# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey import named, plan
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.targets import candidates
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory

DOCUMENTATION = r"""
name: survey_plan
version_added: 0.2.0
short_description: The plan of an experiment from the flat variables of a survey
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - The ready playbooks with flat variables, such as C(faultline.chaos.network_fault), make their plan with this filter.
  - A variable without a value has the default that the comment at the top of its playbook gives. An empty text means the same, except
    where that comment says otherwise.
  - A required variable that is missing, or a value that is not possible, is an error which names the variable, the value and the fix.
positional: playbook, groups
options:
  _input:
    description: The variables with their values. Those that the playbook does not take are ignored.
    type: dict
    required: true
  playbook:
    description: The name of the ready playbook, without the name of the collection.
    type: str
    required: true
  groups:
    description: The magic variable C(groups).
    type: dict
    required: true
  only_refusal:
    description:
      - Return what is refused, as a text which is empty when nothing is, instead of the plan. M(ansible.builtin.assert) then shows it without the
        words that Ansible puts around the error of a filter.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run the experiment of network_fault, with a limit of our own
  ansible.builtin.import_playbook: faultline.chaos.experiment
  vars:
    answers:
      fault_hosts: web
      fault_mode: loss
      fault_magnitude: 10%
      fault_url: http://shop.example.com/
    limits:
      safety:
        max_count_per_group: 1
    experiment_plan: "{{ answers | faultline.chaos.survey_plan('network_fault', groups) | combine(limits, recursive=true) }}"
"""

RETURN = r"""
_value:
  description: The plan, as O(faultline.chaos.experiment#role:main:experiment_plan) takes it. With O(only_refusal=true), a text.
  type: raw
"""


def survey_plan(given: Mapping[str, Any], playbook: str, groups: Mapping[str, Collection[str]], only_refusal: bool = False) -> dict[str, Any] | str:
    if context.CLIARGS.get("syntax"):
        return {}  # a syntax check has no variables
    if not isinstance(given, Mapping):
        raise AnsibleFilterError("survey_plan: give it a dict of variables, such as {'fault_hosts': 'web'}")
    try:
        found = plan(playbook, given, lambda option, pattern: Inventory(groups).match(option, pattern))
        if only_refusal:
            candidates(normalise(found), Inventory(groups))
    except AttackError as error:
        if only_refusal:
            return named(playbook, given, str(error))
        raise AnsibleFilterError(str(error)) from error
    return "" if only_refusal else found


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"survey_plan": survey_plan}
