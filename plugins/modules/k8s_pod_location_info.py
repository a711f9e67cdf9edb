#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_pod_location_info
version_added: 0.2.0
short_description: Say on which node pods run, and what their containers are called there
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Chooses pods as the attacks on pods do, with the same seed, caps, opt-outs, protected namespaces and budgets, and says where they run.
  - With it, attacks on hosts reach into a pod. M(faultline.chaos.netem) and M(faultline.chaos.blackhole) take the id of a container, on its node.
  - The filter P(faultline.chaos.pod_hosts#filter) says which host of the inventory the node of a pod is.
  - Reads only.
  - It was called C(k8s_pod_location) before. The old name is deprecated, and removed in 1.0.0.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_pods
  - faultline.chaos._attributes
  - faultline.chaos._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  container:
    description:
      - The container whose id is returned as C(container_id). Without it the one of the annotation C(kubectl.kubernetes.io/default-container), or the only
        one, or else the first that runs. All containers of a pod have the same network.
    type: str
  journal_namespace:
    description:
      - Not used. It is there so that the options are those of the attacks on pods.
    type: str
    default: default
  protected:
    description:
      - More namespaces that must not be attacked, besides C(kube-system), C(kube-public) and C(kube-node-lease). C(*) at the end of a name stands for anything.
    type: list
    elements: str
    default: []
notes:
  - With the right to get nodes, it tells all names and addresses of a node. Without it, the name and the one address that the pod knows.
seealso:
  - plugin: faultline.chaos.pod_hosts
    plugin_type: filter
  - module: faultline.chaos.netem
  - module: faultline.chaos.blackhole
"""

EXAMPLES = r"""
- name: The network of one pod of the shop is slow for a minute
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Choose it, and see where it is
      faultline.chaos.k8s_pod_location_info:
        namespace: shop
        label_selector: app=web
        count: 1
        seed: "42"
      register: located

    - name: Delay what it sends, on its node
      faultline.chaos.netem:
        container: "{{ item.container_id }}"
        delay: 200ms
        duration: 1m
      delegate_to: "{{ item.inventory_host }}"
      become: true
      loop: "{{ located.pods | faultline.chaos.pod_hosts(hostvars) }}"
      loop_control:
        label: "{{ item.name }} on {{ item.inventory_host }}"
"""

RETURN = r"""
pods:
  description: The chosen pods.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    uid:
      description: Its uid.
      type: str
    node:
      description: The name of its node.
      type: str
    node_addresses:
      description: Names and addresses of the node, as the cluster knows them.
      type: list
      elements: str
      sample: ["10.0.0.11", "worker-3", "worker-3.example.com"]
    provider_id:
      description: What the cloud calls the node, or V(null).
      type: str
    addresses:
      description: The addresses of the pod.
      type: list
      elements: str
    host_network:
      description: Whether it has the network of its node. Then there is no network of its own to attack.
      type: bool
    container_id:
      description: The id of one container, without the name of its engine. V(null) when none runs.
      type: str
    containers:
      description: Its containers.
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          type: str
        id:
          description: Its id, without the name of its engine. V(null) when it was never started.
          type: str
        engine:
          description: The engine, for example V(containerd).
          type: str
        running:
          description: Whether it runs.
          type: bool
        restarts:
          description: Its restart count.
          type: int
effect:
  description: How they were chosen.
  returned: always
  type: dict
  contains:
    seed:
      description: Draws the same from the same pods again.
      type: str
    matched:
      description: How many pods could have been taken.
      type: int
    selected:
      description: The pods that were drawn.
      type: list
      elements: str
    spared:
      description: Pods that were not considered, and why.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_name
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import signals
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.budgets import respect_budgets
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.select import POD_CONSTRAINTS, POD_OPTIONS, check_pods, select_pods
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import check_exists

OWN_OPTIONS = {
    "container": {"type": "str"},
    "journal_namespace": {"type": "str", "default": "default"},
    "protected": {"type": "list", "elements": "str", "default": []},
}


def locate(cluster, params):
    """What the module returns. Errors: AttackError."""
    for namespace in params["namespaces"]:
        check_exists(cluster, "namespaces", namespace)
    selection = select_pods(cluster, params)
    if not params["ignore_pdb"]:
        respect_budgets(cluster, selection.rows)
    pods, nodes = [], {}
    for row in selection.rows:
        pod = cluster.get(POD, row["metadata"]["name"], row["metadata"]["namespace"])
        name = pod["spec"].get("nodeName")
        if name is not None and name not in nodes:
            nodes[name] = _node(cluster, name)
        pods.append(describe(pod, nodes.get(name), params["container"]))
    return {"pods": pods, "effect": selection.describe()}


def _node(cluster, name):
    """The node, or None when these credentials may not read it. Errors: AttackError."""
    try:
        return cluster.find(NODE, name)
    except AttackError as error:
        if getattr(error, "status", 0) != 403:
            raise
        return None


def describe(pod, node, wanted):
    """A pod with the place where it runs. Pure. Errors: AttackError when it has no such container."""
    status = pod.get("status") or {}
    containers = [_container(each) for each in status.get("containerStatuses") or []]
    known = [each["address"] for each in ((node or {}).get("status") or {}).get("addresses") or []]
    known += [each for each in (status.get("hostIP"), pod["spec"].get("nodeName")) if each]
    return {
        "name": pod["metadata"]["name"],
        "namespace": pod["metadata"]["namespace"],
        "uid": pod["metadata"]["uid"],
        "node": pod["spec"].get("nodeName"),
        "node_addresses": sorted(set(known)),
        "provider_id": ((node or {}).get("spec") or {}).get("providerID"),
        "addresses": [each["ip"] for each in status.get("podIPs") or []] or ([status["podIP"]] if status.get("podIP") else []),
        "host_network": bool(pod["spec"].get("hostNetwork")),
        "container_id": _chosen_id(pod, containers, wanted),
        "containers": containers,
    }


def _chosen_id(pod, containers, wanted):
    running = dict((each["name"], each["id"]) for each in containers if each["running"])
    if wanted is not None:
        return running.get(signals.choose_container(pod, wanted))
    default = (pod["metadata"].get("annotations") or {}).get(signals.DEFAULT)
    return running.get(default) or next((each["id"] for each in containers if each["running"]), None)


def _container(told):
    engine, _sign, number = (told.get("containerID") or "").partition("://")
    return {
        "name": told["name"],
        "id": number or None,
        "engine": engine or None,
        "running": "running" in (told.get("state") or {}),
        "restarts": told.get("restartCount", 0),
    }


def main():
    module = AnsibleModule(argument_spec=dict(AUTH_OPTIONS, **dict(POD_OPTIONS, **OWN_OPTIONS)), supports_check_mode=True, **POD_CONSTRAINTS)
    try:
        check_pods(module.params)
        if module.params["container"] is not None:
            check_name("container", module.params["container"])
        found = locate(Cluster(module.params), module.params)
    except AttackError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, **shown(found))


if __name__ == "__main__":
    main()
