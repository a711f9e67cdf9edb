# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster itself: what the tests of the attacks take for granted."""

from __future__ import annotations

import copy
import subprocess

import pytest

from tests.cluster.support.cluster import DRIVER, SHELL_LESS_IMAGE, Cluster, driver
from tests.cluster.support.fingerprint import compare, fingerprint
from tests.lab.support.lab import wait_until


@pytest.fixture
def ours(own_cluster: bool) -> None:
    if not own_cluster:
        pytest.skip("KUBECONFIG points at another cluster")


def test_nodes_are_ready(cluster: Cluster) -> None:
    nodes = cluster.request("GET", "/api/v1/nodes")["items"]
    ready = {n["metadata"]["name"]: c["status"] for n in nodes for c in n["status"]["conditions"] if c["type"] == "Ready"}
    assert ready and set(ready.values()) == {"True"}


def test_deployment_runs_and_a_deleted_pod_is_replaced(cluster: Cluster, namespace: str, deployment) -> None:
    pods = deployment(3)
    assert {p["status"]["phase"] for p in pods} == {"Running"}
    old = pods[0]["metadata"]["name"]
    cluster.core.delete_namespaced_pod(old, namespace)
    names = {p["metadata"]["name"] for p in cluster.wait_pods(namespace, 3, "app=web", without=(old,))}
    assert len(names) == 3 and old not in names
    wait_until(lambda: cluster.get(f"/api/v1/namespaces/{namespace}/pods/{old}") is None, 15, f"{old} has left the API")


def test_exec_tells_output_and_status(cluster: Cluster, namespace: str, deployment) -> None:
    pod = deployment(1)[0]["metadata"]["name"]
    good = cluster.exec(namespace, pod, ["sh", "-c", "echo to out; echo to err >&2; exit 3"])
    assert (good.rc, good.out, good.err) == (3, "to out\n", "to err\n")


def test_a_killed_container_is_restarted(cluster: Cluster, namespace: str, deployment) -> None:
    # A process 1 gets no signal that it does not handle, so the victim is the child that it waits for.
    pod = deployment(1, command=["sh", "-c", "sleep 1000 & wait $!"])[0]["metadata"]["name"]
    assert cluster.exec(namespace, pod, ["sh", "-c", "kill -9 $(pidof sleep)"]).ok

    def restarts() -> int:
        return cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}")["status"]["containerStatuses"][0]["restartCount"]

    wait_until(lambda: restarts() == 1, 30, f"{pod} is restarted")


def test_an_image_without_a_shell_runs(cluster: Cluster, namespace: str, deployment) -> None:
    pod = deployment(1, image=SHELL_LESS_IMAGE)[0]["metadata"]["name"]
    refused = cluster.exec(namespace, pod, ["sh", "-c", "true"])
    assert refused.rc == 126 and "sh" in refused.err


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_network_policy_is_enforced(cluster: Cluster, namespace: str, deployment, direction: str) -> None:
    server = deployment(1, name="server")[0]
    pod = deployment(1, name="asker")[0]["metadata"]["name"]
    address = server["status"]["podIP"]
    assert cluster.reaches(namespace, pod, address)
    victim = {"Ingress": "server", "Egress": "asker"}[direction]
    policy = {"metadata": {"name": "none"}, "spec": {"podSelector": {"matchLabels": {"app": victim}}, "policyTypes": [direction]}}
    cluster.networking.create_namespaced_network_policy(namespace, policy)
    took = wait_until(lambda: not cluster.reaches(namespace, pod, address), 30, "nothing gets through")
    assert took < 15
    cluster.networking.delete_namespaced_network_policy("none", namespace)
    wait_until(lambda: cluster.reaches(namespace, pod, address), 30, "all gets through again")


def test_fake_nodes_take_pods(ours: None, cluster: Cluster, namespace: str, deployment) -> None:
    pods = deployment(20, fake=True)
    assert {p["spec"]["nodeName"][:4] for p in pods} == {"fake"}


def test_what_a_job_owns_goes_with_it(cluster: Cluster, namespace: str) -> None:
    """The dead-man that the attacks rely on: Job, TTL and garbage collector of the cluster."""
    pod = {"restartPolicy": "Never", "nodeSelector": {"faultline.chaos/never": "true"}, "containers": [{"name": "never", "image": "none"}]}
    spec = {"activeDeadlineSeconds": 3, "ttlSecondsAfterFinished": 0, "backoffLimit": 0, "template": {"spec": pod}}
    job = cluster.batch.create_namespaced_job(namespace, {"metadata": {"name": "owner"}, "spec": spec})
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "owner", "uid": job.metadata.uid}
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": "owned", "ownerReferences": [owner]}, "data": {"a": "b"}})
    took = wait_until(lambda: cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/owned") is None, 40, "the owned object is gone")
    assert took > 2


def test_fingerprint_sees_a_change_and_its_undo(cluster: Cluster, namespace: str) -> None:
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": "settings"}, "data": {"a": "1"}})
    before = fingerprint(cluster, namespace)
    cluster.core.patch_namespaced_config_map("settings", namespace, {"data": {"a": "2"}})
    assert compare(before, fingerprint(cluster, namespace)) == [f"/api/v1/namespaces/{namespace}/configmaps/settings data a: '1' became '2'"]
    cluster.core.patch_namespaced_config_map("settings", namespace, {"data": {"a": "1"}})
    assert compare(before, fingerprint(cluster, namespace)) == []
    cluster.core.delete_namespaced_config_map("settings", namespace)
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": "settings"}, "data": {"a": "1"}})
    assert any(" uid" in line for line in compare(before, fingerprint(cluster, namespace)))


def test_nodes_of_a_fingerprint_show_a_cordon(cluster: Cluster, nodes: list[str]) -> None:
    before = fingerprint(cluster, nodes=True)
    after = copy.deepcopy(before)
    after[f"/api/v1/nodes/{nodes[0]}"]["spec"]["unschedulable"] = True
    assert compare(before, after) == [f"/api/v1/nodes/{nodes[0]} spec unschedulable: None became True"]


def test_modules_run_on_localhost(cluster: Cluster) -> None:
    assert cluster.module("ansible.builtin.command", {"argv": ["printenv", "KUBECONFIG"]})["stdout"] == cluster.kubeconfig


def test_driver_says_what_is_up(ours: None) -> None:
    status = driver("status")
    assert status.returncode == 0 and "kube-apiserver" in status.stdout and " dead" not in status.stdout


def test_driver_refuses_bad_numbers() -> None:
    for argv in (["up", "many"], ["up", "-1"], ["up", "2", "100"]):
        refused = driver(*argv)
        assert refused.returncode == 2 and argv[-1] in refused.stderr


def test_driver_explains_itself() -> None:
    told = subprocess.run([DRIVER], capture_output=True, text=True, check=False)
    assert told.returncode == 2 and "cluster.sh purge" in told.stdout and "KEEP=1" in told.stdout
