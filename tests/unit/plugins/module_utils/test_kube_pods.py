# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attacks that take pods away, on the small API server: they stop when they are reverted, and say what they took."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _kube, _kube_attack, _kube_deadman, _kube_drain
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube_attack import Lifecycle
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_drain import NodeDrain
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_delete import PodDelete
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_evict import PodEvict

NODES, PODS, MAPS = "/api/v1/nodes", "/api/v1/namespaces/shop/pods", "/configmaps/faultline-"
OWNER = [{"kind": "ReplicaSet", "name": "web", "uid": "o", "controller": True}]


@pytest.fixture
def cluster(kube, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_kube, "_WAIT", 0.001)
    monkeypatch.setattr(_kube_drain, "_AGAIN", (0.01, 0.02))
    monkeypatch.setattr(_kube_deadman, "start_watcher", lambda _cluster, _entry: 1)
    kube.put("/api/v1/namespaces", "shop")
    kube.put(NODES, "n1", spec={"unschedulable": True})
    for name in ("web-1", "web-2", "web-3"):
        kube.put(PODS, name, metadata={"ownerReferences": OWNER}, spec={"nodeName": "n1"}, status={"phase": "Running"})
    return kube


def call(kube, kind: type, check: bool = False, **values: Any) -> dict:
    params = {key: spec.get("default") for key, spec in {**_kube_attack.COMMON_OPTIONS, **kind.options}.items()}
    params |= {"duration": "60s"} | ({"names": ["n1"]} if kind is NodeDrain else {"namespaces": ["shop"], "all": True, "recovery_timeout": "0s"})
    return Lifecycle(params | values, check, True, kind, kube.cluster).run()


def journal_gone(kube) -> None:
    for path in [path for path in kube.objects if MAPS in path]:
        del kube.objects[path]


def deadline_passed(kube) -> None:
    for path in [path for path in kube.objects if MAPS in path]:
        kube.objects[path]["data"]["deadline"] = "1000.0"


def after_the_first(kube, method: str, where: str, happen) -> None:
    """Let something happen in the cluster before the first answer to such a request."""
    seen: list[str] = []

    def hook(called: str, path: str, _body: Any) -> None:
        if called == method and where in path and not seen:
            seen.append(path)
            happen(kube)

    kube.trouble.insert(0, hook)


REVERTED, TOO_LATE = "it was reverted while it was being applied; undone at once", "the deadline passed before the attack was in place"


@pytest.mark.parametrize("happen, told", [(journal_gone, REVERTED), (deadline_passed, TOO_LATE)], ids=["reverted", "deadline"])
def test_no_further_pod_is_deleted(cluster, happen, told: str) -> None:
    after_the_first(cluster, "DELETE", "/pods/", happen)
    with pytest.raises(AttackError, match=told):
        call(cluster, PodDelete, interval="0.1s")
    assert len(cluster.names("pods")) == 2


@pytest.mark.parametrize("happen, told", [(journal_gone, REVERTED), (deadline_passed, TOO_LATE)], ids=["reverted", "deadline"])
@pytest.mark.parametrize("kind", [PodEvict, NodeDrain], ids=lambda kind: kind.__name__)
def test_no_pod_is_asked_for_again(cluster, kind: type, happen, told: str) -> None:
    """The node was cordoned before, so the drain cannot tell by its cordon."""
    from kube_server import Answer

    after_the_first(cluster, "POST", "/eviction", happen)
    cluster.fail(3, Answer(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget."), "POST", "/eviction")
    with pytest.raises(AttackError, match=told):
        call(cluster, kind, timeout="5s")
    assert len(cluster.names("pods")) == 3


@pytest.mark.parametrize("kind", [PodDelete, PodEvict], ids=lambda kind: kind.__name__)
def test_the_pods_that_nobody_replaces_are_named(cluster, kind: type) -> None:
    """Whatever order the seed drew them in."""
    for name in ("bare-1", "bare-2"):
        cluster.put(PODS, name, spec={}, status={"phase": "Running"})
    for seed in "1234":
        planned = call(cluster, kind, check=True, seed=seed)
        assert "nobody replaces pods without an owner: shop/bare-1, shop/bare-2" in planned["notes"]
    assert call(cluster, kind, seed="1")["effect"]["unowned"] == ["shop/bare-1", "shop/bare-2"]
