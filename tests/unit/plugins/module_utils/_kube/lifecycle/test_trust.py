# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A halt runs the undo of a journal with the rights of the operator, and whoever may create ConfigMaps can write a journal."""

from __future__ import annotations

import copy
import json
import re
import time
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
    SECRET,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import trust, undo
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import labels
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DeleteCreated, DeleteOwner, RemoveTaint, RestoreFields
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo_stress import StopStress
from ansible_collections.faultline.chaos.plugins.modules.k8s_revert import revert
from tests.support.paths import CHECKOUT

SHOP = "/api/v1/namespaces/shop"
POLICIES = "/apis/networking.k8s.io/v1/namespaces"
CHANGE = [{"at": "/data/a", "before": "1", "after": "2"}]
TAINT = {"key": "gpu", "effect": "NoSchedule"}
CORDON = [{"at": "/spec/unschedulable", "after": True}]


@pytest.fixture(autouse=True)
def objects(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Things of others, and some that bear the marks of an attack w with the nonce n."""
    monkeypatch.setattr(cluster, "_WAIT", 0.001)
    marked, ours = {"annotations": {"faultline.chaos/attack": "w"}}, {"annotations": {"faultline.chaos/nonce": "n"}}
    kube.put("/api/v1/namespaces", "production", metadata={"uid": "u"})
    kube.put("/api/v1/nodes", "n1", metadata={"uid": "u", **copy.deepcopy(marked)}, spec={"unschedulable": True, "taints": [TAINT]})
    for namespace in ("shop", "other", "kube-system"):
        maps = f"/api/v1/namespaces/{namespace}/configmaps"
        kube.put(maps, "theirs", metadata={"uid": "u"}, data={"a": "2"})
        kube.put(maps, "marked", metadata={"uid": "u", **copy.deepcopy(marked)}, data={"a": "2"})
        kube.put(f"{POLICIES}/{namespace}/networkpolicies", "theirs", spec={})
        kube.put(f"{POLICIES}/{namespace}/networkpolicies", "made", metadata=copy.deepcopy(ours), spec={})
        kube.put(f"/apis/batch/v1/namespaces/{namespace}/jobs", "faultline-w", metadata=copy.deepcopy(ours))
        kube.put(f"/apis/batch/v1/namespaces/{namespace}/jobs", "nightly", metadata=copy.deepcopy(ours))


MODULES = {"DeleteCreated": "k8s_network_partition", "RemoveTaint": "k8s_node_taint", "StopStress": "k8s_pod_stress"}


def module_of(step: object) -> str:
    """The module that writes such a step."""
    if not isinstance(step, dict) or step["step"] != "RestoreFields":
        return MODULES.get(step["step"] if isinstance(step, dict) else "", "k8s_network_partition")
    return {"Node": "k8s_node_drain", "Deployment": "k8s_scale"}.get(step.get("kind", ["", ""])[1], "k8s_config_fault")


def journal(kube, *steps: dict, namespace: str = "shop", attack_id: str = "w", **record) -> None:
    """Of version 1: the marks do not bind it, so only what is checked of every journal protects."""
    told = {"version": 1, "id": "w", "module": module_of(steps[0]), "run_id": None, "identity": "i", "resources": [], "namespaces": [namespace], "nonce": "n"}
    told |= {"started": "", "deadman": "watcher", "undo": list(steps), **record}
    meta = {"labels": {**labels(attack_id, "k8s_x", None), "faultline.chaos/part": "journal"}}
    late = str(time.time() - 60)
    kube.put(
        f"/api/v1/namespaces/{namespace}/configmaps", "faultline-w", metadata=meta, data={"record.json": json.dumps(told), "deadline": late, "limit": late}
    )


def halt(kube, namespaces=()) -> dict:
    """Of this journal only: what no journal accounts for is another matter."""
    given = {"host": kube.url, "id": "w", "run_id": None, "all": False, "namespaces": list(namespaces)}
    return revert(SimpleNamespace(params=given, check_mode=False))


def told(step, **more) -> dict:
    return {**step.to_dict(), **more}


def created(kind=NETWORK_POLICY, namespace="shop", name="made", nonce="n", **more) -> dict:
    return told(DeleteCreated(kind, namespace, name, nonce), **more)


def restored(kind=CONFIG_MAP, namespace="shop", name="marked", uid="u", changes=None, mark="w") -> dict:
    return told(RestoreFields(kind, namespace, name, uid, CHANGE if changes is None else changes, mark))


FORGED = {
    "a namespace": (created(NAMESPACE, None, "production", None), {"nonce": None}),
    "a namespace, with a nonce": (created(NAMESPACE, None, "production"), {}),
    "an object without any nonce": (created(name="theirs", nonce=None), {}),
    "an object without any nonce, the record without one": (created(name="theirs", nonce=None), {"nonce": None}),
    "an empty nonce": (created(name="theirs", nonce=""), {"nonce": ""}),
    "another nonce": (created(nonce="m"), {"nonce": "other"}),
    "another namespace": (created(namespace="other"), {}),
    "another namespace that the record names": (created(namespace="other"), {"namespaces": ["shop", "other"]}),
    "a protected namespace": (created(namespace="kube-system"), {"namespaces": ["kube-system"]}),
    "a kind that is none": (created() | {"kind": ["v1", "Pod", "../namespaces", False]}, {}),
    "a kind that is nothing": (created() | {"kind": []}, {}),
    "a name that is none": (created() | {"name": 7}, {}),
    "another Job": (told(DeleteOwner(JOB, "shop", "nightly", "n")), {}),
    "an owner that is no Job": (told(DeleteOwner(NETWORK_POLICY, "shop", "made", "n")), {}),
    "a change without a mark": (restored(name="theirs", mark=None), {}),
    "a change with another mark": (restored(mark="v"), {}),
    "a change elsewhere": (restored(namespace="other"), {}),
    "a change in a protected namespace": (restored(namespace="kube-system"), {"namespaces": ["shop", "kube-system"]}),
    "a change of metadata": (restored(changes=[{"at": "/metadata/annotations", "after": {"faultline.chaos/attack": "w"}}]), {}),
    "what no fault changes of a workload": (restored(DEPLOYMENT, changes=[{"at": "/spec/template/spec/hostPID", "before": True, "after": False}]), {}),
    "what another module changes": (restored(DEPLOYMENT, changes=[{"at": "/spec/template/spec/dnsPolicy", "after": "None"}]), {"module": "k8s_scale"}),
    "a module without an undo": (restored(), {"module": "k8s_pod_delete"}),
    "no module": (restored(), {"module": "k8s_x"}),
    "more than a pointer": (restored(changes=[{"at": "/data/a/b", "after": "2"}]), {}),
    "no change at all": (restored(changes=[]), {}),
    "what another module makes": (created(), {"module": "k8s_capacity"}),
    "a taint of the cluster": (told(RemoveTaint("n1", "u", {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}, "w")), {}),
    "programs in another namespace that the record names": (
        told(StopStress("other", "p", "u", "c", "i", "faultline-n")),
        {"namespaces": ["shop", "other"]},
    ),
    "changes that are none": (restored(changes={"at": "/data/a"}), {}),
    "a change of a pod": (restored(POD), {}),
    "other things of a node": (restored(NODE, None, "n1", changes=[{"at": "/spec/taints", "after": [TAINT]}]), {}),
    "a taint without a mark": (told(RemoveTaint("n1", "u", TAINT, None)), {}),
    "a taint that is none": (told(RemoveTaint("n1", "u", "gpu", "w")), {}),
    "programs elsewhere": (told(StopStress("other", "p", "u", "c", "i", "faultline-n")), {}),
    "programs of others": (told(StopStress("shop", "p", "u", "c", "i", "")), {}),
    "programs in a protected namespace": (told(StopStress("kube-system", "p", "u", "c", "i", "faultline-n")), {"namespaces": ["shop", "kube-system"]}),
    "an undo that is none": (created(), {"undo": 7}),
    "a step that is none": ("delete everything", {}),
    "namespaces that are none": (created(), {"namespaces": "shop"}),
    "the id of another": (created(), {"id": "v"}),
    "the Secret of another": (created(), {"undo": {"secret": "db-password"}}),
}


@pytest.mark.parametrize(("step", "record"), FORGED.values(), ids=FORGED)
def test_what_no_attack_writes_is_damage(kube, step: dict, record: dict) -> None:
    kube.put(SHOP + "/secrets", "db-password", data={"undo.json": "W10="})
    before = copy.deepcopy(kube.objects)
    journal(kube, step, **record)
    [stuck] = halt(kube)["stuck"]
    assert "none of an attack's" in stuck["reason"] or "journal" in stuck["reason"] or "damaged" in stuck["reason"]
    del kube.objects[SHOP + "/configmaps/faultline-w"]
    assert kube.objects == before


def test_a_journal_of_another_name_is_damage(kube) -> None:
    """Who changes the label would have the mark of an attack of somebody else."""
    journal(kube, created(), attack_id="v", id="v")
    given = {"host": kube.url, "id": "v", "run_id": None, "all": False, "namespaces": []}
    [stuck] = revert(SimpleNamespace(params=given, check_mode=False))["stuck"]
    assert "is that of v" in stuck["reason"] and "made" in kube.names("networkpolicies")


def test_what_is_in_a_damaged_step_is_not_told(kube) -> None:
    journal(kube, {"step": "RestoreFields", "changes": [{"at": "/data/a", "before": "hush"}]})
    [stuck] = halt(kube)["stuck"]
    assert "RestoreFields" in stuck["reason"] and "hush" not in stuck["reason"]


GENUINE = {
    "created": (created(), {}),
    "owner": (told(DeleteOwner(JOB, "shop", "faultline-w", "n")), {}),
    "changed": (restored(), {}),
    "cordoned": (restored(NODE, None, "n1", changes=CORDON), {"namespaces": []}),
    "tainted": (told(RemoveTaint("n1", "u", TAINT, "w")), {"namespaces": []}),
    "stressed": (told(StopStress("shop", "p", "u", "c", "i", "faultline-n")), {}),
    "stressed in several": (told(StopStress("other", "p", "u", "c", "i", "faultline-n")), {"namespaces": ["other", "third"]}),  # named by who halts
    "of a workload": (restored(DEPLOYMENT, name="gone", changes=[{"at": "/spec/replicas", "before": 1, "after": 0}]), {}),
    "of a secret": (restored(SECRET, name="gone"), {}),
}


@pytest.mark.parametrize(("step", "record"), GENUINE.values(), ids=GENUINE)
def test_what_attacks_write_is_run(kube, step: dict, record: dict) -> None:
    for path, found in kube.objects.items():
        if not path.startswith((f"{SHOP}/configmaps", "/api/v1/nodes")) or found["metadata"]["name"] != step.get("name"):
            found["metadata"].get("annotations", {}).pop("faultline.chaos/attack", None)
    journal(kube, step, **record)
    result = halt(kube, ["shop", *record.get("namespaces", [])])
    assert result["clean"] and result["stuck"] == [] and SHOP + "/configmaps/faultline-w" not in kube.objects


def test_a_module_that_cannot_exec_leaves_programs_to_k8s_revert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(undo.STEPS, "StopStress")
    with pytest.raises(undo.NotHere, match="by the module faultline.chaos.k8s_revert only"):
        undo.from_dict(told(StopStress("shop", "p", "u", "c", "i", "faultline-n")))


def test_every_module_with_an_undo_is_in_the_tables() -> None:
    """Of a new attack: what it makes or changes, or nothing of it could be reverted from its journal."""
    undoing = set()
    for path in (CHECKOUT / "plugins/modules").glob("k8s_*.py"):
        text = path.read_text()
        undoing |= {path.stem} if re.search(r"\b(Create|SetFields|AddTaint|cordon)\(|stress\.Container\(", text) else set()
    assert undoing == set(trust._MADE) | set(trust._PLACES) | {"k8s_node_taint", "k8s_pod_stress"}
