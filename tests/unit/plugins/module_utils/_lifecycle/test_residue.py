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

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import process as host_process
from ansible_collections.faultline.chaos.plugins.module_utils._host.detached import detach
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import parent
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import others, residue
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CLUSTER_WATCHER


def found_by(bench, finder) -> residue.Search:
    found = residue.Search(bench.host, bench.journal)
    finder(found)
    return found


@pytest.fixture
def detached() -> Iterator[dict[str, int]]:
    pids = {name: detach(lambda: time.sleep(60), name=name) for name in ("test", CLUSTER_WATCHER)}
    time.sleep(0.2)
    yield pids
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)


def test_a_worker_is_residue_and_the_watcher_of_a_cluster_is_not(bench, detached: dict[str, int]) -> None:
    found = found_by(bench, residue._workers).residue
    assert f"process {detached['test']} faultline-test of uid {os.geteuid()}: kill -9 {detached['test']}" in found
    assert not [line for line in found if line.startswith(f"process {detached[CLUSTER_WATCHER]} ")]


def test_a_worker_in_a_container_is_told_by_its_own_audit(bench) -> None:
    """Its journal is in there too: it may well be active."""
    program = "import time; open('/proc/self/comm', 'w').write('faultline-test'); print(flush=True); time.sleep(60)"
    apart = ["unshare", *(["--user", "--map-root-user"] if os.geteuid() else []), "--pid", "--fork", "--kill-child"]
    with subprocess.Popen([*apart, sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        inside = [each.pid for each in host_process.processes() if each.name == "faultline-test" and parent(each.pid) == process.pid]
        found = found_by(bench, residue._workers).residue
        process.kill()
    assert len(inside) == 1
    assert not [line for line in found if line.startswith(f"process {inside[0]} ")]


def test_an_attack_whose_journal_was_deleted_is_residue_until_its_line_is_removed(bench) -> None:
    shutil.rmtree(bench.publish("a", resources=["net:eth0", "clock"]))
    bench.publish("b")
    found = found_by(bench, residue._lost).residue
    assert found == [
        f"attack a (test) began at 2026-01-01T00:00:00Z, its journal is gone: look at net:eth0, clock, then remove its line from {bench.state}/history.jsonl"
    ]
    assert found[0] in residue.search(bench.host, bench.journal).residue
    history = bench.state / "history.jsonl"
    history.write_text("".join(line for line in history.read_text().splitlines(True) if '"a"' not in line))
    assert found_by(bench, residue._lost).residue == []


def test_files_of_a_lost_attack_are_looked_for_where_it_was(bench, tmp_path: Path) -> None:
    shutil.rmtree(bench.publish("a", resources=[f"disk_fill:{tmp_path}"]))
    (tmp_path / ".faultline-a.00").touch()
    path = f"{tmp_path}/.faultline-a.00"
    assert f"file {path} of uid {os.geteuid()}: rm -r {path}" in found_by(bench, residue._files).residue


def test_a_dead_man_whose_attack_is_gone_is_residue(bench) -> None:
    directory = bench.publish("a", seconds=60)
    child = bench.start(["/bin/sh", directory / "revert.sh", "timer"])
    time.sleep(0.3)
    assert found_by(bench, residue._workers).residue == []
    shutil.move(directory, bench.state / ".moved")
    assert f"process {child.pid} dead-man of a of uid {os.geteuid()}: kill {child.pid}" in found_by(bench, residue._workers).residue
    child.kill()


def test_a_worker_whose_name_looks_like_a_line_of_its_status_is_residue(bench) -> None:
    """The kernel escapes a line feed in a name, and no carriage return."""
    program = "open('/proc/self/comm', 'w', newline='').write('faultline-\\rUid:'); import time; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        try:
            found = found_by(bench, residue._workers).residue
        finally:
            process.kill()
    assert [line for line in found if line.startswith(f"process {process.pid} ") and line.endswith(f"kill -9 {process.pid}")], found


@pytest.mark.parametrize("real_name", ["Mal\x85lory", "Mal\u2028lory", "Mal\x1clory", "Mal\rlory"])
def test_a_home_is_found_behind_whatever_real_name(monkeypatch: pytest.MonkeyPatch, real_name: str) -> None:
    passwd = f"root:x:0:0:root:/root:/bin/sh\nm:x:1001:1001:{real_name}:/srv/m:/bin/sh\n".encode()
    monkeypatch.setattr(others, "start_of", lambda path, size, directory=None: passwd if path == "/etc/passwd" else b"")
    assert os.path.join("/srv/m", others.USER_STATE) in others._places()
