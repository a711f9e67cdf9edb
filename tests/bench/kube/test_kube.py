# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs to delete a few pods of many: k8s_pod_delete beside kubernetes.core and the Chaos Toolkit, each from its command line.

    KUBECONFIG=... python -m pytest -s tests/bench/kube                      10 of 10,000 pods
    KUBE_PODS=1000 KUBECONFIG=... python -m pytest -s tests/bench/kube

The pods are objects that no scheduler looks at, so they cost the cluster nothing but their place. The others are installed into a virtual
environment of their own (KUBE_BENCH_VENV keeps one). The peak of memory is that of the largest process.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[2]

from tests.cluster.support.cluster import IMAGE, Cluster  # noqa: E402

PODS = int(os.environ.get("KUBE_PODS", "10000"))
TAKEN = 10
NEEDED = ["ansible", "kubernetes", "chaostoolkit", "chaostoolkit-kubernetes"]  # the package ansible brings kubernetes.core
LABEL = "app=crowd"
# Runs a command, and tells what it took: seconds, and the KiB of its largest process.
METER = "import json, resource, subprocess, sys, time; b = time.monotonic(); rc = subprocess.call(sys.argv[2:], stdout=sys.stderr); \
open(sys.argv[1], 'w').write(json.dumps([rc, time.monotonic() - b, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))"


@dataclass
class Cost:
    seconds: float
    mib: float


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    assert os.environ.get("KUBECONFIG"), "set KUBECONFIG: this makes many objects, so it asks for a cluster by name"
    return Cluster(os.environ["KUBECONFIG"])


@pytest.fixture(scope="module")
def crowd(cluster: Cluster) -> Iterator[str]:
    """A namespace with many pods, about as large as pods are."""
    namespace = cluster.namespace("fl-bench")
    env = [{"name": f"SETTING_{number}", "value": secrets.token_hex(24)} for number in range(20)]
    container = {"name": "main", "image": IMAGE, "env": env, "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}

    def make(number: int) -> None:
        body = {"metadata": {"name": f"pod-{number}", "labels": {"app": "crowd"}}, "spec": {"schedulerName": "nobody", "containers": [container]}}
        cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(PODS)))
    print(f"\n{PODS} pods made in {time.monotonic() - began:.0f} s")
    yield namespace
    cluster.delete_namespace(namespace)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the others."""
    kept = os.environ.get("KUBE_BENCH_VENV")
    place = Path(kept) if kept else tmp_path_factory.mktemp("bench") / "venv"
    if not (place / "bin/chaos").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin/pip", "install", "-q", *NEEDED], check=True)
    return place


def measure(cluster: Cluster, namespace: str, argv: list[str], scratch: Path, **environment: str) -> Cost:
    """The cost of a command that takes ten pods away."""
    before = count(cluster, namespace)
    told = scratch / "cost.json"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = {**kept, "KUBECONFIG": cluster.kubeconfig, "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run([sys.executable, "-c", METER, told, *argv], cwd=scratch, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    rc, seconds, kib = json.loads(told.read_text())
    assert rc == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert before - count(cluster, namespace) == TAKEN
    return Cost(seconds, kib / 1024)


def count(cluster: Cluster, namespace: str) -> int:
    found, query = 0, {"limit": "1000", "labelSelector": LABEL}
    while True:
        page = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods", query=query)
        found += len(page["items"])
        if not page["metadata"].get("continue"):
            return found
        query["continue"] = page["metadata"]["continue"]


def ansible(bin_: Path, tasks: list[dict], scratch: Path) -> list[str]:
    play = scratch / "play.yml"
    play.write_text(yaml.safe_dump([{"name": "bench", "hosts": "localhost", "gather_facts": False, "tasks": tasks}], sort_keys=False))
    return [str(bin_ / "ansible-playbook"), "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={bin_ / 'python'}", str(play)]


def ours(cluster: Cluster, namespace: str, scratch: Path) -> Cost:
    options = {"namespaces": [namespace], "label_selector": LABEL, "count": TAKEN, "phase": "any", "force": True, "recovery_timeout": "0s", "duration": "10m"}
    argv = ansible(Path(sys.executable).parent, [{"name": "delete", "faultline.chaos.k8s_pod_delete": options}], scratch)
    return measure(cluster, namespace, argv, scratch, ANSIBLE_CONFIG=str(REPO / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(REPO / ".collections"))


def kubernetes_core(cluster: Cluster, namespace: str, others: Path, scratch: Path) -> Cost:
    tasks = [
        {"name": "list", "kubernetes.core.k8s_info": {"kind": "Pod", "namespace": namespace, "label_selectors": [LABEL]}, "register": "found", "no_log": True},
        {
            "name": "delete",
            "kubernetes.core.k8s": {
                "state": "absent", "api_version": "v1", "kind": "Pod", "namespace": namespace, "name": "{{ item }}",
                "delete_options": {"gracePeriodSeconds": 0},
            },
            "loop": f"{{{{ (found.resources | map(attribute='metadata.name') | shuffle(seed='7'))[:{TAKEN}] }}}}",
        },
    ]  # fmt: skip
    return measure(cluster, namespace, ansible(others / "bin", tasks, scratch), scratch)


def chaos_toolkit(cluster: Cluster, namespace: str, others: Path, scratch: Path) -> Cost:
    arguments = {"label_selector": LABEL, "ns": namespace, "qty": TAKEN, "rand": True, "grace_period": 0}
    provider = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods", "arguments": arguments}
    action = {"type": "action", "name": "delete", "provider": provider}
    experiment = {"title": "bench", "description": "bench", "method": [action], "rollbacks": []}
    path = scratch / "experiment.json"
    path.write_text(json.dumps(experiment))
    return measure(cluster, namespace, [str(others / "bin/chaos"), "--no-version-check", "run", str(path)], scratch)


def test_a_few_pods_of_many(cluster: Cluster, others: Path, crowd: str, tmp_path: Path) -> None:
    costs = {
        "k8s_pod_delete": ours(cluster, crowd, tmp_path),
        "kubernetes.core": kubernetes_core(cluster, crowd, others, tmp_path),
        "chaostoolkit-kubernetes": chaos_toolkit(cluster, crowd, others, tmp_path),
    }
    mine = costs["k8s_pod_delete"]
    print(f"{TAKEN} of {PODS} pods:")
    for name, cost in costs.items():
        print(f"  {name:24} {cost.seconds:7.1f} s {cost.mib:8.0f} MiB   {cost.seconds / mine.seconds:5.1f} times, {cost.mib / mine.mib:5.1f} times")
    rest = [cost for cost in costs.values() if cost is not mine]
    assert mine.seconds <= min(cost.seconds for cost in rest) / 2
    assert mine.mib <= min(cost.mib for cost in rest) / 3
