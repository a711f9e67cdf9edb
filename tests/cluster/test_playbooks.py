# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready playbooks with their flat variables, on a real cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.support.play import record_of, run_playbook

QUICK = {"fault_duration": "6s", "fault_settle": "120s", "fault_ready": "1", "fault_success": "50%"}


def attack_of(record: dict[str, Any]) -> dict[str, Any]:
    [attack] = [phase for phase in record["phases"] if phase["kind"] == "attack"]
    [host] = attack["hosts"]
    assert (host["host"], host["outcome"]) == ("localhost", "reverted"), host
    return host["effect"]


def variables(namespace: str, reports: Path, **more: Any) -> dict[str, Any]:
    return {**QUICK, "fault_workload": f"{namespace}/deployment/web", "fault_report_dir": str(reports), **more}


def test_pod_delete(cluster, namespace, deployment, tmp_path: Path) -> None:
    deployment(3)
    asked = variables(namespace, tmp_path, fault_namespace=namespace, fault_labels="app=web", fault_count="2", fault_seed=7)
    play = run_playbook(cluster, "pod_delete", asked)
    record = record_of(tmp_path, play)
    assert (record["verdict"], play.rc) == ("held", 0), play
    assert len(attack_of(record)["deleted"]) == 2


def test_network_partition(cluster, namespace, deployment, tmp_path: Path) -> None:
    deployment(2)
    asked = variables(namespace, tmp_path, fault_namespace=namespace, fault_labels="app=web", fault_direction="ingress", fault_enforced="skip")
    play = run_playbook(cluster, "network_partition", asked)
    record = record_of(tmp_path, play)
    assert (record["verdict"], play.rc) == ("held", 0), play
    assert attack_of(record)["pods"] == 2


def test_capacity_squeeze_and_node_drain(cluster, nodes, namespace, deployment, tmp_path: Path) -> None:
    deployment(2)
    where = f"kubernetes.io/hostname={nodes[0]}"
    squeezed, drained = tmp_path / "squeeze", tmp_path / "drain"
    play = run_playbook(cluster, "capacity_squeeze", variables(namespace, squeezed, fault_namespace=namespace, fault_nodes=where))
    record = record_of(squeezed, play)
    assert (record["verdict"], play.rc) == ("held", 0), play
    assert attack_of(record)
    asked = {"fault_nodes": where, "fault_namespace": namespace, "fault_local_data": "yes", "fault_duration": "45s", "fault_timeout": "50s"}
    play = run_playbook(cluster, "node_drain", variables(namespace, drained, **asked))
    record = record_of(drained, play)
    assert (record["verdict"], play.rc) == ("held", 0), play
    assert attack_of(record)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "fault_namespace: '' is refused"),
        ({"fault_namespace": "shop", "fault_labels": "app=web"}, "one of fault_url, fault_tcp and fault_workload is required"),
        ({"fault_namespace": "shop", "fault_labels": "app=web", "fault_workload": "web"}, "fault_workload: 'web' is refused: write NAMESPACE/KIND/NAME"),
    ],
    ids=json.dumps,
)
def test_what_is_missing_is_said(cluster, asked: dict[str, Any], words: str) -> None:
    play = run_playbook(cluster, "pod_delete", asked)
    assert play.rc == 2 and words in " ".join(play.out.replace("''", "'").split()), play


def test_halt_and_audit_say_when_the_cluster_cannot_be_reached(cluster) -> None:
    for playbook in ("cluster_halt", "cluster_audit"):
        play = run_playbook(cluster, playbook, {"cluster_kubeconfig": "/nowhere/config"})
        assert play.rc == 2 and "NOT CLEAN" in play.out and "there is no such file" in play.out, play
