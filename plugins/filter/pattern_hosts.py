# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory

DOCUMENTATION = r"""
name: pattern_hosts
version_added: 0.1.0
short_description: The hosts of a pattern, or an error
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Ansible runs a play whose C(hosts) match nothing as a success. This filter makes it an error, so that a misspelt group is not mistaken
    for a clean fleet.
positional: groups, limit
options:
  _input:
    description: A host pattern.
    type: str
    required: true
  groups:
    description: The magic variable C(groups).
    type: dict
    required: true
  limit:
    description: The magic variable C(ansible_limit), which exists only with C(--limit).
    type: str
  option:
    description: What the error calls the pattern.
    type: str
    default: hosts
"""

EXAMPLES = r"""
- name: Look at hosts that must exist
  hosts: "{{ wanted | faultline.chaos.pattern_hosts(groups, ansible_limit | default(none)) }}"
  gather_facts: false
  tasks:
    - name: Look for what attacks left behind
      faultline.chaos.attack_info:
"""

RETURN = r"""
_value:
  description: The names of the hosts; never empty.
  type: list
  elements: str
"""


def pattern_hosts(pattern: Any, groups: Mapping[str, Collection[str]], limit: str | None = None, option: str = "hosts") -> list[str]:
    if context.CLIARGS.get("syntax"):
        return ["localhost"]  # a syntax check has no inventory
    try:
        return Inventory(groups).match(option, pattern, limit)
    except AttackError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"pattern_hosts": pattern_hosts}
