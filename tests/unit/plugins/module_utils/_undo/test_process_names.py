# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""revert.sh never takes a living process for gone: whatever its name, and when it cannot be looked at."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time, stat_of, state
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import Process
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import has_line
from ansible_collections.faultline.chaos.plugins.module_utils._undo.limits import HasHeirs
from ansible_collections.faultline.chaos.plugins.module_utils._undo.processes import Continue, Stopped
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Alive, Gone, KillGroup, Undo
from tests.unit.support.hostile import NAMES, named

# The first thread ends, another one goes on: the process looks like a zombie.
LEADERLESS = """
import ctypes, sys, threading, time
threading.Thread(target=time.sleep, args=(100,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""
# It starts a child, which has the name that it is told.
FORKING = """
import ctypes, os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.stdin.readline()
child = os.fork()
if child == 0:
    ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
    print(os.getpid(), flush=True)
    signal.pause()
sys.stdin.readline()
"""


def wait(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    found: list[subprocess.Popen] = []

    def begin(*words, **values) -> subprocess.Popen:
        found.append(named(*words, **values))
        return found[-1]

    yield begin
    for child in found:
        child.kill()
        child.communicate()


def frozen(child: subprocess.Popen) -> Undo:
    os.kill(child.pid, signal.SIGSTOP)
    wait(lambda: state(child.pid) in ("T", "Z"))
    began = start_time(child.pid)
    return Undo([Continue("x", child.pid, began)], [Gone("the victim is stopped", [Stopped(child.pid, began)])])


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_process_is_continued_whatever_its_name(bench, shell, start, name: bytes) -> None:
    victim = start(name)
    directory = bench.publish("a", frozen(victim))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert state(victim.pid) != "T"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_of_it_is_seen_whatever_its_name(bench, shell, start, name: bytes) -> None:
    victim = start(name)
    directory = bench.publish("a", Undo([], frozen(victim).checks + [Gone("it is there", [Alive(victim.pid, start_time(victim.pid))])]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 4
    assert [line.rpartition(": ")[2] for line in (directory / "stuck").read_text().splitlines()] == ["the victim is stopped", "it is there"]


def test_a_process_whose_first_thread_ended_is_not_gone(bench, shell, start) -> None:
    victim = start(b"leaderless", program=LEADERLESS)
    wait(lambda: state(victim.pid) == "Z")
    assert Process(victim.pid).alive() and start_time(victim.pid)
    undo = frozen(victim)
    directory = bench.publish("a", Undo([], undo.checks))
    wait(lambda: "T" in [task.read_text().rpartition(") ")[2][0] for task in Path(f"/proc/{victim.pid}/task").glob("*/stat")])
    assert bench.sh(shell, directory / "revert.sh").returncode == 4
    assert bench.sh(shell, bench.publish("b", undo) / "revert.sh").returncode == 0
    assert bench.sh(shell, directory / "revert.sh").returncode == 0  # nothing of it is stopped any more


def test_a_stop_that_a_debugger_hides_is_taken_back(bench, shell, start) -> None:
    """With a tracer attached the state is t; without SIGCONT the process would be stopped again once the tracer lets it go."""
    victim = start(b"traced")
    undo = frozen(victim)
    tracer = subprocess.Popen([sys.executable, "-c", TRACER, str(victim.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tracer.stdout
    assert tracer.stdout.readline() == "attached\n"
    wait(lambda: state(victim.pid) == "t")
    assert bench.sh(shell, bench.publish("a", undo) / "revert.sh").returncode == 0
    tracer.communicate("go\n")
    wait(lambda: state(victim.pid) == "S")


TRACER = """
import ctypes, os, sys
libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
assert libc.ptrace(16, pid, None, None) == 0, ctypes.get_errno()
os.waitpid(pid, 0x40000000)
print("attached", flush=True)
sys.stdin.readline()
libc.ptrace(17, pid, None, None)
"""


@pytest.mark.parametrize("name", [b"a) S 1\n", b"x\n9 (y) S 1 1"])
def test_heirs_are_found_whatever_their_name(bench, shell, name: bytes) -> None:
    parent = subprocess.Popen([sys.executable, "-c", FORKING, name.hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (300, 400))
    undo = Undo([], [Gone("an heir", [HasHeirs(parent.pid, start_time(parent.pid), 300, 400)])])
    directory = bench.publish("a", undo, injector=[2**22 + 1, start_time(parent.pid)])
    assert parent.stdin and parent.stdout
    parent.stdin.write("\n")
    parent.stdin.flush()
    heir = int(parent.stdout.readline())
    try:
        assert bench.sh(shell, directory / "revert.sh").returncode == 4
        assert "an heir" in (directory / "stuck").read_text()
    finally:
        os.kill(heir, signal.SIGKILL)
        parent.communicate("\n")


@pytest.mark.parametrize("kind", ["stopped", "alive", "group"])
def test_what_cannot_be_looked_at_is_stuck_and_named(bench, shell, start, kind: str) -> None:
    """A process of this number is there, but its stat cannot be read, as with hidepid or without free file handles."""
    victim = start(b"hidden")
    undo = frozen(victim) if kind == "stopped" else Undo([], [Gone("it is there", [Alive(victim.pid, start_time(victim.pid))])])
    if kind == "group":
        undo = Undo([KillGroup("x", victim.pid, start_time(victim.pid))])

    def unreadable(script: str) -> str:
        return script.replace('/proc/$1/stat"', '/proc/$1/no-such-file"')

    directory = bench.publish("a", undo, edit=unreadable)
    assert bench.sh(shell, directory / "revert.sh").returncode == 4
    assert f"process {victim.pid} cannot be looked at" in (directory / "stuck").read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="mounts /proc anew")
@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_hidepid_hides_no_frozen_process_from_the_undo_of_a_user(bench, shell, start, hidepid: str) -> None:
    """The victim of an ordinary user that may no longer be looked at (PR_SET_DUMPABLE), on a /proc mounted with hidepid."""
    victim = start(b"shy", program=SHY)
    undo = Undo([], frozen(victim).checks)
    directory = bench.publish("a", undo)
    script = Path("/tmp") / f"fl-hidepid-{os.getpid()}.sh"
    text = (directory / "revert.sh").read_text().replace('main "$@"; exit $?\n', "effective_uid; failed=0; undo; check; exit $failed\n")
    script.write_text(text.replace('>>"$dir/stuck"', ">&2"))
    script.chmod(0o644)
    try:
        inside = f"mount -t proc -o hidepid={hidepid} proc /proc && exec setpriv --reuid=5000 --regid=5000 --clear-groups {' '.join(shell)} {script}"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", inside], capture_output=True, text=True, check=False)
    finally:
        script.unlink()
    assert done.returncode == 1 and f"process {victim.pid} cannot be looked at" in done.stderr, done


SHY = """
import ctypes, os, time
os.setgroups([]); os.setgid(5000); os.setuid(5000)
assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0
print("ready", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("name", NAMES)
def test_python_reads_the_same(start, name: bytes) -> None:
    child = start(name)
    found = stat_of(child.pid)
    assert found is not None
    assert (found.parent, found.threads, found.kernel) == (os.getpid(), 1, False)
    assert Process(child.pid).name == found.name == name.decode("utf-8", "replace") and Process(child.pid).alive()


def test_a_megabyte_of_arguments_is_not_read(start, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(b"large", *["x" * 100_000] * 10)
    found = Process(child.pid)
    assert len(" ".join(found.argv)) <= 4096 and found.describe()["pid"] == child.pid
    assert not has_line(found, "x") and has_line(found, Path(f"/proc/{child.pid}/cmdline").read_text().rstrip("\0").replace("\0", " "))
