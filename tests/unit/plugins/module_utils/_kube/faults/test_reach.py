# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom k8s_network_partition may cut off, and how it finds out that the network does."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import reach
from ansible_collections.faultline.chaos.plugins.modules.k8s_network_partition import NetworkPartition

PODS = "/api/v1/namespaces/shop/pods"
WEB = {"matchLabels": {"app": "web"}}


def partition(kube, **params: Any) -> NetworkPartition:
    given = {key: spec.get("default") for key, spec in NetworkPartition.options.items()} | {"namespace": "shop"} | params
    made = NetworkPartition(given, kube.cluster)
    made.validate()
    return made


def pod(kube, name: str, app: str = "web", annotations: dict | None = None, host: bool = False, **labels: str) -> None:
    spec = {"containers": [{"name": "main", "ports": [{"containerPort": 80}]}], "hostNetwork": host}
    status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    kube.put(PODS, name, metadata={"labels": {"app": app, **labels}, "annotations": annotations or {}}, spec=spec, status=status)


@pytest.mark.parametrize("params", [{"label_selector": "app=web"}, {"all": True}], ids=["labels", "all"])
def test_pods_that_opted_out_are_not_cut_off(kube, params: dict) -> None:
    pod(kube, "web-1")
    pod(kube, "web-2", annotations={"faultline.chaos/opt-out": "true"})
    pod(kube, "web-3", **{"kube-monkey/enabled": "disabled"})
    with pytest.raises(BadOption, match=f"^{next(iter(params))}: .* it takes pods that opted out: web-2, web-3; write labels"):
        partition(kube, **params).snapshot()


def test_pods_of_other_labels_and_of_attacks_are_in_nobodys_way(kube) -> None:
    pod(kube, "web-1")
    pod(kube, "db-1", app="db", annotations={"faultline.chaos/opt-out": "true"})
    pod(kube, "faultline-x", **{"app.kubernetes.io/managed-by": "faultline.chaos"})
    assert partition(kube, label_selector="app=web").snapshot()["pods"] == 2


@pytest.mark.parametrize("inbound", [True, False])
@pytest.mark.parametrize("on_host", ["web", "other"])
def test_pods_in_the_network_of_their_node_prove_nothing(kube, monkeypatch: pytest.MonkeyPatch, on_host: str, inbound: bool) -> None:
    monkeypatch.setattr(kube_exec, "run", lambda *_words: (0, "", ""))
    for app in ("web", "other"):
        pod(kube, app + "-host", app=app, host=True)
    pod(kube, "free", app="web" if on_host == "other" else "other")
    path, why = reach.find_path(kube.cluster, "shop", WEB, inbound)
    assert path is None and "no ready pod with a TCP port" in why
    pod(kube, "also-free", app=on_host)
    path, why = reach.find_path(kube.cluster, "shop", WEB, inbound)
    assert {path.source["metadata"]["name"], path.target["metadata"]["name"]} == {"free", "also-free"}


class Attempts:
    """A path whose attempts go as told; the last one goes on for ever."""

    def __init__(self, *told: bool) -> None:
        self.told = list(told)
        self.count = 0

    def works(self) -> bool:
        self.count += 1
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]


@pytest.mark.parametrize(
    ("attempts", "seconds", "told", "count"),
    [((False,), 5, True, 2), ((True, False), 5, True, 3), ((False, True), 0, False, 2), ((False, True, False, True), 0, False, 2), ((True,), 0, False, 1)],
)
def test_two_failures_in_a_row_are_a_cut(monkeypatch: pytest.MonkeyPatch, attempts: tuple[bool, ...], seconds: float, told: bool, count: int) -> None:
    monkeypatch.setattr(reach.time, "sleep", lambda _seconds: None)
    path = Attempts(*attempts)
    assert reach.enforced(path, seconds) is told and path.count == count


def test_a_connection_that_goes_on_names_the_mesh_as_a_cause(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    pod(kube, "web-1")
    made = partition(kube, label_selector="app=web")
    plan = made.plan(made.snapshot())
    made.path, made.why = Attempts(True), ""
    monkeypatch.setattr(reach, "enforced", lambda _path: False)
    with pytest.raises(AttackError, match="does not enforce network policies: .* a sidecar of a service mesh, such as Istio's, .* set probe: skip"):
        made.verify(plan)
