# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two small attacks for tests of the lifecycle on a cluster, and the fake API server prepared for them."""

from __future__ import annotations

import copy

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CONFIG_MAP, NETWORK_POLICY
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack as kube_attack, deadman as kube_deadman
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import CLUSTER, NAMESPACE_OPTION, KubeAttack, KubePlan, Lifecycle
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import Create, SetFields

MAPS = "/api/v1/namespaces/shop/configmaps"


class Write(KubeAttack):
    """Changes a ConfigMap, as k8s_config_fault does."""

    name = "k8s_config_fault"
    options = dict(NAMESPACE_OPTION, value={"type": "str"}, wait={"type": "raw", "default": "30s"})
    secret = False

    def resources(self):
        return ["write:" + self.params["namespace"]]

    def snapshot(self):
        return self.cluster.get(CONFIG_MAP, "theirs", "shop")

    def plan(self, before):
        return KubePlan("a: 1", "a: 2", [SetFields(CONFIG_MAP, before, {"/data/a": self.params["value"]})], secret=self.secret)


class Wall(Write):
    """Creates a NetworkPolicy, as k8s_network_partition does."""

    name = "k8s_network_partition"
    deadman = CLUSTER

    def plan(self, before):
        return KubePlan("", "policy", [Create(NETWORK_POLICY, {"metadata": {"name": "wall", "namespace": "shop"}, "spec": {}})])


def prepare(kube, monkeypatch):
    monkeypatch.setattr(cluster, "_WAIT", 0.001)
    started = []
    memories = {}

    def start(_cluster, entry, undo, seal):
        started.append(entry.id)
        memories[entry.id] = (entry, undo, seal)
        return None

    monkeypatch.setattr(kube_deadman, "start_watcher", start)
    kube.watchers, kube.memories = started, memories
    kube.put("/api/v1/namespaces", "shop")
    kube.put(MAPS, "theirs", data={"a": "1"})
    return kube


def call(kube, attack=Write, check: bool = False, diff: bool = True, **values) -> dict:
    params = {key: spec.get("default") for key, spec in kube_attack.COMMON_OPTIONS.items()}
    params |= {"namespace": "shop", "value": "2", "duration": "60s", **values}
    return Lifecycle(params, check, diff, attack, kube.cluster).run()


def content(kube) -> dict:
    found = copy.deepcopy(kube.objects)
    for each in found.values():
        each["metadata"].pop("resourceVersion")
        if not each["metadata"].get("annotations"):
            each["metadata"].pop("annotations", None)
    return found
