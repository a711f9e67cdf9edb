#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_resource_quota
version_added: 0.1.0
short_description: Limit what a namespace may have with a ResourceQuota
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Makes a ResourceQuota. What the namespace has already stays; what is made anew beyond the limits is refused by the API server, so pods that die are not
    replaced, and nothing scales up. The cluster deletes the quota by itself at the deadline.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_attack.namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  hard:
    description:
      - "The limits, as a ResourceQuota has them in C(spec.hard), for example V({pods: 0}), V({requests.cpu: 500m, limits.memory: 1Gi}) or
        V({count/services: 3}). V(0) lets nothing be made."
    type: dict
    default: {pods: 0}
  wait:
    description:
      - How long to wait until the cluster has counted what the namespace uses. From V(1s) to V(2m).
    type: raw
    default: 20s
notes:
  - With a limit of CPU or memory, new pods that do not say how much they want of it are refused, too. That is how Kubernetes counts.
  - Other attacks on the same namespace that need a Job of their own cannot begin while a quota refuses pods or Jobs. Apply them first.
  - Owners of pods wait longer and longer between two attempts. After the quota is gone, it may take them a while to try again.
seealso:
  - module: faultline.chaos.k8s_capacity
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: For two minutes no pod of the shop is replaced or added
  faultline.chaos.k8s_resource_quota:
    namespace: shop
    duration: 2m

- name: No more than the half CPU that is asked for already
  faultline.chaos.k8s_resource_quota:
    namespace: shop
    hard:
      requests.cpu: 500m
      requests.memory: 1Gi
    duration: 2m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: resource-quota-1f2e3d4c5b
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
  sample: shop/faultline-resource-quota-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["quota:shop"]
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
    quota:
      description: The name of the ResourceQuota.
      type: str
    asked:
      description: The limits as the cluster has them.
      type: dict
      sample: {"pods": "0"}
    used:
      description: What the namespace uses of each, as the cluster counted it.
      type: dict
      sample: {"pods": "4"}
    exhausted:
      description: The limits that are used up, so that no more can be made.
      type: list
      elements: str
      sample: ["pods"]
"""

import re
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import quantity
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import RESOURCE_QUOTA
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, NAMESPACE_OPTION, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import Create
from ansible_collections.faultline.chaos.plugins.module_utils._marks import object_name

# Countable resources without a prefix. A server accepts other names but never counts them, so a mistyped name would have no effect.
PLAIN = frozenset(
    "cpu memory ephemeral-storage pods services replicationcontrollers resourcequotas secrets configmaps persistentvolumeclaims "
    "services.nodeports services.loadbalancers requests.cpu requests.memory requests.storage requests.ephemeral-storage "
    "limits.cpu limits.memory limits.ephemeral-storage".split()
)
_OTHERS = re.compile(
    r"^(?:count/[a-z]+(?:\.[a-z][-a-z0-9.]*)?|requests\.(?:hugepages-[0-9]+[KMG]i|[a-z0-9][-a-z0-9.]*/[A-Za-z0-9][-_A-Za-z0-9.]*)"
    r"|[a-z0-9][-a-z0-9.]*\.storageclass\.storage\.k8s\.io/(?:requests\.storage|persistentvolumeclaims))\Z"
)
_MOST = 50  # limits in one quota


def check_hard(hard):
    """{resource: amount as text}. Errors: BadOption."""
    if not hard or len(hard) > _MOST:
        raise BadOption("hard", hard, "give 1 to %d limits such as pods: 0" % _MOST)
    checked = {}
    for name, value in sorted(hard.items(), key=lambda pair: str(pair[0])):
        if not isinstance(name, str) or name not in PLAIN and not _OTHERS.match(name):
            raise BadOption("hard", name, "a quota does not count this; take pods, requests.cpu, limits.memory, count/deployments.apps and the like")
        number = quantity.amount("hard", value)
        if "cpu" not in name and number != number.to_integral_value():
            raise BadOption("hard", f"{name}: {value}", "only CPUs come in fractions")
        checked[name] = str(value)
    return checked


def exhausted(hard, used):
    """The limits that are used up."""
    return sorted(name for name in hard if quantity.known(used.get(name)) >= quantity.known(hard[name]))


class ResourceQuota(KubeAttack):
    name = "k8s_resource_quota"
    deadman = CLUSTER
    options = dict(NAMESPACE_OPTION, hard={"type": "dict", "default": {"pods": 0}}, wait={"type": "raw", "default": "20s"})

    def validate(self):
        self.hard = check_hard(self.params["hard"])
        self.wait = _units.duration("wait", self.params["wait"], 1.0, 120.0)

    def resources(self):
        return ["quota:{}".format(self.params["namespace"])]

    def snapshot(self):
        return self.cluster.whole(RESOURCE_QUOTA, self.params["namespace"])

    def plan(self, before):
        self.quota = object_name(self.id)
        told = ", ".join("{}: {}".format(*pair) for pair in sorted(self.hard.items()))
        body = {"metadata": {"name": self.quota, "namespace": self.params["namespace"]}, "spec": {"hard": self.hard}}
        stricter = sorted(
            "{} of {}".format(name, each["metadata"]["name"])
            for each in before
            for name, limit in ((each.get("spec") or {}).get("hard") or {}).items()
            if name in self.hard and quantity.known(limit) <= quantity.known(self.hard[name])
        )
        return KubePlan(
            before="%d quotas: %s" % (len(before), ", ".join(sorted(each["metadata"]["name"] for each in before)) or "none"),
            after="ResourceQuota {}/{}: {}".format(self.params["namespace"], self.quota, told),
            steps=[Create(RESOURCE_QUOTA, body)],
            notes=["a quota that was there is as strict already: {}".format(", ".join(stricter))] if stricter else [],
        )

    def verify(self, plan):
        until = time.monotonic() + min(self.wait, self.first / 2)
        while True:
            found = self.cluster.find(RESOURCE_QUOTA, self.quota, self.params["namespace"])
            if found is None:
                raise AttackError("somebody deleted the quota at once: something else manages this namespace")
            told = found.get("status") or {}
            hard, used = told.get("hard") or {}, told.get("used") or {}
            if set(hard) >= set(self.hard) and set(used) >= set(self.hard):
                break
            if time.monotonic() >= until:
                lacks = ", ".join(sorted(set(self.hard) - set(used)))
                raise AttackError(f"the cluster does not count {lacks}: its controller of quotas rests, or does not know them")
            time.sleep(0.1)
        return {"quota": self.quota, "asked": hard, "used": used, "exhausted": exhausted(hard, used)}


def main():
    run_kube_attack(ResourceQuota)


if __name__ == "__main__":
    main()
