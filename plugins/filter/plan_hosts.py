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
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.targets import candidates
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory

DOCUMENTATION = r"""
name: plan_hosts
version_added: 0.1.0
short_description: The hosts that the plan of an experiment may select from
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Checks the plan, and returns the hosts of the patterns of all its steps.
  - A plan that is not valid, a group that does not exist and a pattern that leaves no host are errors.
positional: groups, limit
options:
  _input:
    description: The plan, see the role P(faultline.chaos.experiment#role).
    type: dict
    required: true
  groups:
    description: The magic variable C(groups).
    type: dict
    required: true
  limit:
    description: The magic variable C(ansible_limit), which exists only with C(--limit).
    type: str
"""

EXAMPLES = r"""
- name: Plan an experiment
  hosts: "{{ experiment_plan | faultline.chaos.plan_hosts(groups, ansible_limit | default(none)) }}"
  gather_facts: false
  roles:
    - faultline.chaos.experiment
"""

RETURN = r"""
_value:
  description: The names of the hosts, sorted; never empty.
  type: list
  elements: str
"""


def plan_hosts(plan: Any, groups: Mapping[str, Collection[str]], limit: str | None = None) -> list[str]:
    if context.CLIARGS.get("syntax"):
        return ["localhost"]  # a syntax check has no plan and no inventory
    try:
        return sorted(candidates(normalise(plan), Inventory(groups), limit))
    except AttackError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"plan_hosts": plan_hosts}
