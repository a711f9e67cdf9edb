# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.kube_hosts import add_hosts

DOCUMENTATION = r"""
name: pod_hosts
version_added: 0.1.0
short_description: Which hosts of the inventory the nodes of pods are
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Takes the pods that M(faultline.chaos.k8s_pod_location_info) returned, and adds to each the host of the inventory that its node is.
  - A host is a node when it has the variable C(faultline_node) with the name of the node. Without that, when its name in the inventory, its
    C(ansible_host), or a name or an address of its facts is a name or an address of the node. Nothing is resolved by DNS.
  - A node that is no host, or could be several, is an error.
positional: hosts
options:
  _input:
    description: The pods.
    type: list
    elements: dict
    required: true
  hosts:
    description: The variable C(hostvars), or a part of it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Choose pods, and see where they are
  faultline.chaos.k8s_pod_location_info:
    namespace: shop
    label_selector: app=web
    all: true
  register: located

- name: The pods of the shop cannot reach the database
  faultline.chaos.blackhole:
    container: "{{ item.container_id }}"
    peers: [192.0.2.10]
    direction: egress
    duration: 1m
  delegate_to: "{{ item.inventory_host }}"
  become: true
  loop: "{{ located.pods | faultline.chaos.pod_hosts(hostvars) }}"
  loop_control:
    label: "{{ item.name }} on {{ item.inventory_host }}"
"""

RETURN = r"""
_value:
  description: The same pods, each with C(inventory_host).
  type: list
  elements: dict
"""


def pod_hosts(pods: Any, hosts: Any) -> list[dict[str, Any]]:
    if isinstance(pods, (str, bytes)) or not hasattr(pods, "__iter__") or not all(hasattr(pod, "get") for pod in pods):
        raise AnsibleFilterError("pod_hosts: give it the list pods that k8s_pod_location_info returned")
    if not hasattr(hosts, "__getitem__") or not hasattr(hosts, "__iter__") or isinstance(hosts, (str, list)):
        raise AnsibleFilterError("pod_hosts: give it hostvars, as in pods | faultline.chaos.pod_hosts(hostvars)")
    try:
        return add_hosts(pods, hosts)
    except AttackError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"pod_hosts": pod_hosts}
