# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._renamed import COLLECTION, REMOVED_IN
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import read_select
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options, host_names, plain
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.partition import DIRECTIONS, OLD_DIRECTIONS, SHAPES, cut

DOCUMENTATION = r"""
name: partition
version_added: 0.1.0
short_description: Which hosts a host cannot reach in a network partition of some shape
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Says for each host of a group from which of the others it is cut off, for M(faultline.chaos.blackhole) to do it.
  - It gives names of the inventory. What is cut off are addresses, those that the hosts use among themselves; the examples show where to take them from.
  - Who is on which side depends on nothing but the seed and the names of the hosts, as with P(faultline.chaos.blast_radius#filter).
positional: shape, seed
options:
  _input:
    description: Host names.
    type: list
    elements: str
    required: true
  shape:
    description:
      - V(one) isolates one host from all others.
      - V(halves) splits the hosts in two. With an odd number the first side is the smaller one.
      - V(majority_ring) lets every host reach a majority, but no two of them the same one. Needs 4 hosts.
      - V(bridge) splits the hosts in two, with one host that reaches both sides. Needs 3 hosts.
    type: str
    choices: [one, halves, majority_ring, bridge]
    required: true
  seed:
    description:
      - 1 to 64 characters without line breaks and without spaces around them, or a whole number below 2^63. V(42) and V("42") draw the same.
    type: str
    required: true
  direction:
    description:
      - V(both) gives each two hosts that are cut off from each other in both of their lists.
      - V(egress) and V(ingress) are for partitions in which packets get through one way. Only the host on the first side has the other one in its list, and
        O(faultline.chaos.blackhole#module:direction) has to be the same. With V(egress) the first side is not heard, with V(ingress) it does not hear.
      - The first side is the isolated host, the first half, or the one that comes first on the ring.
      - V(out) and V(in) are the old words for V(egress) and V(ingress). They are deprecated, and removed in 1.0.0.
    type: str
    choices: [both, egress, ingress, out, in]
    default: both
"""

EXAMPLES = r"""
- name: Cut one of the Redis hosts off from the others for a minute, while all of them serve their clients
  hosts: redis
  gather_facts: false
  become: true
  vars:
    peers: "{{ (groups.redis | faultline.chaos.partition('one', 42))[inventory_hostname] }}"
    # ansible_host of each peer, or its name where there is none
    addresses: "{{ peers | map('extract', hostvars) | map(attribute='ansible_host', default='') }}"
  tasks:
    - name: Drop what comes from and goes to the other side
      faultline.chaos.blackhole:
        peers: "{{ addresses | zip(peers) | map('select') | map('first') }}"
        duration: 1m
      when: peers | length > 0

- name: One half does not hear the other half, but is heard; the hosts talk over a network that Ansible does not use
  hosts: redis
  gather_facts: false
  become: true
  vars:
    peers: "{{ (groups.redis | faultline.chaos.partition('halves', 42, direction='ingress'))[inventory_hostname] }}"
    # redis_address is a variable of the inventory; a host without it is known by ansible_host, or by its name
    addresses: "{{ peers | map('extract', hostvars) | map(attribute='redis_address', default='') }}"
    managed: "{{ peers | map('extract', hostvars) | map(attribute='ansible_host', default='') }}"
  tasks:
    - name: Drop what comes from the other half
      faultline.chaos.blackhole:
        peers: "{{ addresses | zip(managed, peers) | map('select') | map('first') }}"
        direction: ingress
        duration: 1m
      when: peers | length > 0
"""

RETURN = r"""
_value:
  description: Every host with the list of those it is cut off from, which may be empty.
  type: dict
"""


def partition(hosts: Any, shape: Any, seed: Any, **options: Any) -> dict[str, list[str]]:
    try:
        return _partition(plain("hosts", hosts), plain("partition", {"shape": shape, "seed": seed, **options}))
    except AttackError as error:
        raise AnsibleFilterError(str(error)) from error


def _partition(hosts: Any, options: dict[str, Any]) -> dict[str, list[str]]:
    level = Options(options, "partition", ("shape", "seed", "direction"))
    names = host_names("partition", hosts)
    shape = level.choice("shape", list(SHAPES), REQUIRED)
    direction = options.get("direction")
    if isinstance(direction, str) and direction in OLD_DIRECTIONS:
        Display().deprecated(
            f"partition: direction={direction} is the old word for {OLD_DIRECTIONS[direction]}", version=REMOVED_IN, collection_name=COLLECTION
        )
        level.take("direction")
    else:
        direction = level.choice("direction", DIRECTIONS, "both")
    if len(set(names)) < SHAPES[shape]:
        raise BadOption(level.label("hosts"), names, f"the shape {shape} needs at least {SHAPES[shape]} hosts")
    return cut(names, shape, read_select(level)["seed"] or "", one_way=direction != "both")


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"partition": partition}
