#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_pod_delete
version_added: 0.1.0
short_description: Delete pods and measure how long their owners take to replace them
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Deletes pods that are drawn by a seed, at once or one after the other, and waits until their owners have as many ready pods again as they want.
  - A pod is deleted by its uid, so that another one of the same name is never hit.
  - A deleted pod cannot be brought back as it was. Its owner should replace it, and whether it does is what you are about to learn.
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
      - For no time at all set O(force=true).
    type: raw
  force:
    description:
      - Forget the pods at once, without waiting for the word of their nodes that they ended. A pod of a StatefulSet may then run twice for a while.
    type: bool
    default: false
  interval:
    description:
      - Wait so long between one pod and the next. Without it all are deleted at once.
      - Once the attack is reverted, or its deadline has passed, no further pod is deleted.
    type: raw
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
  - The journal stays for O(duration) although there is nothing to undo, so that the same task does not delete the next pods at once.
seealso:
  - module: faultline.chaos.k8s_scale
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: Lose one pod of the shop
  faultline.chaos.k8s_pod_delete:
    namespace: shop
    label_selector: app=web
    count: 1
    seed: "42"
    duration: 1m

- name: Lose a third of all pods that opted in, one every 10 seconds, and never two of one Deployment
  faultline.chaos.k8s_pod_delete:
    namespaces: [shop, search]
    opt_in: true
    percent: 33
    max_per_owner: 1
    interval: 10s
    grace: 1s
    duration: 10m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: pod-delete-1f2e3d4c5b
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
  sample: shop/faultline-pod-delete-1f2e3d4c5b
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
    deleted:
      description: The pods that were deleted.
      type: list
      elements: str
    already_gone:
      description: Drawn pods that were gone, or replaced by another one of the name, before they could be deleted.
      type: list
      elements: str
    recovered:
      description:
        - Whether all owners had as many ready pods as they want when the module returned.
        - V(null) when it was not waited for, and when pods were drawn whose owner cannot be watched. That is every one but a ReplicaSet, StatefulSet,
          DaemonSet or ReplicationController of Kubernetes itself that is still there, and none. A note names them.
      type: bool
    recovery_seconds:
      description:
        - How long it took since the first pod was deleted until the owners that can be watched had them. The owners are looked at every 0.5 to 2 seconds.
        - V(null) when they had not, when there are none, and when it was not waited for.
      type: float
    unowned:
      description: Deleted pods without an owner. Nobody replaces them.
      type: list
      elements: str
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import many
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import may_be_done
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.budgets import respect_budgets
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.evict import grace_seconds, lost, named
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.recovery import Recovery
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.select import (
    POD_CONSTRAINTS,
    POD_OPTIONS,
    check_pods,
    describe_pods,
    select_pods,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import owner_of


class PodDelete(KubeAttack):
    name = "k8s_pod_delete"
    deadman = CLUSTER
    options = dict(
        POD_OPTIONS,
        grace={"type": "raw"},
        force={"type": "bool", "default": False},
        interval={"type": "raw"},
        recovery_timeout={"type": "raw", "default": "2m"},
        require_recovery={"type": "bool", "default": False},
    )
    constraints = POD_CONSTRAINTS
    outcomes = uncertain = ()

    def validate(self):
        params = self.params
        check_pods(params)
        self.grace = grace_seconds(params["grace"])
        if params["force"]:
            if self.grace is not None and _units.duration("grace", params["grace"]) > 0:
                raise BadOption("grace", params["grace"], "force leaves no time; give one of both")
            self.grace = 0
        self.interval = 0.0 if params["interval"] is None else _units.duration("interval", params["interval"], 0.1, 3600.0)
        self.timeout = _units.duration("recovery_timeout", params["recovery_timeout"], 0.0, 1800.0)

    def resources(self):
        return [describe_pods(self.params)]

    def snapshot(self):
        selection = select_pods(self.cluster, self.params)
        if not self.params["ignore_pdb"]:
            respect_budgets(self.cluster, selection.rows)
        if self.interval * (len(selection.rows) - 1) >= self.first:
            raise BadOption("interval", self.params["interval"], "%d pods at this interval take longer than the duration or the lease" % len(selection.rows))
        return selection

    def plan(self, before):
        self.selection = before
        self.recovery = Recovery(self.cluster, before.rows)
        if self.params["require_recovery"]:
            self.recovery.require()
        names = before.describe()["selected"]
        how = " at once" if not self.interval else f", one every {_units.human(self.interval)}"
        self.unowned = sorted(named(row) for row in before.rows if owner_of(row) is None)
        return KubePlan(
            before="\n".join(names),
            after="\n".join(f"{name}  <- deleted" for name in names) + how,
            notes=["a deleted pod is not brought back by the undo: its owner does that"]
            + (["nobody replaces pods without an owner: {}".format(", ".join(self.unowned))] if self.unowned else []),
        )

    def inject(self, plan):
        self.began = time.monotonic()
        self.outcomes = []
        if not self.interval:
            self._delete(self.selection.rows)
        else:
            for number, row in enumerate(self.selection.rows):
                if number:
                    time.sleep(self.interval)
                self.goes_on()
                self._delete([row])
        failed = [outcome for _row, outcome in self.outcomes if isinstance(outcome, AttackError)]
        if failed:
            raise AttackError("%d of %d pods could not be deleted: %s" % (len(failed), len(self.outcomes), failed[0]))

    def _delete(self, rows):
        self.uncertain = rows
        self.outcomes += many.delete_all(self.cluster, rows, self.grace)
        self.uncertain = [row for row, outcome in self.outcomes if isinstance(outcome, AttackError) and may_be_done(outcome)]

    def done(self):
        return lost("deleted", [row for row, outcome in self.outcomes if outcome == "deleted"], self.uncertain)

    def verify(self, plan):
        told = self.selection.describe()
        told["deleted"] = sorted(named(row) for row, outcome in self.outcomes if outcome == "deleted")
        told["already_gone"] = sorted(named(row) for row, outcome in self.outcomes if outcome == "already gone")
        told["unowned"] = self.unowned
        told["recovered"], told["recovery_seconds"] = None, None
        if self.timeout:
            patience = min(self.timeout, self.first - (time.monotonic() - self.began) - 2.0)
            told.update(self.recovery.report(self.selection.rows, patience, self.began, self.params["require_recovery"], plan.notes))
        return told


def main():
    run_kube_attack(PodDelete)


if __name__ == "__main__":
    main()
