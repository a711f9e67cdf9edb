# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_pod_delete: exactly the drawn pods go, their owner replaces them, and how long that takes is measured."""

from __future__ import annotations

import pytest


@pytest.mark.smoke
def test_pod_delete_steps(cluster, namespace, deployment, steps) -> None:
    before = {pod["metadata"]["name"] for pod in deployment(3)}
    options = {"namespace": namespace, "label_selector": "app=web", "count": 1, "seed": "7", "duration": "5m", "grace": "0s"}
    found = steps("k8s_pod_delete", options, measure=lambda: cluster.wait_pods(namespace, 3, "app=web"))
    effect = found["real"]["effect"]
    assert len(before - {pod["metadata"]["name"] for pod in found["measured"]}) == 1
    assert effect["deleted"] == effect["selected"] and effect["recovered"] and 0 < effect["recovery_seconds"] < 120
    assert effect["matched"] == 3 and effect["seed"] == "7"
    assert found["real"]["deadman"] == "cluster"


def test_the_same_seed_draws_the_same(cluster, namespace, deployment) -> None:
    deployment(4)
    options = {"namespace": namespace, "label_selector": "app=web", "percent": 50, "seed": "1", "duration": "5m"}
    drawn = [cluster.module("k8s_pod_delete", options, check=True)["diff"]["before"] for _time in range(2)]
    assert drawn[0] == drawn[1] and len(drawn[0].split()) == 2


def test_a_budget_is_respected(cluster, namespace, deployment) -> None:
    names = {pod["metadata"]["name"] for pod in deployment(2)}
    body = {"metadata": {"name": "keep"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}}
    version = "v1" if cluster.get("/apis/policy/v1") else "v1beta1"
    cluster.request("POST", f"/apis/policy/{version}/namespaces/{namespace}/poddisruptionbudgets", body)
    options = {"namespace": namespace, "label_selector": "app=web", "duration": "5m"}
    refused = cluster.module("k8s_pod_delete", options)
    assert refused["failed"] and f"the disruption budget {namespace}/keep allows 0" in refused["msg"], refused
    assert {pod["metadata"]["name"] for pod in cluster.pods(namespace, "app=web")} == names
    assert cluster.module("k8s_pod_delete", {**options, "ignore_pdb": True})["effect"]["deleted"]


def test_one_after_the_other_within_the_caps(cluster, namespace, deployment) -> None:
    deployment(2, name="a")
    deployment(2, name="b")
    options = {"namespace": namespace, "all": True, "max_per_owner": 1, "interval": "1s", "duration": "5m", "grace": "0s"}
    effect = cluster.module("k8s_pod_delete", options)["effect"]
    assert sorted(name.split("/")[1][0] for name in effect["deleted"]) == ["a", "b"] and effect["recovered"]


def test_who_opted_out_is_spared(cluster, namespace, deployment) -> None:
    deployment(1, name="a", labels={"faultline.chaos/opt-out": "true"})
    deployment(1, name="b")
    options = {"namespace": namespace, "all": True, "duration": "5m"}
    assert cluster.module("k8s_pod_delete", options, check=True)["diff"]["before"].split("/")[1].startswith("b-")
    refused = cluster.module("k8s_pod_delete", {**options, "opt_in": True})
    assert refused["failed"] and "no pod matches but 2 that are spared" in refused["msg"]


def test_what_is_wrong_is_named(cluster, namespace, deployment) -> None:
    deployment(1)
    good = {"namespace": namespace, "label_selector": "app=web", "duration": "5m"}
    for bad, told in (
        ({"count": 2}, "count: 2 is refused: only 1 matches"),
        ({"count": 0}, "count: 0 is refused"),
        ({"percent": "101"}, "percent: '101' is refused"),
        ({"label_selector": "app=none"}, "no pod matches"),
        ({"label_selector": "*"}, "label_selector: '*' is refused"),
        ({"names": ["none"]}, "names: 'none' is refused"),
        ({"owner_kind": "Deployment", "owner_name": "none"}, "owner_name: 'none' is refused"),
        ({"zone": "none"}, "zone: 'none' is refused"),
        ({"namespace": "kube-system"}, "namespace: 'kube-system' is refused"),
    ):
        result = cluster.module("k8s_pod_delete", {**good, **bad})
        assert result["failed"] and told in result["msg"], result
