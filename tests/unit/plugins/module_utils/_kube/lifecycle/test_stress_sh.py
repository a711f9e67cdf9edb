# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs for the shell of a container, in every shell that is here, without a PATH. A little CPU for a short time only."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import stress_sh

SHELLS = [found for found in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(found[0])]
NO_PATH = {"PATH": "/nonexistent"}


class Container:
    """This machine as a container: its shell, and a word that nobody else has."""

    def __init__(self, shell: list[str]) -> None:
        self.shell = [shutil.which(shell[0]), *shell[1:]]
        self.word = f"faultline-test-{secrets.token_hex(6)}"
        self.started: subprocess.Popen | None = None

    def run(self, argv: list[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        return subprocess.run([*self.shell, *argv[1:]], env=env or NO_PATH, capture_output=True, text=True, timeout=60, check=False)

    def start(self, seconds: int, cpus: int, mib: int, env: dict[str, str] | None = None) -> None:
        argv = stress_sh.start(self.word, seconds, cpus, mib)
        self.started = subprocess.Popen([*self.shell, *argv[1:]], env=env or NO_PATH, stdout=subprocess.PIPE, text=True)
        assert self.started.stdout.readline() == "started\n"

    def measure(self) -> tuple[float, int, int, int]:
        up, ticks, rss, count = self.run(stress_sh.measure(self.word)).stdout.split()
        return float(up), int(ticks), int(rss), int(count)


@pytest.fixture(params=SHELLS, ids=" ".join)
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    made = Container(request.param)
    yield made
    if made.started and made.started.poll() is None:
        made.run(stress_sh.stop(made.word))
        made.started.wait(20)


def test_it_burns_and_ends_by_itself(container: Container) -> None:
    began = time.monotonic()
    container.start(8, 1, 0)
    seen = [container.measure()]
    while seen[-1][1] <= seen[0][1] and time.monotonic() - began < 6:
        seen.append(container.measure())
    assert seen[0][3] == 2  # the first shell and its worker
    assert seen[-1][1] > 0
    assert container.started.wait(30) == 0
    assert time.monotonic() - began > 6
    assert container.measure()[3] == 0


def test_it_holds_memory_and_is_stopped(container: Container) -> None:
    container.start(60, 0, 24, {"PATH": os.environ["PATH"]})
    until = time.monotonic() + 30
    while container.measure()[2] < 24 * 1024 and time.monotonic() < until:
        time.sleep(0.2)
    assert 24 * 1024 <= container.measure()[2] < 48 * 1024
    stopped = container.run(stress_sh.stop(container.word))
    assert (stopped.returncode, stopped.stdout.strip()) == (0, "2")
    assert container.started.wait(10) in (0, 143)  # by itself, or by the TERM that ends it
    assert container.run(stress_sh.stop(container.word)).stdout.strip() == "0"


def test_only_those_with_the_word_are_ended(container: Container) -> None:
    other = Container(container.shell)
    container.start(60, 1, 0)
    other.start(60, 1, 0)
    try:
        assert container.run(stress_sh.stop(container.word)).returncode == 0
        assert other.measure()[3] == 2
        assert container.started.wait(10) in (0, 143)  # by itself, or by the TERM that ends it
    finally:
        assert other.run(stress_sh.stop(other.word)).stdout.strip() == "2"
        other.started.wait(10)


def test_what_it_sees(container: Container) -> None:
    used, idle, limit, sleeps, clock = container.run(stress_sh.look(), {"PATH": os.environ["PATH"]}).stdout.split()
    assert clock == "yes" and sleeps == "yes" and idle.isdigit()
    assert used == "none" or used.isdigit()
    assert limit in ("none", "max") or limit.isdigit()


def test_programs_are_one_line_and_never_made_of_options() -> None:
    for argv in (stress_sh.start("w", 1, 2, 3), stress_sh.stop("w"), stress_sh.measure("w"), stress_sh.look()):
        assert "\n" not in argv[2]
    assert stress_sh.start("a", 1, 2, 3)[2] == stress_sh.start("b", 4, 5, 6)[2]
    assert stress_sh.start("a", 1, 2, 3)[3:] == ["sh", "stress=a", "1", "2", "3"]
