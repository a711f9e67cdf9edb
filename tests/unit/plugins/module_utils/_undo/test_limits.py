# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who inherited a lowered limit gets it back: real processes, and the real undo of fd_exhaustion."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import Process
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one
from ansible_collections.faultline.chaos.plugins.module_utils._resources import file_handles
from ansible_collections.faultline.chaos.plugins.module_utils._undo.limits import HasHeirs, HeirsBack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from ansible_collections.faultline.chaos.plugins.modules.fd_exhaustion import FdExhaustion

pytestmark = pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit is not installed")
SOFT, HARD = 300, 400
# Tells "PID" of each process that it starts: told how deep, it starts a child, which starts one of its own and so on.
PARENT = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def begin(depth):
    pid = os.fork()
    if pid == 0:
        if depth > 1:
            begin(depth - 1)
        sys.stdout.write("%d\\n" % os.getpid()); sys.stdout.flush()
        signal.pause()
        os._exit(0)
for line in sys.stdin:
    begin(int(line))
"""


class Victim:
    def __init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD)),
        )
        self.pid = self.child.pid

    def begin(self, depth: int = 1) -> list[int]:
        assert self.child.stdin and self.child.stdout
        self.child.stdin.write(f"{depth}\n")
        self.child.stdin.flush()
        return [int(self.child.stdout.readline()) for _each in range(depth)]


@pytest.fixture
def victim() -> Iterator[Victim]:
    found = Victim()
    found.begin()
    yield found
    os.killpg(found.pid, signal.SIGKILL)
    found.child.communicate()


def limits(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


def clock_tick() -> None:
    """So that who begins after this has a later start time."""
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))


def lower(bench, victim: Victim, **values) -> int:
    """The attack: journalled and injected. Returns the lowered limit."""
    clock_tick()
    marker = bench.start(["sleep", "60"])  # as old as the injector
    since = start_time(marker.pid)
    assert since is not None
    found = FdExhaustion({"process": "x", "leave": 2, "percent": None, "count": None, "reserve": None, "give_way": True}, bench.host)
    found.validate()
    found.guard()
    process = Process(victim.pid)
    plan = found.plan([(process, file_handles.descriptors(victim.pid), *file_handles.limits(victim.pid))])
    marker.kill()
    marker.communicate()
    bench.publish("a", plan.undo, injector=[marker.pid, since], **values)
    found.inject(plan)
    return found.lowered[0][3]


def test_who_inherited_the_limit_gets_it_back(bench, shell, victim: Victim) -> None:
    lowest = lower(bench, victim)
    heirs = victim.begin(3) + victim.begin()
    assert [limits(pid) for pid in heirs] == [(lowest, HARD)] * 4
    done = bench.sh(shell, bench.state / "a" / "revert.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert [limits(pid) for pid in [victim.pid, *heirs]] == [(SOFT, HARD)] * 5


def test_who_has_another_limit_or_another_parent_keeps_it(bench, shell, victim: Victim) -> None:
    (before,) = victim.begin()
    lowest = lower(bench, victim)
    resource.prlimit(before, resource.RLIMIT_NOFILE, (lowest, HARD))  # the same number, but not from us
    (own,) = victim.begin()
    resource.prlimit(own, resource.RLIMIT_NOFILE, (lowest + 1, HARD))
    (hard,) = victim.begin()
    resource.prlimit(hard, resource.RLIMIT_NOFILE, (lowest, HARD - 1))
    stranger = bench.start(["sleep", "60"], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, HARD)))
    assert bench.sh(shell, bench.state / "a" / "revert.sh").returncode == 0
    assert [limits(pid) for pid in (before, own, hard, stranger.pid)] == [(lowest, HARD), (lowest + 1, HARD), (lowest, HARD - 1), (lowest, HARD)]
    assert limits(victim.pid) == (SOFT, HARD)


def test_an_heir_that_cannot_be_helped_is_told(bench, shell, victim: Victim, tmp_path: Path) -> None:
    refusing = tmp_path / "prlimit"
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    clock_tick()
    process, lowest = Process(victim.pid), 20
    step = HeirsBack("heirs", str(refusing), process.pid, process.start, lowest, SOFT, HARD)
    directory = bench.publish("a", Undo([step]), injector=[2**22 + 1, process.start])
    file_handles.set_soft(victim.pid, lowest)
    heirs = victim.begin(2)
    assert bench.sh(shell, directory / "revert.sh").returncode == 0  # what is left is for the check to say
    check = HasHeirs(process.pid, process.start, lowest, HARD)
    directory = bench.publish("b", Undo(), injector=[2**22 + 1, process.start], edit=lambda text: text.replace(": # nothing to compare", told(check)))
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 4 and "still there: heirs" in done.stderr
    assert {limits(pid) for pid in heirs} == {(lowest, HARD)}


def told(check: HasHeirs) -> str:
    return f"{check.functions}\nif {check.condition()}; then left 'there: heirs'; fi"


def test_a_process_that_ended_has_no_heirs(bench, victim: Victim) -> None:
    lower(bench, victim)
    victim.begin()
    os.kill(victim.pid, signal.SIGKILL)
    victim.child.wait()
    assert revert_one(bench.host, bench.journal, "a").clean
