# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Experiments over attacks on a cluster: what they find, what they refuse, and what is there when nobody can revert."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.support.cluster import MANAGED, Cluster
from tests.cluster.support.play import command, environment, plan, record_of, run_playbook
from tests.lab.support.lab import wait_until

DELETE = {"attack": "k8s_pod_delete", "with": {"label_selector": "app=web", "count": 1, "grace": "0s", "recovery_timeout": "0s"}}


def delete_in(namespace: str, **options: Any) -> dict[str, Any]:
    return {**DELETE, "with": {**DELETE["with"], "namespace": namespace, **options}}


def attacks(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [phase for phase in record["phases"] if phase["kind"] == "attack"]


def ours(cluster: Cluster, namespace: str) -> list[str]:
    """What bears our mark in a namespace."""
    kinds = ("/api/v1", "configmaps"), ("/apis/batch/v1", "jobs"), ("/apis/networking.k8s.io/v1", "networkpolicies")
    found = [cluster.request("GET", f"{api}/namespaces/{namespace}/{kind}", query={"labelSelector": MANAGED})["items"] for api, kind in kinds]
    return [one["metadata"]["name"] for items in found for one in items]


def test_held(cluster, namespace, deployment, tmp_path: Path) -> None:
    before = {pod["metadata"]["name"] for pod in deployment(3)}
    play = run_playbook(cluster, "experiment", {"experiment_plan": plan(tmp_path, namespace, delete_in(namespace), {"expect": {"ready_min": 2}}, lease="60s")})
    record = record_of(tmp_path, play)
    assert (record["verdict"], play.rc) == ("held", 0), play
    [attack] = attacks(record)
    [host] = attack["hosts"]
    assert (host["host"], host["outcome"], attack["revert"]) == ("localhost", "reverted", "k8s_revert")
    assert len(host["effect"]["deleted"]) == 1
    assert len(before - {pod["metadata"]["name"] for pod in cluster.wait_pods(namespace, 3, "app=web")}) == 1
    assert attack["steady_state"]["lease_lost"] == []
    assert ours(cluster, namespace) == []


def test_deviated(cluster, namespace, deployment, tmp_path: Path) -> None:
    deployment(1)
    step = {"attack": "k8s_scale", "with": {"namespace": namespace, "kind": "Deployment", "name": "web", "replicas": 0}, "duration": "30s"}
    play = run_playbook(cluster, "experiment", {"experiment_plan": plan(tmp_path, namespace, step)})
    record = record_of(tmp_path, play)
    assert (record["verdict"], play.rc) == ("deviated", 2), play
    assert "0 of 0 are ready, at least 1 expected" in record["verdict_reason"]
    assert record["left_to_timer"] == []
    assert len(cluster.wait_pods(namespace, 1, "app=web")) == 1, "scaled back"
    assert ours(cluster, namespace) == []


@pytest.mark.parametrize(
    ("with_", "told"),
    [
        ({"kubeconfig": "/nowhere/config"}, "kubeconfig: '/nowhere/config' is refused: there is no such file on the machine that runs the module"),
        ({"context": "staging"}, "context: 'staging' is refused: the kubeconfig file has no such context"),
        ({"host": "https://127.0.0.1:9"}, "the API server https://127.0.0.1:9 cannot be reached"),
        ({"count": 7}, "count: 7 is refused"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_attacked_is_refused_before_anything_is(cluster, namespace, deployment, tmp_path: Path, with_, told: str) -> None:
    before = {pod["metadata"]["uid"] for pod in deployment(2)}
    two_steps = plan(tmp_path, namespace, delete_in(namespace))
    two_steps["method"].append({"hosts": "localhost", "duration": "6s", **delete_in(namespace, **with_)})
    play = run_playbook(cluster, "experiment", {"experiment_plan": two_steps})
    record = record_of(tmp_path, play)
    assert (record["verdict"], play.rc) == ("refused", 2), play
    assert record["verdict_reason"].startswith("Nothing was attacked: k8s_pod_delete would be refused: ") and told in record["verdict_reason"]
    assert record["phases"] == []
    assert {pod["metadata"]["uid"] for pod in cluster.pods(namespace, "app=web")} == before


def test_check_mode_does_nothing(cluster, namespace, deployment, tmp_path: Path) -> None:
    before = {pod["metadata"]["uid"] for pod in deployment(2)}
    play = run_playbook(cluster, "experiment", {"experiment_plan": plan(tmp_path, namespace, delete_in(namespace))}, "--check", "--diff")
    assert play.rc == 0 and "<- deleted" in play.out, play
    assert {pod["metadata"]["uid"] for pod in cluster.pods(namespace, "app=web")} == before
    assert ours(cluster, namespace) == []


def test_a_killed_controller_and_a_halt_from_a_fresh_process(cluster, namespace, deployment, fingerprint, compare, tmp_path: Path) -> None:
    deployment(2)
    before = fingerprint(namespace)
    step = {"attack": "k8s_network_partition", "with": {"namespace": namespace, "label_selector": "app=web", "probe": "skip"}, "duration": "5m"}
    argv = command("experiment", {"experiment_plan": plan(tmp_path, namespace, step)})
    with subprocess.Popen(argv, env=environment(cluster), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as experiment:
        try:
            wait_until(lambda: experiment.poll() is not None or len(ours(cluster, namespace)) == 3, 300, "policy, journal and Job are there", 0.3)
            assert experiment.poll() is None
        finally:
            os.killpg(experiment.pid, signal.SIGKILL)
    record = record_of(tmp_path)
    assert record["verdict"] == "failed" and [left["host"] for left in record["left_to_timer"]] == ["localhost"]
    assert len(ours(cluster, namespace)) == 3

    audit = run_playbook(cluster, "cluster_audit", {"cluster_namespaces": namespace})
    assert audit.rc == 2 and "(k8s_network_partition) is active, " in audit.out and f"journal {namespace}/faultline-" in audit.out, audit
    told = run_playbook(cluster, "cluster_halt", {"cluster_namespaces": namespace}, "--check")
    assert told.rc == 0 and "would be reverted: " in told.out and len(ours(cluster, namespace)) == 3, told
    halted = run_playbook(cluster, "cluster_halt", {"cluster_namespaces": namespace})
    assert halted.rc == 0 and "reverted: " in halted.out, halted
    wait_until(lambda: not ours(cluster, namespace), 60, "nothing of ours is left", 0.3)
    wait_until(lambda: not compare(before, fingerprint(namespace)), 60, "all is as before", 1)
    again = run_playbook(cluster, "cluster_halt", {"cluster_namespaces": namespace})
    assert again.rc == 0 and "clean, nothing was there" in again.out, again
    audit = run_playbook(cluster, "cluster_audit", {"cluster_namespaces": namespace})
    assert audit.rc == 0 and "Audit: all 1 clean" in audit.out, audit
