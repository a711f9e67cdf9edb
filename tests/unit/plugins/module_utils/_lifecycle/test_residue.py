# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as left behind: a worker that no journal claims does, the watcher of an attack on a cluster does not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import process as host_process
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import parent
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import detach
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CLUSTER_WATCHER

JOURNAL = SimpleNamespace(path="/nonexistent")


@pytest.fixture
def detached() -> Iterator[dict[str, int]]:
    pids = {name: detach(lambda: time.sleep(60), name=name) for name in ("test", CLUSTER_WATCHER)}
    time.sleep(0.2)
    yield pids
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)


def test_a_worker_is_residue_and_the_watcher_of_a_cluster_is_not(detached: dict[str, int]) -> None:
    found = residue._workers(None, JOURNAL, [], "")
    assert f"process {detached['test']} faultline-test" in found
    assert not [line for line in found if line.startswith(f"process {detached[CLUSTER_WATCHER]} ")]


def test_a_worker_in_a_container_is_told_by_its_own_audit() -> None:
    """Its journal is in there too: it may well be active."""
    program = "import time; open('/proc/self/comm', 'w').write('faultline-test'); print(flush=True); time.sleep(60)"
    apart = ["unshare", *(["--user", "--map-root-user"] if os.geteuid() else []), "--pid", "--fork", "--kill-child"]
    with subprocess.Popen([*apart, sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        inside = [each.pid for each in host_process.processes() if each.name == "faultline-test" and parent(each.pid) == process.pid]
        found = residue._workers(None, JOURNAL, [], "")
        process.kill()
    assert len(inside) == 1
    assert not [line for line in found if line.startswith(f"process {inside[0]} ")]


def test_an_attack_whose_journal_was_deleted_is_residue_until_its_line_is_removed(bench) -> None:
    shutil.rmtree(bench.publish("a", resources=["net:eth0", "clock"]))
    bench.publish("b")
    found = residue._lost(bench.host, bench.journal, ["b"], "")
    assert found == [
        f"attack a (test) began at 2026-01-01T00:00:00Z, its journal is gone: look at net:eth0, clock, then remove its line from {bench.state}/history.jsonl"
    ]
    assert found[0] in residue.residue(bench.host, bench.journal)
    history = bench.state / "history.jsonl"
    history.write_text("".join(line for line in history.read_text().splitlines(True) if '"a"' not in line))
    assert residue._lost(bench.host, bench.journal, ["b"], "") == []


def test_files_of_a_lost_attack_are_looked_for_where_it_was(bench, tmp_path: Path) -> None:
    shutil.rmtree(bench.publish("a", resources=[f"disk_fill:{tmp_path}"]))
    (tmp_path / ".faultline-a.00").touch()
    assert f"file {tmp_path}/.faultline-a.00" in residue._files(bench.host, bench.journal, [], "")
