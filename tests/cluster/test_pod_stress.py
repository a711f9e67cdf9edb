# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_pod_stress: CPU and memory inside of containers, measured, ended, and gone by themselves."""

from __future__ import annotations

import time

import pytest

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import SHELL_LESS_IMAGE, as_task
from tests.cluster.test_control import LATE, journals, kill, playbook
from tests.lab.support.lab import wait_until

MIB = 1024 * 1024
LIMITED = {"resources": {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"cpu": "200m", "memory": "96Mi"}}}


class Victim:
    """A container, seen by its own control group and by its own process list."""

    def __init__(self, cluster, namespace: str, pod: dict) -> None:
        self.cluster, self.namespace, self.pod = cluster, namespace, pod["metadata"]["name"]

    def cat(self, *paths: str) -> str:
        for path in paths:
            told = self.cluster.exec(self.namespace, self.pod, ["cat", path])
            if told.ok:
                return told.out
        raise AssertionError(f"none of {paths}")

    def memory(self) -> float:
        return int(self.cat("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")) / MIB

    def cpu(self) -> tuple[float, float]:
        """(seconds since boot, seconds of CPU of the container)."""
        told = self.cat("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpuacct/cpuacct.usage", "/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage")
        used = int(told.split()[1]) / 1e6 if told.startswith("usage_usec") else int(told) / 1e9
        return float(self.cat("/proc/uptime").split()[0]), used

    def share(self) -> float:
        """CPUs that the container uses, for some seconds."""
        first = self.cpu()
        time.sleep(4)
        second = self.cpu()
        return (second[1] - first[1]) / (second[0] - first[0])

    def programs(self) -> list[str]:
        return [line for line in self.cluster.exec(self.namespace, self.pod, ["ps", "-o", "pid,stat,args"]).out.splitlines() if "stress=" in line]

    def zombies(self) -> list[str]:
        return [line for line in self.cluster.exec(self.namespace, self.pod, ["ps", "-o", "pid,stat,args"]).out.splitlines() if line.split()[1].startswith("Z")]


def test_stress_steps(cluster, namespace, deployment, steps) -> None:
    victim = Victim(cluster, namespace, deployment(1, container=LIMITED)[0])
    idle, empty = victim.share(), victim.memory()
    options = {"namespaces": [namespace], "label_selector": "app=web", "cpus": 1, "memory": "40MiB", "duration": "10m"}
    found = steps("k8s_pod_stress", options, measure=lambda: (victim.share(), victim.memory()))
    told = found["real"]["effect"]["containers"][0]
    share, memory = found["measured"]
    print(f"CPU {idle:.2f} -> {share:.2f} (limit 0.20, told {told['cpus']}), memory {empty:.1f} -> {memory:.1f} MiB (asked 40, told {told['memory']})")
    assert idle < 0.05 and share > 0.08, "the container burns, as far as its limit and this machine let it"
    assert 36 <= memory - empty <= 50
    assert told["memory"]["asked"] == 40 and 36 <= told["memory"]["measured"] <= 50
    assert found["real"]["deadman"] == "cluster"
    assert not victim.programs() and not victim.zombies()
    assert victim.memory() - empty < 8


def test_a_share_of_the_limit(cluster, namespace, deployment) -> None:
    victim = Victim(cluster, namespace, deployment(1, container=LIMITED)[0])
    options = {"namespaces": [namespace], "label_selector": "app=web", "memory_percent": 80}
    made = cluster.module("k8s_pod_stress", {**options, "duration": "10m"})
    assert made.get("status") == "active", made
    assert 66 <= victim.memory() <= 86, "80 % of 96 MiB are 76.8"
    assert cluster.module("k8s_pod_stress", {**options, "state": "absent"})["status"] == "reverted"
    assert cluster.pods(namespace, "app=web")[0]["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.parametrize("lease", [None, "60s"], ids=["the programs end by themselves", "the watcher ends them with the lease"])
def test_the_playbook_is_killed_and_it_ends_in_time(cluster, namespace, deployment, fingerprint, compare, tmp_path, lease) -> None:
    victim = Victim(cluster, namespace, deployment(1, container=LIMITED)[0])
    before = fingerprint(namespace)
    times = {"duration": "10m", "lease": lease} if lease else {"duration": "60s"}
    options = {"namespaces": [namespace], "label_selector": "app=web", "cpus": 1, "wait": "3s", **times}
    process = playbook(cluster, tmp_path, [as_task("attack", "k8s_pod_stress", options), {"name": "wait", "pause": {"seconds": 60}}])
    wait_until(lambda: any("effect" in each["data"] for each in journals(cluster, namespace)), 60, "the attack is active", 0.1)
    deadline = float(journals(cluster, namespace)[0]["data"]["deadline"])
    kill(process)
    assert victim.programs(), "they ended with the playbook"
    wait_until(lambda: not victim.programs(), deadline - time.time() + LATE, "nothing of ours runs", 0.3)
    print(f"ended {time.time() - deadline:+.1f} s after the deadline")
    wait_until(lambda: not compare(before, fingerprint(namespace)), 20, "the namespace is as it was", 0.3)
    assert not victim.zombies()


def test_what_cannot_be_stressed_is_refused(cluster, namespace, deployment, fingerprint, compare) -> None:
    deployment(1, container=LIMITED)
    deployment(1, name="bare", image=SHELL_LESS_IMAGE)
    before = fingerprint(namespace)
    for options, told in (
        ({"label_selector": "app=bare", "cpus": 1}, "has no sh, and cannot be stressed from inside"),
        ({"label_selector": "app=bare", "memory": "20MiB"}, "has no memory limit"),
        ({"label_selector": "app=web", "memory": "500MiB"}, "memory: '500 MiB' is refused"),
        ({"label_selector": "app=web", "cpus": 1, "container": "no"}, "container: 'no' is refused"),
    ):
        result = cluster.module("k8s_pod_stress", {"namespaces": [namespace], "duration": "60s", **options})
        assert result["failed"] and told in result["msg"], result
    assert not compare(before, fingerprint(namespace))


def test_its_manifest_is_enough(cluster, namespace, deployment, tmp_path) -> None:
    deployment(1, container=LIMITED)
    with Account(cluster, namespace, "k8s_pod_stress.yml", tmp_path) as who:
        same = {**who, "namespaces": [namespace], "owner_kind": "Deployment", "owner_name": "web", "cpus": 1, "wait": "3s"}
        made = cluster.module("k8s_pod_stress", {**same, "duration": "10m"})
        assert made.get("status") == "active", made
        assert cluster.module("k8s_pod_stress", {**same, "state": "absent"})["status"] == "reverted"
