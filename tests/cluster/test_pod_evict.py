# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_pod_evict: drawn pods are evicted and replaced; budgets are respected; its manifest is enough."""

from __future__ import annotations

from tests.cluster.support.account import Account
from tests.lab.support.lab import wait_until


def budget(cluster, namespace: str, least: int) -> None:
    groups = {g["name"]: g["preferredVersion"]["groupVersion"] for g in cluster.get("/apis")["groups"]}
    body = {"metadata": {"name": "web"}, "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}}
    where = f"/apis/{groups['policy']}/namespaces/{namespace}/poddisruptionbudgets"
    cluster.request("POST", where, body)
    wait_until(lambda: (cluster.get(f"{where}/web").get("status") or {}).get("expectedPods"), 60, "the budget is counted", 0.2)


def test_pod_evict_steps_with_least_rights(cluster, namespace, deployment, steps, tmp_path) -> None:
    before = {pod["metadata"]["name"] for pod in deployment(3)}
    with Account(cluster, namespace, "k8s_pod_evict.yml", tmp_path) as account:
        options = {"namespace": namespace, "owner_kind": "Deployment", "owner_name": "web", "seed": "1", "duration": "10m", **account}
        found = steps("k8s_pod_evict", options, measure=lambda: {pod["metadata"]["name"] for pod in cluster.pods(namespace, "app=web")}, restores=False)
    effect = found["real"]["effect"]
    assert effect["evicted"] == effect["selected"] and len(effect["evicted"]) == 1 and effect["matched"] == 3
    gone = effect["evicted"][0].partition("/")[2]
    assert gone in before and found["measured"] >= before - {gone} and gone not in found["measured"] and len(found["measured"]) == 3
    assert effect["recovered"] and effect["recovery_seconds"] > 0


def test_a_budget_keeps_what_it_has_to(cluster, namespace, deployment) -> None:
    deployment(3)
    budget(cluster, namespace, 2)
    options = {"namespace": namespace, "label_selector": "app=web", "all": True, "duration": "10m", "recovery_timeout": "0s"}
    told = cluster.module("k8s_pod_evict", {**options, "allow_refused": True})["effect"]
    assert len(told["evicted"]) == 1 and len(told["refused"]) == 2
    assert all("disruption budget" in why for why in told["refused"].values())
    refused = cluster.module("k8s_pod_evict", {**options, "id": "second", "label_selector": "app=web,pod-template-hash", "timeout": "0s"})
    assert refused["failed"] and "pods were not evicted" in refused["msg"] and "; undone at once, " in refused["msg"]
    # A pod that is not ready yet is no loss to its budget: it may go, and that is said.
    assert refused["msg"].endswith("nothing is left") != bool(refused.get("injected")), refused
