# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery of pods, on the small API server: what counts as recovered, what cannot be known, and what a look costs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import Lifecycle
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import recovery
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.recovery import Recovery
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_delete import PodDelete
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_evict import PodEvict

PODS = "/api/v1/namespaces/shop/pods"
KINDS = {"ReplicaSet": "/apis/apps/v1/namespaces/shop/replicasets", "DaemonSet": "/apis/apps/v1/namespaces/shop/daemonsets"}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
WAITING = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}


def owner(kube, ready: int, wanted: int = 3, kind: str = "ReplicaSet", **meta: Any) -> None:
    words = ("desiredNumberScheduled", "numberReady") if kind == "DaemonSet" else ("replicas", "readyReplicas")
    status = {words[0]: wanted, words[1]: ready, "observedGeneration": 1}
    kube.put(KINDS[kind], "web", metadata={"uid": "o", **meta}, spec={"replicas": wanted, "selector": {"matchLabels": {"app": "web"}}}, status=status)


def pod(kube, name: str, kind: str = "ReplicaSet", status: dict | None = None, new: bool = False, **meta: Any) -> dict:
    meta |= {"labels": {"app": "web"}, "ownerReferences": [{"kind": kind, "name": "web", "uid": "o", "controller": True}]}
    meta |= {"creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())} if new else {}
    return kube.put(PODS, name, metadata=meta, spec={"containers": []}, status=status or READY)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_LOOK", (0.01, 0.02))


@pytest.fixture(params=["ReplicaSet", "DaemonSet"])
def web(request: pytest.FixtureRequest, calm_kube):
    """Three pods of an owner; the last one is the victim. Its status counts three, for it is not newer than that."""
    calm_kube.kind = request.param
    owner(calm_kube, 3, kind=request.param)
    calm_kube.pods = [pod(calm_kube, f"web-{number}", request.param) for number in (1, 2, 3)]
    return calm_kube


def lacks(kube, seconds: float = 0.0) -> list[str]:
    found = Recovery(kube.cluster, kube.pods)
    return found.wait(kube.pods[2:], seconds)


def test_a_victim_that_still_terminates_is_not_gone(web) -> None:
    web.pods[2]["metadata"]["deletionTimestamp"] = "2026-03-02T10:00:00Z"
    pod(web, "web-4", web.kind, new=True)
    assert lacks(web) == [f"{web.kind} shop/web still has the pods that were to go"]


def test_a_status_that_still_counts_the_victim_is_not_believed(web) -> None:
    del web.objects[f"{PODS}/web-3"]
    assert lacks(web) == [f"{web.kind} shop/web has 2 of 3 pods"]
    pod(web, "web-4", web.kind, WAITING, new=True)
    assert lacks(web) == [f"{web.kind} shop/web has 2 of 3 ready pods"]
    pod(web, "web-4", web.kind, READY, new=True)
    assert lacks(web) == []


def test_a_pod_of_somebody_else_or_on_its_way_out_does_not_count(web) -> None:
    del web.objects[f"{PODS}/web-3"]
    web.put(PODS, "other", metadata={"labels": {"app": "web"}}, status=READY)
    pod(web, "web-4", web.kind, new=True, deletionTimestamp="2026-03-02T10:00:00Z")
    assert lacks(web) == [f"{web.kind} shop/web has 2 of 3 pods"]


def test_another_pod_of_the_same_name_is_not_the_victim(web) -> None:
    pod(web, "web-3", web.kind, READY, new=True)
    assert lacks(web) == []


def test_the_status_says_how_many_and_no_pod_is_read_until_it_says_enough(web) -> None:
    found = Recovery(web.cluster, web.pods)
    del web.objects[f"{PODS}/web-3"]
    owner(web, 2, kind=web.kind)
    found.wait(web.pods[2:], 0.0)
    web.requests.clear()
    assert found.wait([], 0.0) == [f"{web.kind} shop/web has 2 of 3 ready pods"]
    assert [path for _method, path in web.requests] == [f"{KINDS[web.kind]}/web"]


def test_a_change_that_its_controller_has_not_seen_is_waited_for(web) -> None:
    del web.objects[f"{PODS}/web-3"]
    pod(web, "web-4", web.kind, new=True)
    owner(web, 3, kind=web.kind, generation=2)
    assert lacks(web) == [f"{web.kind} shop/web was changed, and its controller has not seen it yet"]


def test_it_is_looked_at_until_the_time_is_over(web) -> None:
    del web.objects[f"{PODS}/web-3"]
    began = time.monotonic()
    assert lacks(web, 0.2) and 0.2 <= time.monotonic() - began < 2


def test_many_victims_are_looked_for_with_one_list(calm_kube) -> None:
    owner(calm_kube, 30, 30)
    pods = [pod(calm_kube, f"web-{number}") for number in range(30)]
    found = Recovery(calm_kube.cluster, pods)
    for each in pods[:25]:
        del calm_kube.objects[f"{PODS}/{each['metadata']['name']}"]
    for number in range(25):
        pod(calm_kube, f"new-{number}", new=True)
    calm_kube.requests.clear()
    assert found.wait(pods[:25], 0.0) == []
    assert [path for _method, path in calm_kube.requests] == [f"{KINDS['ReplicaSet']}/web", PODS, PODS, PODS]


# --- owners that cannot be watched ------------------------------------------------------------------

KAFKA = [{"kind": "StrimziPodSet", "name": "kafka", "uid": "k", "controller": True}]
BATCH = [{"kind": "Job", "name": "batch", "uid": "j", "controller": True}]
GONE = [{"kind": "ReplicaSet", "name": "old", "uid": "r", "controller": True}]


def call(kube, kind: type, check: bool = False, **values: Any) -> dict:
    params = {key: spec.get("default") for key, spec in {**attack.COMMON_OPTIONS, **kind.options}.items()}
    params |= {"duration": "60s", "namespaces": ["shop"], "all": True, "recovery_timeout": "1s"}
    return Lifecycle(params | values, check, True, kind, kube.cluster).run()


def replace(kube) -> None:
    """What the owner of web does once a pod of it is gone."""
    names = iter(["web-2", "web-3"])

    def hook(method: str, path: str, _body: Any) -> None:
        if method in ("DELETE", "POST") and "/pods/web-" in path:
            pod(kube, next(names), new=True)

    kube.trouble.append(hook)


UNWATCHED = [(KAFKA, "StrimziPodSet shop/kafka"), (BATCH, "Job shop/batch"), (GONE, "ReplicaSet shop/old"), ([], "Pod shop/a")]


@pytest.mark.parametrize("references, named", UNWATCHED)
@pytest.mark.parametrize("kind", [PodDelete, PodEvict], ids=lambda kind: kind.__name__)
def test_who_cannot_be_watched_is_named_and_nothing_is_claimed(calm_kube, kind: type, references: list, named: str) -> None:
    calm_kube.put(PODS, "a", metadata={"ownerReferences": references}, status=READY)
    for check in (True, False):
        with pytest.raises(BadOption, match="require_recovery: True is refused: whether these recover cannot be seen: " + named):
            call(calm_kube, kind, check, require_recovery=True)
    assert calm_kube.names("pods") == ["a"] and not calm_kube.names("configmaps")
    made = call(calm_kube, kind)
    assert (made["effect"]["recovered"], made["effect"]["recovery_seconds"]) == (None, None)
    assert f"not watched, so nothing is known of their recovery: {named}" in made["notes"]


@pytest.mark.parametrize("kind", [PodDelete, PodEvict], ids=lambda kind: kind.__name__)
def test_those_that_can_be_watched_are(calm_kube, kind: type) -> None:
    owner(calm_kube, 1, 1)
    pod(calm_kube, "web-1")
    replace(calm_kube)
    calm_kube.put(PODS, "a", metadata={"ownerReferences": KAFKA}, status=READY)
    mixed = call(calm_kube, kind)["effect"]
    assert mixed["recovered"] is None and mixed["recovery_seconds"] > 0
    alone = call(calm_kube, kind, id="again", label_selector="app=web", require_recovery=True)["effect"]
    assert alone["recovered"] is True and alone["recovery_seconds"] > 0


@pytest.mark.parametrize("kind", [PodDelete, PodEvict], ids=lambda kind: kind.__name__)
def test_what_does_not_recover_is_said_or_fails(calm_kube, kind: type) -> None:
    owner(calm_kube, 2, 2)
    pod(calm_kube, "web-1")
    pod(calm_kube, "web-2")
    made = call(calm_kube, kind, all=False, names=["web-1"], recovery_timeout="0.1s")
    assert made["effect"]["recovered"] is False and made["effect"]["recovery_seconds"] is None
    assert "not recovered: ReplicaSet shop/web has 1 of 2 pods" in made["notes"][-1]
    with pytest.raises(AttackError, match="not recovered: ReplicaSet shop/web has 0 of 2 pods"):
        call(calm_kube, kind, id="again", all=False, names=["web-2"], recovery_timeout="0.1s", require_recovery=True)
