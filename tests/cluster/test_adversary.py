# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tenant who may write ConfigMaps, or take marks off, while an attack is active: it ends as before, or not clean and named. Cases 12 to 15.

For every attack with an undo: its journal deleted, rewritten, forged elsewhere or made anew; the mark taken off; the object made anew; the watcher killed.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import time
from typing import Any

import pytest

from tests.cluster.support.steps import wait_same
from tests.lab.support.lab import wait_until

MERGE, MARK = "application/merge-patch+json", "faultline.chaos/attack"
LATE = 6.0  # seconds after the deadline
# options; the attacked or made object, by its path; ID is the id of the attack
ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "k8s_scale": ({"name": "web", "replicas": 0, "wait": "0s"}, "/apis/apps/v1/namespaces/NS/deployments/web"),
    "k8s_config_fault": ({"fault": "config_map_value", "name": "settings", "key": "color", "value": "red"}, "/api/v1/namespaces/NS/configmaps/settings"),
    "k8s_network_partition": ({"label_selector": "app=web", "probe": "skip"}, "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies/faultline-ID"),
    "k8s_resource_quota": ({"hard": {"services": 3}}, "/api/v1/namespaces/NS/resourcequotas/faultline-ID"),
    "k8s_node_taint": ({"names": ["NODE"], "value": "x", "journal_namespace": "NS"}, "/api/v1/nodes/NODE"),
}
CHANGED = ["k8s_scale", "k8s_config_fault", "k8s_node_taint"]  # foreign objects; a watcher reverts


class Attacked:
    """An active attack: its result, its object, its journal, and what was there before."""

    def __init__(self, cluster, namespace: str, node: str, fingerprint) -> None:
        self.cluster, self.namespace, self.node = cluster, namespace, node
        self._fingerprint = fingerprint
        self.on_node = False

    def make(self, attack: str, duration: str = "10m", **more: Any) -> dict:
        self.on_node = attack == "k8s_node_taint"
        self.before = self._fingerprint(self.namespace, nodes=self.on_node)
        options, path = ATTACKS[attack]
        text = json.dumps({**options, **more}).replace("NS", self.namespace).replace("NODE", self.node)
        self.options = {**json.loads(text), "duration": duration, "run_id": self.namespace}
        if not self.on_node:
            self.options["namespace"] = self.namespace
        self.attack = attack
        others = watchers()
        made = self.cluster.module(attack, self.options, diff=False)
        self.watchers = watchers() - others
        assert made.get("status") == "active", made
        self.id = made["id"]
        self.path = path.replace("NS", self.namespace).replace("NODE", self.node).replace("ID", self.id)
        self.journal_path = f"/api/v1/namespaces/{self.namespace}/configmaps/faultline-{self.id}"
        self.journal = self.cluster.get(self.journal_path)
        self.fault = self.cluster.get(self.path)
        return made

    def put_journal(self, namespace: str, **record: Any) -> None:
        told = {**json.loads(self.journal["data"]["record.json"]), **record}
        meta = {"name": self.journal["metadata"]["name"], "labels": self.journal["metadata"]["labels"]}
        body = {"metadata": meta, "data": {**self.journal["data"], "record.json": json.dumps(told)}}
        self.cluster.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)

    def data(self, **values: str) -> None:
        self.cluster.request("PATCH", self.journal_path, {"data": values}, content=MERGE)

    def rewrite(self, **record: Any) -> None:
        self.data(**{"record.json": json.dumps({**json.loads(self.journal["data"]["record.json"]), **record})})

    def delete_journal(self) -> None:
        self.cluster.request("DELETE", self.journal_path)

    def unmark(self) -> None:
        self.cluster.request("PATCH", self.path, {"metadata": {"annotations": {MARK: None}}}, content=MERGE)

    def kill_watcher(self) -> None:
        [pid] = self.watchers
        os.kill(pid, signal.SIGKILL)

    def revert(self, **more: Any) -> dict:
        return self.cluster.module("k8s_revert", {"id": self.id, **more})

    def still_there(self) -> bool:
        now = self.cluster.get(self.path)
        return now is not None and all(now.get(key) == self.fault.get(key) for key in ("data", "spec"))

    def settles(self, seconds: float = 20) -> None:
        left = wait_same(self.cluster, self.before, seconds, self.namespace, nodes=self.on_node)
        assert not left, "\n".join(left)

    def put_right(self) -> None:
        """By hand, as who was told what is wrong."""
        old = copy.deepcopy(self.journal)
        self.cluster.module("k8s_revert", {"id": self.id})
        if self.attack in CHANGED:
            wrong = json.loads(old["data"]["record.json"])["undo"][0]
            found = self.cluster.get(self.path)
            patch: dict[str, Any] = {"metadata": {"annotations": {MARK: None}}}
            if self.on_node:
                keep = [each for each in found["spec"].get("taints") or [] if each["key"] != wrong["taint"]["key"]]
                patch["spec"] = {"taints": keep or None}
            else:
                [change] = wrong["changes"]
                _empty, top, key = change["at"].split("/")
                patch[top] = {key: change["before"]}
            self.cluster.request("PATCH", self.path, patch, content=MERGE)
        for path in ([] if self.attack in CHANGED else [self.path]) + [
            self.journal_path,
            f"/apis/batch/v1/namespaces/{self.namespace}/jobs/faultline-{self.id}",
        ]:
            if self.cluster.get(path):
                self.cluster.request("DELETE", path, query={"propagationPolicy": "Background"})


@pytest.fixture
def attacked(cluster, namespace, nodes, deployment, fingerprint) -> Attacked:
    deployment(1)
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "settings"}, "data": {"color": "blue"}})
    return Attacked(cluster, namespace, nodes[0], fingerprint)


@pytest.fixture
def elsewhere(cluster):
    name = cluster.namespace("fl-tenant")
    yield name
    cluster.delete_namespace(name)


def not_clean(told: dict, *words: str) -> None:
    assert told.get("failed") and not told["clean"] and all(word in told["msg"] for word in words), told


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_journal_forged_elsewhere(cluster, attacked, elsewhere, attack) -> None:
    attacked.make(attack)
    attacked.put_journal(elsewhere)
    not_clean(attacked.revert(namespaces=[elsewhere]), elsewhere)
    assert attacked.still_there() and cluster.get(attacked.path)["metadata"]["annotations"] == attacked.fault["metadata"]["annotations"]
    assert attacked.revert(namespaces=[attacked.namespace])["reverted"] == [attacked.id]
    attacked.settles()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_rewritten_journal(attacked, attack) -> None:
    attacked.make(attack)
    for record in ({"undo": []}, {"version": 1}, {"version": 1, "undo": []}):
        attacked.rewrite(**record)
        not_clean(attacked.revert(), "rewritten", "kubectl")
        assert attacked.still_there()
    attacked.rewrite()
    assert attacked.revert()["reverted"] == [attacked.id]
    attacked.settles()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_deleted_journal(cluster, attacked, attack) -> None:
    attacked.make(attack)
    if attack in CHANGED:
        attacked.kill_watcher()  # it would revert at once
    attacked.delete_journal()
    assert not cluster.module("k8s_attack_info", {})["clean"]
    if attack in CHANGED:
        for told in (attacked.revert(), cluster.module("k8s_revert", {"run_id": attacked.namespace}), absent(cluster, attacked)):
            assert told.get("failed") and "kubectl" in told["msg"] and "annotate" in told["msg"], told
        assert attacked.still_there()
        attacked.put_right()
    else:
        told = attacked.revert()
        assert told["clean"] and told["removed"] and not told["already_gone"], told
    attacked.settles()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_journal_made_anew(attacked, attack) -> None:
    attacked.make(attack)
    attacked.delete_journal()
    attacked.put_journal(attacked.namespace)
    told = attacked.revert()
    if told.get("failed"):  # else the watcher was faster
        not_clean(told, "made anew")
    attacked.put_right()
    attacked.settles()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_mark_that_was_taken_off(attacked, attack) -> None:
    attacked.make(attack)
    attacked.unmark()
    not_clean(attacked.revert(), "took", "kubectl -n")
    assert attacked.still_there()
    attacked.put_right()
    attacked.settles()


def test_an_object_made_anew_is_left_as_it_is(cluster, attacked) -> None:
    attacked.make("k8s_config_fault")
    cluster.request("DELETE", attacked.path)
    cluster.request("POST", attacked.path.rpartition("/")[0], {"metadata": {"name": "settings"}, "data": {"color": "red"}})
    assert attacked.revert()["clean"] and cluster.get(attacked.path)["data"] == {"color": "red"}


def test_a_policy_made_anew_is_named(cluster, attacked) -> None:
    attacked.make("k8s_network_partition")
    cluster.request("DELETE", attacked.path)
    body = {"metadata": {"name": attacked.path.rpartition("/")[2]}, "spec": attacked.fault["spec"]}
    cluster.request("POST", attacked.path.rpartition("/")[0], body)
    not_clean(attacked.revert(), "made it anew", "kubectl -n")
    attacked.put_right()
    attacked.settles()


def test_an_administrators_cordon_and_taint_stay(cluster, attacked, elsewhere) -> None:
    node = f"/api/v1/nodes/{attacked.node}"
    before = cluster.get(node)["spec"]
    taint = {"key": "maintenance", "effect": "NoSchedule"}
    cluster.request("PATCH", node, {"spec": {"unschedulable": True, "taints": [*(before.get("taints") or []), taint]}}, content=MERGE)
    try:
        attacked.make("k8s_scale")
        on = {"name": attacked.node, "uid": cluster.get(node)["metadata"]["uid"], "mark": attacked.id}
        kind = ["v1", "Node", "nodes", False]
        cordon = {"step": "RestoreFields", "kind": kind, "namespace": None, "together": False, "changes": [{"at": "/spec/unschedulable", "after": True}], **on}
        for module, step in (("k8s_node_drain", cordon), ("k8s_node_taint", {"step": "RemoveTaint", "taint": taint, **on})):
            attacked.put_journal(elsewhere, module=module, undo=[step])
            not_clean(attacked.revert(namespaces=[elsewhere]), f"Node {attacked.node}", "bears no mark")
            found = cluster.get(node)["spec"]
            assert found["unschedulable"] and taint["key"] in [each["key"] for each in found["taints"]]
            cluster.request("DELETE", f"/api/v1/namespaces/{elsewhere}/configmaps/faultline-{attacked.id}")
        assert attacked.revert()["reverted"] == [attacked.id]
    finally:
        cluster.request("PATCH", node, {"spec": {"unschedulable": None, "taints": before.get("taints")}}, content=MERGE)


# --- the watcher ------------------------------------------------------------------------------------------------------

MEDDLED: dict[str, Any] = {
    "deleted": lambda attacked: attacked.delete_journal(),
    "no number": lambda attacked: attacked.data(deadline="nan"),
    "infinite": lambda attacked: attacked.data(deadline="inf", limit="inf"),
    "later": lambda attacked: attacked.data(deadline=str(time.time() + 3600), limit=str(time.time() + 3600)),
    "no undo": lambda attacked: attacked.rewrite(undo=[]),
    "no mark": lambda attacked: attacked.unmark(),
    "nothing": lambda attacked: (attacked.unmark(), attacked.delete_journal()),
}


@pytest.mark.parametrize("meddle", MEDDLED)
@pytest.mark.parametrize("attack", CHANGED)
def test_the_watcher_reverts_in_time_whatever_the_journal_says(cluster, attacked, attack, meddle) -> None:
    made = attacked.make(attack, duration="15s")
    until = time.monotonic() + made["remaining"]
    MEDDLED[meddle](attacked)
    wait_until(lambda: not attacked.still_there(), until + LATE - time.monotonic(), "the watcher has reverted", 0.2)
    attacked.settles(5)
    assert cluster.module("k8s_attack_info", {"namespaces": [attacked.namespace]})["clean"]


@pytest.mark.parametrize("attack", CHANGED)
def test_a_killed_watcher_is_overdue_and_reverted_by_hand(cluster, attacked, attack) -> None:
    made = attacked.make(attack, duration="5s")
    attacked.kill_watcher()
    time.sleep(max(0.0, made["remaining"]) + LATE)
    told = cluster.module("k8s_attack_info", {"namespaces": [attacked.namespace]})
    assert [each["status"] for each in told["attacks"]] == ["overdue"] and attacked.still_there()
    assert attacked.revert()["reverted"] == [attacked.id]
    attacked.settles()


def test_programs_elsewhere_are_ended_only_where_that_is_named(cluster, attacked, elsewhere) -> None:
    """A forged journal gets no exec into a namespace that is not its own."""
    attacked.make("k8s_scale", replicas=2)
    [pod, *_more] = cluster.wait_pods(attacked.namespace, 2)
    state = pod["status"]["containerStatuses"][0]
    record = json.loads(attacked.journal["data"]["record.json"])
    step = {"step": "StopStress", "namespace": attacked.namespace, "pod": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    step |= {"container": state["name"], "container_id": state["containerID"], "word": f"faultline-{record['nonce']}"}
    attacked.put_journal(elsewhere, module="k8s_pod_stress", namespaces=[attacked.namespace, elsewhere], undo=[step])
    not_clean(attacked.revert(namespaces=[elsewhere]), "a journal speaks for its own only")
    assert attacked.revert(namespaces=[attacked.namespace])["reverted"] == [attacked.id]
    attacked.settles()


def absent(cluster, attacked: Attacked) -> dict:
    options = {key: value for key, value in attacked.options.items() if key != "duration"}
    return cluster.module(attacked.attack, {**options, "state": "absent"}, diff=False)


def watchers() -> set[int]:
    """The pids of all watchers on this machine."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm") as comm:
                found |= {int(name)} if comm.read().strip() == "faultline-kube" else set()
        except OSError:
            continue
    return found
