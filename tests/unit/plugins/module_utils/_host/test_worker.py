# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a worker begins and when it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ansible_collections.faultline.chaos.plugins.module_utils._host import worker as worker_module
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker


def within(seconds: float, over: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not over() and time.monotonic() < until:
        time.sleep(0.02)
    return over()


def test_a_worker_that_ends_at_its_deadline_is_there_when_the_undo_looks(tmp_path: Path) -> None:
    """Its undo begins at the same moment, or a little later: gone by then means that somebody ended it."""
    worker = Worker("test", (tmp_path / "done").touch)
    worker.park()
    try:
        worker.release()
        assert within(10, (tmp_path / "done").exists)
        time.sleep(2)  # as late as a timer may come before recovery takes its place
        assert worker.alive()
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)


def test_it_does_not_stay_for_ever(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(worker_module, "LINGER", 0.1)
    worker = Worker("test", (tmp_path / "done").touch)
    worker.park()
    worker.release()
    assert within(10, lambda: not worker.alive()) and (tmp_path / "done").exists()


def test_a_parked_worker_ends_without_having_begun(tmp_path: Path) -> None:
    """At once: there is nothing that an undo could miss."""
    worker = Worker("test", (tmp_path / "done").touch)
    worker.park()
    assert worker.alive()
    worker.abandon()
    assert within(2, lambda: not worker.alive()) and not (tmp_path / "done").exists()
