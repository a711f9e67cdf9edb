# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as left behind: a worker that no journal claims does, the watcher of an attack on a cluster does not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _process, _residue

JOURNAL = SimpleNamespace(path="/nonexistent")


@pytest.fixture
def detached() -> Iterator[dict[str, int]]:
    pids = {name: _process.detach(lambda: time.sleep(60), name=name) for name in ("test", _process.CLUSTER_WATCHER)}
    time.sleep(0.2)
    yield pids
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)


def test_a_worker_is_residue_and_the_watcher_of_a_cluster_is_not(detached: dict[str, int]) -> None:
    found = _residue._workers(None, JOURNAL, [], "")
    assert f"process {detached['test']} faultline-test" in found
    assert not [line for line in found if line.startswith(f"process {detached[_process.CLUSTER_WATCHER]} ")]
