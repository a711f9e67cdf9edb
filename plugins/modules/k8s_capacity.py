#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_capacity
version_added: 0.1.0
short_description: Fill nodes of a cluster with pods that only hold a place
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Makes one pod on each chosen node that requests so much CPU or memory that little is left for others. It uses neither. Pods that come later find no
    room, so autoscaling has to act. The cluster deletes the pods by itself at the deadline.
  - It is counted as the scheduler does, what a node can give minus what its pods request.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_attack.namespace
  - faultline.chaos._kube_nodes
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  namespace:
    description:
      - Where the pods are made. The journal is there, too.
  fill_cpu:
    description:
      - Request CPU until this share of each node is requested, for example V(95%).
    type: raw
  fill_memory:
    description:
      - The same with memory.
    type: raw
  leave_cpu:
    description:
      - Request CPU until no more than this is left on each node, for example V(250m).
    type: str
  leave_memory:
    description:
      - The same with memory, for example V(512Mi).
    type: str
  priority_class:
    description:
      - The PriorityClass of the pods, which must exist. With a value below zero they give way to every pod that needs the room. One above zero is refused,
        because such pods would push others out.
    type: str
  image:
    description:
      - What the pods run. Without a way to a registry, give one that your nodes have, or a copy in a registry of yours. It must not need to be root. Pods
        count as soon as they have a node, even when their image cannot be fetched.
    type: str
    default: registry.k8s.io/pause:3.9
  wait:
    description:
      - How long the pods may take to get their nodes. When one does not, the attack is undone and the task fails. From V(1s) to V(5m).
    type: raw
    default: 30s
notes:
  - Nodes that are cordoned or not ready are left out, with a note. A node that is as full already is, too.
  - A pod that leaves a node makes room again; that is not filled up once more.
  - A cluster autoscaler adds nodes for pods that wait, not for these. Something of yours has to need room.
seealso:
  - module: faultline.chaos.k8s_resource_quota
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: Two of the nodes for web servers have no CPU left for five minutes
  faultline.chaos.k8s_capacity:
    namespace: chaos
    label_selector: pool=web
    count: 2
    seed: monday
    fill_cpu: 100%
    duration: 5m

- name: Half a GiB is left on every node
  faultline.chaos.k8s_capacity:
    namespace: chaos
    all: true
    leave_memory: 512Mi
    duration: 5m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: capacity-1f2e3d4c5b
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
  sample: chaos/faultline-capacity-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["node:node-1"]
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
    seed:
      description: What drew the nodes.
      type: str
    matched:
      description: How many nodes could have been taken.
      type: int
    selected:
      description: The nodes that were taken.
      type: list
      elements: str
    spared:
      description: The nodes that must not be taken, and why.
      type: dict
    nodes:
      description: Each node with its pod, what share was requested before and after, and what was asked for. In percent of what the node can give.
      type: list
      elements: dict
      sample: [{"node": "node-1", "pod": "faultline-capacity-1f2e3d4c5b-0", "running": true, "cpu": {"before": 31.5, "asked": 95.0, "measured": 95.0}}]
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import quantity
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD, Kind
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_name
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import capacity
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.capacity import RESOURCES
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, NAMESPACE_OPTION, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import Create
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import nodes as kube_nodes
from ansible_collections.faultline.chaos.plugins.module_utils._marks import object_name

PRIORITY_CLASS = Kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", False)
_SETTLED = ("Running", "Succeeded", "Failed")


class Capacity(KubeAttack):
    name = "k8s_capacity"
    deadman = CLUSTER
    options = dict(
        dict(NAMESPACE_OPTION, **kube_nodes.NODE_OPTIONS),
        fill_cpu={"type": "raw"},
        fill_memory={"type": "raw"},
        leave_cpu={"type": "str"},
        leave_memory={"type": "str"},
        priority_class={"type": "str"},
        image={"type": "str", "default": "registry.k8s.io/pause:3.9"},
        wait={"type": "raw", "default": "30s"},
    )
    constraints = {
        "mutually_exclusive": kube_nodes.NODE_CONSTRAINTS["mutually_exclusive"] + [("fill_cpu", "leave_cpu"), ("fill_memory", "leave_memory")],
        "required_if": [("state", "present", ("fill_cpu", "leave_cpu", "fill_memory", "leave_memory"), True)],
    }

    def validate(self):
        params = self.params
        kube_nodes.check_nodes(params)
        self.wanted = {}
        for resource in RESOURCES:
            fill, leave = params["fill_" + resource], params["leave_" + resource]
            if fill is not None:
                if _units.percent("fill_" + resource, fill) == 0:
                    raise BadOption("fill_" + resource, fill, "write a percentage above 0")
                self.wanted[resource] = {"fill": _units.percent("fill_" + resource, fill)}
            elif leave is not None:
                self.wanted[resource] = {"leave": quantity.amount("leave_" + resource, leave)}
        if params["priority_class"] is not None:
            check_name("priority_class", params["priority_class"])
        if not params["image"] or len(params["image"]) > 512 or any(not 33 <= ord(letter) <= 126 for letter in params["image"]):
            raise BadOption("image", params["image"], "give the name of an image, such as registry.k8s.io/pause:3.9")
        self.wait = _units.duration("wait", params["wait"], 1.0, 300.0)

    def resources(self):
        return kube_nodes.describe_nodes(self.params)

    def guard(self):
        """Errors: BadOption for a priority above 0: pods of low priority are preempted, pods of high priority would preempt others."""
        named = self.params["priority_class"]
        classes = self.cluster.whole(PRIORITY_CLASS)
        meant = [each for each in classes if (each["metadata"]["name"] == named if named is not None else each.get("globalDefault"))]
        if named is not None and not meant:
            raise BadOption("priority_class", named, "there is no such PriorityClass")
        for each in meant:
            if each.get("value", 0) > 0:
                name, value = each["metadata"]["name"], each["value"]
                raise BadOption("priority_class", named, "with %s, whose value is %d, the pods would push others out: take one of 0 or less" % (name, value))

    def snapshot(self):
        selection, nodes = kube_nodes.take_nodes(self.cluster, self.params, self.id)
        notes, usable = [], []
        for node in nodes:
            why = capacity.why_not(node)
            if why is None:
                usable.append(node)
            else:
                notes.append("{} {}, and is left out".format(node["metadata"]["name"], why))
        if not usable:
            raise AttackError("no node can take a pod: {}".format("; ".join(notes)))
        return {"selection": selection, "nodes": usable, "free": capacity.free_capacity(self.cluster, usable), "notes": notes}

    def plan(self, before):
        self.selection, self.placed, steps, lines, notes = before["selection"], [], [], [], before["notes"]
        for node, free in zip(before["nodes"], before["free"]):
            wants = dict((resource, free.missing(resource, **self.wanted[resource])) for resource in self.wanted)
            if not any(wants.values()):
                notes.append(f"{free.name} is as full already")
                continue
            if free.slots < 1:
                raise AttackError(f"the node {free.name} takes no more pods, whatever they request")
            name = "%s-%d" % (object_name(self.id), len(steps))
            body = capacity.placeholder(name, self.params["namespace"], node, wants, self.params["image"], self.params["priority_class"])
            steps.append(Create(POD, body))
            self.placed.append((name, node, free))
            told = ", ".join("{} of {}".format(*pair[::-1]) for pair in sorted(body["spec"]["containers"][0]["resources"]["requests"].items()))
            lines.append(f"{free.name}: pod {name} requests {told}")
        if not steps:
            raise AttackError("every node is as full already: ask for more than that")
        return KubePlan(before="\n".join(_shares(free) for _name, _node, free in self.placed), after="\n".join(lines), steps=steps, notes=notes)

    def verify(self, plan):
        seen = self._settle()
        waiting = sorted(name for name, pod in seen.items() if not (pod["spec"].get("nodeName")))
        if waiting:
            said = [each.get("message", "") for each in (seen[waiting[0]].get("status") or {}).get("conditions") or [] if each["type"] == "PodScheduled"]
            raise AttackError("the pod {} gets no node, somebody else took the room: {}".format(waiting[0], (said or [""])[0]))
        ended = sorted(name for name, pod in seen.items() if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"))
        if ended:
            raise AttackError("the pod {} ended at once, so it holds no place: look at its image {}".format(ended[0], self.params["image"]))
        idle = sorted(name for name, pod in seen.items() if (pod.get("status") or {}).get("phase") != "Running")
        if idle:
            plan.notes.append("not running yet, but counted: {}; can the nodes fetch {}?".format(", ".join(idle), self.params["image"]))
        now = capacity.free_capacity(self.cluster, [node for _name, node, _room in self.placed])
        told = []
        for (name, _node, before), after in zip(self.placed, now):
            line = {"node": before.name, "pod": name, "running": name not in idle}
            for resource, wish in self.wanted.items():
                given = before.allocatable[resource]
                asked = wish["fill"] if "fill" in wish else round(float(100 * (given - wish["leave"]) / given), 2)
                line[resource] = {"before": before.percent(resource), "asked": asked, "measured": after.percent(resource)}
            told.append(line)
        return dict(kube_nodes.describe(self.selection), nodes=told)

    def _settle(self):
        """{name: pod}, as soon as all pods have settled or the time is over."""
        until = time.monotonic() + min(self.wait, self.first / 2)
        while True:
            seen = dict((name, self.cluster.get(POD, name, self.params["namespace"])) for name, _node, _free in self.placed)
            if all((pod.get("status") or {}).get("phase") in _SETTLED for pod in seen.values()) or time.monotonic() >= until:
                return seen
            time.sleep(0.3)


def _shares(free):
    return "{}: {}".format(free.name, ", ".join(f"{resource} {free.percent(resource):g}% requested" for resource in RESOURCES))


def main():
    run_kube_attack(Capacity)


if __name__ == "__main__":
    main()
