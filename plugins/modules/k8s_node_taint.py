#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_node_taint
version_added: 0.1.0
short_description: Put a taint on nodes
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Puts a taint on nodes that are drawn by a seed. The undo removes exactly this taint; all others stay as they are, in their order.
  - With O(effect=NoExecute) the cluster deletes the pods that do not tolerate it at once, and asks no PodDisruptionBudget. So the module looks
    first, and refuses what would hit protected namespaces, pods and namespaces that opted out, budgets, and pods that nobody replaces.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_nodes
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  key:
    description:
      - The key of the taint. Keys that the cluster itself manages, such as C(node.kubernetes.io/unreachable), are refused.
    type: str
    default: faultline.chaos/taint
  value:
    description:
      - Its value.
    type: str
  effect:
    description:
      - V(NoSchedule) keeps new pods away, V(PreferNoSchedule) does if there is another node, V(NoExecute) also ends the pods that are there.
    type: str
    choices: [NoSchedule, PreferNoSchedule, NoExecute]
    default: NoSchedule
  ignore_pdb:
    description:
      - With O(effect=NoExecute), end pods although their PodDisruptionBudget does not allow it.
    type: bool
    default: false
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
  wait:
    description:
      - With O(effect=NoExecute), how long to wait until the pods are gone. That they are not by then is said in a note and is no error. From V(0s), which
        does not wait, to V(10m).
    type: raw
    default: 30s
notes:
  - A taint that is there already, with the same key and effect, is refused.
  - The undo does not bring pods back to the node. The scheduler does not move running pods.
  - The journal is in O(journal_namespace).
seealso:
  - module: faultline.chaos.k8s_node_drain
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: No new pods on a third of the pool web for ten minutes
  faultline.chaos.k8s_node_taint:
    label_selector: pool=web
    percent: 33
    seed: "42"
    duration: 10m

- name: Node worker-3 throws its pods out
  faultline.chaos.k8s_node_taint:
    names: [worker-3]
    key: maintenance
    value: "true"
    effect: NoExecute
    duration: 5m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: node-taint-1f2e3d4c5b
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
  sample: default/faultline-node-taint-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["node:worker-3"]
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
    taint:
      description: The taint, as the nodes have it.
      type: dict
    going:
      description: With V(NoExecute), the pods that do not tolerate it.
      type: list
      elements: str
    not_gone:
      description: Those of them that were still there when the module returned.
      type: list
      elements: str
    seconds:
      description: How long it took until the last of them was gone. V(null) when it was not waited for.
      type: float
"""

import re
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import AddTaint
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.trust import MANAGED_TAINTS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import drain, evict
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.budgets import respect_budgets
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.evict import named
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.nodes import (
    NODE_CONSTRAINTS,
    NODE_OPTIONS,
    check_nodes,
    describe,
    describe_nodes,
    take_nodes,
)

_KEY = re.compile(r"^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_VALUE = re.compile(r"^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")


class NodeTaint(KubeAttack):
    name = "k8s_node_taint"
    options = dict(
        NODE_OPTIONS,
        key={"type": "str", "default": "faultline.chaos/taint", "no_log": False},
        value={"type": "str"},
        effect={"type": "str", "choices": ["NoSchedule", "PreferNoSchedule", "NoExecute"], "default": "NoSchedule"},
        ignore_pdb={"type": "bool", "default": False},
        force={"type": "bool", "default": False},
        delete_emptydir_data={"type": "bool", "default": False},
        wait={"type": "raw", "default": "30s"},
    )
    constraints = NODE_CONSTRAINTS
    tainted = ()

    def validate(self):
        params = self.params
        check_nodes(params)
        if not _KEY.match(params["key"]):
            raise BadOption("key", params["key"], "write a key such as maintenance or example.com/maintenance")
        if params["key"].startswith(MANAGED_TAINTS):
            raise BadOption("key", params["key"], "the cluster manages this taint itself; to be like it, stop the kubelet (service_stop) or cut the node off")
        if params["value"] is not None and not _VALUE.match(params["value"]):
            raise BadOption("value", params["value"], "write 1 to 63 of letters, digits, -, _ and ., beginning and ending with a letter or digit")
        self.wait = _units.duration("wait", params["wait"], 0.0, 600.0)
        self.taint = dict({"key": params["key"], "effect": params["effect"]}, **({"value": params["value"]} if params["value"] else {}))

    def resources(self):
        return describe_nodes(self.params)

    def snapshot(self):
        self.selection, nodes = take_nodes(self.cluster, self.params, self.id)
        self.going = self._going(nodes) if self.params["effect"] == "NoExecute" else []
        return nodes

    def _going(self, nodes):
        """The pods that the cluster will evict. Errors: AttackError when one of them must not be evicted."""
        going, is_out = [], drain.namespaces_out(self.cluster)
        for node in nodes:
            name = node["metadata"]["name"]
            pods = drain.for_taint(drain.on_node(self.cluster, name), self.params, self.taint, is_out)
            pods.check(f"tainting {name}")
            going += pods.go
        if not self.params["ignore_pdb"]:
            respect_budgets(self.cluster, [pod for pod in going if not drain.is_finished(pod)])
        return going

    def plan(self, before):
        self.nodes = before
        was, will = [], []
        for node in before:
            taints = [_text(each) for each in (node.get("spec") or {}).get("taints") or []]
            was.append("{}: {}".format(node["metadata"]["name"], ", ".join(taints) or "no taints"))
            will.append("{}: {}".format(node["metadata"]["name"], ", ".join(taints + [_text(self.taint)])))
        will += [f"  {named(pod)}  <- ended" for pod in self.going]
        return KubePlan(
            before="\n".join(was),
            after="\n".join(will),
            steps=[AddTaint(node, self.taint) for node in before],
            notes=["the undo removes the taint; it does not bring pods back to the node"] if self.going else [],
        )

    def inject(self, plan):
        self.began = time.monotonic()
        self.tainted = plan.made
        super().inject(plan)

    def done(self):
        """The pods that NoExecute affects: the cluster evicts them without reporting which."""
        names = [node["metadata"]["name"] for node in self.tainted]
        return evict.lost("ended", [], [pod for pod in self.going if pod["spec"].get("nodeName") in names])

    def verify(self, plan):
        names = [node["metadata"]["name"] for node in self.nodes]
        for name in names:
            if self.taint not in [_essence(each) for each in (self.cluster.get(NODE, name).get("spec") or {}).get("taints") or []]:
                raise AttackError(f"the taint is not on node {name} any more: something else manages its taints")
        told = dict(describe(self.selection), taint=self.taint, going=sorted(named(pod) for pod in self.going), not_gone=[], seconds=None)
        if self.going:
            wait = min(self.wait, self.first / 2)
            left = evict.wait_gone(self.cluster, self.going, names, time.monotonic() + wait)
            told["not_gone"] = sorted(named(pod) for pod in left)
            if not left:
                told["seconds"] = round(time.monotonic() - self.began, 2)
            elif self.wait:
                plan.notes.append("after %s %d pod(s) have not ended" % (_units.human(wait), len(left)))
        return told


def _essence(taint):
    return dict((key, taint[key]) for key in ("key", "effect", "value") if taint.get(key))


def _text(taint):
    return "{}{}:{}".format(taint["key"], "={}".format(taint["value"]) if taint.get("value") else "", taint["effect"])


def main():
    run_kube_attack(NodeTaint)


if __name__ == "__main__":
    main()
