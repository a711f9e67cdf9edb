#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_node_drain
version_added: 0.1.0
short_description: Cordon nodes and evict their pods
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Cordons nodes that are drawn by a seed, and evicts their pods, as C(kubectl drain) does. The undo uncordons.
  - Only what this attack cordoned is uncordoned. A node that was cordoned before stays so.
  - Evictions respect PodDisruptionBudgets. A pod whose budget says no is asked for again until O(timeout).
  - When pods are left then, the drain fails and the nodes are uncordoned at once, unless O(allow_refused=true).
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_nodes
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  namespaces:
    description:
      - Evict pods of these namespaces only. Without it those of all but the protected ones.
      - Pods that opted out, by themselves or by their namespace, stay in any case.
    type: list
    elements: str
    default: []
    aliases: [namespace]
  pod_selector:
    description:
      - Evict only pods with these labels, for example V(app=web).
    type: str
  ignore_daemonsets:
    description:
      - Let pods of DaemonSets stay, for they would be made anew at once. Without it they make the attack be refused.
    type: bool
    default: true
  force:
    description:
      - Take pods that have no owner, too. Nobody brings them back. Without it they make the attack be refused.
    type: bool
    default: false
  delete_emptydir_data:
    description:
      - Take pods with an C(emptyDir), too. Its data are lost. Without it they make the attack be refused.
    type: bool
    default: false
  grace:
    description:
      - How long a pod may take to end, for example V(5s). Whole seconds, rounded up, and at least V(1s). Without it, what the pod asks for.
    type: raw
  timeout:
    description:
      - How long the pods may take to be gone. From V(1s) to V(30m), and less than the attack lasts.
    type: raw
    default: 2m
  allow_refused:
    description:
      - Keep the attack when some pods are still there after O(timeout), because their budgets refused or because they end slowly. They are told in RV(effect).
    type: bool
    default: false
notes:
  - These pods stay where they are - static pods, pods in protected namespaces, pods that opted out and those of other attacks.
  - The undo does not bring pods back to the node. The scheduler does not move running pods.
  - The journal is in O(journal_namespace).
seealso:
  - module: faultline.chaos.k8s_node_taint
  - module: faultline.chaos.k8s_pod_evict
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: Drain one node of the pool web for ten minutes
  faultline.chaos.k8s_node_drain:
    label_selector: pool=web
    count: 1
    seed: "42"
    duration: 10m

- name: Lose a zone, but only for the shop
  faultline.chaos.k8s_node_drain:
    zone: eu-1a
    all: true
    namespaces: [shop]
    delete_emptydir_data: true
    timeout: 5m
    duration: 30m

- name: Uncordon sooner
  faultline.chaos.k8s_node_drain:
    label_selector: pool=web
    count: 1
    seed: "42"
    state: absent
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: node-drain-1f2e3d4c5b
status:
  description: V(active), V(planned) in check mode, V(reverted) or V(absent).
  returned: success
  type: str
  sample: active
deadline:
  description:
    - When the attack is reverted, including renewals of the lease known at that time.
    - In UTC, by the clock of the API server.
  returned: when active
  type: str
  sample: "2026-11-22T14:03:20Z"
remaining:
  description: Seconds until RV(deadline).
  returned: when active
  type: float
  sample: 59.6
deadman:
  description:
    - What reverts the attack at the deadline.
    - V(cluster) is the cluster itself, by a Job that owns what the attack created.
    - V(watcher) is a process on the machine that ran the module. It is used for changes to objects that existed before, with O(lease),
      and where the cluster keeps finished Jobs.
  returned: when active or planned
  type: str
  sample: watcher
journal:
  description: The journal, as namespace and name of a ConfigMap.
  returned: when active or planned
  type: str
  sample: default/faultline-node-drain-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["nodes:label_selector=pool=web"]
notes:
  description: What an operator should know about this attack on this cluster, the overdue attacks that were undone first, and after an undo what had drifted.
  returned: success
  type: list
  elements: str
injected:
  description:
    - That the task failed when some of it was done already that the undo does not bring back. RV(effect) then names what that was,
      and under C(uncertain) that of which the cluster did not say whether it was done.
  returned: when it failed half-way
  type: bool
effect:
  description: What was done.
  returned: when active
  type: dict
  contains:
    seed:
      description: Draws the same from the same ones again.
      type: str
    matched:
      description: How many could have been taken.
      type: int
    selected:
      description: Those that were drawn.
      type: list
      elements: str
    spared:
      description: Those that were not considered, and why.
      type: dict
    cordoned:
      description: The nodes that this attack cordoned, and the undo uncordons.
      type: list
      elements: str
    cordoned_before:
      description: The drained nodes that were cordoned already, and stay so.
      type: list
      elements: str
    evicted:
      description: The pods that were evicted.
      type: list
      elements: str
    already_gone:
      description: Pods that were gone before they could be evicted.
      type: list
      elements: str
    refused:
      description: Pods that were not evicted, and what the cluster said.
      type: dict
    not_gone:
      description: Pods that were evicted and had not ended at O(timeout).
      type: list
      elements: str
    stay:
      description: Pods that stay by the rules, and why.
      type: dict
    seconds:
      description: How long it took from the cordon until the last pod was gone.
      type: float
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_label_selector, check_namespace
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import cordon
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import drain, evict
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.evict import named
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.nodes import (
    NODE_CONSTRAINTS,
    NODE_OPTIONS,
    check_nodes,
    describe,
    describe_nodes,
    schedulable_elsewhere,
    take_nodes,
)


class NodeDrain(KubeAttack):
    name = "k8s_node_drain"
    options = dict(
        NODE_OPTIONS,
        namespaces={"type": "list", "elements": "str", "default": [], "aliases": ["namespace"]},
        pod_selector={"type": "str"},
        ignore_daemonsets={"type": "bool", "default": True},
        force={"type": "bool", "default": False},
        delete_emptydir_data={"type": "bool", "default": False},
        grace={"type": "raw"},
        timeout={"type": "raw", "default": "2m"},
        allow_refused={"type": "bool", "default": False},
    )
    constraints = NODE_CONSTRAINTS
    eviction = None

    def validate(self):
        params = self.params
        check_nodes(params)
        for namespace in params["namespaces"]:
            check_namespace("namespaces", namespace, params["protected"])
        if params["pod_selector"] is not None:
            check_label_selector("pod_selector", params["pod_selector"])
        self.grace = evict.grace_seconds(params["grace"])
        self.timeout = _units.duration("timeout", params["timeout"], 1.0, 1800.0)

    def namespaces(self):
        """No namespaces: the attack is on nodes, and the option only restricts which of their pods are evicted."""
        return []

    def resources(self):
        return describe_nodes(self.params)

    def guard(self):
        if self.timeout >= self.first:
            raise BadOption("timeout", self.params["timeout"], "it must be less than the duration and the lease, or the undo comes while pods still go")

    def snapshot(self):
        self.selection, nodes = take_nodes(self.cluster, self.params, self.id)
        self.is_out = drain.namespaces_out(self.cluster)
        self.has_daemon_set = drain.daemon_sets(self.cluster)
        return [(node, self._sorted_out(node)) for node in nodes]

    def _sorted_out(self, node):
        name = node["metadata"]["name"]
        pods = drain.for_drain(drain.on_node(self.cluster, name, self.params["pod_selector"]), self.params, self.has_daemon_set, self.is_out)
        pods.check(f"draining {name}")
        return pods

    def plan(self, before):
        self.nodes = [node for node, _pods in before]
        self.before = [node["metadata"]["name"] for node in self.nodes if not cordon(node)]
        was, will = [], []
        for node, pods in before:
            name = node["metadata"]["name"]
            was.append("{}: {}".format(name, "cordoned" if name in self.before else "schedulable"))
            was += ["  " + named(pod) for pod in pods.go]
            will.append(f"{name}: cordoned")
            will += [f"  {named(pod)}  <- evicted" for pod in pods.go] + ["  {}  stays: {}".format(*pair) for pair in sorted(pods.stay.items())]
        notes = ["the undo uncordons; it does not bring pods back to the node"]
        if self.before:
            notes.append("cordoned before, and stays so: {}".format(", ".join(self.before)))
        if not schedulable_elsewhere(self.cluster, self.nodes):
            notes.append("no other node takes pods: the evicted ones stay pending")
        return KubePlan(before="\n".join(was), after="\n".join(will), steps=[step for node in self.nodes for step in cordon(node)], notes=notes)

    def inject(self, plan):
        began = time.monotonic()
        until = began + min(self.timeout, self.first - 1.0)
        super().inject(plan)
        # List the pods again, because new ones could be scheduled here until the cordon.
        found = [self._sorted_out(node) for node in self.nodes]
        self.stay = dict(pair for pods in found for pair in pods.stay.items())
        self.eviction = evict.Eviction()
        evict.evict(self.cluster, [pod for pods in found for pod in pods.go], self.grace, until, self._check, self.eviction)
        self.left = evict.wait_gone(self.cluster, self.eviction.evicted, [node["metadata"]["name"] for node in self.nodes], until)
        self.seconds = time.monotonic() - began

    def done(self):
        return self.eviction.done() if self.eviction else {}

    def _check(self):
        """Stop evicting when the attack was reverted during the wait for a budget; a cordon from before the attack then stays."""
        self._still_cordoned()
        self.goes_on()

    def _still_cordoned(self):
        for node in self.nodes:
            if not (self.cluster.get(NODE, node["metadata"]["name"]).get("spec") or {}).get("unschedulable"):
                raise AttackError("the node {} was uncordoned while it was being drained".format(node["metadata"]["name"]))

    def verify(self, plan):
        self._still_cordoned()
        refused = dict((named(row), why) for row, why in self.eviction.refused)
        not_gone = sorted(named(row) for row in self.left)
        if refused or not_gone:
            told = ["{}: {}".format(*pair) for pair in sorted(refused.items())] + [f"{name} has not ended" for name in not_gone]
            told = "after %s %d pod(s) are still there: %s" % (_units.human(self.timeout), len(told), "; ".join(told))
            if not self.params["allow_refused"]:
                raise AttackError(told)
            plan.notes.append(told)
        return dict(
            describe(self.selection),
            cordoned=sorted(node["metadata"]["name"] for node in self.nodes if node["metadata"]["name"] not in self.before),
            cordoned_before=sorted(self.before),
            evicted=sorted(named(row) for row in self.eviction.evicted),
            already_gone=sorted(named(row) for row in self.eviction.already_gone),
            refused=refused,
            not_gone=not_gone,
            stay=self.stay,
            seconds=round(self.seconds, 2),
        )


def main():
    run_kube_attack(NodeDrain)


if __name__ == "__main__":
    main()
