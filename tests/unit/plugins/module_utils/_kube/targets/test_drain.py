# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods leave a node, which stay and which stand in the way; evictions that budgets refuse; drain and taint from beginning to end."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import Lifecycle
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import revert_entry
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import drain, evict
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_drain import NodeDrain
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_taint import NodeTaint
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_evict import PodEvict

TAINT = {"key": "a/b", "value": "x", "effect": "NoExecute"}
BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."
NODES, PODS = "/api/v1/nodes", "/api/v1/namespaces/shop/pods"


def pod(name: str, owner: str | None = "ReplicaSet", namespace: str = "shop", phase: str = "Running", **more: Any) -> dict:
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", **more.pop("metadata", {})}
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "name": f"owner-{name}", "uid": "o", "controller": True}]
    return {"metadata": meta, "spec": more, "status": {"phase": phase}}


def drained(*pods: dict, has: bool = True, **params: Any) -> drain.Pods:
    given = {"namespaces": [], "protected": [], "ignore_daemonsets": True, "force": False, "delete_emptydir_data": False, **params}
    return drain.for_drain(pods, given, lambda _namespace, _name: has)


def names(rows: list[dict]) -> list[str]:
    return [row["metadata"]["name"] for row in rows]


STAY = [
    (pod("static", None, metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), "a static pod of its node"),
    (pod("dns", namespace="kube-system"), "in a protected namespace"),
    (pod("bank", namespace="money-1"), "in a protected namespace"),
    (pod("out", metadata={"labels": {"faultline.chaos/opt-out": "true"}}), "opted out"),
    (pod("ours", None, metadata={"labels": {"app.kubernetes.io/managed-by": "faultline.chaos"}}), "belongs to an attack"),
    (pod("going", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), "on its way out already"),
    (pod("agent", "DaemonSet"), "of a DaemonSet"),
]


@pytest.mark.parametrize("row, why", STAY, ids=lambda value: value if isinstance(value, str) else value["metadata"]["name"])
def test_who_stays(row: dict, why: str) -> None:
    found = drained(row, pod("web"), protected=["money-*"])
    assert list(found.stay.values()) == [why] and names(found.go) == ["web"] and not found.refused


def test_other_namespaces_are_not_looked_at() -> None:
    found = drained(pod("web"), pod("bare", None, namespace="search"), namespaces=["shop"])
    assert names(found.go) == ["web"] and not found.stay and not found.refused


@pytest.mark.parametrize(
    "row, has, params, told",
    [
        (pod("bare", None), True, {"force": True}, "nobody replaces it"),
        (pod("orphan", "DaemonSet"), False, {"force": True}, "nobody replaces it"),
        (pod("cache", volumes=[{"name": "v", "emptyDir": {}}]), True, {"delete_emptydir_data": True}, "keeps data in an emptyDir"),
    ],
    ids=lambda value: value["metadata"]["name"] if isinstance(value, dict) and "metadata" in value else None,
)
def test_who_stands_in_the_way_until_it_is_asked_for(row: dict, has: bool, params: dict, told: str) -> None:
    with pytest.raises(AttackError, match=f"draining n1 is refused because of pods on it: shop/{row['metadata']['name']} .*{told}"):
        drained(row, has=has).check("draining n1")
    allowed = drained(row, has=has, **params)
    allowed.check("draining n1")
    assert allowed.go == [row]


def test_daemon_sets_stand_in_the_way_when_that_was_asked_for() -> None:
    with pytest.raises(AttackError, match="set ignore_daemonsets: true"):
        drained(pod("agent", "DaemonSet"), ignore_daemonsets=False).check("draining n1")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pods_go_whatever_they_are(phase: str) -> None:
    row = pod("job", None, phase=phase, volumes=[{"name": "v", "emptyDir": {}}])
    found = drained(row)
    assert found.go == [row] and not found.refused


@pytest.mark.parametrize(
    "toleration, stays",
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "key": "a/b"}, True),
        ({"operator": "Exists", "key": "other"}, False),
        ({"key": "a/b", "value": "x"}, True),
        ({"key": "a/b", "operator": "Equal", "value": "x", "effect": "NoExecute"}, True),
        ({"key": "a/b", "value": "y"}, False),
        ({"key": "a/b", "value": "x", "effect": "NoSchedule"}, False),
        ({"operator": "Exists", "tolerationSeconds": 300}, False),
    ],
)
def test_tolerations(toleration: dict, stays: bool) -> None:
    assert drain.tolerates(pod("web", tolerations=[toleration]), TAINT) is stays


@pytest.mark.parametrize(
    "row, told",
    [
        (pod("dns", namespace="kube-system"), "in a protected namespace"),
        (pod("out", metadata={"annotations": {"faultline.chaos/opt-out": "true"}}), "is spared, because it opted out"),
        (pod("bare", None), "set force: true"),
        (pod("cache", volumes=[{"name": "v", "emptyDir": {}}]), "set delete_emptydir_data: true"),
    ],
)
def test_whom_a_taint_must_not_end(row: dict, told: str) -> None:
    params = {"protected": [], "force": False, "delete_emptydir_data": False}
    with pytest.raises(AttackError, match=told):
        drain.for_taint([row], params, TAINT).check("tainting n1")
    row["spec"]["tolerations"] = [{"operator": "Exists"}]
    assert drain.for_taint([row], params, TAINT).go == []


class Budgets:
    """A cluster in the place of whose many.evict_all() this one's is: each pod is refused so many times."""

    def __init__(self, **refusals: int) -> None:
        self.refusals = refusals

    def evict_all(self, rows: list[dict], _grace: int | None) -> list[tuple[dict, Any]]:
        return [(row, self._one(row["metadata"]["name"])) for row in rows]

    def _one(self, name: str) -> Any:
        left = self.refusals.get(name, 0)
        self.refusals[name] = left - 1
        return evict.Refused("no", 429, "", BUDGET) if left > 0 else "already gone" if left < 0 else "evicted"


def test_a_budget_is_asked_again_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evict, "_AGAIN", (0.01, 0.02))
    monkeypatch.setattr(evict.many, "evict_all", lambda cluster, rows, grace: cluster.evict_all(rows, grace))
    rows, looks = [pod("a"), pod("b"), pod("c")], []
    told = evict.evict(Budgets(b=2, c=10**6), rows, None, time.monotonic() + 0.2, lambda: looks.append(1))
    assert names(told.evicted) == ["a", "b"] and len(looks) > 2
    assert [(row["metadata"]["name"], why) for row, why in told.refused] == [("c", BUDGET)]


def test_an_eviction_that_fails_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evict.many, "evict_all", lambda cluster, rows, grace: cluster.evict_all(rows, grace))

    class Broken(Budgets):
        def _one(self, name: str) -> Any:
            return AttackError("forbidden")

    with pytest.raises(AttackError, match="forbidden"):
        evict.evict(Broken(), [pod("a")], None, time.monotonic() + 1)


# --- on the small API server --------------------------------------------------------------------


@pytest.fixture
def cluster(calm_kube):
    kube = calm_kube
    kube.put(NODES, "n1", spec={})
    for name in ("web-1", "web-2"):
        found = pod(name)
        kube.put(PODS, name, metadata={"ownerReferences": found["metadata"]["ownerReferences"]}, spec={"nodeName": "n1"}, status={"phase": "Running"})
    return kube


def call(kube, kind: type, check: bool = False, **values: Any) -> dict:
    params = {key: spec.get("default") for key, spec in {**attack.COMMON_OPTIONS, **kind.options}.items()}
    params |= {"duration": "60s", "timeout": "2s", "names": None if kind is PodEvict else ["n1"], **values}
    return Lifecycle(params, check, True, kind, kube.cluster).run()


def refuse_evictions(kube, times: int) -> None:
    from tests.unit.support.kube_server import Answer

    kube.fail(times, Answer(429, "TooManyRequests", BUDGET), "POST", "/eviction")


def spec(kube) -> dict:
    return kube.objects[f"{NODES}/n1"]["spec"]


def test_a_drain_from_beginning_to_end(cluster) -> None:
    before = copy.deepcopy(cluster.objects)
    planned = call(cluster, NodeDrain, check=True)
    assert "n1: cordoned\n  shop/web-1  <- evicted" in planned["diff"]["after"] and cluster.objects == before
    made = call(cluster, NodeDrain)
    assert spec(cluster) == {"unschedulable": True} and not cluster.names("pods")
    assert made["effect"]["evicted"] == ["shop/web-1", "shop/web-2"] and made["effect"]["cordoned"] == ["n1"]
    assert "no other node takes pods" in " ".join(planned["notes"])
    assert not call(cluster, NodeDrain)["changed"]
    assert call(cluster, NodeDrain, state="absent")["status"] == "reverted"
    assert spec(cluster) == {} and "annotations" not in cluster.objects[f"{NODES}/n1"]["metadata"]
    assert call(cluster, NodeDrain, state="absent")["status"] == "absent"


OUT = {"labels": {"faultline.chaos/opt-out": "true"}}


def test_pods_of_a_namespace_that_opted_out_are_not_ended(cluster) -> None:
    cluster.put("/api/v1/namespaces", "shop", metadata=OUT)
    with pytest.raises(AttackError, match="shop/web-1, shop/web-2 .in a namespace that opted out, and does not tolerate the taint"):
        call(cluster, NodeTaint, effect="NoExecute")
    assert spec(cluster) == {}
    made = call(cluster, NodeDrain)
    assert made["effect"]["evicted"] == [] and set(made["effect"]["stay"].values()) == {"in a namespace that opted out"}
    assert len([path for method, path in cluster.requests if path == "/api/v1/namespaces/shop"]) == 2  # once by each


@pytest.mark.parametrize("known", [True, False], ids=["may not look", "is gone"])
def test_a_namespace_that_one_cannot_see_did_not_opt_out(cluster, known: bool) -> None:
    from tests.unit.support.kube_server import Answer

    if known:
        cluster.put("/api/v1/namespaces", "shop", metadata=OUT)
        cluster.trouble.insert(0, lambda method, path, _body: Answer(403, "Forbidden", "no") if path == "/api/v1/namespaces/shop" else None)
    else:
        del cluster.objects["/api/v1/namespaces/shop"]
    assert call(cluster, NodeDrain)["effect"]["evicted"] == ["shop/web-1", "shop/web-2"]


def test_a_prior_cordon_is_kept(cluster) -> None:
    spec(cluster)["unschedulable"] = True
    made = call(cluster, NodeDrain)
    assert made["effect"]["cordoned"] == [] and made["effect"]["cordoned_before"] == ["n1"] and not cluster.names("pods")
    call(cluster, NodeDrain, state="absent")
    assert spec(cluster) == {"unschedulable": True}


def test_a_budget_that_says_no_undoes_the_drain(cluster) -> None:
    refuse_evictions(cluster, 10**6)
    with pytest.raises(AttackError, match="2 pod.s. are still there: .*disruption budget.*undone at once, nothing is left"):
        call(cluster, NodeDrain, timeout="1s")
    assert spec(cluster) == {} and len(cluster.names("pods")) == 2 and not cluster.names("configmaps")


def test_a_drain_may_leave_what_budgets_keep(cluster) -> None:
    refuse_evictions(cluster, 10**6)
    made = call(cluster, NodeDrain, timeout="1s", allow_refused=True)
    assert sorted(made["effect"]["refused"]) == ["shop/web-1", "shop/web-2"] and spec(cluster) == {"unschedulable": True}


def test_a_busy_server_is_asked_again(cluster) -> None:
    from tests.unit.support.kube_server import Answer

    for status in (429, 500, 503):
        cluster.fail(1, Answer(status, "", "try again"), "POST", "/eviction")
    assert call(cluster, NodeDrain)["effect"]["evicted"] == ["shop/web-1", "shop/web-2"]


def test_nobody_is_evicted_after_somebody_uncordoned(cluster) -> None:
    refuse_evictions(cluster, 2)
    original = evict.evict

    def revert_first(*words: Any) -> Any:
        spec(cluster).pop("unschedulable")
        return original(*words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evict, "evict", revert_first)
        with pytest.raises(AttackError, match="n1 was uncordoned while it was being drained"):
            call(cluster, NodeDrain)
    assert len(cluster.names("pods")) == 2


def test_a_node_made_anew_is_left_alone(cluster) -> None:
    call(cluster, NodeDrain)
    cluster.objects.pop(f"{NODES}/n1")
    cluster.put(NODES, "n1", spec={"unschedulable": True})
    journal = Journal(cluster.cluster)
    outcome = revert_entry(cluster.cluster, journal, journal.entries()[0])
    assert outcome.clean and not outcome.acted and "made anew" in outcome.told[0] and spec(cluster) == {"unschedulable": True}


def test_a_pod_made_anew_under_the_name_is_kept(cluster) -> None:
    row = copy.deepcopy(cluster.objects[f"{PODS}/web-1"])
    row["metadata"]["uid"] = "another"
    from tests.unit.support.kube_server import Answer

    cluster.fail(1, Answer(409, "Conflict", "Precondition failed: UID in precondition: another"), "POST", "/eviction")
    told = evict.evict(cluster.cluster, [row], None, time.monotonic() + 1)
    assert names(told.already_gone) == ["web-1"] and "web-1" in cluster.names("pods")


def test_taints_of_others_stay_in_their_order(cluster) -> None:
    theirs = [{"key": "x", "effect": "NoSchedule"}, {"key": "a/b", "effect": "NoSchedule", "value": "theirs"}]
    spec(cluster)["taints"] = copy.deepcopy(theirs)
    made = call(cluster, NodeTaint, key="a/b", value="x", effect="NoExecute", force=True)
    assert spec(cluster)["taints"] == [*theirs, TAINT] and made["effect"]["going"] == ["shop/web-1", "shop/web-2"]
    spec(cluster)["taints"].insert(0, {"key": "late", "effect": "NoSchedule"})
    assert call(cluster, NodeTaint, key="a/b", value="x", effect="NoExecute", force=True, state="absent")["status"] == "reverted"
    assert spec(cluster)["taints"] == [{"key": "late", "effect": "NoSchedule"}, *theirs]


def test_a_node_without_taints_has_none_afterwards(cluster) -> None:
    call(cluster, NodeTaint)
    call(cluster, NodeTaint, state="absent")
    assert spec(cluster) == {}


def test_a_taint_that_is_there_is_refused(cluster) -> None:
    spec(cluster)["taints"] = [{"key": "faultline.chaos/taint", "effect": "NoSchedule", "value": "theirs"}]
    with pytest.raises(AttackError, match="has a taint faultline.chaos/taint:NoSchedule already"):
        call(cluster, NodeTaint)


def test_a_node_has_one_attack_at_a_time(cluster) -> None:
    call(cluster, NodeTaint)
    for kind in (NodeDrain, NodeTaint):
        with pytest.raises(AttackError, match="node:n1 is held by the active attack"):
            call(cluster, kind, key="other")
        with pytest.raises(AttackError, match="n1 bears the mark of the attack node-taint-"):
            call(cluster, kind, key="other", names=None, all=True)


def test_a_taint_that_ends_pods_asks_their_budgets(cluster) -> None:
    budget = {"spec": {"selector": {}}, "status": {"disruptionsAllowed": 1}}
    cluster.put("/apis/policy/v1beta1/namespaces/shop/poddisruptionbudgets", "web", **budget)
    with pytest.raises(AttackError, match="the disruption budget shop/web allows 1"):
        call(cluster, NodeTaint, effect="NoExecute")
    assert spec(cluster) == {}
    made = call(cluster, NodeTaint, effect="NoExecute", ignore_pdb=True, wait="0s")
    assert len(made["effect"]["going"]) == 2


def test_evictions_from_beginning_to_end(cluster) -> None:
    options = {"namespaces": ["shop"], "all": True, "recovery_timeout": "0s"}
    refuse_evictions(cluster, 10**6)
    with pytest.raises(AttackError, match="2 of 2 pods were not evicted: shop/web-1: .*undone at once"):
        call(cluster, PodEvict, **options)
    made = call(cluster, PodEvict, allow_refused=True, **options)
    assert made["effect"]["evicted"] == [] and sorted(made["effect"]["refused"]) == ["shop/web-1", "shop/web-2"]
    call(cluster, PodEvict, allow_refused=True, state="absent", **options)
    cluster.trouble.clear()
    assert call(cluster, PodEvict, **options)["effect"]["evicted"] == ["shop/web-1", "shop/web-2"]
    assert not cluster.names("pods")
