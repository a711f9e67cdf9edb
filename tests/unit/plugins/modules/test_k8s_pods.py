# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attacks that take pods away, on the small API server: they stop when they are reverted, and say what they took."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import many
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import NotFound, Unreachable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack as kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import Lifecycle
from ansible_collections.faultline.chaos.plugins.modules.k8s_container_kill import ContainerKill
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_drain import NodeDrain
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_taint import NodeTaint
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_delete import PodDelete
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_evict import PodEvict

NODES, PODS, MAPS = "/api/v1/nodes", "/api/v1/namespaces/shop/pods", "/configmaps/faultline-"
OWNER = [{"kind": "ReplicaSet", "name": "web", "uid": "o", "controller": True}]


@pytest.fixture
def cluster(calm_kube):
    kube = calm_kube
    kube.put(NODES, "n1", spec={"unschedulable": True})
    for name in ("web-1", "web-2", "web-3"):
        kube.put(PODS, name, metadata={"ownerReferences": OWNER}, spec={"nodeName": "n1"}, status={"phase": "Running"})
    return kube


def call(kube, kind: type, check: bool = False, **values: Any) -> dict:
    params = {key: spec.get("default") for key, spec in {**kube_attack.COMMON_OPTIONS, **kind.options}.items()}
    params |= (
        {"duration": "60s"}
        | ({"timeout": "5s"} if kind is NodeDrain else {})
        | ({"names": ["n1"]} if kind in (NodeDrain, NodeTaint) else {"namespaces": ["shop"], "all": True, "recovery_timeout": "0s"})
    )
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
    from tests.unit.support.kube_server import Answer

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


ATTACKS = [(PodDelete, "DELETE", "/pods/web-2", "deleted"), (PodEvict, "POST", "/web-2/eviction", "evicted"), (NodeDrain, "POST", "/web-2/eviction", "evicted")]
by_attack = pytest.mark.parametrize(("kind", "method", "where", "word"), ATTACKS, ids=[kind.__name__ for kind, *_rest in ATTACKS])


@by_attack
def test_what_was_taken_before_it_failed_is_told(cluster, kind: type, method: str, where: str, word: str) -> None:
    from tests.unit.support.kube_server import Answer

    cluster.fail(99, Answer(403, "Forbidden", "forbidden: User x cannot"), method, where)
    with pytest.raises(AttackError, match=f"may not .*; undone at once, but what was done is not brought back: {word}: shop/web-1, shop/web-3$") as failed:
        call(cluster, kind)
    assert failed.value.details["injected"] is True and failed.value.details["effect"] == {word: ["shop/web-1", "shop/web-3"]}


@by_attack
def test_what_may_have_been_taken_is_told(cluster, kind: type, method: str, where: str, word: str) -> None:
    from tests.unit.support.kube_server import Answer

    cluster.fail(99, Answer(500, "", "etcd is away"), method, "/pods/")
    with pytest.raises(AttackError, match="uncertain: shop/web-1, shop/web-2, shop/web-3$") as failed:
        call(cluster, kind)
    assert failed.value.details["effect"] == {"uncertain": ["shop/web-1", "shop/web-2", "shop/web-3"]}


@by_attack
def test_when_nothing_was_taken_nothing_is_left(cluster, kind: type, method: str, where: str, word: str) -> None:
    from tests.unit.support.kube_server import Answer

    cluster.fail(99, Answer(403, "Forbidden", "forbidden: User x cannot"), method, "/pods/")
    with pytest.raises(AttackError, match="; undone at once, nothing is left$") as failed:
        call(cluster, kind)
    assert "injected" not in failed.value.details and len(cluster.names("pods")) == 3


@pytest.mark.parametrize("kind", [PodDelete, PodEvict], ids=lambda kind: kind.__name__)
def test_what_did_not_recover_was_taken(cluster, kind: type) -> None:
    cluster.put("/apis/apps/v1/namespaces/shop/replicasets", "web", metadata={"uid": "o"}, spec={"replicas": 3}, status={})
    with pytest.raises(AttackError, match="not recovered: .* but what was done is not brought back"):
        call(cluster, kind, recovery_timeout="1s", require_recovery=True, duration="4s")


def test_a_pool_that_breaks_leaves_all_uncertain(cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_words: Any) -> None:
        raise MemoryError("no more threads")

    monkeypatch.setattr(many, "delete_all", broken)
    with pytest.raises(AttackError, match="MemoryError: no more threads; undone at once, but .*uncertain: shop/web-1, shop/web-2, shop/web-3$"):
        call(cluster, PodDelete)


def test_the_pods_of_a_taint_that_failed_later(cluster) -> None:
    """Between the taint and its undo the cluster may have ended them."""
    from tests.unit.support.kube_server import Answer

    cluster.put(NODES, "n2", spec={})
    cluster.objects[PODS + "/web-3"]["spec"]["nodeName"] = "n2"
    patched: list[str] = []

    def second(method: str, path: str, _body: Any) -> Answer | None:
        patched.extend([path] if method == "PATCH" and "/nodes/" in path else [])
        return Answer(403, "Forbidden", "forbidden: User x cannot") if method == "PATCH" and len(patched) == 2 else None

    cluster.trouble.append(second)
    with pytest.raises(AttackError, match="; undone at once, but what was done is not brought back: uncertain: ") as failed:
        call(cluster, NodeTaint, names=["n1", "n2"], effect="NoExecute", key="x", value="y", wait="0s", ignore_pdb=True)
    expected = ["shop/web-1", "shop/web-2"] if patched[0].endswith("/n1") else ["shop/web-3"]
    assert failed.value.details["injected"] is True and failed.value.details["effect"] == {"uncertain": expected}


def test_signals_that_were_sent() -> None:
    attack = ContainerKill({})
    assert attack.done() == {}
    attack.sent = {"a": 0, "b": Unreachable("gone"), "c": NotFound("no", 404), "d": 137}
    assert attack.done() == {"signalled": ["a"], "uncertain": ["b", "d"]}
