#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_pod_stress
version_added: 0.1.0
short_description: Burn CPU or take memory inside of containers
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Starts programs inside of a container of each chosen pod, with the container's own shell. They count against the limits of the container.
  - The programs end by themselves at the end of O(duration), even when nobody is left to end them.
  - The image must have C(sh), and C(sleep) for memory. Images without a shell are refused.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._kube_pods
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  container:
    description:
      - Which container, by its name. Needed where a pod has several.
    type: str
  cpus:
    description:
      - How many programs burn a CPU each, as far as the limit of the container lets them. From V(0) to V(64).
    type: int
    default: 0
  memory:
    description:
      - How much memory to take, for example V(200MiB). More than there is room for under the limit of the container is refused.
    type: raw
  memory_percent:
    description:
      - Take memory until the container uses this share of its limit, from V(1) to V(95).
    type: raw
  reserve:
    description:
      - How much memory to leave under the limit, so that the container is not ended for want of it. From V(4MiB).
    type: raw
    default: 16MiB
  wait:
    description:
      - How long to wait until the memory is taken. From V(1s) to V(5m).
    type: raw
    default: 60s
notes:
  - One of O(cpus), O(memory) and O(memory_percent) is needed. For memory, the container must have a limit, or the whole node would suffer.
  - Without a limit of CPU, the programs compete with everything on the node. A note says so.
  - The programs are the first that the kernel ends when memory runs out. They run as the user of the container.
  - With O(lease), a watcher on the machine that ran the module ends them when it runs out. Without that machine they go on until the end of O(duration).
  - An undo that cannot reach a container keeps its journal, and is reported as stuck. The programs there end with O(duration) all the same.
  - To end it early, revert it. The Job of the attack owns its journal only; when somebody deletes that, the programs go on until the end of O(duration).
  - Disruption budgets count here, too, for a container under stress may fail its probes.
seealso:
  - module: faultline.chaos.cpu_stress
  - module: faultline.chaos.memory_stress
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: One CPU of one web server is busy for two minutes
  faultline.chaos.k8s_pod_stress:
    namespaces: shop
    label_selector: app=web
    count: 1
    cpus: 1
    duration: 2m

- name: The cart uses nine tenths of its memory
  faultline.chaos.k8s_pod_stress:
    namespaces: shop
    label_selector: app=cart
    all: true
    container: app
    memory_percent: 90
    duration: 2m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: pod-stress-1f2e3d4c5b
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
  sample: shop/faultline-pod-stress-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["stress:pods:shop:label_selector=app=web"]
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
      description: What drew the pods.
      type: str
    matched:
      description: How many pods could have been taken.
      type: int
    selected:
      description: The pods that were taken.
      type: list
      elements: str
    spared:
      description: The pods that must not be taken, and why.
      type: dict
    containers:
      description: Each container, with the CPUs and the MiB that were asked for and that our programs were seen to use.
      type: list
      elements: dict
      sample: [{"container": "shop/web-1 app", "cpus": {"asked": 1, "measured": 0.98}, "memory": {"asked": 0, "measured": 1.2}}]
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_name
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pool import in_pool
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import stress
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.budgets import respect_budgets
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.select import (
    POD_CONSTRAINTS,
    POD_OPTIONS,
    check_pods,
    describe_pods,
    select_pods,
)

_LOOK = 2.0  # seconds between two looks, long enough to measure a share of CPU


class PodStress(KubeAttack):
    name = "k8s_pod_stress"
    deadman = CLUSTER  # with a lease the watcher ends the programs earlier
    options = dict(
        POD_OPTIONS,
        container={"type": "str"},
        cpus={"type": "int", "default": 0},
        memory={"type": "raw"},
        memory_percent={"type": "raw"},
        reserve={"type": "raw", "default": "16MiB"},
        wait={"type": "raw", "default": "60s"},
    )
    constraints = dict(POD_CONSTRAINTS, mutually_exclusive=POD_CONSTRAINTS["mutually_exclusive"] + [("memory", "memory_percent")])

    def validate(self):
        params = self.params
        check_pods(params)
        if params["container"] is not None:
            check_name("container", params["container"])
        wishes = {"cpus": _units.integer("cpus", params["cpus"], 0, 64), "memory": None, "percent": None}
        wishes["reserve"] = _sizes.size("reserve", params["reserve"], 4 * stress.MIB)
        if params["memory"] is not None:
            wishes["memory"] = _sizes.size("memory", params["memory"], stress.LEAST * stress.MIB, 64 * 1024 * stress.MIB)
        if params["memory_percent"] is not None:
            wishes["percent"] = _units.percent("memory_percent", params["memory_percent"], 1, 95)
        if not wishes["cpus"] and wishes["memory"] is None and wishes["percent"] is None:
            raise BadOption("cpus", params["cpus"], "ask for something: cpus, memory or memory_percent")
        self.wishes = wishes
        self.wait = _units.duration("wait", params["wait"], 1.0, 300.0)

    def resources(self):
        return ["stress:" + describe_pods(self.params)]

    def snapshot(self):
        selection = select_pods(self.cluster, self.params)
        if not self.params["ignore_pdb"]:
            respect_budgets(self.cluster, selection.rows)
        return selection

    def plan(self, before):
        self.selection = before
        found = in_pool(lambda row: self.cluster.get(POD, row["metadata"]["name"], row["metadata"]["namespace"]), before.rows)
        steps, notes, lines = [], [], []
        for _row, pod in found:
            if isinstance(pod, AttackError):
                raise pod
            step = stress.Container(pod, stress.choose_container(pod, self.params["container"]), self.wishes)
            if step.id is None:
                raise AttackError(f"the container {step} does not run")
            if step.limit is None and (self.wishes["memory"] is not None or self.wishes["percent"] is not None):
                raise AttackError(f"the container {step} has no memory limit, so the whole node would suffer: give it one")
            limits = [(each.get("resources") or {}).get("limits") or {} for each in pod["spec"]["containers"] if each["name"] == step.name]
            if self.wishes["cpus"] and "cpu" not in limits[0]:
                notes.append(f"the container {step} has no limit of CPU: it competes with all of its node")
            steps.append(step)
            lines.append(f"{step}: {self._asked()}")
        return KubePlan(before="\n".join(str(step) for step in steps), after="\n".join(lines), steps=steps, notes=notes)

    def _asked(self):
        told = ["%d CPUs" % self.wishes["cpus"]] if self.wishes["cpus"] else []
        if self.wishes["memory"] is not None:
            told.append("{} of memory".format(_sizes.human_size(self.wishes["memory"])))
        if self.wishes["percent"] is not None:
            told.append("memory up to {:g}% of its limit".format(self.wishes["percent"]))
        return " and ".join(told)

    def inject(self, plan):
        # The clock of the server is known to within a second; the programs end before the deadline, never after it.
        self.wishes["ends"] = time.monotonic() + self.entry.limit - self.cluster.now() - 1.0
        for _step, answer in in_pool(lambda step: step.apply(self.cluster, self.making), plan.steps):
            if isinstance(answer, AttackError):
                raise answer

    def verify(self, plan):
        first = self._look(plan.steps)
        began, until = time.monotonic(), time.monotonic() + min(self.wait, self.first / 2)
        while True:
            time.sleep(min(_LOOK, max(0.2, self.first / 8)))
            now = self._look(plan.steps)
            full = all(seen[2] >= 0.95 * step.mib for step, seen in zip(plan.steps, now))
            if full or time.monotonic() >= until:
                break
        told = []
        for step, (up, cpu, _rss, _count), (up_now, cpu_now, rss, count) in zip(plan.steps, first, now):
            if not count:
                raise AttackError(f"the programs in {step} ended at once, after {time.monotonic() - began:.0f} s: was there not enough memory?")
            line = {"container": str(step), "cpus": {"asked": self.wishes["cpus"], "measured": round((cpu_now - cpu) / max(0.01, up_now - up), 2)}}
            line["memory"] = {"asked": step.mib, "measured": round(rss, 1)}
            told.append(line)
            plan.notes += step.notes
        if not full:
            plan.notes.append("the memory is not all taken yet")
        return dict(self.selection.describe(), containers=told)

    def _look(self, steps):
        answers = [answer for _step, answer in in_pool(lambda step: step.measure(self.cluster), steps)]
        for answer in answers:
            if isinstance(answer, AttackError):
                raise answer
        return answers


def main():
    run_kube_attack(PodStress)


if __name__ == "__main__":
    main()
