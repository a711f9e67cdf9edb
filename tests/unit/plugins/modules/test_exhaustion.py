# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that pid_exhaustion and fd_exhaustion refuse, and what they plan."""

from __future__ import annotations

import math
import os

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup, process
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._resources import file_handles, memory, process_slots
from ansible_collections.faultline.chaos.plugins.modules.fd_exhaustion import FdExhaustion
from ansible_collections.faultline.chaos.plugins.modules.pid_exhaustion import PidExhaustion

GIB = 1 << 30


class Host:
    is_root = True

    def tool(self, name: str) -> str:
        return f"/usr/bin/{name}"


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target with 10000 process slots and file handles, 1000 of each in use, 8 GiB of memory and no control groups."""
    monkeypatch.setattr(cgroup, "hierarchies", lambda mountinfo=None: {})
    monkeypatch.setattr(process_slots, "pools", lambda from_top: [process_slots.Pool("kernel.threads-max", 10000, 1000)])
    monkeypatch.setattr(file_handles, "table", lambda: file_handles.Table(10000, 1000))
    monkeypatch.setattr(file_handles, "per_holder", lambda: 100000)
    monkeypatch.setattr(memory, "look", lambda limited=True: memory.View(8 * GIB, 7 * GIB, False))


def made(cls, params: dict):
    found = cls(params, Host())
    found.duration, found.id, found.journal = 30.0, "a", Journal("/var/lib/faultline")
    found.validate()
    return found


def pids(**params) -> PidExhaustion:
    return made(PidExhaustion, {"percent": None, "count": None, "reserve": None, "give_way": True, **params})


def fds(**params) -> FdExhaustion:
    return made(FdExhaustion, {"process": None, "leave": 0, "percent": None, "count": None, "reserve": None, "give_way": True, **params})


@pytest.mark.parametrize("make", [pids, fds])
@pytest.mark.parametrize("percent", [0, 101, -1, "50 %", "half", "", True, math.nan, [50], "50; id"])
def test_percentages_that_are_refused(make, percent) -> None:
    with pytest.raises(BadOption, match="^percent: "):
        make(percent=percent)


@pytest.mark.parametrize("make", [pids, fds])
@pytest.mark.parametrize(("option", "value"), [("count", 0), ("count", -5), ("count", 1 << 41), ("reserve", 99), ("reserve", -1)])
def test_numbers_that_are_refused(make, option: str, value: int) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        make(**{option: value})


@pytest.mark.parametrize("make", [pids, fds])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"percent": 89}, "^percent: 89 is refused: .*9000 .* with a reserve of 1000 the most is 88.8"),
        ({"count": 8001}, "^count: 8001 is refused: .* the most is 8000"),
        ({"count": 5000, "reserve": 4001}, "^count: .* the most is 4999"),
        ({"count": 1, "reserve": 20000}, "^count: .* the most is 0"),
    ],
)
def test_what_would_not_leave_the_reserve_is_refused(make, params: dict, message: str) -> None:
    with pytest.raises(BadOption, match=message):
        make(**params).guard()


@pytest.mark.parametrize("make", [pids, fds])
@pytest.mark.parametrize(("params", "expected"), [({}, 900), ({"percent": "50%"}, 4500), ({"count": 7}, 7), ({"percent": 0.1}, 9)])
def test_how_many(make, params: dict, expected: int) -> None:
    found = make(**params)
    found.guard()
    plan = found.plan(found.snapshot())
    assert found.count == expected and found.reserve == 1000
    assert "1000 of 10000 in use" in plan.before and f"{1000 + expected} of 10000 in use" in plan.after and "1000 stay free" in plan.after
    assert [worker.pid for worker in plan.workers] == [None]  # nothing runs yet


def test_slots_that_would_take_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "look", lambda limited=True: memory.View(GIB, GIB // 2, False))
    with pytest.raises(BadOption, match="^count: 8000 is refused: 8000 slots take 399 MiB of memory, and 256 MiB can be spared"):
        pids(count=8000).guard()


def test_a_host_without_a_real_limit_of_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_handles, "table", lambda: file_handles.Table(2**63 - 1, 1000))
    with pytest.raises(AttackError, match="^fs.file-max of the target is 9223372036854775807: .*use the option process"):
        fds(percent=10).guard()


@pytest.mark.parametrize("name", ["", " ", "a*", "x/y", "a|b", "a\nb", "^x", "sshd", "systemd", "init"])
def test_programs_that_are_refused(name: str) -> None:
    with pytest.raises(BadOption, match="^process: "):
        fds(process=name)


def test_leave_belongs_to_process() -> None:
    with pytest.raises(BadOption, match="^leave: "):
        fds(leave=3)
    with pytest.raises(BadOption, match="^leave: "):
        fds(leave=-1, process="x")


def test_a_program_that_does_not_run() -> None:
    found = fds(process="no-such-program")
    found.guard()
    with pytest.raises(AttackError, match="no-such-program"):
        found.snapshot()


def test_each_process_gets_exactly_its_own_limits_back(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (process.Process(os.getpid()) for _each in range(3))
    one.pid, two.pid, three.pid = 11, 12, 13
    found = fds(process="app", leave=2)
    found.guard()
    plan = found.plan([(one, [0, 1, 2, 3], "1024", "4096"), (two, [0, 1, 2, 9], "512", "unlimited"), (three, [0, 1], "3", "3")])
    text = "\n".join(line for step in plan.undo.steps for line in step.render())
    assert "try /usr/bin/prlimit --pid 11 --nofile=1024:4096" in text and "try /usr/bin/prlimit --pid 12 --nofile=512:unlimited" in text
    shown = "/usr/bin/prlimit --pid 11 --nofile --output RESOURCE,SOFT,HARD --noheadings --raw"
    assert f"lives 11 {one.start} && prints 'NOFILE 6 4096' {shown}" in text
    assert "prints 'NOFILE 5 unlimited'" in text and " 13 " not in text
    assert plan.after.splitlines()[0].endswith("up to number 6") and "pid 13 has a soft limit of 3 already" in plan.notes[0]


def test_a_program_that_can_open_nothing_more_already() -> None:
    found = fds(process="app")
    found.guard()
    with pytest.raises(AttackError, match="^process: app can open no more than that already"):
        found.plan([(process.Process(os.getpid()), [0, 1, 2], "3", "4096")])


@pytest.mark.parametrize("make", [pids, fds])
def test_others_may_use_the_reserve_up(make) -> None:
    found = make(count=100, give_way=False)
    found.guard()
    assert "1000 are left to others" in found.plan(found.snapshot()).after
