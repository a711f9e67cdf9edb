# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The k8s probe of steady_state against a real API server: calm first, then a restart, a claim nobody binds, a pod nobody can place."""

from __future__ import annotations

import threading
import time
from typing import Any

# Its process 1 ends a second after it was told to, so that the probe has looked before.
FRAGILE = ["sh", "-c", "sleep 10000 & wait $!; exit 9"]


def probes(namespace: str) -> list[dict[str, Any]]:
    common = {"type": "k8s", "namespace": namespace, "timeout": "10s", "interval": "1s"}
    return [
        {**common, "name": "workload", "kind": "deployment", "object": "web"},
        {**common, "name": "pods", "kind": "pod", "label_selector": "app=web", "expect": {"ready_min": "50%"}},
        {**common, "name": "restarts", "kind": "pod", "label_selector": "app=web", "expect": {"ready_min": 0, "restarts_max": 0}},
        {**common, "name": "events", "kind": "event", "expect": {"json": "length([?reason=='FailedScheduling']) == `0`"}},
    ]


def watch(cluster, namespace: str, window: str, more: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    found = cluster.module("steady_state", {"window": window, "abort": False, "probes": [*probes(namespace), *(more or [])]})
    assert found.get("error") is None and found["probes"], found
    return {probe["name"]: probe for probe in found["probes"]}


def test_calm_and_not(cluster, namespace, deployment) -> None:
    [one, _other] = deployment(2, command=FRAGILE)
    calm = watch(cluster, namespace, "4s")
    assert {name: probe["met"] for name, probe in calm.items()} == dict.fromkeys(calm, True), calm
    assert calm["workload"]["series"][-1]["value"] == 2

    def disturb() -> None:
        time.sleep(12)  # ansible-playbook starts, and the probes have looked once
        cluster.exec(namespace, one["metadata"]["name"], ["sh", "-c", "kill -9 $(pidof sleep)"])
        impossible = {"metadata": {"name": "nowhere"}, "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "main", "image": "busybox:1.35"}]}}
        cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", impossible)

    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Mi"}}}
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": spec})
    disturber = threading.Thread(target=disturb)
    disturber.start()
    bound = {"name": "claim", "type": "k8s", "namespace": namespace, "kind": "persistentvolumeclaim", "object": "data", "timeout": "10s"}
    found = watch(cluster, namespace, "45s", [bound])
    disturber.join()
    details = {name: [each["detail"] for each in probe["series"] if each["detail"]] for name, probe in found.items()}
    assert details["claim"] and set(details["claim"]) == {"data is Pending"}
    assert any(f"1 restart since the probe began, at most 0 expected: container main of pod {one['metadata']['name']}" in each for each in details["restarts"])
    assert any("FailedScheduling" in each for each in details["events"]), details
    assert found["pods"]["met"], "half of them were ready all the time"
