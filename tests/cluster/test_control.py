# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dead-man and the control modules: whatever dies, the cluster is as it was, on time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.cluster.support.cluster import REPO, as_task
from tests.lab.support.lab import wait_until
from tests.support import crash

PARTITION = {"label_selector": "app=web", "direction": "both", "probe": "skip"}
SCALE = {"name": "web", "replicas": 0, "wait": "0s"}
ATTACKS = {"k8s_network_partition": PARTITION, "k8s_scale": SCALE}
LATE = 5.0  # seconds after the deadline


def journals(cluster, namespace: str) -> list[dict]:
    query = {"labelSelector": "faultline.chaos/part=journal"}
    return cluster.request("GET", f"/api/v1/namespaces/{namespace}/configmaps", query=query)["items"]


def playbook(cluster, tmp_path: Path, tasks: list[dict], **env: str) -> subprocess.Popen:
    """ansible-playbook as a process group of its own, so that a test can kill all of it."""
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump([{"name": "test", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    everything = {**os.environ, "KUBECONFIG": cluster.kubeconfig, "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"), **env}
    return subprocess.Popen([*argv, str(play)], env=everything, cwd=REPO, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_clean(cluster, namespace: str, before: dict, fingerprint, compare, seconds: float) -> None:
    wait_until(lambda: not compare(before, fingerprint(namespace)), seconds, "the namespace is as it was", 0.2)


@pytest.mark.smoke
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_playbook_is_killed_and_the_attack_ends_in_time(cluster, namespace, deployment, fingerprint, compare, tmp_path, attack) -> None:
    deployment(1)
    before = fingerprint(namespace)
    tasks = [as_task("attack", attack, {**ATTACKS[attack], "namespace": namespace, "duration": "15s"}), {"name": "wait", "pause": {"seconds": 60}}]
    process = playbook(cluster, tmp_path, tasks)
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 60, "the attack is active", 0.1)
    deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
    kill(process)
    assert compare(before, fingerprint(namespace))
    wait_clean(cluster, namespace, before, fingerprint, compare, deadline - time.time() + LATE)
    assert time.time() > deadline - 2
    assert cluster.module("k8s_attack_info", {"namespaces": [namespace]})["clean"]


@pytest.mark.parametrize("point", ["owned", "journalled", "armed", "inject:0", "injected", "verified"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_module_dies_at_every_step(cluster, namespace, deployment, fingerprint, compare, tmp_path, attack, point) -> None:
    deployment(1)
    before = fingerprint(namespace)
    tasks = [as_task("attack", attack, {**ATTACKS[attack], "namespace": namespace, "duration": "8s"})]
    process = playbook(cluster, tmp_path, tasks, **crash.environment(tmp_path), **{crash.VARIABLE: point})
    assert process.wait(60) != 0
    if attack == "k8s_scale" and point == "journalled":  # no watcher yet, and nothing was done: a journal only, for who comes by
        assert cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/web")["spec"]["replicas"] == 1
        assert cluster.module("k8s_revert", {"all": True, "namespaces": [namespace]})["changed"]
    wait_clean(cluster, namespace, before, fingerprint, compare, 8 + LATE)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_lease_is_renewed_and_then_runs_out(cluster, namespace, deployment, fingerprint, compare, attack) -> None:
    deployment(1)
    before = fingerprint(namespace)
    made = cluster.module(attack, {**ATTACKS[attack], "namespace": namespace, "duration": "3m", "lease": "30s", "run_id": namespace})
    began = time.monotonic()
    assert made["remaining"] <= 30
    assert cluster.module("k8s_lease", {"run_id": namespace, "lease": "40s"})["renewed"] == [made["id"]]
    renewed = time.monotonic()
    time.sleep(max(0, began + 33 - time.monotonic()))
    assert compare(before, fingerprint(namespace)), "it ended although its lease was renewed"
    wait_clean(cluster, namespace, before, fingerprint, compare, renewed + 40 + LATE - time.monotonic())


def test_halt_finds_everything_from_anywhere(cluster, namespace, deployment, fingerprint, compare) -> None:
    deployment(1)
    before = fingerprint(namespace)
    ids = sorted(cluster.module(attack, {**options, "namespace": namespace, "duration": "10m"})["id"] for attack, options in ATTACKS.items())
    seen = cluster.module("k8s_attack_info", {"namespaces": [namespace]})
    assert sorted(each["id"] for each in seen["attacks"]) == ids and not seen["residue"] and not seen["clean"]
    halt = {"all": True, "namespaces": [namespace]}
    assert sorted(cluster.module("k8s_revert", halt, check=True)["reverted"]) == ids
    assert len(journals(cluster, namespace)) == 2
    done = cluster.module("k8s_revert", halt)
    assert sorted(done["reverted"]) == ids and done["clean"]
    wait_clean(cluster, namespace, before, fingerprint, compare, 15)
    again = cluster.module("k8s_revert", halt)
    assert not again["changed"] and again["clean"] and cluster.module("k8s_attack_info", {"namespaces": [namespace]})["clean"]


def test_overlaps_are_refused_and_ids_are_not_reused(cluster, namespace, deployment) -> None:
    deployment(1)
    good = {**SCALE, "namespace": namespace, "duration": "5m"}
    first = cluster.module("k8s_scale", good)
    other = cluster.module("k8s_scale", {**good, "replicas": 3})
    assert other["failed"] and f"Deployment:{namespace}/web is held by the active attack {first['id']}" in other["msg"]
    same = cluster.module("k8s_scale", {**good, "replicas": 3, "id": first["id"]})
    assert same["failed"] and "is active with other options" in same["msg"]
    assert cluster.module("k8s_revert", {"id": first["id"]})["reverted"] == [first["id"]]
    assert cluster.module("k8s_revert", {"id": first["id"]})["already_gone"] == [first["id"]]


def test_what_has_no_journal_is_residue(cluster, namespace, deployment, fingerprint, compare) -> None:
    deployment(1)
    before = fingerprint(namespace)
    made = cluster.module("k8s_network_partition", {**PARTITION, "namespace": namespace, "duration": "10m"})
    cluster.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/faultline-{made['id']}")
    seen = cluster.module("k8s_attack_info", {"namespaces": [namespace]})
    assert not seen["attacks"] and f"Job {namespace}/faultline-{made['id']}" in seen["residue"]
    assert cluster.module("k8s_revert", {"all": True, "namespaces": [namespace]})["removed"]
    wait_clean(cluster, namespace, before, fingerprint, compare, 15)
