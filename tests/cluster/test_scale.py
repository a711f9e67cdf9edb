# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_scale: the number is set, put back exactly, by hand or by the watcher; somebody else's number is kept."""

from __future__ import annotations

WEB = "/apis/apps/v1/namespaces/{}/deployments/web"


def replicas(cluster, namespace: str) -> int:
    return cluster.get(WEB.format(namespace))["spec"]["replicas"]


def set_replicas(cluster, namespace: str, number: int) -> None:
    cluster.request("PATCH", WEB.format(namespace), {"spec": {"replicas": number}}, content="application/merge-patch+json")


def test_scale_steps(cluster, namespace, deployment, steps) -> None:
    deployment(2)
    options = {"namespace": namespace, "name": "web", "replicas": 0, "duration": "5m"}
    found = steps("k8s_scale", options, measure=lambda: len(cluster.pods(namespace, "app=web")))
    assert found["measured"] == 0
    assert found["real"]["effect"] == {"before": 2, "asked": 0, "ready": 0, "reached": True}
    assert found["real"]["deadman"] == "watcher"
    cluster.wait_pods(namespace, 2, "app=web")


def test_somebody_elses_number_is_kept(cluster, namespace, deployment) -> None:
    deployment(1)
    options = {"namespace": namespace, "name": "web", "replicas": 2}
    assert cluster.module("k8s_scale", {**options, "duration": "5m"})["changed"]
    set_replicas(cluster, namespace, 3)
    back = cluster.module("k8s_scale", {**options, "state": "absent"})
    assert back["changed"] and "spec/replicas is 3 by now, and kept" in back["notes"][0]
    assert replicas(cluster, namespace) == 3


def test_an_autoscaler_in_the_way_is_refused(cluster, namespace, deployment) -> None:
    deployment(1)
    body = {"metadata": {"name": "hpa"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}
    cluster.request("POST", f"/apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers", body)
    refused = cluster.module("k8s_scale", {"namespace": namespace, "name": "web", "replicas": 0, "duration": "5m"})
    assert refused["failed"] and f"the HorizontalPodAutoscaler {namespace}/hpa scales web" in refused["msg"]
    assert replicas(cluster, namespace) == 1


def test_what_is_wrong_is_named(cluster, namespace, deployment) -> None:
    deployment(1)
    good = {"namespace": namespace, "name": "web", "replicas": 0, "duration": "5m"}
    for bad, told in (
        ({"name": "none"}, "name: 'none' is refused: there is no Deployment"),
        ({"replicas": 1}, "replicas: 1 is refused: it has so many already"),
        ({"namespace": "no-such-namespace"}, "namespace: 'no-such-namespace' is refused: there is no such namespace"),
        ({"namespace": "kube-system"}, "namespace: 'kube-system' is refused: this namespace is protected"),
        ({"kubeconfig": "/nonexistent"}, "kubeconfig: '/nonexistent' is refused"),
        ({"host": "https://127.0.0.1:1"}, "the API server https://127.0.0.1:1 cannot be reached"),
    ):
        result = cluster.module("k8s_scale", {**good, **bad})
        assert result["failed"] and told in result["msg"], result
