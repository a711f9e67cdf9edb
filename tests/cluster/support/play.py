# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real runs of the playbooks of the collection against the cluster, and the records that they write."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.cluster.support.cluster import REPO, Cluster
from tests.lab.support.lab import Result

# An inventory without localhost, as users of these playbooks have it.
INVENTORY = ["-i", "somewhere.example,"]


def environment(cluster: Cluster) -> dict[str, str]:
    return {
        **os.environ,
        "KUBECONFIG": cluster.kubeconfig,
        "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
    }


def command(playbook: str, variables: dict[str, Any], *argv: str) -> list[str]:
    return [str(Path(sys.executable).parent / "ansible-playbook"), f"faultline.chaos.{playbook}", *INVENTORY, "-e", json.dumps(variables), *argv]


def run_playbook(cluster: Cluster, playbook: str, variables: dict[str, Any], *argv: str, env: dict[str, str] | None = None) -> Result:
    return cluster._call(command(playbook, variables, *argv), {**environment(cluster), **(env or {})}, 900)


def record_of(reports: Path, play: Any = "") -> dict[str, Any]:
    """The record of the only run in a directory of reports."""
    paths = list(reports.glob("*/record.json"))
    assert len(paths) == 1, f"{paths}\n{play}"
    return json.loads(paths[0].read_text())


def plan(reports: Path, namespace: str, step: dict[str, Any], probe: dict[str, Any] | None = None, **safety: Any) -> dict[str, Any]:
    """A plan of one step on the Deployment web, watched by the k8s probe."""
    watched = {"name": "web is available", "type": "k8s", "timeout": "10s", "namespace": namespace, "kind": "deployment", "object": "web", **(probe or {})}
    return {
        "title": "The shop stays open",
        "steady_state": [watched],
        "observe": {"window": "3s", "interval": "500ms", "settle": "90s"},
        "method": [{"hosts": "localhost", "duration": "6s", **step}],
        # Long limits, because the test machine may be busy.
        "safety": {"grace": "3m", "max_duration": "20m", **safety},
        "report": {"dir": str(reports)},
    }
