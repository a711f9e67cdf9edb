# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holding process slots and file handles: how many, who holds them, what stays free; a few are really held."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._resources import deadline, file_handles, holders, process_slots


@pytest.mark.parametrize(
    ("count", "held", "free", "expected"),
    [(100, 0, 1000, 100), (100, 100, 900, 100), (100, 100, 150, 50), (100, 100, 0, 0), (100, 20, 230, 50), (100, 0, 100, 0)],
)
def test_wanted_leaves_the_reserve_free(count: int, held: int, free: int, expected: int) -> None:
    assert holders.wanted(count, held, free, 200) == expected


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 20])
def test_shares(count: int) -> None:
    found = holders.shares(count, 8)
    assert sum(found) == count and max(found) <= 8 and len(found) == max(1, -(-count // 8))


@pytest.mark.parametrize("count", [3, 4, 100, 8002, 8003, 16000, 16003, 123456])
def test_leader_holders_and_threads_are_what_was_asked(count: int) -> None:
    found = process_slots.parts(count)
    assert sum(found) + len(found) + 1 == count and max(found) <= process_slots.PER_HOLDER


def test_threads_of_the_host() -> None:
    assert process_slots.threads("0.1 0.2 0.3 2/345 999\n") == 345


def test_the_tightest_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_slots, "threads", lambda: 500)
    monkeypatch.setattr(process_slots.cgroup, "task_limits", lambda from_top: [] if from_top else [(400, 100)])
    monkeypatch.setattr(
        process_slots.Host, "read", staticmethod(lambda path, default="": {"pid_max": "32768\n", "threads-max": "2000\n"}[path.rpartition("/")[2]])
    )
    monkeypatch.setattr(process_slots.os, "geteuid", lambda: 0)
    assert process_slots.tightest(process_slots.pools(True)) == ("kernel.threads-max", 2000, 500)
    assert process_slots.tightest(process_slots.pools(False)) == ("pids.max of a control group", 400, 100)
    assert ("kernel.pid_max", 32468, 500) in process_slots.pools(True)


def test_the_limit_of_a_user_counts_the_threads_of_that_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_slots.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(process_slots.resource, "getrlimit", lambda _what: (1234, 1234))
    [pool] = [pool for pool in process_slots.pools(False) if "ulimit" in pool.name]
    assert pool.limit == 1234 and pool.used >= process_slots.thread_count(os.getpid()) > 0


@pytest.mark.parametrize(("limit", "expected"), [(500, 200), (2000, 200), (32468, 3246)])
def test_default_reserve_of_slots(limit: int, expected: int) -> None:
    assert process_slots.default_reserve(limit) == expected >= process_slots.LEAST_RESERVE


def test_threads_sleep_and_end() -> None:
    before = process_slots.thread_count(os.getpid())
    store = process_slots.Sleepers()
    assert all(store.take() for _each in range(20))
    assert process_slots.thread_count(os.getpid()) == before + 20 == before + len(store)
    while len(store):
        store.give()
    wait(lambda: process_slots.thread_count(os.getpid()) == before)


def after(seconds: float):
    until = uptime() + seconds
    return lambda: uptime() >= until


def run(function) -> Worker:
    worker = Worker("test", function)
    worker.park()
    worker.release()
    return worker


def test_slots_are_held_by_one_process_group_that_one_signal_ends(figures) -> None:
    worker = run(lambda: process_slots.hold(60, 0, True, after(20), figures))
    wait(lambda: process_slots.held(worker.pid) == 60)
    assert len(holders.members(worker.pid)) == 2
    wait(lambda: "asked 58.000\nmeasured 58.000" in Path(figures.path).read_text())
    assert {open(f"/proc/{pid}/oom_score_adj").read().strip() for pid in holders.members(worker.pid)} == {"1000"}
    os.killpg(worker.pid, 9)
    wait(lambda: process_slots.held(worker.pid) == 0)


def test_a_holder_that_was_killed_holds_nothing(figures) -> None:
    worker = run(lambda: process_slots.hold(30, 0, True, after(20), figures))
    wait(lambda: os.path.exists(figures.path) and "measured 28.000" in Path(figures.path).read_text())
    (holder,) = set(holders.members(worker.pid)) - {worker.pid}
    os.kill(holder, 9)
    wait(lambda: float(Path(figures.path).read_text().split("measured ")[1].split()[0]) < 14)
    assert holders.members(worker.pid) == [worker.pid], "and it is no zombie"
    os.killpg(worker.pid, 9)


def test_slots_are_given_back_at_the_workers_own_deadline(figures) -> None:
    worker = run(lambda: process_slots.hold(30, 0, True, after(2), figures))
    wait(lambda: process_slots.held(worker.pid) == 30)
    wait(lambda: holders.members(worker.pid) == [])


def test_holders_end_with_their_leader(figures) -> None:
    worker = run(lambda: process_slots.hold(30, 0, True, after(20), figures))
    wait(lambda: process_slots.held(worker.pid) == 30)
    os.kill(worker.pid, 9)
    wait(lambda: holders.members(worker.pid) == [])


def test_the_reserve_is_not_touched(figures) -> None:
    """The reserve is what is free now but 200: the 400 asked for become 200, give or take what others on this machine do."""
    free = process_slots.free(process_slots.tightest(process_slots.pools(True)))
    worker = run(lambda: process_slots.hold(400, free - 200, True, after(20), figures))
    wait(lambda: 100 < process_slots.held(worker.pid) < 300)
    os.killpg(worker.pid, 9)
    wait(lambda: process_slots.held(worker.pid) == 0)


def test_file_nr() -> None:
    assert file_handles.table("1234\t0\t9000\n") == (9000, 1234)
    assert file_handles.free(file_handles.Table(100, 120)) == 0


def test_handles_are_held_and_given_back(figures) -> None:
    worker = run(lambda: file_handles.hold(50, 0, after(20), figures))
    wait(lambda: file_handles.held(worker.pid) == 50)
    os.killpg(worker.pid, 9)
    wait(lambda: holders.members(worker.pid) == [])


@pytest.mark.parametrize(
    ("used", "leave", "expected"), [([0, 1, 2], 0, 3), ([0, 1, 2], 5, 8), ([0, 1, 2, 5], 0, 3), ([0, 1, 2, 5], 2, 6), ([0, 1, 2, 1000], 3, 6), ([], 0, 0)]
)
def test_ceiling_counts_the_free_numbers_below_it(used: list[int], leave: int, expected: int) -> None:
    found = file_handles.ceiling(used, leave)
    assert found == expected
    assert len(set(range(found)) - set(used)) == leave


def test_settle_stops_when_close_or_when_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "STALLED", 0.5)
    values = iter([10, 50, 99, 100, 100])
    assert holders.settle(lambda: next(values), 100, 0.01, 10) == (99, False)
    begin = time.monotonic()
    assert holders.settle(lambda: 10, 100, 0.01, 10) == (10, False)
    assert time.monotonic() - begin < 3
    growing = iter(range(1000))
    assert holders.settle(lambda: next(growing), 5000, 0.01, 1)[1]
    slow = iter([1, 2, 100])  # each look takes longer than nothing may grow
    assert holders.settle(lambda: time.sleep(0.7) or next(slow), 100, 0.01, 60) == (100, False)


def wait(what) -> None:
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_without_a_reserve_others_do_not_count() -> None:
    assert holders.wanted(100, 100, 0, None) == 100


@pytest.mark.parametrize(
    ("text", "expected"), [(None, True), ("{past}", True), ("{future}", False), ("torn?", False)], ids=["gone", "passed", "to come", "unreadable"]
)
def test_a_stressor_ends_with_its_record_or_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: bool) -> None:
    monkeypatch.setattr(deadline, "state_dir", lambda: str(tmp_path))
    (tmp_path / "a").mkdir()
    if text is not None:
        now = int(uptime() * 100)
        (tmp_path / "a/deadline").write_text(text.format(past=now - 1, future=now + 1000))
    assert deadline.Deadline("a", 60).over() is expected
    assert deadline.Deadline("a", -1).over()


def test_a_stressor_without_a_free_file_handle_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "state_dir", lambda: str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/deadline").mkdir()  # there, but not to be opened
    assert not deadline.Deadline("a", 60).over()
