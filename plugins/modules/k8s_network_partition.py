#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_network_partition
version_added: 0.1.0
short_description: Cut pods off from the network with a NetworkPolicy
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Makes a NetworkPolicy that lets pods receive or send nothing but what is allowed here. The cluster deletes it by itself at the deadline.
  - Not every network of a cluster enforces policies. A connection from pod to pod is tried before and after, and when it is not cut, the attack is
    reverted and the task fails. See O(probe).
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_attack.namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  label_selector:
    description:
      - Labels of the pods to cut off, for example V(app=web) or V(app in (web, api\),tier!=cache).
      - An empty selector and C(*) are refused. For all pods of the namespace, set O(all=true).
      - It is refused when it takes a pod that opted out, for a policy takes all that have the labels.
    type: str
  all:
    description:
      - Cut off all pods of the namespace.
    type: bool
    default: false
  direction:
    description:
      - What is cut, what they receive, what they send, or both.
    type: str
    choices: [ingress, egress, both]
    default: both
  exclude:
    description:
      - Addresses and networks that they may still talk with, for example V(10.0.0.0/8).
      - The old name C(allow_cidrs) is deprecated, and removed in 1.0.0.
    type: list
    elements: str
    default: []
    aliases: [allow_cidrs]
  exclude_pods:
    description:
      - Labels of pods of the same namespace that they may still talk with.
      - The old name C(allow_pods) is deprecated, and removed in 1.0.0.
    type: str
    aliases: [allow_pods]
  exclude_namespaces:
    description:
      - Labels of namespaces with whose pods they may still talk.
      - The old name C(allow_namespaces) is deprecated, and removed in 1.0.0.
    type: str
    aliases: [allow_namespaces]
  allow_dns:
    description:
      - Whether they may still ask for names, on port 53 wherever it is.
    type: bool
    default: true
  probe:
    description:
      - Whether to find out if the cluster enforces the policy, by a connection from pod to pod with what their images have (nc, python3, bash, curl or
        wget). Needs the right to C(create) C(pods/exec).
      - With V(auto) the task goes on when there is nothing to try it with, and says so. With V(require) it fails then. With V(skip) nothing is tried.
      - A sidecar of a service mesh takes outgoing connections inside of the pod, so that they seem to work. The task fails then, unless V(skip) is set.
    type: str
    choices: [auto, require, skip]
    default: auto
notes:
  - Connections that were open before may live on; that depends on the network of the cluster.
  - Policies add up. What another policy allows to the same pods is still allowed; RV(effect.others) lists those policies.
  - The kubelet always reaches the pods of its node, so probes of Kubernetes go on.
seealso:
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: The cart cannot be reached for a minute
  faultline.chaos.k8s_network_partition:
    namespace: shop
    label_selector: app=cart
    direction: ingress
    duration: 1m

- name: The web servers only reach the cache, and names
  faultline.chaos.k8s_network_partition:
    namespace: shop
    label_selector: app=web
    direction: egress
    exclude_pods: app=cache
    duration: 1m
    probe: require
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: network-partition-1f2e3d4c5b
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
  sample: shop/faultline-network-partition-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["network:shop:app=web"]
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
    policy:
      description: The name of the NetworkPolicy.
      type: str
    pods:
      description: How many pods it takes.
      type: int
    enforcement:
      description:
        - V(enforced) when a connection that worked before fails twice in a row, V(unknown) when there was nothing to try it with or O(probe=skip).
      type: str
    probe:
      description: The connection that was tried, or why there was none.
      type: str
    others:
      description: Other policies that take some of the same pods, and may allow what this one does not.
      type: list
      elements: str
"""

import ipaddress

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NETWORK_POLICY, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import matches
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import reach
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, NAMESPACE_OPTION, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import Create
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import opted_out
from ansible_collections.faultline.chaos.plugins.module_utils._marks import object_name
from ansible_collections.faultline.chaos.plugins.module_utils._renamed import Renaming, renamed

TYPES = {"ingress": ["Ingress"], "egress": ["Egress"], "both": ["Ingress", "Egress"]}


class NetworkPartition(KubeAttack):
    name = "k8s_network_partition"
    deadman = CLUSTER
    options = dict(
        NAMESPACE_OPTION,
        label_selector={"type": "str"},
        all={"type": "bool", "default": False},
        direction={"type": "str", "choices": ["ingress", "egress", "both"], "default": "both"},
        exclude=renamed("allow_cidrs", type="list", elements="str", default=[]),
        exclude_pods=renamed("allow_pods", type="str"),
        exclude_namespaces=renamed("allow_namespaces", type="str"),
        allow_dns={"type": "bool", "default": True},
        probe={"type": "str", "choices": ["auto", "require", "skip"], "default": "auto"},
    )
    constraints = {"mutually_exclusive": [("label_selector", "all")]}
    renaming = Renaming()

    def validate(self):
        params = self.params
        if params["label_selector"] is None and not params["all"]:
            raise BadOption("label_selector", None, "say which pods, for example app=web; or set all: true for every pod of the namespace")
        self.selector = {} if params["all"] else reach.to_selector("label_selector", params["label_selector"])
        self.peers = []
        if params["exclude_pods"] is not None:
            self.peers.append({"podSelector": reach.to_selector("exclude_pods", params["exclude_pods"])})
        if params["exclude_namespaces"] is not None:
            self.peers.append({"namespaceSelector": reach.to_selector("exclude_namespaces", params["exclude_namespaces"])})
        for cidr in params["exclude"]:
            try:
                network = ipaddress.ip_network(cidr)
            except ValueError:
                raise BadOption("exclude", cidr, "write an address or a network such as 10.0.0.0/8")
            if network.prefixlen == 0:
                raise BadOption("exclude", cidr, "this is everything: nothing would be cut off")
            self.peers.append({"ipBlock": {"cidr": str(network)}})

    def resources(self):
        return ["network:{}:{}".format(self.params["namespace"], self.params["label_selector"] or "all")]

    def snapshot(self):
        namespace, types = self.params["namespace"], TYPES[self.params["direction"]]
        rows = self.cluster.rows(POD, namespace, self.params["label_selector"])
        rows = [row for row in rows if matches(self.selector, row["metadata"].get("labels") or {})]
        if not rows:
            raise AttackError("no pod of namespace {} matches {}".format(namespace, self.params["label_selector"] or "all"))
        spared = sorted(row["metadata"]["name"] for row in rows if opted_out(row))
        if spared:
            option = "all" if self.params["all"] else "label_selector"
            raise BadOption(option, self.params[option], "it takes pods that opted out: {}; write labels that leave them out".format(", ".join(spared)))
        others = []
        for policy in self.cluster.whole(NETWORK_POLICY, namespace):
            hit = any(matches(policy["spec"].get("podSelector") or {}, row["metadata"].get("labels") or {}) for row in rows)
            if hit and set(types) & set(policy["spec"].get("policyTypes") or ["Ingress"]):
                others.append(policy["metadata"]["name"])
        return {"pods": len(rows), "others": sorted(others)}

    def plan(self, before):
        self.before = before
        params, types = self.params, TYPES[self.params["direction"]]
        spec = {"podSelector": self.selector, "policyTypes": types}
        if "Ingress" in types:
            spec["ingress"] = [{"from": self.peers}] if self.peers else []
        if "Egress" in types:
            spec["egress"] = [{"to": self.peers}] if self.peers else []
            if params["allow_dns"]:
                spec["egress"].append({"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]})
        self.policy = object_name(self.id)
        body = {"metadata": {"name": self.policy, "namespace": params["namespace"]}, "spec": spec}
        notes = (
            ["other policies take some of these pods, and what they allow is still allowed: {}".format(", ".join(before["others"]))] if before["others"] else []
        )
        return KubePlan(
            before="%d pods: no policy of ours" % before["pods"],
            after="%d pods: NetworkPolicy %s/%s cuts %s" % (before["pods"], params["namespace"], self.policy, params["direction"]),
            steps=[Create(NETWORK_POLICY, body)],
            notes=notes,
        )

    def inject(self, plan):
        self.path, self.why = None, "probe: skip"
        if self.params["probe"] != "skip":
            inbound = self.params["direction"] != "egress"
            self.path, self.why = reach.find_path(self.cluster, self.params["namespace"], self.selector, inbound, self.peers)
            if self.path is None and self.params["probe"] == "require":
                raise AttackError(f"whether the cluster enforces policies cannot be tried: {self.why}")
        super().inject(plan)

    def verify(self, plan):
        told = {"policy": self.policy, "pods": self.before["pods"], "others": self.before["others"], "enforcement": reach.UNKNOWN, "probe": self.why}
        if self.path is None:
            plan.notes.append(f"whether the cluster enforces the policy is not known: {self.why}")
            return told
        if not reach.enforced(self.path):
            others = "; or another policy allows it: {}".format(", ".join(self.before["others"])) if self.before["others"] else ""
            raise AttackError(f"this cluster does not enforce network policies: {self.path} still connects{others}; or {reach.SIDECARS}")
        told.update(enforcement=reach.ENFORCED, probe=str(self.path))
        return told


def main():
    run_kube_attack(NetworkPartition)


if __name__ == "__main__":
    main()
