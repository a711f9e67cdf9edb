# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What attacks on pods and nodes refuse before they touch anything."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.nodes import describe_nodes, refuse_node
from ansible_collections.faultline.chaos.plugins.modules.k8s_container_kill import ContainerKill
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_drain import NodeDrain
from ansible_collections.faultline.chaos.plugins.modules.k8s_node_taint import NodeTaint
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_delete import PodDelete
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_evict import PodEvict
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_location_info import describe

ON_PODS = {"namespaces": ["shop"], "label_selector": "app=web"}
ON_NODES = {"names": ["worker-1"]}
ATTACKS: dict[type, dict[str, Any]] = {PodDelete: ON_PODS, PodEvict: ON_PODS, ContainerKill: ON_PODS, NodeDrain: ON_NODES, NodeTaint: ON_NODES}


def attack(kind: type, first: float = 300.0, **params: Any) -> Any:
    given = {key: spec.get("default") for key, spec in kind.options.items()} | {"protected": []} | ATTACKS[kind] | params
    made = kind(given)
    made.first = first
    return made


@pytest.mark.parametrize("kind", ATTACKS, ids=lambda kind: kind.__name__)
def test_the_defaults_are_in_order(kind: type) -> None:
    attack(kind).validate()


@pytest.mark.parametrize("kind", [PodEvict, ContainerKill], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "option, value",
    [
        ("namespaces", []),
        ("namespaces", ["kube-system"]),
        ("namespaces", ["*"]),
        ("namespaces", ["shop; id"]),
        ("names", ["../x"]),
        ("label_selector", ""),
        ("label_selector", "*"),
        ("label_selector", None),
        ("label_selector", "app=web; id"),
        ("field_selector", "x"),
        ("node", "*"),
        ("zone", ""),
        ("count", 0),
        ("percent", 0),
        ("percent", "101%"),
        ("seed", ""),
        ("min_age", "old"),
        ("recovery_timeout", "31m"),
        ("recovery_timeout", "soon"),
    ],
)
def test_what_attacks_on_pods_refuse(kind: type, option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(kind, **{option: value}).validate()


@pytest.mark.parametrize("option, value", [("grace", "-1"), ("grace", "2h"), ("timeout", "31m"), ("timeout", "nan"), ("ignore_pdb", True)])
def test_what_an_eviction_refuses(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(PodEvict, **{option: value}).validate()


@pytest.mark.parametrize("value, seconds", [("500ms", 1), ("0s", 1), ("1s", 1), ("1500ms", 2), ("5s", 5), (None, None)])
@pytest.mark.parametrize("kind", [PodDelete, PodEvict, NodeDrain], ids=lambda kind: kind.__name__)
def test_a_short_grace_is_not_none_at_all(kind: type, value: str | None, seconds: int | None) -> None:
    """0 means to the API that the pod is forgotten at once, without the word of its node."""
    made = attack(kind, grace=value)
    made.validate()
    assert made.grace == seconds


@pytest.mark.parametrize("value", [None, "0s"])
def test_only_force_leaves_no_time(value: str | None) -> None:
    made = attack(PodDelete, force=True, grace=value)
    made.validate()
    assert made.grace == 0
    with pytest.raises(BadOption, match="^grace: '500ms' is refused: force leaves no time"):
        attack(PodDelete, force=True, grace="500ms").validate()


@pytest.mark.parametrize("kind", [PodEvict, NodeDrain], ids=lambda kind: kind.__name__)
def test_an_eviction_ends_before_the_attack(kind: type) -> None:
    late = attack(kind, first=60.0, timeout="60s")
    late.validate()
    with pytest.raises(BadOption, match="^timeout: '60s' is refused: it must be less than the duration"):
        late.guard()
    early = attack(kind, first=61.0, timeout="60s")
    early.validate()
    early.guard()


@pytest.mark.parametrize("option, value", [("container", ""), ("container", "a b"), ("container", "*"), ("signal", "KILL"), ("recovery_timeout", "0s")])
def test_what_a_signal_to_a_container_refuses(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(ContainerKill, **{option: value}).validate()


def test_kill_reaches_all_but_process_1() -> None:
    attack(ContainerKill, signal="KILL", processes="others").validate()


@pytest.mark.parametrize("kind", [NodeDrain, NodeTaint], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "option, value",
    [
        ("names", []),
        ("names", None),
        ("names", ["*"]),
        ("names", ["worker-1; id"]),
        ("label_selector", ""),
        ("label_selector", "*"),
        ("zone", ""),
        ("zone", "a b"),
        ("count", 0),
        ("count", -1),
        ("percent", 0),
        ("percent", "50 %"),
        ("max_per_zone", 0),
        ("seed", ""),
    ],
)
def test_what_attacks_on_nodes_refuse(kind: type, option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(kind, **{option: value}).validate()


@pytest.mark.parametrize(
    "option, value",
    [("namespaces", ["kube-system"]), ("namespaces", ["*"]), ("pod_selector", ""), ("pod_selector", "*"), ("grace", "-1s"), ("timeout", 0), ("timeout", "1d")],
)
def test_what_a_drain_refuses(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(NodeDrain, **{option: value}).validate()


@pytest.mark.parametrize(
    "option, value",
    [
        ("key", ""),
        ("key", "a b"),
        ("key", "a/b/c"),
        ("key", "-a"),
        ("key", "x" * 64),
        ("key", "a\n"),
        ("key", "node.kubernetes.io/unreachable"),
        ("key", "node-role.kubernetes.io/control-plane"),
        ("value", ""),
        ("value", "a b"),
        ("value", "x" * 64),
        ("wait", "11m"),
        ("wait", "-1"),
    ],
)
def test_what_a_taint_refuses(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(NodeTaint, **{option: value}).validate()


def test_a_taint_has_a_value_when_it_was_given() -> None:
    plain, valued = attack(NodeTaint), attack(NodeTaint, key="a.example/b", value="c", effect="NoExecute")
    plain.validate()
    valued.validate()
    assert plain.taint == {"key": "faultline.chaos/taint", "effect": "NoSchedule"}
    assert valued.taint == {"key": "a.example/b", "value": "c", "effect": "NoExecute"}


@pytest.mark.parametrize(
    "params, told",
    [
        ({"names": ["b", "a", "b"]}, ["node:a", "node:b"]),
        ({"names": ["a", "b"], "count": 1}, ["nodes:names=['a', 'b']"]),
        ({"label_selector": "pool=web", "zone": "eu-1a"}, ["nodes:label_selector=pool=web;zone=eu-1a"]),
        ({"all": True}, ["nodes:all"]),
    ],
)
def test_what_attacks_on_nodes_hold(params: dict, told: list[str]) -> None:
    assert describe_nodes({key: None for key in ("names", "label_selector", "zone", "count", "percent")} | params) == told


@pytest.mark.parametrize("label", ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"])
def test_the_control_plane_has_to_be_asked_for(label: str) -> None:
    meta = {"name": "cp-1", "labels": {label: ""}}
    with pytest.raises(AttackError, match="the node cp-1 belongs to the control plane"):
        refuse_node(meta, False, "mine")
    refuse_node(meta, True, "mine")


def test_a_node_that_is_attacked_already() -> None:
    meta = {"name": "worker-1", "annotations": {"faultline.chaos/attack": "drain-1"}}
    with pytest.raises(AttackError, match="the node worker-1 bears the mark of the attack drain-1: revert that first"):
        refuse_node(meta, False, "mine")
    refuse_node(meta, False, "drain-1")


POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
    "spec": {"nodeName": "worker-1", "containers": [{"name": "main"}, {"name": "log"}]},
    "status": {
        "hostIP": "10.0.0.11",
        "podIP": "10.1.1.2",
        "podIPs": [{"ip": "10.1.1.2"}, {"ip": "fd00::2"}],
        "containerStatuses": [
            {"name": "log", "containerID": "containerd://bb", "state": {"terminated": {}}},
            {"name": "main", "containerID": "containerd://aa", "restartCount": 3, "state": {"running": {}}},
        ],
    },
}
NODE = {
    "spec": {"providerID": "cloud://1"},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.11"}, {"type": "Hostname", "address": "w1.example.com"}]},
}


def test_where_a_pod_is() -> None:
    told = describe(POD, NODE, None)
    assert (told["node"], told["provider_id"], told["host_network"]) == ("worker-1", "cloud://1", False)
    assert told["node_addresses"] == ["10.0.0.11", "w1.example.com", "worker-1"]
    assert told["addresses"] == ["10.1.1.2", "fd00::2"]
    assert told["container_id"] == "aa"
    assert told["containers"][1] == {"name": "main", "id": "aa", "engine": "containerd", "running": True, "restarts": 3}
    assert describe(POD, None, "main")["node_addresses"] == ["10.0.0.11", "worker-1"]
    assert describe(POD, None, "log")["container_id"] is None


def test_a_container_that_a_pod_has_not() -> None:
    with pytest.raises(AttackError, match="pod shop/web-1 has no container db, but main, log"):
        describe(POD, NODE, "db")
