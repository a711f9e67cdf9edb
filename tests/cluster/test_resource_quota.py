# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_resource_quota: nothing new is let in, what is there stays, and the cluster itself ends it."""

from __future__ import annotations

import time

import pytest
from kubernetes.client.rest import ApiException

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import as_task
from tests.cluster.test_control import LATE, journals, kill, playbook
from tests.lab.support.lab import wait_until
from tests.support import crash


def refusal(cluster, namespace: str) -> str:
    """What the API server says to one more pod; it keeps none of it."""
    pod = {"metadata": {"name": "one-more"}, "spec": {"containers": [{"name": "main", "image": "busybox:1.35", "resources": {"requests": {"cpu": "100m"}}}]}}
    try:
        cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, query={"dryRun": "All"})
    except ApiException as e:
        assert e.status == 403, e
        return str(e.body)
    return ""


def test_quota_steps(cluster, namespace, deployment, steps) -> None:
    deployment(2)
    assert not refusal(cluster, namespace)
    options = {"namespace": namespace, "duration": "10m"}
    found = steps("k8s_resource_quota", options, measure=lambda: (refusal(cluster, namespace), cluster.pods(namespace, "app=web")))
    told, pods = found["measured"]
    assert "exceeded quota" in told and "pods=0" in told
    assert len(pods) == 2, "what was there stays"
    assert found["real"]["deadman"] == "cluster"
    assert found["real"]["effect"]["asked"] == {"pods": "0"} and found["real"]["effect"]["exhausted"] == ["pods"]
    assert int(found["real"]["effect"]["used"]["pods"]) >= 2
    wait_until(lambda: not refusal(cluster, namespace), 15, "pods are let in again")


def test_given_limits_count_what_is_there(cluster, namespace, deployment) -> None:
    deployment(2, container={"resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "50m", "memory": "16Mi"}}})
    options = {"namespace": namespace, "hard": {"requests.cpu": "150m", "count/deployments.apps": 1}}
    found = cluster.module("k8s_resource_quota", {**options, "duration": "10m"})
    assert found["effect"]["asked"] == {"requests.cpu": "150m", "count/deployments.apps": "1"}, found
    assert found["effect"]["exhausted"] == ["count/deployments.apps"]
    assert "requests.cpu" in refusal(cluster, namespace)
    assert cluster.module("k8s_resource_quota", {**options, "state": "absent"})["status"] == "reverted"


def test_the_playbook_is_killed_and_the_quota_goes_in_time(cluster, namespace, deployment, fingerprint, compare, tmp_path) -> None:
    deployment(1)
    before = fingerprint(namespace)
    task = as_task("attack", "k8s_resource_quota", {"namespace": namespace, "duration": "15s"})
    process = playbook(cluster, tmp_path, [task, {"name": "wait", "pause": {"seconds": 60}}])
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 60, "the attack is active", 0.1)
    deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
    kill(process)
    assert "exceeded quota" in refusal(cluster, namespace)
    wait_until(lambda: not compare(before, fingerprint(namespace)), deadline - time.time() + LATE, "the namespace is as it was", 0.2)
    print(f"gone {time.time() - deadline:+.1f} s after the deadline")
    assert time.time() > deadline - 2
    assert not refusal(cluster, namespace)


@pytest.mark.parametrize("point", ["owned", "journalled", "inject:0", "verified"])
def test_the_module_dies_at_every_step(cluster, namespace, fingerprint, compare, tmp_path, point) -> None:
    before = fingerprint(namespace)
    task = as_task("attack", "k8s_resource_quota", {"namespace": namespace, "duration": "8s"})
    assert playbook(cluster, tmp_path, [task], **crash.environment(tmp_path), **{crash.VARIABLE: point}).wait(60) != 0
    wait_until(lambda: not compare(before, fingerprint(namespace)), 8 + LATE, "the namespace is as it was", 0.2)


def test_its_manifest_is_enough(cluster, namespace, tmp_path) -> None:
    with Account(cluster, namespace, "k8s_resource_quota.yml", tmp_path) as who:
        assert cluster.module("k8s_resource_quota", {**who, "namespace": namespace, "duration": "10m"}).get("status") == "active"
        assert cluster.module("k8s_resource_quota", {**who, "namespace": namespace, "state": "absent"})["status"] == "reverted"
        refused = cluster.module("k8s_scale", {**who, "namespace": namespace, "name": "web", "replicas": 0, "duration": "10m"})
        assert "forbidden" in refused["msg"], "the account may do more than its manifest says"
