# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_node_taint: it keeps pods away or ends them, and goes alone; by hand and by the watcher."""

from __future__ import annotations

import time

import pytest

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import as_task
from tests.cluster.test_control import LATE, journals, kill, playbook
from tests.lab.support.lab import wait_until

OURS = {"key": "faultline.chaos/taint", "value": "x", "effect": "NoSchedule"}


def taints(cluster, name: str) -> list[dict]:
    return cluster.get(f"/api/v1/nodes/{name}")["spec"].get("taints") or []


def set_taints(cluster, name: str, wanted: list[dict] | None) -> None:
    cluster.request("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": wanted}}, content="application/merge-patch+json")


def options_for(node: str, namespace: str, **more: str) -> dict:
    return {"names": [node], "value": "x", "duration": "10m", "journal_namespace": namespace, **more}


@pytest.fixture
def tainted(cluster, nodes) -> str:
    """A node with a taint of somebody else, which is there afterwards, too."""
    theirs = [{"key": "theirs", "value": "1", "effect": "PreferNoSchedule"}]
    before = taints(cluster, nodes[0])
    set_taints(cluster, nodes[0], theirs)
    yield nodes[0]
    left = taints(cluster, nodes[0])
    set_taints(cluster, nodes[0], before or None)
    assert left == theirs


def test_node_taint_steps_with_least_rights(cluster, namespace, tainted, deployment, steps, tmp_path) -> None:
    def measure() -> tuple[list[dict], set[str]]:
        pods = deployment(4)
        return taints(cluster, tainted), {pod["spec"]["nodeName"] for pod in pods}

    with Account(cluster, namespace, "k8s_node_taint.yml", tmp_path) as account:
        options = {**options_for(tainted, namespace), **account}
        before = taints(cluster, tainted)
        made = cluster.module("k8s_node_taint", options)
        assert made["changed"] and made["deadman"] == "watcher", made
        now, where = measure()
        assert now == [*before, OURS] and tainted not in where
        assert not cluster.module("k8s_node_taint", options)["changed"]
        assert cluster.module("k8s_node_taint", {**options, "state": "absent"})["status"] == "reverted"
        found = steps("k8s_node_taint", {**options, "effect": "PreferNoSchedule"}, measure=lambda: taints(cluster, tainted), nodes=True)
    assert found["measured"] == [*before, {**OURS, "effect": "PreferNoSchedule"}]


def test_the_playbook_is_killed_and_the_taint_goes_in_time(cluster, namespace, tainted, tmp_path) -> None:
    tasks = [as_task("taint", "k8s_node_taint", options_for(tainted, namespace, duration="20s")), {"name": "wait", "pause": {"seconds": 60}}]
    process = playbook(cluster, tmp_path, tasks)
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 240, "the attack is active", 0.1)
    deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
    kill(process)
    assert OURS in taints(cluster, tainted)
    wait_until(lambda: OURS not in taints(cluster, tainted), deadline - time.time() + LATE, "the taint is gone in time", 0.1)
    wait_until(lambda: not journals(cluster, namespace), 15, "the journal is closed", 0.2)


def test_somebody_elses_value_is_kept(cluster, namespace, nodes) -> None:
    node = nodes[0]
    before = taints(cluster, node)
    assert cluster.module("k8s_node_taint", options_for(node, namespace))["changed"]
    try:
        set_taints(cluster, node, [*before, {**OURS, "value": "theirs"}])
        back = cluster.module("k8s_node_taint", {**options_for(node, namespace), "state": "absent"})
        assert back["changed"] and "has the value 'theirs' by now, and is kept" in back["notes"][0]
        assert taints(cluster, node) == [*before, {**OURS, "value": "theirs"}]
    finally:
        set_taints(cluster, node, before or None)


def test_no_execute_ends_what_does_not_tolerate_it(cluster, own_cluster, namespace, nodes, deployment) -> None:
    """On the fake node, where no other test's pods are ended."""
    if not own_cluster:
        pytest.skip("needs a node without pods of others")
    deployment(2, fake=True)
    options = options_for("fake1", namespace, effect="NoExecute")
    made = cluster.module("k8s_node_taint", options)
    assert not made.get("failed"), made
    try:
        assert len([name for name in made["effect"]["going"] if name.startswith(f"{namespace}/")]) == 2
        assert made["effect"]["seconds"] is not None and not made["effect"]["not_gone"], made
    finally:
        back = cluster.module("k8s_node_taint", {**options, "state": "absent"})
    assert back["status"] == "reverted"
    cluster.wait_pods(namespace, 2)
