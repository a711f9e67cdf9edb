# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holding memory: the arithmetic of the loop, and a worker that holds a little."""

from __future__ import annotations

import mmap
import time

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import worker as worker_module
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._resources import memory

MIB = memory.MIB
GIB = 1024 * MIB


def view(available: float, total: float = 16 * GIB) -> memory.View:
    return memory.View(int(total), int(available), False)


def test_meminfo() -> None:
    assert memory.meminfo("MemTotal:  100 kB\nHugePages_Total: 3\nName:\tpython\nBad\n") == {"MemTotal": 102400, "HugePages_Total": 3}


def test_a_kernel_that_does_not_say_what_is_available_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "meminfo", lambda: {"MemTotal": 1, "MemFree": 1})
    with pytest.raises(AttackError, match="MemAvailable"):
        memory.look()


def test_the_limit_of_a_container_is_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "meminfo", lambda: {"MemTotal": 1000, "MemAvailable": 700})
    monkeypatch.setattr(memory.cgroup, "memory_limits", lambda: [(400, 300), (2000, 5)])
    assert memory.look() == (400, 100, True)
    assert memory.look(limited=False) == (1000, 700, False)
    monkeypatch.setattr(memory.cgroup, "memory_limits", lambda: [(400, 500)])
    assert memory.look() == (400, 0, True)


@pytest.mark.parametrize(
    ("total", "default", "least"),
    [(256 * MIB, 64 * MIB, 25.6 * MIB), (1 * GIB, 256 * MIB, 102.4 * MIB), (64 * GIB, 512 * MIB, 128 * MIB)],
)
def test_reserves(total: int, default: int, least: float) -> None:
    assert memory.default_reserve(total) == default and memory.least_reserve(total) == int(least)


def test_an_amount_does_not_depend_on_others() -> None:
    goal = memory.Goal(GIB, amount=3 * GIB)
    assert goal.wanted(0, view(10 * GIB), 0.0) == goal.wanted(3 * GIB, view(5 * GIB), 9.0) == 3 * GIB


def test_a_total_is_what_others_leave() -> None:
    goal = memory.Goal(GIB, used=8 * GIB)
    assert goal.wanted(0, view(10 * GIB), 0.0) == 2 * GIB
    assert goal.wanted(2 * GIB, view(9 * GIB), 9.0) == 3 * GIB  # others ended
    assert goal.wanted(2 * GIB, view(7 * GIB), 9.0) == 1 * GIB  # others came
    assert goal.wanted(1 * GIB, view(3 * GIB), 9.0) == 0


@pytest.mark.parametrize("goal", [{"amount": 6 * GIB}, {"used": 14 * GIB}], ids=["amount", "total"])
def test_the_reserve_stays_available(goal: dict) -> None:
    assert memory.Goal(2 * GIB, **goal).wanted(5 * GIB, view(1 * GIB), 9.0) == 4 * GIB


def test_the_rate_is_linear() -> None:
    goal = memory.Goal(GIB, amount=GIB, rate=64 * MIB)
    assert [goal.wanted(0, view(8 * GIB), elapsed) for elapsed in (0.0, 2.0, 100.0)] == [0, 128 * MIB, GIB]


def test_the_loop_stays_within_one_percent_while_others_move() -> None:
    goal, held = memory.Goal(GIB, used=8 * GIB), 0
    for step in range(200):
        others = 3 * GIB + (step * 37 % 11) * 200 * MIB
        now = view(16 * GIB - others - held)
        want = goal.wanted(held, now, step * 0.2)
        held += (want - held) // goal.chunk * goal.chunk
        assert abs(others + held - 8 * GIB) <= 0.01 * 8 * GIB


@pytest.mark.parametrize("most", [1, MIB, 100 * MIB, GIB, 4096 * GIB])
def test_chunks_are_whole_pages_small_and_not_too_many(most: int) -> None:
    chunk = memory.Goal(0, amount=most).chunk
    assert chunk % mmap.PAGESIZE == 0 and chunk >= mmap.PAGESIZE
    assert chunk <= max(64 * 1024, most / 500)


def test_pages_are_written_and_all_different() -> None:
    pages = memory.Hold(256 * 1024)
    for _each in range(4):
        pages.grow()
    found = {bytes(piece[offset : offset + mmap.PAGESIZE]) for piece in pages._pieces for offset in range(0, pages.chunk, mmap.PAGESIZE)}
    assert pages.held == 1024 * 1024 and len(found) == pages.held // mmap.PAGESIZE
    assert all(page.count(0) < mmap.PAGESIZE // 8 for page in found)
    pages.shrink()
    assert pages.held == 768 * 1024


def test_what_the_kernel_refuses_is_no_error() -> None:
    class Refused(memory.Hold):
        def grow(self) -> None:
            if self.held:
                raise MemoryError
            super().grow()

    pages = Refused(64 * 1024)
    memory.adjust(pages, memory.Goal(0, amount=MIB), True, 1.0)
    assert pages.held == 64 * 1024


def test_a_worker_holds_what_was_asked_for_until_its_own_deadline(figures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LINGER", 0.0)
    goal, until = memory.Goal(0, amount=48 * MIB), uptime() + 4
    worker = Worker("mem", lambda: memory.hold(goal, True, lambda: uptime() >= until, figures))
    worker.park()
    before = memory.resident(worker.pid)[0]
    worker.release()
    wait(lambda: abs(sum(memory.resident(worker.pid)) - before - 48 * MIB) < 1.5 * MIB)
    wait(lambda: not worker.alive())
    assert until - 0.5 <= uptime() <= until + 3


def test_resident_of_a_process_that_is_gone() -> None:
    assert memory.resident(2**22 + 1) == (0, 0)


def wait(what) -> None:
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)
