# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_capacity: nodes are full as asked, what comes later waits, and the cluster itself makes room again."""

from __future__ import annotations

import time

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import as_task
from tests.cluster.test_control import LATE, journals, kill, playbook
from tests.lab.support.lab import wait_until

LEFT = "1100m"  # of CPU on one node; the small pods of other tests still find room there


def late_comer(cluster, namespace: str, node: str, cpu: str = "1300m") -> str:
    """Why a pod that wants so much of a node does not get it; empty when it does."""
    name = f"late-{time.monotonic_ns()}"
    container = {"name": "main", "image": "registry.k8s.io/pause:3.9", "resources": {"requests": {"cpu": cpu}}}
    spec = {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container], "terminationGracePeriodSeconds": 0}
    path = f"/api/v1/namespaces/{namespace}/pods"
    cluster.request("POST", path, {"metadata": {"name": name}, "spec": spec})

    def decided() -> dict | None:
        return next((each for each in cluster.get(f"{path}/{name}")["status"].get("conditions", []) if each["type"] == "PodScheduled"), None)

    try:
        wait_until(decided, 20, "the scheduler has seen the pod", 0.2)
        return decided().get("message", "") if decided()["status"] == "False" else ""
    finally:
        cluster.request("DELETE", f"{path}/{name}", {"gracePeriodSeconds": 0})
        wait_until(lambda: cluster.get(f"{path}/{name}") is None, 30, "the pod is gone", 0.2)


def test_capacity_steps(cluster, namespace, nodes, steps) -> None:
    node = nodes[-1]
    assert not late_comer(cluster, namespace, node)
    options = {"namespace": namespace, "names": [node], "leave_cpu": LEFT, "fill_memory": "50%", "duration": "10m"}
    found = steps("k8s_capacity", options, measure=lambda: late_comer(cluster, namespace, node))
    assert "Insufficient cpu" in found["measured"]
    told = found["real"]["effect"]["nodes"][0]
    assert told["node"] == node and told["running"], told
    for resource in ("cpu", "memory"):
        assert abs(told[resource]["measured"] - told[resource]["asked"]) < 0.5, told
    assert found["real"]["deadman"] == "cluster"
    assert not late_comer(cluster, namespace, node)


def test_the_playbook_is_killed_and_there_is_room_again_in_time(cluster, namespace, nodes, fingerprint, compare, tmp_path) -> None:
    before = fingerprint(namespace)
    task = as_task("attack", "k8s_capacity", {"namespace": namespace, "names": [nodes[-1]], "leave_cpu": LEFT, "duration": "45s"})
    process = playbook(cluster, tmp_path, [task, {"name": "wait", "pause": {"seconds": 60}}])
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 60, "the attack is active", 0.1)
    deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
    kill(process)
    mine = "faultline.chaos/attack=k8s_capacity,faultline.chaos/part=object"
    assert cluster.pods(namespace, mine)
    wait_until(lambda: not cluster.pods(namespace, mine), deadline - time.time() + LATE, "the pod is gone", 0.2)
    print(f"gone {time.time() - deadline:+.1f} s after the deadline")
    wait_until(lambda: not compare(before, fingerprint(namespace)), 20, "the namespace is as it was", 0.3)


def test_its_manifest_is_enough(cluster, namespace, nodes, tmp_path) -> None:
    with Account(cluster, namespace, "k8s_capacity.yml", tmp_path) as who:
        same = {**who, "namespace": namespace, "names": [nodes[-1]], "leave_cpu": LEFT}
        made = cluster.module("k8s_capacity", {**same, "duration": "10m"})
        assert made.get("status") == "active", made
        assert cluster.module("k8s_capacity", {**same, "state": "absent"})["status"] == "reverted"
