# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop that keeps CPUs at a load: its arithmetic without a CPU, and a burner on a real one."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._resources import cpu as resources_cpu

STAT = """cpu  3000 10 500 90000 500 0 20 70 5 0
cpu0 1000 10 300 40000 300 0 20 70 5 0
cpu2 2000 0 200 50000 200 0 0 0 0 0
intr 12 3 4
ctxt 99
"""


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["0"], [0]), (["2-3", "0"], [0, 2, 3]), (["1", "1", "0-1"], [0, 1]), (["8191"], [8191]), (["5-5"], [5])],
)
def test_numbers(values: list[str], expected: list[int]) -> None:
    assert resources_cpu.numbers("cpus", values) == expected


@pytest.mark.parametrize(
    "value",
    ["", " ", "-1", "1-", "3-1", "0,1", "1 2", "0 -1", "all", "True", "1.0", "010", "0x1", "0-99999", "8192", "1\n", "1;id", "../0", "None", "nan"],
)
def test_numbers_that_are_refused(value: str) -> None:
    with pytest.raises(BadOption, match="^cpus: "):
        resources_cpu.numbers("cpus", ["0", value])


def test_no_number_at_all_is_refused() -> None:
    with pytest.raises(BadOption, match="^cpus: "):
        resources_cpu.numbers("cpus", [])


@pytest.mark.parametrize(("cpus", "text"), [([0], "0"), ([0, 1, 2, 5], "0-2,5"), ([7, 3, 4], "3-4,7"), ([], "")])
def test_ranges(cpus: list[int], text: str) -> None:
    assert resources_cpu.ranges(cpus) == text


def test_usage_counts_online_cpus_without_idle_waiting_and_guests() -> None:
    assert resources_cpu.usage(STAT) == {0: (1400, 41700), 2: (2200, 52400)}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [((0, 0), (25, 100), 25.0), ((10, 100), (10, 200), 0.0), ((0, 0), (0, 0), None), ((5, 100), (3, 200), 0.0), ((0, 100), (9, 99), None)],
)
def test_load(before: tuple, after: tuple, expected: float | None) -> None:
    assert resources_cpu.load(before, after) == expected


@pytest.mark.parametrize(("elapsed", "expected"), [(0, 0), (5, 40), (10, 80), (11, 80)], ids=["begin", "half", "end", "after"])
def test_target_rises_linearly(elapsed: float, expected: float) -> None:
    assert resources_cpu.target(80, 10, elapsed) == expected
    assert resources_cpu.target(80, 0, elapsed) == 80


def run(percent: float, others: list[float], known: float = 0.0, ramp: float = 0.0, gain: float = 1.0, noise: float = 0.0) -> list[float]:
    """Load at each look on a CPU where others run as told. gain: how much of a burner's share really arrives."""
    chance = random.Random(7)
    controller = resources_cpu.Controller(resources_cpu.target(percent, ramp, 0), known)
    loads = []
    for number, other in enumerate(others):
        load = min(100.0, other + 100.0 * gain * controller.share)
        loads.append(load)
        measured = min(100.0, max(0.0, load + chance.uniform(-noise, noise)))
        controller.step(resources_cpu.target(percent, ramp, number * resources_cpu.LOOK), measured)
        assert 0.0 <= controller.share <= 1.0
    return loads


@pytest.mark.parametrize("percent", [1, 20, 50, 80, 99, 100])
@pytest.mark.parametrize("gain", [1.0, 0.6, 1.15])
def test_loop_settles_on_what_was_asked(percent: float, gain: float) -> None:
    loads = run(percent, [0.0] * 40, gain=gain)
    if percent <= 100 * gain:
        assert loads[-1] == pytest.approx(percent, abs=0.5)


def test_loop_fills_up_what_others_leave() -> None:
    assert run(50, [20.0] * 20, known=20.0)[0] == pytest.approx(50)
    loads = run(50, [20.0] * 20 + [5.0] * 20, known=0.0)
    assert loads[19] == pytest.approx(50, abs=0.5)
    assert loads[-1] == pytest.approx(50, abs=0.5)


def test_loop_does_not_wind_up_while_others_need_more() -> None:
    loads = run(50, [90.0] * 200 + [10.0] * 12)
    assert loads[199] == 90.0
    assert loads[-1] == pytest.approx(50, abs=1)
    loads = run(90, [0.0] * 200 + [60.0] * 40, gain=0.5)  # a burner that gets half of its time
    assert loads[199] == pytest.approx(50)
    assert loads[-1] == pytest.approx(90, abs=1)


def test_loop_is_exact_on_average_in_noise() -> None:
    loads = run(40, [10.0] * 2000, known=10.0, noise=15.0)
    assert sum(loads) / len(loads) == pytest.approx(40, abs=0.5)


def test_loop_follows_a_ramp() -> None:
    loads = run(80, [0.0] * 60, ramp=20.0)
    for number, load in enumerate(loads):
        assert load == pytest.approx(resources_cpu.target(80, 20, number * resources_cpu.LOOK), abs=5)


def test_burners_make_the_load_and_end_with_their_leader(figures) -> None:
    cpu = resources_cpu.allowed()[0]
    worker = Worker("cpu", lambda: resources_cpu.drive({cpu: 0.0}, 95.0, 0.0, uptime() + 20, figures))
    worker.park()
    worker.release()
    wait(lambda: len(resources_cpu.burners(worker.pid)) == 1)
    assert sum(resources_cpu.measure([cpu], 2.0).values()) > 70
    wait(lambda: "measured" in Path(figures.path).read_text())
    scores = [Path(f"/proc/{pid}/oom_score_adj").read_text().strip() for pid in [worker.pid, *resources_cpu.burners(worker.pid)]]
    assert scores == ["1000", "1000"]
    os.kill(worker.pid, 9)
    wait(lambda: resources_cpu.burners(worker.pid) == [])


def test_burners_end_at_their_own_deadline(figures) -> None:
    cpu = resources_cpu.allowed()[0]
    worker = Worker("cpu", lambda: resources_cpu.drive({cpu: 0.0}, 5.0, 0.0, uptime() + 5, figures))
    worker.park()
    worker.release()
    wait(lambda: len(resources_cpu.burners(worker.pid)) == 1)
    wait(lambda: not worker.alive() and resources_cpu.burners(worker.pid) == [])


def test_usable_leaves_our_own_pinning_alone() -> None:
    own = os.sched_getaffinity(0)
    assert resources_cpu.usable(resources_cpu.allowed()[0])
    assert not resources_cpu.usable(4000)
    assert os.sched_getaffinity(0) == own


def wait(what) -> None:
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)
