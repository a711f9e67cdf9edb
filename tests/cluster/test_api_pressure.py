# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_api_pressure: the server sees the requests, and they end with the attack, whatever dies."""

from __future__ import annotations

import json
import re
import time

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import as_task
from tests.cluster.test_control import journals, kill, playbook
from tests.lab.support.lab import wait_until

OPTIONS = {"request": "pods", "rate": 20, "workers": 4}


def requests_seen(cluster) -> float:
    """Lists of pods that the API server answered since it began."""
    answer = cluster.any.request("get", "/metrics", header_params={"Accept": "text/plain"}, serialize=False)
    lines = re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", answer.data.decode(), re.MULTILINE)
    return sum(float(value) for labels, value in lines if 'resource="pods"' in labels and 'verb="LIST"' in labels)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm") as stream:
            return stream.read().startswith("faultline-kube")
    except FileNotFoundError:
        return False


def test_pressure_steps(cluster, namespace, steps) -> None:
    def measure() -> float:
        first, began = requests_seen(cluster), time.monotonic()
        time.sleep(5)
        return (requests_seen(cluster) - first) / (time.monotonic() - began)

    found = steps("k8s_api_pressure", {**OPTIONS, "namespace": namespace, "duration": "10m"}, measure=measure)
    effect = found["real"]["effect"]
    assert effect["asked"] == 20 and effect["sent"] > 0 and effect["failed"] == 0
    # Others are on the same cluster and on the same machine, so only that it is about as much.
    assert found["measured"] > 5 and 0 < effect["measured"] <= 30, (found["measured"], effect)
    print(f"asked 20/s, sent {effect['measured']}/s, the server saw {found['measured']:.1f}/s")
    wait_until(lambda: not alive(effect["pid"]), 15, "nothing is sent any more", 0.2)


def test_the_playbook_is_killed_and_it_ends_at_the_deadline(cluster, namespace, fingerprint, compare, tmp_path) -> None:
    before = fingerprint(namespace)
    task = as_task("attack", "k8s_api_pressure", {**OPTIONS, "namespace": namespace, "duration": "45s"})
    process = playbook(cluster, tmp_path, [task, {"name": "wait", "pause": {"seconds": 60}}])
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 60, "the attack is active", 0.1)
    data = journals(cluster, namespace)[0]["data"]
    deadline, pid = float(data["deadline"]), json.loads(data["effect"])["pid"]
    kill(process)
    assert alive(pid), "it ended with the playbook"
    wait_until(lambda: not alive(pid), deadline - time.time() + 5, "nothing is sent any more", 0.1)
    print(f"ended {time.time() - deadline:+.1f} s after the deadline")
    wait_until(lambda: not compare(before, fingerprint(namespace)), 20, "the namespace is as it was", 0.3)


def test_its_manifest_is_enough(cluster, namespace, tmp_path) -> None:
    with Account(cluster, namespace, "k8s_api_pressure.yml", tmp_path) as who:
        same = {**who, **OPTIONS, "namespace": namespace}
        made = cluster.module("k8s_api_pressure", {**same, "duration": "10m"})
        assert made.get("status") == "active" and made["effect"]["failed"] == 0, made
        assert cluster.module("k8s_api_pressure", {**same, "state": "absent"})["status"] == "reverted"
