# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers that read and write: what they count, the rate they keep, and that they end."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import OwnDirectory
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time, uptime
from ansible_collections.faultline.chaos.plugins.module_utils._resources import disk_io

Start = Callable[..., tuple[int, disk_io.Counts]]


@pytest.fixture
def start(tmp_path: Path, figures) -> Iterator[Start]:
    """Starts a leader as the lifecycle does, in a process group of its own."""
    directory = OwnDirectory(str(tmp_path), "a")
    os.makedirs(directory.data, 0o700)
    os.mkdir(directory.keep, 0o700)
    leaders: list[int] = []

    def begin(mode: str = "mixed", workers: int = 1, rate: float | None = None, seconds: float = 30, fsync: bool = False) -> tuple[int, disk_io.Counts]:
        counts = disk_io.Counts(workers)
        job = disk_io.Job(mode, True, 4096, 1 << 20, rate, fsync, uptime() + seconds)
        leader = os.fork()
        if leader == 0:
            try:
                os.setsid()
                disk_io.drive(directory, job, counts, figures)
            finally:
                os._exit(0)
        leaders.append(leader)
        return leader, counts

    yield begin
    for leader in leaders:
        if start_time(leader) is not None:
            os.killpg(leader, signal.SIGKILL)
            os.waitpid(leader, 0)


@pytest.mark.parametrize("mode", ["read", "write", "mixed"])
def test_they_do_what_their_mode_says(start: Start, mode: str) -> None:
    leader, counts = start(mode, workers=2, rate=100000)
    assert disk_io.wait_running(counts, lambda: start_time(leader) is not None, 30), counts.phases()
    time.sleep(1)
    read, written, operations = counts.sums()
    assert (read > 0) == (mode != "write") and (written > 0) == (mode != "read")
    assert operations == (read + written) // 4096 and disk_io.failure(counts) is None


@pytest.mark.parametrize("mode", ["read", "write", "mixed"])
def test_their_files_have_all_their_space_before_the_stress_begins(start: Start, tmp_path: Path, mode: str) -> None:
    """The floor is looked at when the attack is planned: what grew later would go below it when others fill the disk too."""
    leader, counts = start(mode, rate=4096)
    assert disk_io.wait_running(counts, lambda: start_time(leader) is not None, 30), counts.phases()
    (found, kept) = sorted(tmp_path.rglob("io.0"))
    assert found.samefile(kept)
    assert found.stat().st_blocks * 512 >= 1 << 20


def test_a_file_system_that_cannot_allocate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> Callable:
        def call(*_args: int) -> None:
            raise OSError(number, "x")

        return call

    with (tmp_path / "f").open("wb") as stream:
        monkeypatch.setattr(disk_io.os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
        disk_io._claim(stream.fileno(), 8192)
        assert os.fstat(stream.fileno()).st_size == 8192
        monkeypatch.setattr(disk_io.os, "posix_fallocate", refuse(errno.ENOSPC))
        with pytest.raises(OSError):
            disk_io._claim(stream.fileno(), 8192)


def test_they_keep_their_rate(start: Start) -> None:
    leader, counts = start("write", rate=200000)
    assert disk_io.wait_running(counts, lambda: start_time(leader) is not None, 30)
    read, written, _operations = disk_io.measure(counts, 2.0)
    assert read == 0 and 140000 < written < 260000


def test_they_end_at_their_time(start: Start) -> None:
    leader, _counts = start(workers=2, rate=100000, seconds=1)
    begun = time.monotonic()
    os.waitpid(leader, 0)
    assert time.monotonic() - begun < 15


def test_past_the_page_cache_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handle, direct = disk_io._open("one")
    os.close(handle)
    assert direct in (0, 1)
    real = os.open

    def refuse(path: str, flags: int, *more, **named) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not here")
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    handle, direct = disk_io._open("two")
    os.close(handle)
    assert direct == 0
    with pytest.raises(OSError, match="exists"):
        monkeypatch.setattr(os, "open", real)
        disk_io._open("one")


def test_a_failure_says_why() -> None:
    counts = disk_io.Counts(2)
    counts.tell(0, 0, 0, 0, disk_io.RUNNING, 1)
    assert disk_io.failure(counts) is None
    counts.tell(1, 0, 0, 0, disk_io.FAILED + errno.ENOSPC, 0)
    assert "No space left" in str(disk_io.failure(counts)) and not counts.direct()
    assert not disk_io.wait_running(counts, lambda: True, 5)
