# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renewal of leases: on time, host by host, and honest about what is lost."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._times import iso
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.leases import HostRenewal, Lease, LeaseKeeper
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Completed
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.crew import Crew

RENEWED, NOTHING = Completed(0, "", ""), Completed(3, "", "")


class Host:
    """Answers as its script says, and remembers when it was asked."""

    def __init__(self, script: Callable[[int], Completed]) -> None:
        self._script = script
        self.asked: list[float] = []

    def run(self, argv: list[str], timeout: float) -> Completed:
        self.asked.append(time.monotonic())
        self.argv, self.timeout = argv, timeout
        return self._script(len(self.asked))


def kept(seconds: float, lease: float = 0.6, alive: Callable[[], bool] = lambda: True, **hosts: Host) -> LeaseKeeper:
    crew = Crew()
    keeper = LeaseKeeper(Lease("run-1", lease), {name: HostRenewal(host) for name, host in hosts.items()}, alive, crew.start)
    time.sleep(seconds)
    keeper.stop()
    crew.dismiss()
    return keeper


def unreachable(_number: int) -> Completed:
    raise OSError("n2 is unreachable")


def test_renewed_at_once_and_every_third_of_the_lease() -> None:
    begun = time.monotonic()
    host = Host(lambda _number: RENEWED)
    keeper = kept(1.1, n1=host)
    assert keeper.lost == []
    assert 5 <= len(host.asked) <= 6
    assert host.asked[0] - begun < 0.15
    assert host.asked[4] - host.asked[0] == pytest.approx(0.8, abs=0.15)
    assert host.timeout == pytest.approx(0.2)
    assert host.argv[:2] == ["/bin/sh", "-c"]
    assert host.argv[3:] == ["faultline", "run-1", "1"]


def test_the_last_renewal_that_succeeded_says_until_when() -> None:
    """By host and id; what else a login prints is passed over, and what fails moves nothing."""

    def answer(number: int) -> Completed:
        if number > 2:
            raise OSError("n1 is unreachable")
        return Completed(0, f"Welcome to n1\nrun-1-s1r1 {100 * number}\nrun-1-s1r2 7\n", "")

    begun = int(time.time())
    keeper = kept(0.7, lease=0.6, n1=Host(answer), n2=Host(unreachable), n3=Host(lambda _number: RENEWED))
    ended = int(time.time()) + 1
    assert set(keeper.deadlines) == {"n1", "n3"} and keeper.deadlines["n3"] == {}
    assert {"run-1-s1r1", "run-1-s1r2"} == set(keeper.deadlines["n1"])
    assert iso(begun + 200) <= keeper.deadlines["n1"]["run-1-s1r1"] <= iso(ended + 200)


def test_nothing_after_the_stop() -> None:
    host = Host(lambda _number: RENEWED)
    kept(0.3, n1=host)
    count = len(host.asked)
    time.sleep(0.5)
    assert len(host.asked) == count


def test_nothing_when_ansible_has_gone() -> None:
    host = Host(lambda _number: RENEWED)
    kept(0.5, alive=lambda: False, n1=host)
    assert host.asked == []


def test_a_dead_host_loses_its_lease_and_no_other() -> None:
    keeper = kept(1.2, n1=Host(lambda _number: RENEWED), n2=Host(unreachable))
    assert keeper.lost == ["n2"]
    assert keeper.news.get() == ("n2", "lease lost: n2 is unreachable")
    assert keeper.news.empty()


def test_a_hung_host_does_not_delay_the_others() -> None:
    release = threading.Event()

    def hangs(_number: int) -> Completed:
        release.wait(5)
        return RENEWED

    host = Host(lambda _number: RENEWED)
    kept(0.7, n1=Host(hangs), n2=host)
    release.set()
    assert len(host.asked) >= 3


def test_one_failure_is_not_yet_a_loss() -> None:
    host = Host(lambda number: unreachable(number) if number == 2 else RENEWED)
    keeper = kept(1.0, n1=host)
    assert keeper.lost == []
    assert keeper.news.empty()
    assert host.asked[2] - host.asked[1] == pytest.approx(0.1, abs=0.08)


def test_nothing_active_is_a_loss_at_once() -> None:
    keeper = kept(0.2, n1=Host(lambda _number: NOTHING))
    assert keeper.lost == ["n1"]
    assert keeper.news.get() == ("n1", "lease lost: nothing of run run-1 is active there")


def test_back_again() -> None:
    keeper = kept(1.6, n1=Host(lambda number: Completed(1, "", "noise\ndisk is full\n") if number < 9 else RENEWED))
    assert keeper.lost == []
    assert [keeper.news.get()[1] for _each in range(2)] == ["lease lost: exit status 1: disk is full", "lease renewed again"]


@pytest.mark.parametrize(("script", "rc"), [("exit 0", 0), ("exit 3", 3), (None, 3)])
def test_the_shell_line(tmp_path: Path, script: str | None, rc: int) -> None:
    """The real shell, with a control.sh in the state directory of somebody who is not root."""
    state = tmp_path / ".local/state/faultline"
    state.mkdir(parents=True)
    if script:
        (state / "control.sh").write_text(f'echo "$@" >"{tmp_path}/asked"\n{script}\n')
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(Lease("r-1", 29.5).argv, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == rc
    if script:
        assert (tmp_path / "asked").read_text() == "renew r-1 30\n"
    else:
        assert ended.stderr == f"there is no {state}/control.sh\n"
