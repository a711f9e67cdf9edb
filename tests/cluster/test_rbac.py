# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each attack works with the rights of its manifest in docs/rbac, and without them says in one sentence what it lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import REPO, Cluster

MANIFESTS = REPO / "docs/rbac"
CONTROL = {"k8s_revert", "k8s_pod_location_info"}
PODS = {"label_selector": "app=web", "seed": "1"}
# What each attack is asked for; "node" and "namespace" are filled in.
ASKED: dict[str, dict[str, Any]] = {
    "k8s_pod_delete": {**PODS, "namespace": "NAMESPACE", "grace": "0s"},
    "k8s_pod_evict": {**PODS, "namespace": "NAMESPACE", "grace": "0s"},
    "k8s_container_kill": {**PODS, "namespace": "NAMESPACE", "signal": "KILL", "processes": "others"},
    "k8s_pod_stress": {**PODS, "namespace": "NAMESPACE", "cpus": 1},
    "k8s_network_partition": {"namespace": "NAMESPACE", "label_selector": "app=web"},
    "k8s_scale": {"namespace": "NAMESPACE", "name": "web", "replicas": 1},
    "k8s_resource_quota": {"namespace": "NAMESPACE"},
    "k8s_config_fault": {"namespace": "NAMESPACE", "fault": "readiness_probe", "name": "web", "wait": "0s"},
    "k8s_api_pressure": {"namespace": "NAMESPACE"},
    "k8s_capacity": {"namespace": "NAMESPACE", "names": ["NODE"], "fill_cpu": "90%"},
    "k8s_node_drain": {"names": ["NODE"], "namespaces": ["NAMESPACE"], "journal_namespace": "NAMESPACE", "delete_emptydir_data": True},
    "k8s_node_taint": {"names": ["NODE"], "journal_namespace": "NAMESPACE", "effect": "NoSchedule"},
}
ONE_SENTENCE = re.compile(r"forbidden: the credentials may not [a-z]+ \S+( \S+)?( in namespace \S+)?; grant it with a Role \(see docs/rbac\)")
pytestmark = pytest.mark.smoke
# Process 1 waits for a child, so that there is something to kill that is not process 1.
WAITS = ["sh", "-c", "sleep 10000 & wait $!"]


def attacks(on_nodes: bool) -> list[str]:
    present = sorted(path.stem for path in MANIFESTS.glob("k8s_*.yml") if path.stem not in CONTROL)
    return [name for name in present if any("NODE" in str(value) for value in ASKED.get(name, {}).values()) == on_nodes]


def asked(module: str, namespace: str, node: str = "") -> dict[str, Any]:
    text = yaml.safe_dump({**ASKED[module], "duration": "10m"}).replace("NAMESPACE", namespace).replace("NODE", node)
    return yaml.safe_load(text)


def account(cluster: Cluster, namespace: str, module: str, scratch: Path, granted: bool, *layers: str) -> Account:
    found = Account(cluster, namespace, f"{module}.yml", scratch, *(f"layer_{each}.yml" for each in layers))
    if not granted:
        found.documents = []
    return found


def refused_without_works_with(cluster: Cluster, namespace: str, other: str, module: str, options: dict[str, Any], scratch: Path) -> None:
    """other: a namespace for the account without rights."""
    with account(cluster, other, module, scratch, granted=False) as poor:
        refused = cluster.module(module, {**options, **poor})
    assert refused["failed"] and ONE_SENTENCE.fullmatch(refused["msg"].rstrip(".")), refused["msg"]
    with account(cluster, namespace, module, scratch, granted=True) as enough:
        made = cluster.module(module, {**options, **enough}, diff=False)
        assert made.get("status") == "active", made
        gone = cluster.module("k8s_revert", {"id": made["id"], "namespaces": [made["journal"].partition("/")[0]], **enough})
        assert gone.get("clean"), gone


@pytest.fixture
def other(cluster: Cluster):
    name = cluster.namespace("fl-rbac-poor")
    yield name
    cluster.delete_namespace(name)


def test_every_attack_has_a_manifest() -> None:
    group = yaml.safe_load((REPO / "meta/runtime.yml").read_text())["action_groups"]["k8s_attacks"]
    assert sorted(attacks(True) + attacks(False)) == sorted(group)


@pytest.mark.parametrize("module", attacks(on_nodes=False))
def test_in_a_namespace(cluster, namespace, other, deployment, tmp_path: Path, module: str) -> None:
    deployment(2, command=WAITS if module == "k8s_container_kill" else None)
    refused_without_works_with(cluster, namespace, other, module, asked(module, namespace), tmp_path)


@pytest.mark.parametrize("module", attacks(on_nodes=True))
def test_on_nodes(cluster, nodes, namespace, other, deployment, tmp_path: Path, module: str) -> None:
    deployment(1)
    refused_without_works_with(cluster, namespace, other, module, asked(module, namespace, nodes[0]), tmp_path)


def test_a_halt(cluster, namespace, other, deployment, tmp_path: Path) -> None:
    deployment(2)
    other_path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    ours = {"app.kubernetes.io/managed-by": "faultline.chaos", "faultline.chaos/id": "gone", "faultline.chaos/part": "object"}
    cluster.request("POST", other_path, {"metadata": {"name": "left", "labels": ours}, "spec": {"podSelector": {"matchLabels": {"no": "pod"}}}})
    # All pods are under stress, for the next attack takes one of them away; the quota would refuse pods of Jobs.
    made = [cluster.module("k8s_pod_stress", {**asked("k8s_pod_stress", namespace), "all": True})]
    made += [cluster.module(name, asked(name, namespace)) for name in ("k8s_scale", "k8s_resource_quota")]
    assert [each.get("status") for each in made] == ["active"] * 3, made
    # Only this namespace: others may be at work in the cluster.
    halt = {"all": True, "namespaces": [namespace]}
    with account(cluster, other, "k8s_revert", tmp_path, granted=False) as poor:
        refused = cluster.module("k8s_revert", {**halt, **poor})
    assert refused["failed"] and ONE_SENTENCE.fullmatch(refused["msg"].rstrip(".")), refused["msg"]
    with account(cluster, namespace, "k8s_revert", tmp_path, granted=True) as base:
        found = cluster.module("k8s_revert", {**halt, **base})
        assert [each["id"] for each in found["stuck"]] == [made[0]["id"]] and "may not" in found["stuck"][0]["reason"], found
        assert sorted(found["reverted"]) == sorted(each["id"] for each in made[1:]), found
    assert f"NetworkPolicy {namespace}/left" in found["removed"], found
    with account(cluster, namespace, "k8s_revert", tmp_path, True, "exec") as enough:
        found = cluster.module("k8s_revert", {**halt, **enough})
    assert found.get("clean") and found["reverted"] == [made[0]["id"]], found
    assert cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/web")["spec"]["replicas"] == 2
