# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_pod_location_info and the filter pod_hosts: an attack on a host reaches into the network of one pod, on the node that it runs on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.cluster.support.account import Account
from tests.cluster.support.cluster import REPO, Cluster
from tests.lab.support.lab import Result, events_env, read_events

# What a login on the node would give: its namespaces. The directory of cron is kept from it, for /etc is this machine's.
ENTER = """#!/bin/sh
exec nsenter --target {pid} --mount --net --uts --ipc --pid --cgroup unshare --mount sh -c 'mount -t tmpfs none /etc/cron.d; exec "$@"' sh {python} "$@"
"""


def test_where_pods_are_with_least_rights(cluster, namespace, deployment, tmp_path) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in deployment(3)}
    with Account(cluster, namespace, "k8s_pod_location_info.yml", tmp_path) as account:
        few = cluster.module("k8s_pod_location_info", {"namespace": namespace, "all": True, **account})
    for told in few["pods"]:
        status = pods[told["name"]]["status"]
        assert told["node"] == pods[told["name"]]["spec"]["nodeName"] and told["addresses"] == [status["podIP"]]
        assert told["node_addresses"] == sorted({status["hostIP"], told["node"]}), "these rights are not for nodes"
        assert "://" + told["container_id"] in status["containerStatuses"][0]["containerID"]
    assert len(few["pods"]) == 3 and not few["changed"]
    drawn = [cluster.module("k8s_pod_location_info", {"namespace": namespace, "label_selector": "app=web", "seed": "7"}) for _each in range(2)]
    assert drawn[0]["pods"] == drawn[1]["pods"] and len(drawn[0]["pods"]) == 1 and drawn[0]["effect"]["seed"] == "7"


def nodes_as_hosts(cluster: Cluster, scratch: Path) -> Path:
    """An inventory in which the real nodes of our own cluster are hosts, under names that the cluster does not know."""
    hosts = {}
    for number in (1, 2):
        pid = (Path(cluster.kubeconfig).parent / f"node{number}.d" / "init.pid").read_text().strip()
        python = scratch / f"python{number}"
        python.write_text(ENTER.format(pid=pid, python=sys.executable))
        python.chmod(0o755)
        address = cluster.get(f"/api/v1/nodes/node{number}")["status"]["addresses"][0]["address"]
        hosts[f"machine-{number}"] = {"ansible_connection": "local", "ansible_host": address, "ansible_python_interpreter": str(python)}
    hosts["localhost"] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = scratch / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return inventory


def run(cluster: Cluster, inventory: Path, namespace: str, state: str) -> tuple[Result, list[dict]]:
    locate = {"namespace": namespace, "label_selector": "app=server"}
    block = {"container": "{{ item.container_id }}", "action": "drop", "local_ports": [8080], "duration": "5m", "id": "pod-cut", "state": state}
    each = {"loop": "{{ located.pods | faultline.chaos.pod_hosts(hostvars) }}", "delegate_to": "{{ item.inventory_host }}"}
    tasks = [
        {"name": "locate", "faultline.chaos.k8s_pod_location_info": locate, "register": "located"},
        {"name": "cut", "faultline.chaos.blackhole": block, **each},
    ]
    play, events = inventory.parent / "cut.yml", inventory.parent / f"{state}.json"
    play.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(play)]
    result = cluster._call(argv, events_env(events), 600)
    return result, [event["result"] for event in read_events(events) if "result" in event]


def test_a_host_attack_hits_one_pod(cluster, own_cluster, namespace, deployment, tmp_path) -> None:
    if not own_cluster or os.geteuid() != 0:
        pytest.skip("needs the processes of our own cluster, as root")
    server, other = deployment(1, name="server")[0], deployment(1, name="other")[0]
    asker = deployment(1, name="asker")[0]["metadata"]["name"]
    address, spared = server["status"]["podIP"], other["status"]["podIP"]
    assert (REPO / "plugins").is_dir() and cluster.reaches(namespace, asker, address)
    inventory = nodes_as_hosts(cluster, tmp_path)
    done, results = run(cluster, inventory, namespace, "present")
    try:
        assert done.rc == 0, str(done)
        (cut,) = results[-1]["results"]
        assert cut["item"]["inventory_host"] == f"machine-{server['spec']['nodeName'][-1]}" and cut["changed"], cut
        assert not cluster.reaches(namespace, asker, address), "the pod is cut off"
        assert cluster.reaches(namespace, asker, spared), "and no other one"
    finally:
        back, results = run(cluster, inventory, namespace, "absent")
    assert back.rc == 0 and results[-1]["results"][0]["status"] == "reverted", str(back)
    assert cluster.reaches(namespace, asker, address)
