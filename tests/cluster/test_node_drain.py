# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_node_drain: cordoned and emptied, and uncordoned if it was not cordoned before; by hand, by halt, by the watcher."""

from __future__ import annotations

import time

import pytest

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import as_task
from tests.cluster.test_control import LATE, journals, kill, playbook
from tests.cluster.test_pod_evict import budget
from tests.lab.support.lab import wait_until


@pytest.fixture
def node(cluster, namespace, nodes, deployment) -> str:
    """A real node with a pod of ours on it."""
    deployment(3)
    return on(cluster, namespace)[0]


def on(cluster, namespace: str) -> list[str]:
    return sorted(pod["spec"]["nodeName"] for pod in cluster.pods(namespace))


def cordoned(cluster, name: str) -> bool:
    return cluster.get(f"/api/v1/nodes/{name}")["spec"].get("unschedulable", False)


def set_cordon(cluster, name: str, value: bool | None) -> None:
    cluster.request("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": value}}, content="application/merge-patch+json")


def options_for(node: str, namespace: str, **more: str) -> dict:
    """Only our own pods go; those of other tests stay."""
    return {"names": [node], "namespaces": [namespace], "duration": "10m", "journal_namespace": namespace, **more}


def test_node_drain_steps_with_least_rights(cluster, namespace, node, steps, tmp_path) -> None:
    with Account(cluster, namespace, "k8s_node_drain.yml", tmp_path) as account:
        found = steps(
            "k8s_node_drain", {**options_for(node, namespace), **account}, measure=lambda: (cordoned(cluster, node), on(cluster, namespace)), nodes=True
        )
    effect = found["real"]["effect"]
    assert found["measured"][0] and node not in found["measured"][1] and len(found["measured"][1]) == 3
    assert effect["cordoned"] == [node] and effect["evicted"] and not effect["refused"] and not effect["not_gone"]
    assert found["real"]["deadman"] == "watcher" and 0 < effect["seconds"] < 120


def test_a_prior_cordon_is_kept(cluster, namespace, node) -> None:
    set_cordon(cluster, node, True)
    try:
        made = cluster.module("k8s_node_drain", options_for(node, namespace))
        assert made["effect"]["cordoned_before"] == [node] and made["effect"]["evicted"] and node not in on(cluster, namespace)
        back = cluster.module("k8s_node_drain", {**options_for(node, namespace), "state": "absent"})
        assert back["changed"] and cordoned(cluster, node)
    finally:
        set_cordon(cluster, node, None)


@pytest.mark.parametrize("by", ["watcher", "halt", "halt, cordoned before"])
def test_killed_while_a_budget_holds_the_drain_up(cluster, namespace, node, tmp_path, by) -> None:
    """Faults 22 and 23: the budget answers 429 all the time; the whole process group is killed meanwhile."""
    budget(cluster, namespace, 3)
    before = by.endswith("before")
    if before:
        set_cordon(cluster, node, True)
    duration = "40s" if by == "watcher" else "10m"
    process = playbook(cluster, tmp_path, [as_task("drain", "k8s_node_drain", {**options_for(node, namespace), "timeout": "30s", "duration": duration})])
    try:
        wait_until(lambda: cordoned(cluster, node) and journals(cluster, namespace), 240, "the drain is under way", 0.1)
        deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
        time.sleep(1)
        kill(process)
        assert cordoned(cluster, node) and len(on(cluster, namespace)) == 3, "the budget allows nobody to go"
        if by == "watcher":
            wait_until(lambda: not cordoned(cluster, node), deadline - time.time() + LATE, "uncordoned in time", 0.1)
        else:
            halted = cluster.module("k8s_revert", {"all": True, "namespaces": [namespace]}, timeout=300)
            assert not halted.get("failed") and cordoned(cluster, node) is before, halted
        wait_until(lambda: not journals(cluster, namespace), 15, "the journal is closed", 0.2)
    finally:
        if process.poll() is None:
            kill(process)
        if before:
            set_cordon(cluster, node, None)


def test_what_stands_in_the_way_is_named(cluster, namespace, node) -> None:
    body = {
        "metadata": {"name": "bare"},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "busybox:1.35", "command": ["sleep", "1000"]}]},
    }
    cluster.core.create_namespaced_pod(namespace, body)
    for more, told in (
        ({}, f"draining {node} is refused because of pods on it: {namespace}/bare (nobody replaces it"),
        ({"names": ["no-such-node"]}, "names: 'no-such-node' is refused: no such node"),
        ({"timeout": "10m"}, "timeout: '10m' is refused: it must be less than the duration"),
    ):
        result = cluster.module("k8s_node_drain", {**options_for(node, namespace), **more})
        assert result.get("failed") and told in result["msg"], result
    assert not cordoned(cluster, node) and not journals(cluster, namespace)
