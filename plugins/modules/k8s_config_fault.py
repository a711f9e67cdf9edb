#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_config_fault
version_added: 0.1.0
short_description: Misconfigure an object of a cluster, and put it back exactly
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Changes one ConfigMap, Secret, Service, workload or autoscaler the way people do by mistake, and puts back what was there.
  - Only what still has the wrong value is put back. What somebody else changed meanwhile is kept, and reported as drift. Fields that must fit to each
    other, such as a request and its limit, are put back together or not at all.
  - A fault in the pods of a workload begins a rollout, and so does its undo.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_attack.namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  fault:
    description:
      - What is misconfigured.
      - C(ConfigMap) and C(Secret), with O(key). V(config_map_value) sets O(value) or removes the key. V(secret_value) puts a made-up value in, or
        removes the key.
      - C(Service). V(service_selector) makes it select no pod. V(service_target_port) sends to port O(value), V(1) if not given; O(key) names one of
        several ports.
      - Containers. V(readiness_probe) and V(liveness_probe) make the probe fail, or remove it. V(image) is one that does not exist. V(command) is one
        that does not exist. V(environment) sets the variable O(key) to O(value), or removes it.
      - V(resource_requests) asks for more than any node has of O(key), V(cpu) or V(memory). V(resource_limits) leaves too little of O(key), V(memory)
        if not given, or removes the limit.
      - Pods. V(init_container) adds one that fails. V(volume_claim) refers to a claim that does not exist; O(key) names one of several volumes.
        V(node_selector) wants a node that does not exist. V(anti_affinity) lets only one pod of the workload be in the cluster. V(dns) asks a name
        server that does not answer.
      - V(replicas_zero) scales the workload to nothing.
      - Autoscalers. V(autoscaler_target) sets the use of CPU that it aims at to O(value) percent, V(1000) if not given, so that it never scales up.
        V(autoscaler_maximum) allows only O(value) replicas, V(1) if not given. V(autoscaler_reference) scales a workload that does not exist.
        V(autoscaler_behavior) scales down at once.
    type: str
    required: true
    choices:
      - config_map_value
      - secret_value
      - service_selector
      - service_target_port
      - readiness_probe
      - liveness_probe
      - image
      - command
      - environment
      - resource_requests
      - resource_limits
      - init_container
      - volume_claim
      - node_selector
      - anti_affinity
      - dns
      - replicas_zero
      - autoscaler_target
      - autoscaler_maximum
      - autoscaler_reference
      - autoscaler_behavior
  name:
    description:
      - The name of the object.
    type: str
    required: true
  kind:
    description:
      - The kind of workload, for the faults of containers and pods and for V(replicas_zero). V(Deployment) if not given.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
  container:
    description:
      - Which container, by its name. Needed where a pod has several.
    type: str
  key:
    description:
      - Which key, variable, port, volume or resource. See O(fault).
    type: str
  value:
    description:
      - The wrong value, where the one that is made up is not the one you want. See O(fault).
      - It ends up in the journal. Do not write a secret here; V(secret_value) makes up its own.
    type: str
  remove:
    description:
      - Remove the key, variable, probe or limit instead.
    type: bool
    default: false
  wait:
    description:
      - How long to wait until the fault shows in the pods or endpoints, for RV(effect.observed). That it does not is no error. From V(0s), which does
        not wait, to V(5m).
    type: raw
    default: 15s
notes:
  - What was there is in the journal, a ConfigMap. For V(secret_value) and V(environment) it is in a Secret, and nowhere in the output.
  - Pods read a ConfigMap or a Secret when they start; mounted ones follow after a minute or so. This attack does not start pods anew.
  - A Deployment keeps old pods until new ones are ready, as its strategy says. So a fault in its pods may cost no request at all, which is worth knowing.
  - After the undo of a fault in the pods of a Deployment, the revision with the fault is the last but one in its history. A C(kubectl rollout undo) without
    C(--to-revision) rolls the fault out again, so look at C(kubectl rollout history) first. This is likewise for StatefulSets and DaemonSets.
  - Faults in the pods of a StatefulSet with ordered pods are refused, for Kubernetes does not replace its broken pod when the fault is gone.
  - What a tool such as Argo CD or Flux manages is put right by that tool; the attack fails or drifts then.
seealso:
  - module: faultline.chaos.k8s_scale
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: The service finds no pods for a minute
  faultline.chaos.k8s_config_fault:
    namespace: shop
    fault: service_selector
    name: cart
    duration: 1m

- name: The password of the database is wrong
  faultline.chaos.k8s_config_fault:
    namespace: shop
    fault: secret_value
    name: database
    key: password
    duration: 5m

- name: A release with an image that does not exist
  faultline.chaos.k8s_config_fault:
    namespace: shop
    fault: image
    name: web
    container: app
    duration: 5m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: config-fault-1f2e3d4c5b
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
  sample: shop/faultline-config-fault-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["Service:shop/cart"]
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
    object:
      description: The object.
      type: str
      sample: Service shop/cart
    changed:
      description: The fields that have another value now.
      type: list
      elements: str
      sample: ["/spec/selector/faultline.chaos~1nobody"]
    observed:
      description:
        - What it did until the module returned. For a workload C(replicas), C(ready) and C(reasons) why pods wait; for a Service C(endpoints).
      type: dict
      sample: {"endpoints": 0}
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import AUTOSCALER, SERVICE, label
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, read
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import config
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.config import FAULTS, WORKLOADS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import NAMESPACE_OPTION, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import SetFields
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import observe
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import spared


class ConfigFault(KubeAttack):
    name = "k8s_config_fault"
    options = dict(
        NAMESPACE_OPTION,
        fault={"type": "str", "required": True, "choices": list(FAULTS)},
        name={"type": "str", "required": True},
        kind={"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"]},
        container={"type": "str"},
        key={"type": "str", "no_log": False},
        value={"type": "str"},
        remove={"type": "bool", "default": False},
        wait={"type": "raw", "default": "15s"},
    )

    def validate(self):
        config.check(self.params)
        self.wait = _units.duration("wait", self.params["wait"], 0.0, 300.0)

    def resources(self):
        kinds = FAULTS[self.params["fault"]].kinds
        named = kinds[0].kind if kinds else self.params["kind"] or "Deployment"
        return ["{}:{}/{}".format(named, self.params["namespace"], self.params["name"])]

    def guard(self):
        fault = self.params["fault"]
        kinds = FAULTS[fault].kinds or (WORKLOADS[self.params["kind"] or "Deployment"],)
        self.kind = kinds[0] if len(kinds) == 1 else self.cluster.serving(kinds)
        if self.kind is None:
            raise AttackError(f"this cluster is too old for the fault {fault}: it serves no {kinds[-1].api_version}", option="fault")
        if fault == "replicas_zero":
            self._refuse_scaled()

    def _refuse_scaled(self):
        for each in self.cluster.whole(AUTOSCALER, self.params["namespace"]):
            target = each["spec"]["scaleTargetRef"]
            if (target.get("kind"), target.get("name")) == (self.kind.kind, self.params["name"]):
                raise AttackError(
                    "the HorizontalPodAutoscaler {}/{} scales {}: it would undo the attack, or take it for its own doing".format(
                        self.params["namespace"], each["metadata"]["name"], self.params["name"]
                    )
                )

    def snapshot(self):
        found = self.cluster.find(self.kind, self.params["name"], self.params["namespace"])
        if found is None:
            raise BadOption("name", self.params["name"], "there is no {} of this name in namespace {}".format(self.kind.kind, self.params["namespace"]))
        why = spared(found, False)
        if why is not None:
            raise BadOption("name", self.params["name"], f"it is spared: {why}")
        if FAULTS[self.params["fault"]].template and self.kind.kind == "StatefulSet" and read(found, "/spec/podManagementPolicy") != "Parallel":
            raise NotRestorable(
                "StatefulSet {} has ordered pods: Kubernetes does not replace a broken one when the fault is gone, so it could not be put back".format(
                    self.params["name"]
                )
            )
        self.endpoints = observe.endpoints(self.cluster, found) if self.kind == SERVICE else []
        return found

    def plan(self, before):
        private = FAULTS[self.params["fault"]].private
        self.before = before
        self.changes = config.changes_of(before, self.params)

        def told(value):
            return f"{value!r}" if not private or value is ABSENT else "a value that is not shown"

        lines = [(at, told(read(before, at)), told(value)) for at, value in sorted(self.changes.items())]
        named = label(self.kind, self.params["namespace"], self.params["name"])
        return KubePlan(
            before="\n".join(f"{named} {at}: {old}" for at, old, _new in lines),
            after="\n".join(f"{named} {at}: {new}" for at, _old, new in lines),
            steps=[SetFields(self.kind, before, self.changes, together=True)],
            notes=_rollout_notes(self.kind, before) if FAULTS[self.params["fault"]].template else [],
            secret=private,
        )

    def verify(self, plan):
        step = plan.steps[0]
        found = self.cluster.get(self.kind, self.params["name"], self.params["namespace"])
        other = [at for at, _before, after in step.changes if read(found, at) != after]
        if other:
            raise AttackError("somebody set {} of {} at once: something else manages it".format(", ".join(other), self.params["name"]))
        patience = min(self.wait, self.first / 2)
        observed = {}
        if self.kind.kind in WORKLOADS:
            observed = observe.workload(self.cluster, self.kind, self.before, patience)
        elif self.kind == SERVICE:
            observed = observe.service(self.cluster, self.before, self.endpoints, patience)
        named = label(self.kind, self.params["namespace"], self.params["name"])
        return {"object": named, "changed": sorted(self.changes), "observed": observed}


def _rollout_notes(kind, found):
    """Reasons why the fault may not reach the pods."""
    spec = found["spec"]
    strategy = spec.get("strategy") or spec.get("updateStrategy") or {}
    notes = []
    if spec.get("paused"):
        notes.append("the Deployment is paused: nothing rolls out until somebody resumes it")
    if strategy.get("type") == "OnDelete":
        notes.append("its strategy is OnDelete: only pods that somebody deletes get the fault")
    if kind.kind == "Deployment" and strategy.get("type") == "RollingUpdate":
        most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%")
        notes.append(f"its strategy keeps old pods until new ones are ready, but for {most} of them")
    return notes


def main():
    run_kube_attack(ConfigFault)


if __name__ == "__main__":
    main()
