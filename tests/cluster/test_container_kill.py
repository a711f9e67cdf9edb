# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_container_kill: the container ends and runs again in the same pod; what would have no effect is refused; its manifest is enough."""

from __future__ import annotations

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import SHELL_LESS_IMAGE

HANDLES_TERM = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 1 & wait $!; done"]
WAITS_FOR_CHILD = ["sh", "-c", "sleep 1000 & wait $!; exit 9"]


def main(cluster, namespace: str, pod: str) -> dict:
    return cluster.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")["status"]["containerStatuses"][0]


def test_container_kill_steps_with_least_rights(cluster, namespace, deployment, steps, tmp_path) -> None:
    old = {pod["metadata"]["name"]: pod for pod in deployment(2, command=HANDLES_TERM)}
    with Account(cluster, namespace, "k8s_container_kill.yml", tmp_path) as account:
        options = {"namespace": namespace, "label_selector": "app=web", "seed": "1", "duration": "10m", **account}
        found = steps("k8s_container_kill", options, restores=False)
    (told,) = found["real"]["effect"]["containers"]
    assert (told["container"], told["ended"], told["restarted"], told["restarts"], told["exit_code"]) == ("main", True, True, 1, 7)
    assert 0 < told["seconds"] < 60
    pod = told["pod"].partition("/")[2]
    now = main(cluster, namespace, pod)
    assert now["containerID"] != old[pod]["status"]["containerStatuses"][0]["containerID"]
    assert cluster.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")["metadata"]["uid"] == old[pod]["metadata"]["uid"]
    (other,) = set(old) - {pod}
    assert main(cluster, namespace, other)["restartCount"] == 0


def test_what_process_1_started_is_killed(cluster, namespace, deployment) -> None:
    deployment(1, command=WAITS_FOR_CHILD)
    options = {"namespace": namespace, "label_selector": "app=web", "signal": "KILL", "processes": "others", "duration": "10m"}
    (told,) = cluster.module("k8s_container_kill", options)["effect"]["containers"]
    assert told["restarted"] and told["exit_code"] == 9


def test_what_would_have_no_effect_is_refused(cluster, namespace, deployment) -> None:
    deployment(1, command=WAITS_FOR_CHILD)
    deployment(1, name="pause", image=SHELL_LESS_IMAGE)
    deployment(1, name="shared", pod={"shareProcessNamespace": True})
    for options, told in (
        ({"label_selector": "app=web"}, "its process 1 does not handle TERM, and the kernel drops that"),
        ({"label_selector": "app=pause"}, "its image has neither kill nor a shell: use process_kill on its node"),
        ({"label_selector": "app=shared"}, "share their processes"),
        ({"label_selector": "app=web", "container": "db"}, "has no container db, but main"),
    ):
        result = cluster.module("k8s_container_kill", {"namespace": namespace, "duration": "10m", **options})
        assert result.get("failed") and told in result["msg"], result
    assert {main(cluster, namespace, pod["metadata"]["name"])["restartCount"] for pod in cluster.pods(namespace)} == {0}
