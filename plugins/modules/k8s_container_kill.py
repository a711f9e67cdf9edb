#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_container_kill
version_added: 0.1.0
short_description: Send a signal to a container from within, so that it ends and is started again
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Sends a signal to the processes of one container of pods that are drawn by a seed, and waits until the kubelet has started the container again.
    The pod stays, with its address and volumes.
  - The signal is sent by a program of the image, C(kill), C(busybox) or a shell. An image that has none of them is refused before anything is done.
  - From within a container, its process 1 gets only the signals that it handles. The kernel drops others, V(KILL) among them. The module looks at what
    process 1 handles, and refuses what would have no effect.
  - That the container ended is proven by its restart count and its new id, not by the exit status of C(kill).
  - A killed container cannot be brought back as it was. The kubelet starts it again, and whether it does is what you are about to learn.
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
      - The name of the container. Without it the one of the annotation C(kubectl.kubernetes.io/default-container), or the only one.
    type: str
  signal:
    description:
      - The signal to send.
    type: str
    choices: [TERM, KILL, INT, HUP, QUIT, ABRT, USR1, USR2]
    default: TERM
  processes:
    description:
      - V(first) is process 1, which the image starts. V(others) are all but process 1, for images whose process 1 is a shell or a small init that ends with
        the program it started. With V(others) other programs that were started in the container by exec are hit, too.
      - V(KILL) works with V(others) only.
    type: str
    choices: [first, others]
    default: first
  recovery_timeout:
    description:
      - How long to wait until the container runs again. From V(1s) to V(30m), and never longer than the attack lasts.
    type: raw
    default: 1m
  require_recovery:
    description:
      - Whether the task fails when the container ended, but does not run again by then. One that did not end at all is always a failure.
    type: bool
    default: false
notes:
  - Needs the right to exec into pods. In check mode C(kill -0) and C(cat) are run in the container to see what would work.
  - Pods with C(hostPID) or C(shareProcessNamespace) are refused.
  - To kill as a crash would, whatever the image, use M(faultline.chaos.process_kill) on the node. M(faultline.chaos.k8s_pod_location_info)
    says which node that is.
  - The kubelet waits longer and longer before it starts a container again that ends often.
  - The journal stays for O(duration) although there is nothing to undo, so that the same task does not hit the next containers at once.
seealso:
  - module: faultline.chaos.k8s_pod_delete
  - module: faultline.chaos.k8s_pod_location_info
  - module: faultline.chaos.process_kill
"""

EXAMPLES = r"""
- name: The web server of one pod ends, and is started again
  faultline.chaos.k8s_container_kill:
    namespace: shop
    label_selector: app=web
    count: 1
    seed: "42"
    container: nginx
    signal: QUIT
    duration: 5m

- name: What a shell started in the container is killed
  faultline.chaos.k8s_container_kill:
    namespace: shop
    names: [worker-0]
    signal: KILL
    processes: others
    duration: 5m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: container-kill-1f2e3d4c5b
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
  sample: shop/faultline-container-kill-1f2e3d4c5b
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
    containers:
      description: What became of each container.
      type: list
      elements: dict
      contains:
        pod:
          description: Namespace and name of its pod.
          type: str
        container:
          description: Its name.
          type: str
        ended:
          description: Whether it ended.
          type: bool
        restarted:
          description: Whether it ran again when the module returned.
          type: bool
        restarts:
          description: Its restart count by then. V(null) when the pod is gone.
          type: int
        exit_code:
          description: What it ended with, as the kubelet says.
          type: int
        pod_gone:
          description: Whether the pod itself went, for example because its owner removed it.
          type: bool
        seconds:
          description: How long it took from the signal until it ran again.
          type: float
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Unreachable, may_be_done
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_name
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pool import in_pool
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import signals
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.signals import FIRST, OTHERS, Victim
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.budgets import respect_budgets
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.select import (
    POD_CONSTRAINTS,
    POD_OPTIONS,
    check_pods,
    describe_pods,
    select_pods,
)

_LOOK = 0.25  # seconds


class ContainerKill(KubeAttack):
    name = "k8s_container_kill"
    deadman = CLUSTER
    options = dict(
        POD_OPTIONS,
        container={"type": "str"},
        signal={"type": "str", "choices": ["TERM", "KILL", "INT", "HUP", "QUIT", "ABRT", "USR1", "USR2"], "default": "TERM"},
        processes={"type": "str", "choices": ["first", "others"], "default": "first"},
        recovery_timeout={"type": "raw", "default": "1m"},
        require_recovery={"type": "bool", "default": False},
    )
    constraints = POD_CONSTRAINTS
    sent = {}

    def validate(self):
        params = self.params
        check_pods(params)
        if params["container"] is not None:
            check_name("container", params["container"])
        if params["signal"] == "KILL" and params["processes"] == "first":
            raise BadOption("signal", "KILL", "the kernel drops it for process 1; take TERM, processes: others, or process_kill on the node")
        self.timeout = _units.duration("recovery_timeout", params["recovery_timeout"], 1.0, 1800.0)
        self.target = FIRST if params["processes"] == "first" else OTHERS

    def resources(self):
        return [describe_pods(self.params)]

    def snapshot(self):
        self.selection = select_pods(self.cluster, self.params)
        if not self.params["ignore_pdb"]:
            respect_budgets(self.cluster, self.selection.rows)
        return _all(in_pool(self._victim, self.selection.rows))

    def _victim(self, row):
        pod = self.cluster.get(POD, row["metadata"]["name"], row["metadata"]["namespace"])
        if pod["metadata"]["uid"] != row["metadata"]["uid"]:
            raise AttackError("the pod {}/{} is another one by now".format(row["metadata"]["namespace"], row["metadata"]["name"]))
        signals.refuse_shared(pod)
        name = signals.choose_container(pod, self.params["container"])
        if "running" not in (signals.status_of(pod, name).get("state") or {}):
            raise AttackError("{}/{}: its container {} does not run".format(pod["metadata"]["namespace"], pod["metadata"]["name"], name))
        victim = Victim(pod, name)
        signals.prepare(self.cluster, victim, self.params["signal"], self.target)
        return victim

    def plan(self, before):
        self.victims = before
        return KubePlan(
            before="\n".join(str(each) for each in before),
            after="\n".join(
                "{}  <- {} to {}".format(each, self.params["signal"], "process 1" if self.target == FIRST else "all but process 1") for each in before
            ),
            notes=["a killed container is not brought back by the undo: the kubelet does that"],
        )

    def inject(self, plan):
        self.began = time.monotonic()
        self.sent = dict((victim, Unreachable("nothing is known of the signal")) for victim in self.victims)
        self.sent = dict((victim, outcome) for victim, outcome in in_pool(self._send, self.victims))

    def _send(self, victim):
        pod = self.cluster.find(POD, victim.pod, victim.namespace)
        if pod is None or pod["metadata"]["uid"] != victim.uid:
            return None  # not the chosen pod any more; ended() reports it
        return signals.send(self.cluster, victim, self.params["signal"], self.target)

    def done(self):
        told = {"signalled": [], "uncertain": []}
        for victim, outcome in sorted(self.sent.items(), key=lambda pair: str(pair[0])):
            if outcome == 0:
                told["signalled"].append(str(victim))
            elif not isinstance(outcome, AttackError) or may_be_done(outcome):  # a container that ends also kills the sender, with any status
                told["uncertain"].append(str(victim))
        return dict((key, names) for key, names in told.items() if names)

    def verify(self, plan):
        patience = max(1.0, min(self.timeout, self.first - (time.monotonic() - self.began) - 2.0))
        told = _all(in_pool(lambda victim: self._outcome(victim, self.began + patience), self.victims))
        running = [each for each in told if not each["ended"]]
        down = [each for each in told if each["ended"] and not each["restarted"] and not each["pod_gone"]]
        after = _units.human(round(patience, 1))
        if running:
            raise AttackError(
                "after {} not ended: {}".format(
                    after, "; ".join("{} container {} ({})".format(each["pod"], each["container"], each["sent"]) for each in running)
                )
            )
        for each in told:
            del each["sent"]
        if down:
            words = "after {} ended, but not running again: {}".format(
                after, ", ".join("{} container {}".format(each["pod"], each["container"]) for each in down)
            )
            if self.params["require_recovery"]:
                raise AttackError(words)
            plan.notes.append(words)
        return dict(self.selection.describe(), containers=told)

    def _outcome(self, victim, until):
        """Watch a container until it runs again or the time is over."""
        while True:
            seen = signals.ended(victim, self.cluster.find(POD, victim.pod, victim.namespace))
            now = time.monotonic()
            if seen is not None and (seen["restarted"] or seen["pod_gone"]) or now >= until:
                break
            time.sleep(_LOOK)
        told = {"pod": f"{victim.namespace}/{victim.pod}", "container": victim.container, "ended": seen is not None}
        told.update({"restarted": False, "restarts": None, "exit_code": None, "pod_gone": False, "seconds": None, "sent": _sent(self.sent[victim])})
        told.update(seen or {})
        if told["restarted"]:
            told["seconds"] = round(now - self.began, 2)
        return told


def _sent(outcome):
    """The outcome of sending the signal, as text for an error."""
    return str(outcome) if isinstance(outcome, AttackError) else f"the signal was sent with status {outcome}"


def _all(outcomes):
    """The results of a pool. Errors: the first AttackError."""
    for _item, outcome in outcomes:
        if isinstance(outcome, AttackError):
            raise outcome
    return [outcome for _item, outcome in outcomes]


def main():
    run_kube_attack(ContainerKill)


if __name__ == "__main__":
    main()
