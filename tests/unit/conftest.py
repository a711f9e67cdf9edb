# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures that unit tests of every room share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._resources.held import Held
from tests.unit.support.bench import SHELLS, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture(
    params=[
        pytest.param(argv, id=name, marks=pytest.mark.skipif(not shutil.which(argv[0]), reason=f"{name} is not installed")) for name, argv in SHELLS.items()
    ]
)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return request.param


@pytest.fixture
def kube() -> Iterator:
    """A small API server over HTTP (kube_server.py) and, as its member cluster, a connection to it."""
    pytest.importorskip("kubernetes")
    from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
    from tests.unit.support.kube_server import KubeServer

    server = KubeServer()
    server.cluster = Cluster({"host": server.url})
    yield server
    server.close()


@pytest.fixture
def calm_kube(kube, monkeypatch: pytest.MonkeyPatch):
    """The small API server with its namespace shop, for attacks on pods and nodes: no pauses, and a watcher that only says it runs."""
    from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster
    from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman
    from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import evict

    monkeypatch.setattr(cluster, "_WAIT", 0.001)
    monkeypatch.setattr(evict, "_AGAIN", (0.01, 0.02))
    monkeypatch.setattr(deadman, "start_watcher", lambda *_memory: None)
    kube.put("/api/v1/namespaces", "shop")
    return kube


@pytest.fixture
def figures(bench: Bench) -> Held:
    """The figures that a worker of the attack "a" keeps."""
    (bench.state / "a").mkdir(parents=True)
    return Held(bench.journal, "a")
