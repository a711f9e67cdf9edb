#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_pod_evict
version_added: 0.1.0
short_description: Evict pods, as their disruption budgets allow
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Asks the cluster to evict pods that are drawn by a seed. So do autoscalers, upgrades and drains.
  - An eviction respects PodDisruptionBudgets, always. A pod whose budget says no is asked for again until O(timeout).
  - A pod is evicted by its uid, so that another one of the same name is never hit.
  - An evicted pod cannot be brought back as it was. Its owner should replace it, and whether it does is what you are about to learn.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_pods
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  grace:
    description:
      - How long a pod may take to end, for example V(5s). Whole seconds, rounded up, and at least V(1s). Without it, what the pod asks for.
    type: raw
  timeout:
    description:
      - How long to ask again for pods whose budget says no. V(0s) asks once. At most V(30m), and less than the attack lasts.
      - Once the attack is reverted no pod is asked for again.
    type: raw
    default: 0s
  allow_refused:
    description:
      - Whether it is in order that budgets keep some pods, or all. They are told in RV(effect). Without it the task fails.
    type: bool
    default: false
  recovery_timeout:
    description:
      - How long to wait until the owners have as many ready pods as they want. V(0s) does not wait. At most V(30m), and never longer than the
        attack lasts.
    type: raw
    default: 2m
  require_recovery:
    description:
      - Whether the task fails when the owners have not recovered by then.
      - Pods whose recovery cannot be seen (see RV(effect.recovered)) are refused then, before any is touched.
    type: bool
    default: false
notes:
  - O(ignore_pdb=true) is refused, for an eviction has no way around budgets. M(faultline.chaos.k8s_pod_delete) has.
  - The journal stays for O(duration) although there is nothing to undo, so that the same task does not evict the next pods at once.
seealso:
  - module: faultline.chaos.k8s_pod_delete
  - module: faultline.chaos.k8s_node_drain
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: Evict one pod of the shop
  faultline.chaos.k8s_pod_evict:
    namespace: shop
    label_selector: app=web
    count: 1
    seed: "42"
    duration: 5m

- name: Does the budget of the shop keep enough pods?
  faultline.chaos.k8s_pod_evict:
    namespace: shop
    label_selector: app=web
    all: true
    allow_refused: true
    duration: 5m
  register: evicted
  failed_when: evicted.effect.refused | length == 0
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: pod-evict-1f2e3d4c5b
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
  sample: cluster
journal:
  description: The journal, as namespace and name of a ConfigMap.
  returned: when active or planned
  type: str
  sample: shop/faultline-pod-evict-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["pods:shop:label_selector=app=web"]
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
    evicted:
      description: The pods that were evicted.
      type: list
      elements: str
    already_gone:
      description: Drawn pods that were gone, or replaced by another one of the name, before they could be evicted.
      type: list
      elements: str
    refused:
      description: The pods that their budgets kept, and what the cluster said.
      type: dict
    recovered:
      description:
        - Whether all owners had as many ready pods as they want when the module returned.
        - V(null) when it was not waited for, and when pods were drawn whose owner cannot be watched. That is every one but a ReplicaSet, StatefulSet,
          DaemonSet or ReplicationController of Kubernetes itself that is still there, and none. A note names them.
      type: bool
    recovery_seconds:
      description:
        - How long it took since the first pod was evicted until the owners that can be watched had them. The owners are looked at every 0.5 to 2 seconds.
        - V(null) when they had not, when there are none, and when it was not waited for.
      type: float
    unowned:
      description: Drawn pods without an owner. Nobody replaces them.
      type: list
      elements: str
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import evict
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.evict import named
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.recovery import Recovery
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.select import POD_CONSTRAINTS, POD_OPTIONS, check_pods, describe_pods, select_pods
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import owner_of


class PodEvict(KubeAttack):
    name = "k8s_pod_evict"
    deadman = CLUSTER
    options = dict(
        POD_OPTIONS,
        grace={"type": "raw"},
        timeout={"type": "raw", "default": "0s"},
        allow_refused={"type": "bool", "default": False},
        recovery_timeout={"type": "raw", "default": "2m"},
        require_recovery={"type": "bool", "default": False},
    )
    constraints = POD_CONSTRAINTS
    eviction = None

    def validate(self):
        params = self.params
        check_pods(params)
        if params["ignore_pdb"]:
            raise BadOption("ignore_pdb", True, "an eviction respects every budget; use k8s_pod_delete to get around them")
        self.grace = evict.grace_seconds(params["grace"])
        self.timeout = _units.duration("timeout", params["timeout"], 0.0, 1800.0)
        self.patience = _units.duration("recovery_timeout", params["recovery_timeout"], 0.0, 1800.0)

    def resources(self):
        return [describe_pods(self.params)]

    def guard(self):
        if self.timeout >= self.first:
            raise BadOption("timeout", self.params["timeout"], "it must be less than the duration and the lease")

    def snapshot(self):
        return select_pods(self.cluster, self.params)

    def plan(self, before):
        self.selection = before
        self.recovery = Recovery(self.cluster, before.rows)
        if self.params["require_recovery"]:
            self.recovery.require()
        self.unowned = sorted(named(row) for row in before.rows if owner_of(row) is None)
        names = before.describe()["selected"]
        return KubePlan(
            before="\n".join(names),
            after="\n".join(f"{name}  <- evicted" for name in names),
            notes=["an evicted pod is not brought back by the undo: its owner does that"]
            + (["nobody replaces pods without an owner: {}".format(", ".join(self.unowned))] if self.unowned else []),
        )

    def inject(self, plan):
        self.began = time.monotonic()
        self.eviction = evict.Eviction()
        evict.evict(self.cluster, self.selection.rows, self.grace, self.began + self.timeout, self.goes_on, self.eviction)

    def done(self):
        return self.eviction.done() if self.eviction else {}

    def verify(self, plan):
        refused = dict((named(row), why) for row, why in self.eviction.refused)
        if refused and not self.params["allow_refused"]:
            raise AttackError(
                "%d of %d pods were not evicted: %s"
                % (len(refused), len(self.selection.rows), "; ".join("{}: {}".format(*pair) for pair in sorted(refused.items())))
            )
        told = dict(
            self.selection.describe(),
            evicted=sorted(named(row) for row in self.eviction.evicted),
            already_gone=sorted(named(row) for row in self.eviction.already_gone),
            refused=refused,
            unowned=self.unowned,
            recovered=None,
            recovery_seconds=None,
        )
        if self.patience:
            patience = max(0.0, min(self.patience, self.first - (time.monotonic() - self.began) - 2.0))
            told.update(self.recovery.report(self.eviction.evicted, patience, self.began, self.params["require_recovery"], plan.notes))
        return told


def main():
    run_kube_attack(PodEvict)


if __name__ == "__main__":
    main()
