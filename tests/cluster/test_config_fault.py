# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_config_fault: every misconfiguration does what its name says, and is put back exactly."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import as_task
from tests.cluster.support.steps import wait_same
from tests.cluster.test_control import LATE, journals, kill, playbook
from tests.lab.support.lab import wait_until

SECRET = "correct horse battery staple"
RECREATE = {"strategy": {"type": "Recreate", "rollingUpdate": None}}


def make(cluster, namespace: str) -> None:
    """A workload with a bit of everything, and what belongs to it."""
    base = f"/api/v1/namespaces/{namespace}"
    cluster.request("POST", f"{base}/configmaps", {"metadata": {"name": "settings"}, "data": {"color": "blue\n", "size": "1"}, "binaryData": {"logo": "AAEC"}})
    cluster.request("POST", f"{base}/secrets", {"metadata": {"name": "keys"}, "stringData": {"password": SECRET, "user": "admin"}})
    port = {"name": "http", "port": 80, "targetPort": 8080}
    cluster.request("POST", f"{base}/services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}})
    container = {
        "env": [{"name": "COLOR", "value": "blue"}, {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
    }
    cluster.deployment(namespace, 1, container=container, pod={"tolerations": []})
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.request("PATCH", deployment, {"spec": RECREATE}, content="application/strategic-merge-patch+json")
    cluster.wait_pods(namespace, 1, "app=web")


def reasons(cluster, namespace: str) -> set[str]:
    """Why pods wait, or restarted."""
    told = set()
    for pod in cluster.pods(namespace, "app=web"):
        for condition in pod["status"].get("conditions", []):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                told.add(condition["reason"])
        for each in pod["status"].get("initContainerStatuses", []) + pod["status"].get("containerStatuses", []):
            told |= {state.get("reason", "") for state in (*each["state"].values(), *each.get("lastState", {}).values())}
            told |= {"restarted"} if each["restartCount"] else set()
    return told


def shows(cluster, namespace: str, *words: str) -> Callable[[], Any]:
    """Wait until the pods have one of the words, and return it."""

    def look() -> set[str]:
        wait_until(lambda: reasons(cluster, namespace) & set(words), 40, f"a pod says one of {words}", 0.3)
        return reasons(cluster, namespace) & set(words)

    return look


def endpoints(cluster, namespace: str) -> list[tuple[int, int]]:
    """(ready addresses, port) of the Service."""
    subsets = cluster.get(f"/api/v1/namespaces/{namespace}/endpoints/web").get("subsets") or []
    return [(len(each.get("addresses") or []), each["ports"][0]["port"]) for each in subsets]


def no_ready_pod(cluster, namespace: str) -> Callable[[], Any]:
    return lambda: wait_until(lambda: endpoints(cluster, namespace) in ([], [(0, 8080)]), 30, "no pod is ready", 0.3) or "not ready"


IMAGE_GONE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
NO_START = ("RunContainerError", "CrashLoopBackOff", "CreateContainerError", "StartError", "ContainerCannotRun", "restarted")
# fault, its options, what the pods of the workload say then
POD_FAULTS = {
    "image": ({}, IMAGE_GONE),
    "command": ({}, NO_START),
    "resource_requests": ({}, ("Unschedulable",)),
    "init_container": ({}, NO_START),
    "volume_claim": ({}, ("Unschedulable",)),
    "node_selector": ({}, ("Unschedulable",)),
    "liveness_probe": ({}, ("restarted",)),
}


@pytest.mark.parametrize("fault", POD_FAULTS)
def test_faults_of_pods(cluster, namespace, steps, fault) -> None:
    make(cluster, namespace)
    if fault == "volume_claim":
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "there"}}]
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
        cluster.request("PATCH", path, {"spec": {"replicas": 0, "template": {"spec": {"volumes": volumes}}}}, content="application/merge-patch+json")
        cluster.request("PATCH", path, {"spec": {"replicas": 1}}, content="application/merge-patch+json")
    options, words = POD_FAULTS[fault]
    found = steps(
        "k8s_config_fault",
        {"namespace": namespace, "fault": fault, "name": "web", "duration": "10m", "wait": "5s", **options},
        measure=shows(cluster, namespace, *words),
        settle=20,
    )
    assert found["measured"]
    assert found["real"]["deadman"] == "watcher"
    if fault != "volume_claim":
        cluster.wait_pods(namespace, 1, "app=web")


def test_a_readiness_probe_that_fails(cluster, namespace, steps) -> None:
    make(cluster, namespace)
    options = {"namespace": namespace, "fault": "readiness_probe", "name": "web", "duration": "10m"}
    found = steps("k8s_config_fault", options, measure=no_ready_pod(cluster, namespace))
    assert found["real"]["effect"]["observed"]["ready"] == 0, found["real"]
    cluster.wait_pods(namespace, 1, "app=web")


def test_anti_affinity_lets_one_pod_be(cluster, namespace, steps) -> None:
    make(cluster, namespace)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.request("PATCH", path, {"spec": {"replicas": 2}}, content="application/merge-patch+json")
    cluster.wait_pods(namespace, 2, "app=web")
    steps(
        "k8s_config_fault",
        {"namespace": namespace, "fault": "anti_affinity", "name": "web", "duration": "10m"},
        measure=lambda: wait_until(lambda: "Unschedulable" in reasons(cluster, namespace), 30, "one pod has no node", 0.3),
    )
    cluster.wait_pods(namespace, 2, "app=web")


def test_dns_asks_one_that_does_not_answer(cluster, namespace, steps) -> None:
    make(cluster, namespace)

    def resolver() -> str:
        pod = cluster.wait_pods(namespace, 1, "app=web")[0]["metadata"]["name"]
        return cluster.exec(namespace, pod, ["cat", "/etc/resolv.conf"]).out

    found = steps("k8s_config_fault", {"namespace": namespace, "fault": "dns", "name": "web", "duration": "10m", "wait": "3s"}, measure=resolver)
    assert "192.0.2.1" in found["measured"]
    assert "192.0.2.1" not in resolver()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"key": "COLOR", "value": "red"}, "red|" + SECRET),
        ({"key": "PASSWORD", "value": "x"}, "blue|x"),
        ({"key": "COLOR", "remove": True}, "|" + SECRET),
        ({"key": "NEW", "value": "1"}, "blue|" + SECRET),
    ],
    ids=["changed", "no longer from a Secret", "removed", "added"],
)
def test_environment(cluster, namespace, steps, options, wanted) -> None:
    make(cluster, namespace)

    def inside() -> str:
        pod = cluster.wait_pods(namespace, 1, "app=web")[0]["metadata"]["name"]
        return cluster.exec(namespace, pod, ["sh", "-c", 'echo "$COLOR|$PASSWORD"']).out.strip()

    common = {"namespace": namespace, "fault": "environment", "name": "web", "duration": "10m", "wait": "3s"}
    found = steps("k8s_config_fault", {**common, **options}, measure=inside)
    assert found["measured"] == wanted
    assert inside() == "blue|" + SECRET


def test_limits_go_and_come_back(cluster, namespace, steps) -> None:
    make(cluster, namespace)

    def limits() -> dict:
        return cluster.wait_pods(namespace, 1, "app=web")[0]["spec"]["containers"][0]["resources"]["limits"]

    options = {"namespace": namespace, "fault": "resource_limits", "name": "web", "remove": True, "duration": "10m", "wait": "3s"}
    assert steps("k8s_config_fault", options, measure=limits)["measured"] == {"cpu": "1"}
    assert limits() == {"cpu": "1", "memory": "64Mi"}


def test_a_service_that_selects_nobody(cluster, namespace, steps) -> None:
    make(cluster, namespace)
    assert endpoints(cluster, namespace) == [(1, 8080)]
    options = {"namespace": namespace, "fault": "service_selector", "name": "web", "duration": "10m"}
    found = steps("k8s_config_fault", options, measure=lambda: endpoints(cluster, namespace))
    assert found["measured"] == [] and found["real"]["effect"]["observed"] == {"endpoints": 0}
    wait_until(lambda: endpoints(cluster, namespace) == [(1, 8080)], 15, "the endpoints are back")


def test_a_service_that_sends_elsewhere(cluster, namespace, steps) -> None:
    make(cluster, namespace)
    options = {"namespace": namespace, "fault": "service_target_port", "name": "web", "value": "9", "duration": "10m"}
    found = steps("k8s_config_fault", options, measure=lambda: endpoints(cluster, namespace))
    assert found["measured"] == [(1, 9)] and found["real"]["effect"]["observed"] == {"endpoints": 1}
    wait_until(lambda: endpoints(cluster, namespace) == [(1, 8080)], 15, "the port is back")


@pytest.mark.parametrize("options", [{"key": "color", "value": "red"}, {"key": "color", "remove": True}, {"key": "logo", "value": "x"}], ids=str)
def test_config_map(cluster, namespace, steps, options) -> None:
    make(cluster, namespace)
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    found = steps(
        "k8s_config_fault",
        {"namespace": namespace, "fault": "config_map_value", "name": "settings", "duration": "10m", **options},
        measure=lambda: cluster.get(path),
    )
    data = {"color": "red", "size": "1"} if "value" in options else {"size": "1"}
    wanted = {"binaryData": {"logo": "eA=="}} if options["key"] == "logo" else {"data": data}
    assert {key: found["measured"][key] for key in wanted} == wanted


@pytest.mark.parametrize("options", [{}, {"remove": True}], ids=["wrong", "removed"])
def test_a_secret_is_in_no_output_and_in_no_config_map(cluster, namespace, steps, options) -> None:
    make(cluster, namespace)
    path = f"/api/v1/namespaces/{namespace}/secrets/keys"

    def seen() -> tuple[dict, str]:
        return cluster.get(path)["data"], json.dumps(cluster.get(f"/api/v1/namespaces/{namespace}/configmaps"))

    common = {"namespace": namespace, "fault": "secret_value", "name": "keys", "key": "password", "duration": "10m"}
    found = steps("k8s_config_fault", {**common, **options}, measure=seen)
    data, config_maps = found.pop("measured")
    assert data.get("password") != base64.b64encode(SECRET.encode()).decode() and ("password" in data) == (not options)
    everything = config_maps + json.dumps(found)
    for text in (SECRET, base64.b64encode(SECRET.encode()).decode(), data.get("password", SECRET)):
        assert text not in everything


def test_a_secret_that_somebody_changed_stays_and_is_not_told(cluster, namespace) -> None:
    make(cluster, namespace)
    options = {"namespace": namespace, "fault": "secret_value", "name": "keys", "key": "password"}
    assert cluster.module("k8s_config_fault", {**options, "duration": "10m"})["changed"]
    path = f"/api/v1/namespaces/{namespace}/secrets/keys"
    cluster.request("PATCH", path, {"stringData": {"password": "by-an-admin"}}, content="application/merge-patch+json")
    reverted = cluster.module("k8s_config_fault", {**options, "state": "absent"})
    assert "kept" in reverted["notes"][0] and "password" in reverted["notes"][0]
    for text in ("by-an-admin", base64.b64encode(b"by-an-admin").decode()):
        assert text not in json.dumps(reverted)
    assert cluster.get(path)["data"]["password"] == base64.b64encode(b"by-an-admin").decode()
    assert "faultline.chaos/attack" not in (cluster.get(path)["metadata"].get("annotations") or {})


def test_replicas_zero(cluster, namespace, steps) -> None:
    make(cluster, namespace)
    options = {"namespace": namespace, "fault": "replicas_zero", "name": "web", "duration": "10m"}
    found = steps("k8s_config_fault", options, measure=lambda: cluster.wait_pods(namespace, 0, "app=web"))
    assert found["real"]["effect"]["observed"]["ready"] == 0
    cluster.wait_pods(namespace, 1, "app=web")


AUTOSCALED = 45  # seconds: an autoscaler looks every 15, and its pods have to start


@pytest.mark.parametrize("fault", ["autoscaler_target", "autoscaler_maximum", "autoscaler_reference", "autoscaler_behavior"])
def test_autoscalers(cluster, namespace, steps, fault) -> None:
    make(cluster, namespace)
    path = f"/apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 4, "targetCPUUtilizationPercentage": 60, "scaleTargetRef": target}
    cluster.request("POST", path, {"metadata": {"name": "web"}, "spec": spec})
    cluster.wait_pods(namespace, 2, "app=web")  # it has done what it is for
    options = {"namespace": namespace, "fault": fault, "name": "web", "duration": "10m"}
    seen = steps("k8s_config_fault", options, measure=lambda: cluster.get(f"{path}/web"), settle=AUTOSCALED)["measured"]
    wanted = {
        "autoscaler_target": ("targetCPUUtilizationPercentage", 1000),
        "autoscaler_maximum": ("maxReplicas", 1),
        "autoscaler_reference": ("scaleTargetRef", {**spec["scaleTargetRef"], "name": "faultline-no-such-workload"}),
    }
    if fault in wanted:
        assert seen["spec"][wanted[fault][0]] == wanted[fault][1]
    else:
        assert '"StabilizationWindowSeconds":0' in seen["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/behavior"]


def test_the_playbook_is_killed_and_the_watcher_puts_it_back(cluster, namespace, fingerprint, compare, tmp_path) -> None:
    make(cluster, namespace)
    before = fingerprint(namespace)
    options = {"namespace": namespace, "fault": "secret_value", "name": "keys", "key": "password", "duration": "15s"}
    process = playbook(cluster, tmp_path, [as_task("attack", "k8s_config_fault", options), {"name": "wait", "pause": {"seconds": 60}}])
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 60, "the attack is active", 0.1)
    deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
    kill(process)
    assert compare(before, fingerprint(namespace))
    left = wait_same(cluster, before, deadline - time.time() + LATE, namespace)
    assert not left, left
    print(f"put back {time.time() - deadline:+.1f} s after the deadline")
    assert time.time() > deadline - 2


def test_what_cannot_be_put_back_is_refused(cluster, namespace) -> None:
    spec = {"serviceName": "x", "replicas": 0, "selector": {"matchLabels": {"app": "db"}}}
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "main", "image": "busybox:1.35"}]}}
    cluster.request("POST", f"/apis/apps/v1/namespaces/{namespace}/statefulsets", {"metadata": {"name": "db"}, "spec": {**spec, "template": template}})
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "fixed"}, "data": {"a": "1"}, "immutable": True})
    for options, told in (
        ({"fault": "image", "kind": "StatefulSet", "name": "db"}, "could not be put back"),
        ({"fault": "config_map_value", "name": "fixed", "key": "a", "value": "2"}, "name: 'fixed' is refused: it is immutable"),
        ({"fault": "config_map_value", "name": "fixed", "key": "b", "value": "2"}, "key: 'b' is refused: fixed has no such key"),
        ({"fault": "service_selector", "name": "nobody"}, "name: 'nobody' is refused: there is no Service"),
        ({"fault": "image", "name": "web; id"}, "name: 'web; id' is refused"),
        ({"fault": "config_map_value", "name": "fixed"}, "key: None is refused"),
    ):
        for check in (True, False):
            result = cluster.module("k8s_config_fault", {"namespace": namespace, "duration": "10m", **options}, check=check)
            assert result["failed"] and told in result["msg"], result
    assert not journals(cluster, namespace)


def test_its_manifest_is_enough(cluster, namespace, tmp_path) -> None:
    make(cluster, namespace)
    with Account(cluster, namespace, "k8s_config_fault.yml", tmp_path) as who:
        secret = {"fault": "secret_value", "name": "keys", "key": "user"}
        for options in ({"fault": "service_selector", "name": "web"}, secret, {"fault": "image", "name": "web"}):
            same = {**who, "namespace": namespace, **options}
            made = cluster.module("k8s_config_fault", {**same, "duration": "10m", "wait": "2s"})
            assert made.get("status") == "active", made
            assert cluster.module("k8s_config_fault", {**same, "state": "absent"})["status"] == "reverted"
        refused = cluster.module("k8s_resource_quota", {**who, "namespace": namespace, "duration": "10m"})
        assert "forbidden" in refused["msg"], "the account may do more than its manifest says"
