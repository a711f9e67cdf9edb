# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests that need a Kubernetes cluster.

KUBECONFIG in the environment decides which. Without it, a cluster of our own (see harness/cluster.sh) is brought up for the session
and taken down at its end, unless it was up before or FAULTLINE_CLUSTER_KEEP=1. FAULTLINE_CLUSTER_NODES ("2 1") is how many real and
fake nodes it gets.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.support.cluster import Cluster, driver
from tests.cluster.support.fingerprint import compare, fingerprint as kube_fingerprint
from tests.cluster.support.steps import steps as kube_steps, wait_same


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[bool]:
    """Whether the cluster is the one of the harness; sees to it that KUBECONFIG is set."""
    if os.environ.get("KUBECONFIG"):
        yield Path(os.environ["KUBECONFIG"]).resolve() == Path(driver("kubeconfig").stdout.strip() or "-").resolve()
        return
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        pytest.fail("tests/cluster shares one cluster and its nodes: run it with -n 0, or set KUBECONFIG to a cluster that is up")
    was_up = driver("status").returncode == 0
    if not was_up:
        up = driver("up", *os.environ.get("FAULTLINE_CLUSTER_NODES", "2 1").split())
        assert up.returncode == 0, f"the cluster does not come up:\n{up.stderr}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", driver("kubeconfig").stdout.strip())
        yield True
    if not was_up and os.environ.get("FAULTLINE_CLUSTER_KEEP") != "1":
        down = driver("down")
        assert down.returncode == 0, down.stderr


@pytest.fixture(scope="session")
def cluster(own_cluster: bool) -> Iterator[Cluster]:
    """The cluster (see support/cluster.py). At the end, no namespace of ours is left."""
    cluster = Cluster(os.environ["KUBECONFIG"])
    yield cluster
    cluster.wait_gone()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new namespace of this test alone."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.originalname.removeprefix("test_").lower())
    name = cluster.namespace(f"fl-{words[:40].strip('-')}")
    yield name
    cluster.delete_namespace(name)


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[list[str]]:
    """The real nodes, for a test that changes nodes: nobody else who asks for them has them, and they must be left as they were."""
    with open(os.environ["KUBECONFIG"]) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = kube_fingerprint(cluster, nodes=True)
        real = [n["metadata"]["name"] for n in cluster.request("GET", "/api/v1/nodes")["items"] if n["metadata"]["labels"].get("type") != "fake"]
        yield real
        left = wait_same(cluster, before, 20, nodes=True)
        assert not left, "left on the nodes:\n" + "\n".join(left)


@pytest.fixture
def deployment(cluster: Cluster, namespace: str) -> Callable[..., list[dict]]:
    """deployment(replicas=3, name="web", ...) in the namespace of the test; returns its ready pods."""
    return partial(cluster.deployment, namespace)


@pytest.fixture
def run_module(cluster: Cluster) -> Callable[..., dict]:
    """run_module(name, check=False, diff=True, **options): a module of the collection on localhost, for real; returns its result."""

    def run(name: str, check: bool = False, diff: bool = True, **options: Any) -> dict:
        return cluster.module(name, options, check, diff)

    return run


@pytest.fixture
def fingerprint(cluster: Cluster) -> Callable[..., dict]:
    """fingerprint(*namespaces, nodes=False, objects=()): all objects, minus what the server owns. See compare()."""
    return partial(kube_fingerprint, cluster)


@pytest.fixture(name="compare")
def compare_fixture() -> Callable[..., list[str]]:
    """compare(before, after): what differs, a line each."""
    return compare


@pytest.fixture
def steps(cluster: Cluster, namespace: str) -> Callable[..., dict]:
    """steps(module, options, measure=None, ...): the pattern of every attack, in the namespace of the test. See support/steps.py."""
    return partial(kube_steps, cluster, namespace)
