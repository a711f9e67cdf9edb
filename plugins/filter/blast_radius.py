# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import read_select
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import MissingOption, Options, host_names, plain
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.blast_radius import caps, select

DOCUMENTATION = r"""
name: blast_radius
version_added: 0.1.0
short_description: Select some of many hosts, the same ones every time
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Draws hosts by a seed. The same seed and hosts give the same selection on every machine, in every run, whatever the order of the hosts.
  - The hosts are ordered by the SHA-256 of the seed, a NUL and the host name, and the first ones that keep the caps are taken.
  - The selection of the role P(faultline.chaos.experiment#role), usable alone.
positional: seed
options:
  _input:
    description: Host names.
    type: list
    elements: str
    required: true
  seed:
    description:
      - 1 to 64 characters without line breaks and without spaces around them, or a whole number below 2^63. V(42) and V("42") draw the same.
    type: str
    required: true
  count:
    description: How many hosts. One, when O(percent) is not given either.
    type: int
  percent:
    description: How many hosts, as a percentage of those handed in, rounded down, but at least one.
    type: float
  max_per_group:
    description: At most this many hosts of one group. Needs O(groups).
    type: int
  max_percent_per_group:
    description: At most this percentage of the hosts of one group, rounded down. Needs O(groups).
    type: float
  groups:
    description: The magic variable C(groups), or some of it. The groups C(all) and C(ungrouped) do not count.
    type: dict
  exclude:
    description: Hosts that must not be selected.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show one third of the web servers, at most one per rack
  ansible.builtin.debug:
    msg: "{{ groups.web | faultline.chaos.blast_radius(42, percent=33, max_per_group=1, groups=racks) }}"
  vars:
    racks: "{{ groups | dict2items | selectattr('key', 'match', 'rack_') | items2dict }}"
  run_once: true

- name: Attack two hosts of the group
  faultline.chaos.process_kill:
    name: redis-server
    duration: 30s
  when: inventory_hostname in (groups.redis | faultline.chaos.blast_radius('tuesday', count=2))
"""

RETURN = r"""
_value:
  description: The selected hosts, in the order of the draw. Fewer than asked for when the caps say so.
  type: list
  elements: str
"""


def blast_radius(hosts: Any, seed: Any, **options: Any) -> list[str]:
    try:
        return _blast_radius(plain("hosts", hosts), plain("blast_radius", {"seed": seed, **options}))
    except AttackError as error:
        raise AnsibleFilterError(str(error)) from error


def _blast_radius(hosts: Any, options: dict[str, Any]) -> list[str]:
    given = {name: value for name, value in options.items() if value is not None or name == "seed"}
    known = ("seed", "count", "percent", "max_per_group", "max_percent_per_group", "groups", "exclude")
    level = Options(given, "blast_radius", known)
    names = host_names("blast_radius", hosts)
    exclude = level.texts("exclude", [], "write a list of host names", may_be_empty=True)
    groups: Mapping[str, Collection[str]] = given.get("groups", {})
    chosen = read_select(level)
    percent = level.share("max_percent_per_group")
    if not groups and (chosen["max_per_group"] or percent):
        raise MissingOption(level.label("groups"), "hand in the magic variable groups, which the caps count over")
    limits = caps(groups, max_count=chosen["max_per_group"], max_percent=percent)
    eligible = [name for name in names if name not in set(exclude)]
    return select(eligible, chosen["seed"] or "", count=chosen["count"], percent=chosen["percent"], limits=limits).selected


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"blast_radius": blast_radius}
