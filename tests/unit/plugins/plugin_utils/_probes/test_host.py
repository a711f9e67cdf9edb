# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes that run something, and the end of what runs too long. All real: processes of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.host import CAPPED
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Completed
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.local import ControllerRunner, descendants, marked

SLEEP = shutil.which("sleep") or "/bin/sleep"


def attempt(kind: str, timeout: float = 5.0, name: str = "x", runner: t.Any = None, **options: t.Any) -> Measurement:
    probe = read_probes([{"name": name, "type": kind, "run_on": "controller", **options}])[0]
    probe.runner = runner or ControllerRunner()
    return probe.attempt(timeout)


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.mark.parametrize(
    ("argv", "expect", "expected"),
    [
        (["true"], {}, Measurement(True)),
        (["false"], {}, Measurement(False, None, "exit status 1")),
        (["false"], {"rc": 1}, Measurement(True)),
        (["false"], {"rc": [0, 1]}, Measurement(True)),
        (["echo", "42"], {}, Measurement(True, 42)),
        (["echo", " -4.25 "], {}, Measurement(True, -4.25)),
        (["echo", "42 apples"], {"regex": "^42"}, Measurement(True)),
        (["echo", "many"], {"regex": "^42"}, Measurement(False, None, "output does not match '^42'")),
        (["echo", '{"depth": 3}'], {"json": "depth == `3`"}, Measurement(True)),
        (["echo", '{"depth": 4}'], {"json": "depth == `3`"}, Measurement(False, None, "output depth == `3` is false: depth is 4")),
        (["echo", 5], {}, Measurement(True, 5)),
        (python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)"), {}, Measurement(False, None, "exit status 143")),
        (["echo", "$(id)", ";", "`id`", "a'b"], {"regex": r"^\$\(id\) ; `id` a'b$"}, Measurement(True)),
        (["cat"], {}, Measurement(True)),
    ],
)
def test_command(argv: list, expect: dict, expected: Measurement) -> None:
    assert attempt("command", argv=argv, expect=expect) == expected


def test_command_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        attempt("command", argv=["/does/not/exist"])


def test_command_with_too_much_output() -> None:
    with pytest.raises(OSError, match="more than 256 KiB of output"):
        attempt("command", argv=["yes"])


def test_only_the_program_is_shown() -> None:
    probe = read_probes([{"name": "x", "type": "command", "argv": ["mysqladmin", "--password=s3cret", "ping"]}])[0]
    assert probe.target == "mysqladmin on controller"
    assert not probe.reads_only


@pytest.mark.parametrize("nested", [False, True])
def test_a_command_beyond_its_time_is_killed_with_its_children(nested: bool) -> None:
    seconds = f"31.{os.getpid()}{int(nested)}"
    argv = python(f"import subprocess; subprocess.run(['{SLEEP}', '{seconds}'])") if nested else [SLEEP, seconds]
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        ControllerRunner().run(argv, 0.6)
    assert time.monotonic() - begun < 3
    assert marked(seconds) == []


def test_descendants() -> None:
    child = subprocess.Popen(python(f"import subprocess; subprocess.run(['{SLEEP}', '30'])"))
    try:
        deadline = time.monotonic() + 10
        while len(descendants(child.pid)) < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(descendants(child.pid)) == 1
        assert set(descendants(child.pid)) < set(descendants(os.getpid()))
    finally:
        for pid in [*descendants(child.pid), child.pid]:
            os.kill(pid, 9)
        child.wait()


SHELLS = [
    pytest.param(shell, id=shell[-1], marks=pytest.mark.skipif(not shutil.which(shell[0]), reason="not here"))
    for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"])
]


@contextmanager
def running(name: str, directory: Path, count: int = 1) -> Iterator[list[subprocess.Popen]]:
    """Processes of that very name: copies of sleep."""
    program = directory / name
    shutil.copy(SLEEP, program)
    processes = [subprocess.Popen([program, "60"]) for _each in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("name", ["fl-patient", "a.b*c[d]$e^", "(x) S 1", "fl|pa+t{2}?", "back\\slash", "-e"])
def test_process_is_found_by_its_exact_name(name: str, tmp_path: Path) -> None:
    assert attempt("process", process=name) == Measurement(False, 0, "not running")
    with running(name, tmp_path, 2):
        assert attempt("process", process=name) == Measurement(True, 2)
        assert attempt("process", process=name[:-1] + "X").ok is False
        assert attempt("process", process=name, expect={"count_min": 3}) == Measurement(False, 2, "2 run, at least 3 expected")
        assert attempt("process", process=name, expect={"count_max": 1}) == Measurement(False, 2, "2 run, at most 1 expected")
        assert attempt("process", process=name, expect={"count_max": 0}) == Measurement(False, 2, "2 run, at most 0 expected")
    assert attempt("process", process=name, expect={"count_max": 0}) == Measurement(True, 0)


def test_a_zombie_does_not_run(tmp_path: Path) -> None:
    with running("fl-zombie", tmp_path) as processes:
        processes[0].kill()
        deadline = time.monotonic() + 5
        while attempt("process", process="fl-zombie").value and time.monotonic() < deadline:
            time.sleep(0.05)
        assert Path(f"/proc/{processes[0].pid}/stat").exists()
        assert attempt("process", process="fl-zombie") == Measurement(False, 0, "not running")


class Answers:
    """Stands in for a service manager, whose words are what is tested."""

    def __init__(self, stdout: str, rc: int = 0, stderr: str = "") -> None:
        self._ended = Completed(rc, stdout, stderr)

    def run(self, argv: list[str], timeout: float) -> Completed:
        return self._ended


@pytest.mark.parametrize(
    ("says", "state", "expected"),
    [
        ("LoadState=loaded\nActiveState=active\n", "running", Measurement(True, "active")),
        ("LoadState=loaded\nActiveState=reloading\n", "running", Measurement(True, "reloading")),
        ("LoadState=loaded\nActiveState=activating\n", "running", Measurement(False, "activating", "is activating")),
        ("LoadState=loaded\nActiveState=failed\n", "running", Measurement(False, "failed", "is failed")),
        ("LoadState=loaded\nActiveState=inactive\n", "stopped", Measurement(True, "inactive")),
        ("LoadState=loaded\nActiveState=active\n", "stopped", Measurement(False, "active", "is active")),
        ("LoadState=not-found\nActiveState=inactive\n", "stopped", Measurement(False, "not-found", "no such service")),
        ("", "running", Measurement(False, "unknown", "is unknown")),
    ],
)
def test_service(says: str, state: str, expected: Measurement) -> None:
    assert attempt("service", service="redis-server", expect={"state": state}, runner=Answers(says)) == expected


def test_service_that_cannot_be_asked() -> None:
    with pytest.raises(OSError, match="controller: Failed to connect to bus"):
        attempt("service", service="x", runner=Answers("", 1, "warning\nFailed to connect to bus\n"))


def test_service_here_is_not_there() -> None:
    assert attempt("service", service="fl-no-such-service") == Measurement(False, "not-found", "no such service")


def on_a_host(*argv: str, timeout: float = 5.0, **options: object) -> Measurement:
    """A command as a host gets it, run here."""
    probe = read_probes([{"name": "x", "type": "command", "argv": list(argv), "run_on": "n1", **options}])[0]
    probe.runner = ControllerRunner()
    return probe.attempt(timeout)


def test_a_command_on_a_host_may_not_write_without_end() -> None:
    """Ansible keeps the whole output of a command in memory, so the host passes on the beginning only."""
    passed = ControllerRunner().run(["/bin/sh", "-c", CAPPED, "faultline", "1000", "yes"], 5)
    assert (passed.rc, passed.stdout, passed.stderr) == (141, "y\n" * 500, "")
    passed = ControllerRunner().run(["/bin/sh", "-c", CAPPED, "faultline", "1000", "sh", "-c", "yes >&2"], 5)
    assert (passed.stdout, passed.stderr) == ("", "y\n" * 500)
    with pytest.raises(OSError, match="more than 256 KiB of output"):
        on_a_host("yes")
    with pytest.raises(OSError, match="more than 256 KiB of output"):
        on_a_host("sh", "-c", "yes >&2")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_command_on_a_host_says_passes_unchanged(shell: list[str]) -> None:
    script = "printf 'a b\\n\\n'; echo wrong >&2; exit 7"
    passed = ControllerRunner().run([*shell, "-c", CAPPED, "faultline", "1000", "sh", "-c", script], 5)
    assert (passed.rc, passed.stdout, passed.stderr) == (7, "a b\n\n", "wrong\n")
    assert ControllerRunner().run([*shell, "-c", CAPPED, "faultline", "1000", "sh", "-c", "kill -9 $$"], 5).rc == 137
    assert ControllerRunner().run([*shell, "-c", CAPPED, "faultline", "1000", "/does/not/exist"], 5).rc == 127
    # An argument list, never a shell: words are words, and built-in commands of the shell are not programs.
    assert ControllerRunner().run([*shell, "-c", CAPPED, "faultline", "1000", "printf", "%s|", "$(id)", "a  b", ""], 5).stdout == "$(id)|a  b||"
    assert ControllerRunner().run([*shell, "-c", CAPPED, "faultline", "1000", "eval", "echo evaluated"], 5).rc == 127


def test_a_command_on_a_host_with_rules() -> None:
    assert on_a_host("echo", "42", expect={"regex": "^42$"}) == Measurement(True, 42)
    assert on_a_host("sh", "-c", "exit 3") == Measurement(False, None, "exit status 3")
