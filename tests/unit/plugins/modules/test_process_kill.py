# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""process_kill: whether the victim runs again is judged by what chose it, and who is chosen is not up to a neighbour. The undo really runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import Process
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import choose
from ansible_collections.faultline.chaos.plugins.module_utils._state import service
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from ansible_collections.faultline.chaos.plugins.modules.process_freeze import ProcessFreeze
from ansible_collections.faultline.chaos.plugins.modules.process_kill import ProcessKill
from tests.unit.support.hostile import AS_USER, PROGRAM, named

NAME = f"flkill{os.getpid()}"  # another worker of pytest must not find it
LISTENS = PROGRAM.replace("print(", "import socket; s = socket.create_server(('127.0.0.1', int(sys.argv[2]))); print(")
FORKS = PROGRAM.replace("print(", "os.fork() or time.sleep(100); print(")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    found: list[subprocess.Popen] = []

    def begin(name: str = NAME, *words: str, **values) -> subprocess.Popen:
        found.append(named(name.encode(), *words, **values))
        return found[-1]

    yield begin
    for child in found:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.communicate()


def attack(bench, module=ProcessKill, **params):
    none = dict.fromkeys(("name", "command_line", "pid_file", "user", "port", "interval", "recover"))
    options = {**none, "count": 1, "order": "oldest", "signal": "KILL", "children": False, **params}
    found = module(options, bench.host)
    found.duration = 30.0
    return found


def script(path: Path, text: str) -> list[str]:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


def killed(bench, criteria: dict, recover: list[str]):
    """(the directory of the attack, its victims) after the kill."""
    found = attack(bench, recover=recover, **criteria)
    found.validate()
    found.guard()
    plan = found.plan(found.snapshot())
    directory = bench.publish("a", plan.undo, injector=[2**22 + 1, int(uptime() * os.sysconf("SC_CLK_TCK"))])
    found.inject(plan)
    for victim in plan.victims:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(victim.pid, 0)
    return directory, plan.victims


def line(child: subprocess.Popen) -> str:
    return " ".join(Process(child.pid).argv)


@pytest.mark.parametrize("by", ["name", "command_line", "port", "pid_file"])
def test_another_of_that_name_is_not_the_victim_that_runs_again(bench, shell, start, tmp_path: Path, by: str) -> None:
    ports = [socket.create_server(("127.0.0.1", 0)) for _each in range(2)]
    numbers = [each.getsockname()[1] for each in ports]
    for each in ports:
        each.close()
    victim, _other = (start(NAME, str(port), program=LISTENS) for port in numbers)
    (tmp_path / "pid").write_text(f"{victim.pid}\n")
    (tmp_path / "pid").chmod(0o644)
    criteria = {by: {"name": NAME, "command_line": line(victim), "port": numbers[0], "pid_file": str(tmp_path / "pid")}[by]}
    mark = tmp_path / "recovered"
    directory, victims = killed(bench, criteria, script(tmp_path / "start", f"touch {mark}"))
    assert [each.pid for each in victims] == [victim.pid]
    assert bench.sh(shell, directory / "revert.sh").returncode == 4, "recover started nothing"
    assert mark.exists() and f"{NAME} is not running again" in (directory / "stuck").read_text()
    new = start(NAME, str(numbers[0]), program=LISTENS)
    (tmp_path / "pid").write_text(f"{new.pid}\n")
    mark.unlink()
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0 and not mark.exists(), done


def test_recover_itself_brings_it_back(bench, shell, start, tmp_path: Path) -> None:
    start()
    start()
    again = f"setsid {sys.executable} -c '{PROGRAM}' {NAME.encode().hex()} >/dev/null 2>&1 </dev/null & echo $! >{tmp_path}/new"
    directory, _victims = killed(bench, {"name": NAME}, script(tmp_path / "start", again))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    os.kill(int((tmp_path / "new").read_text()), signal.SIGKILL)


def test_children_that_outlive_their_parent_are_not_the_victim(bench, shell, start, tmp_path: Path) -> None:
    victim = start(program=FORKS)
    assert len(choose(name=NAME)) == 2
    mark = tmp_path / "recovered"
    directory, victims = killed(bench, {"name": NAME}, script(tmp_path / "start", f"touch {mark}"))
    assert [each.pid for each in victims] == [victim.pid] and len(choose(name=NAME)) == 1
    assert bench.sh(shell, directory / "revert.sh").returncode == 4 and mark.exists()


def test_a_killed_child_is_its_parents_to_replace(bench, shell, start, tmp_path: Path) -> None:
    start(program=FORKS)
    mark = tmp_path / "recovered"
    directory, _victims = killed(bench, {"name": NAME, "order": "newest"}, script(tmp_path / "start", f"touch {mark}"))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0 and not mark.exists()


@pytest.mark.parametrize(
    ("recover", "lifted"),
    [
        (["systemctl", "start", "x"], ["reset-failed", "x"]),
        (["systemctl", "--no-block", "restart", "x", "y"], ["--no-block", "reset-failed", "x", "y"]),
        (["systemctl", "isolate", "x.target"], None),
        (["sleep", "1"], None),
    ],
)  # fmt: skip
def test_systemd_may_start_it_again_however_often_it_died(bench, start, recover: list[str], lifted: list[str] | None) -> None:
    if not shutil.which(recover[0], path=host.SAFE_PATH):
        pytest.skip(f"{recover[0]} is not installed")
    start()
    found = attack(bench, name=NAME, recover=recover)
    found.guard()
    [step] = found.plan(found.snapshot()).undo.steps
    assert [each.argv[1:] for each in step.steps] == [*([lifted] if lifted else []), recover[1:]]


def test_services_are_started_however_often_they_failed(bench, shell, tmp_path: Path) -> None:
    """A systemctl that refuses to start a unit until its failures are reset."""
    log = tmp_path / "log"
    [tool] = script(
        tmp_path / "systemctl",
        f'echo "$1" >>{log}; case $1 in is-active) [ -e {tmp_path}/up ] ;; reset-failed) touch {tmp_path}/reset ;;'
        f" start) [ -e {tmp_path}/reset ] && touch {tmp_path}/up ;; esac",
    )
    manager = service.Systemd.__new__(service.Systemd)
    manager.tool, undo = tool, Undo()
    manager.restart(undo, "x.service")
    assert bench.sh(shell, bench.publish("a", undo) / "revert.sh").returncode == 0
    assert log.read_text().split() == ["is-active", "reset-failed", "start", "is-active"]
    assert bench.sh(shell, bench.publish("b", undo) / "revert.sh").returncode == 0
    assert log.read_text().split()[4:] == ["is-active", "is-active"], "what runs is left alone"


@pytest.mark.skipif(os.getuid() != 0, reason="needs other users")
@pytest.mark.parametrize("module", [ProcessKill, ProcessFreeze])
def test_an_age_does_not_choose_between_root_and_others(bench, start, module) -> None:
    impostor = start(program=AS_USER + PROGRAM.strip())
    time.sleep(0.05)
    victim = start()
    with pytest.raises(AttackError, match=f"pid {impostor.pid} of the user 5000.*pid {victim.pid} of the user 0.*user or pid_file"):
        attack(bench, module, name=NAME).snapshot()
    found = attack(bench, module, name=NAME, user="root")
    found.recover = None
    assert [each.pid for each in found.plan(found.snapshot()).victims] == [victim.pid]
    found = attack(bench, module, name=NAME, count=0)
    found.recover = None
    plan = found.plan(found.snapshot())
    assert len(plan.victims) == 2 and any("differs in user or program" in note for note in plan.notes)


@pytest.mark.skipif(os.getuid() != 0, reason="needs other users")
def test_children_of_another_user_are_no_impostors(bench, start) -> None:
    """As a server that begins as root and lets its children run as another user."""
    start(program=PROGRAM.replace("print(", "os.fork() and time.sleep(100); os.setuid(5000); print("))
    found = attack(bench, name=NAME)
    found.guard()
    plan = found.plan(found.snapshot())
    assert len(choose(name=NAME)) == 2 and not any("differs" in note for note in plan.notes)


def test_names_that_the_kernel_cut(bench, tmp_path: Path) -> None:
    long = f"{NAME}-by-its-name"
    script(tmp_path / long, "read x")
    child = subprocess.Popen([tmp_path / long], stdin=subprocess.PIPE)
    try:
        until = time.monotonic() + 5
        while Process(child.pid).name != long[:15] and time.monotonic() < until:
            time.sleep(0.02)
        assert [each.pid for each in choose(name=long)] == [child.pid]
        assert choose(name=long + "r") == [] and len(choose(name=long[:15])) == 1
    finally:
        child.communicate(b"")


def test_titles_that_end_in_blanks() -> None:
    title = f"flsleep{os.getpid()}: walwriter"
    child = subprocess.Popen([f"{title}   "], executable=sys.executable, stdin=subprocess.PIPE)
    try:
        time.sleep(0.3)
        for told in (title, f"{title}   ", f"{title} "):
            assert [each.pid for each in choose(command_line=told)] == [child.pid]
        assert choose(command_line=title[:-1]) == []
    finally:
        child.communicate(b"")
