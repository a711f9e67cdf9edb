#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_api_pressure
version_added: 0.1.0
short_description: Ask the API server of a cluster more often than it is used to
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Sends read requests from this machine to the API server, at a rate and from a number of connections. Nothing is written, and there is nothing to undo.
  - When the server says that it is too much (429 or 503), nothing is sent for a second, and then half as much; it rises slowly again.
  - The requests come from one process on the machine that runs the module. It ends at the deadline, and when the attack is reverted.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._kube_attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.kube_attack
  - faultline.chaos._attributes.actiongroup_k8s_attacks
options:
  request:
    description:
      - What is asked for. V(version) and V(discovery) cost the server next to nothing. V(pods) lists pods of O(namespace), V(config_maps) its ConfigMaps.
    type: str
    choices: [version, discovery, pods, config_maps]
    default: version
  namespace:
    description:
      - The namespace of what is listed. Then the journal is there, too.
    type: str
  limit:
    description:
      - How many objects a list may have. From V(1) to V(500).
    type: int
    default: 1
  rate:
    description:
      - Requests per second, all together. From V(1) to V(500).
    type: int
    default: 20
  workers:
    description:
      - How many requests may be under way at the same time. From V(1) to V(32).
    type: int
    default: 4
notes:
  - Kubernetes shares its API out between users. To press one share, use the credentials of a user in it.
  - One process in Python sends some hundreds of requests per second at most; RV(effect.measured) says what came out.
  - The journal stays in O(journal_namespace) when O(namespace) is not given.
seealso:
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: A hundred small requests per second for a minute
  faultline.chaos.k8s_api_pressure:
    rate: 100
    workers: 8
    duration: 1m

- name: Lists of pods, as a busy operator asks for them
  faultline.chaos.k8s_api_pressure:
    request: pods
    namespace: shop
    limit: 100
    rate: 20
    duration: 1m
"""

RETURN = r"""
id:
  description: The name of the attack in the cluster.
  returned: success
  type: str
  sample: api-pressure-1f2e3d4c5b
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
  sample: default/faultline-api-pressure-1f2e3d4c5b
undo_text:
  description: What the undo does, step by step, without values that may be secret.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["api"]
notes:
  description: What an operator should know about this attack on this cluster, the overdue attacks that were undone first, and after an undo what had drifted.
  returned: success
  type: list
  elements: str
effect:
  description: What was done until the module returned.
  returned: when active
  type: dict
  contains:
    asked:
      description: Requests per second that were asked for.
      type: int
    measured:
      description: Requests per second that were answered.
      type: float
    sent:
      description: How many that were.
      type: int
    refused:
      description: How many the server refused as too many.
      type: int
    failed:
      description: How many failed otherwise.
      type: int
    slowest:
      description: The longest time that one took, in seconds.
      type: float
    pid:
      description: The process that sends them, on the machine that ran the module.
      type: int
"""

import json
import os
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CONFIG_MAP, POD, path
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import pressure
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman as kube_deadman
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, KubeAttack, KubePlan, run_kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal

LISTS = {"pods": POD, "config_maps": CONFIG_MAP}
_FIRST = 3.0  # seconds after which the effect is reported


class ApiPressure(KubeAttack):
    name = "k8s_api_pressure"
    deadman = CLUSTER
    options = {
        "request": {"type": "str", "choices": ["version", "discovery", "pods", "config_maps"], "default": "version"},
        "namespace": {"type": "str"},
        "limit": {"type": "int", "default": 1},
        "rate": {"type": "int", "default": 20},
        "workers": {"type": "int", "default": 4},
    }

    def validate(self):
        params = self.params
        _units.integer("rate", params["rate"], 1, 500)
        _units.integer("workers", params["workers"], 1, 32)
        _units.integer("limit", params["limit"], 1, 500)
        if params["request"] in LISTS and params["namespace"] is None:
            raise BadOption("namespace", None, "say whose {} are listed".format(params["request"].replace("_", " ")))

    def resources(self):
        return ["api"]

    def snapshot(self):
        """The seconds that one such request takes. A forbidden request is refused here, before the attack."""
        kind = LISTS.get(self.params["request"])
        self.where = path(kind, self.params["namespace"]) if kind else {"version": "/version", "discovery": "/apis"}[self.params["request"]]
        self.query = [("limit", str(self.params["limit"]))] if kind else []
        began = time.monotonic()
        self.cluster.request("GET", self.where, query=self.query)
        return time.monotonic() - began

    def plan(self, before):
        told = "GET %s %d times per second from %d connections" % (self.where, self.params["rate"], self.params["workers"])
        return KubePlan(before=f"GET {self.where} took {before:.3f} s", after=told)

    def inject(self, plan):
        """Fork the sender, which soon reports its results through a pipe."""
        entry = self.entry
        read_end, write_end = os.pipe()
        try:
            self.pid = kube_deadman.detach_with_certificates(self.cluster.settings, lambda: self._send(entry, write_end), "kube-api", write_end)
        finally:
            os.close(write_end)
        self.pipe = read_end

    def _send(self, entry, write_end):
        """The main function of the sender."""
        self._surge(Cluster(self.params, self.cluster.settings), entry, write_end)  # connections must not be shared with the parent

    def _surge(self, cluster, entry, write_end):
        journal = Journal(Cluster(self.params, cluster.settings, timeout=pressure.LOOK_TIMEOUT, tries=1))
        surge = pressure.Surge(cluster, self.where, self.query, self.params["rate"], self.params["workers"])
        state = {"pipe": write_end}

        def still_wanted(until):
            if state["pipe"] is not None and time.monotonic() - surge.began >= min(_FIRST, self.first / 4):
                os.write(state["pipe"], json.dumps(surge.told()).encode("utf-8"))
                os.close(state["pipe"])
                state["pipe"] = None
            try:
                found = journal.find(entry.namespace, entry.id)
            except AttackError:
                return until  # the server is overloaded, as intended
            if found is None or found.uid != entry.uid:
                return None
            return time.monotonic() + min(found.deadline, entry.limit) - cluster.now()

        surge.run(time.monotonic() + entry.deadline - cluster.now(), still_wanted)

    def verify(self, plan):
        with os.fdopen(self.pipe) as stream:
            told = stream.read()
        if not told:
            raise AttackError("the process that sends the requests ended at once")
        return dict(json.loads(told), asked=self.params["rate"], pid=self.pid)


def main():
    run_kube_attack(ApiPressure)


if __name__ == "__main__":
    main()
