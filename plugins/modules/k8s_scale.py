#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_scale
version_added: 0.1.0
short_description: Scale Deployments or StatefulSets to another number of replicas
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Sets the number of replicas of one Deployment or StatefulSet, and puts back the number that was there.
  - Somebody else's number, set during the attack, is kept and reported.
  - One that a HorizontalPodAutoscaler scales is refused, for it would undo the attack, or take it for its own doing.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_attack.namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  kind:
    description:
      - What to scale.
    type: str
    choices: [Deployment, StatefulSet]
    default: Deployment
  name:
    description:
      - Its name.
    type: str
    required: true
  replicas:
    description:
      - How many replicas it shall have. From V(0) to V(1000).
    type: int
    required: true
  wait:
    description:
      - How long to wait until the number of ready pods is the one asked for. That it is not by then is said in a note and is no error.
        From V(0s), which does not wait, to V(10m).
    type: raw
    default: 30s
notes:
  - The undo does not wait for the pods either. Measure their return with a probe.
seealso:
  - module: faultline.chaos.k8s_pod_delete
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: The whole payment service is gone for a minute
  faultline.chaos.k8s_scale:
    namespace: shop
    name: payment
    replicas: 0
    duration: 1m

- name: Put it back sooner
  faultline.chaos.k8s_scale:
    namespace: shop
    name: payment
    replicas: 0
    state: absent
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: scale-1f2e3d4c5b
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
  sample: shop/faultline-scale-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["Deployment:shop/payment"]
notes:
  description: What an operator should know about this attack on this cluster, the overdue attacks that were undone first, and after an undo what had drifted.
  returned: success
  type: list
  elements: str
effect:
  description: What was done.
  returned: when active
  type: dict
  contains:
    before:
      description: The replicas that were asked for before.
      type: int
    asked:
      description: The replicas asked for now.
      type: int
    ready:
      description: How many pods were ready when the module returned.
      type: int
    reached:
      description: Whether that was as many as asked for.
      type: bool
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import AUTOSCALER, DEPLOYMENT, STATEFUL_SET
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_name
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import NAMESPACE_OPTION, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import SetFields
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import spared

KINDS = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFUL_SET}


class Scale(KubeAttack):
    name = "k8s_scale"
    options = dict(
        NAMESPACE_OPTION,
        kind={"type": "str", "choices": ["Deployment", "StatefulSet"], "default": "Deployment"},
        name={"type": "str", "required": True},
        replicas={"type": "int", "required": True},
        wait={"type": "raw", "default": "30s"},
    )

    def validate(self):
        check_name("name", self.params["name"])
        _units.integer("replicas", self.params["replicas"], 0, 1000)
        self.wait = _units.duration("wait", self.params["wait"], 0.0, 600.0)

    def resources(self):
        return ["{}:{}/{}".format(self.params["kind"], self.params["namespace"], self.params["name"])]

    def guard(self):
        for each in self.cluster.whole(AUTOSCALER, self.params["namespace"]):
            target = each["spec"]["scaleTargetRef"]
            if (target.get("kind"), target.get("name")) == (self.params["kind"], self.params["name"]):
                raise AttackError(
                    "the HorizontalPodAutoscaler {}/{} scales {}: take it away first, or attack the pods".format(
                        self.params["namespace"], each["metadata"]["name"], self.params["name"]
                    )
                )

    def snapshot(self):
        found = self.cluster.find(KINDS[self.params["kind"]], self.params["name"], self.params["namespace"])
        if found is None:
            raise BadOption("name", self.params["name"], "there is no {} of this name in namespace {}".format(self.params["kind"], self.params["namespace"]))
        why = spared(found, False)
        if why is not None:
            raise BadOption("name", self.params["name"], f"it is spared: {why}")
        if found["spec"].get("replicas", 1) == self.params["replicas"]:
            raise BadOption("replicas", self.params["replicas"], "it has so many already")
        return found

    def plan(self, before):
        kind = KINDS[self.params["kind"]]
        self.before = before["spec"].get("replicas", 1)
        return KubePlan(
            before="replicas: %d" % self.before,
            after="replicas: %d" % self.params["replicas"],
            steps=[SetFields(kind, before, {"/spec/replicas": self.params["replicas"]})],
        )

    def verify(self, plan):
        kind, asked = KINDS[self.params["kind"]], self.params["replicas"]
        until = time.monotonic() + min(self.wait, self.first / 2)
        while True:
            found = self.cluster.get(kind, self.params["name"], self.params["namespace"])
            told = found.get("status") or {}
            # The status is out of date until the controller has observed the new number.
            current = told.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
            ready, exist = told.get("readyReplicas", 0), told.get("replicas", 0)
            reached = current and ready == asked and exist == asked
            if reached or time.monotonic() >= until:
                break
            time.sleep(0.25)
        if found["spec"].get("replicas") != asked:
            raise AttackError(
                "somebody set the replicas of {} to {} at once: something else manages them".format(self.params["name"], found["spec"].get("replicas"))
            )
        if not reached:
            plan.notes.append("after %s %d of %d pods are ready" % (_units.human(self.wait), ready, asked))
        return {"before": self.before, "asked": asked, "ready": ready, "reached": reached}


def main():
    run_kube_attack(Scale)


if __name__ == "__main__":
    main()
