# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""custom: programs that are refused, and an undo that really runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.mounts import Mount
from ansible_collections.faultline.chaos.plugins.modules.custom import Custom


def attack(bench=None, **params) -> Custom:
    given = {"inject": ["true"], "undo": ["true"], "check": None, "undo_check": None, "undo_timeout": "60s", "resource": None}
    return Custom({**given, **params}, bench.host if bench else None)


def ready(bench, **params) -> Custom:
    found = attack(bench, **params)
    found.validate()
    found.guard()
    return found


@pytest.fixture(autouse=True)
def as_before():
    here, stdin = os.getcwd(), os.dup(0)
    yield
    os.chdir(here)
    os.dup2(stdin, 0)
    os.close(stdin)


@pytest.mark.parametrize("option", ["inject", "undo", "check", "undo_check"])
@pytest.mark.parametrize("argv", [[], [""], [" "], ["-x"], ["A=b", "id"], ["./run"], ["bin/run"], ["true", "a\0b"]])
def test_programs_that_are_refused(option: str, argv: list[str]) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(**{option: argv}).validate()


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_resources_that_are_refused(name: str) -> None:
    with pytest.raises(BadOption, match="^resource: "):
        attack(resource=name).validate()


@pytest.mark.parametrize("value", ["", "0s", "2h", "-1s", "x", None, True])
def test_times_of_the_undo_that_are_refused(value) -> None:
    with pytest.raises(BadOption, match="^undo_timeout: "):
        attack(undo_timeout=value).validate()


def test_the_undo_may_take_as_long_as_was_said(bench) -> None:
    found = ready(bench, undo=["sleep", "1"], undo_timeout="10m")
    assert "try_for 600 " in found.plan({}).undo.steps[0].render()[1]


def test_resources() -> None:
    assert attack(inject=["touch", "/x y"]).resources() == ["custom:touch /x y"]
    assert attack(resource="the link").resources() == ["custom:the link"]


@pytest.mark.parametrize("program", ["fl-no-such-program", "/fl/no/such/program", "/etc", "/etc/passwd"])
def test_a_program_must_be_there(bench, program: str) -> None:
    with pytest.raises(BadOption, match="^undo: .*no such program"):
        ready(bench, undo=[program])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must not run what others can write to")
def test_a_program_of_root_is_not_writable_for_others(bench, tmp_path: Path) -> None:
    program = tmp_path / "run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    with pytest.raises(BadOption, match="^inject: .*chmod"):
        ready(bench, inject=[str(program)])
    program.chmod(0o755)
    ready(bench, inject=[str(program)])


@pytest.mark.parametrize("option", ["inject", "undo", "check", "undo_check"])
def test_every_program_is_looked_for_and_kept_by_its_place(bench, option: str) -> None:
    with pytest.raises(BadOption, match=f"^{option}: .*no such program"):
        ready(bench, **{option: ["fl-no-such-program"]})
    assert ready(bench, **{option: ["true", "x"]}).argv[option] == [bench.host.tool("true"), "x"]


def test_a_script_without_its_interpreter_is_refused(bench, tmp_path: Path) -> None:
    program = tmp_path / "run"
    program.write_bytes(b"#! /fl/no/such/interpreter -x\n")
    program.chmod(0o755)
    with pytest.raises(BadOption, match="^inject: .*a script for /fl/no/such/interpreter"):
        ready(bench, inject=[str(program)])
    for first in (b"#!/bin/sh\n", b"#!", b"", b"\x7fELF"):
        program.write_bytes(first)
        ready(bench, inject=[str(program)])


@pytest.mark.parametrize("option", ["inject", "undo", "check", "undo_check"])
def test_what_a_reboot_takes_away_cannot_undo(bench, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root, shm = (Mount(point, "tmpfs", "tmpfs", "rw", "0:1") for point in ("/", "/dev/shm"))
    monkeypatch.setattr(mounts, "mount_of", lambda path: shm if path == os.path.realpath(bench.host.tool("sleep")) else root)
    if option == "inject":
        ready(bench, inject=["sleep", "0"])
        return
    with pytest.raises(BadOption, match=f"^{option}: .*on a file system in memory"):
        ready(bench, **{option: ["sleep", "0"]})


def test_inject_and_undo(bench, shell, tmp_path: Path) -> None:
    mark = str(tmp_path / "mark $(id) 'x'")
    found = ready(bench, inject=["touch", mark], undo=["rm", mark], check=["test", "-e", mark], undo_check=["test", "!", "-e", mark])
    plan = found.plan(found.snapshot())
    assert plan.notes == [] and not Path(mark).exists()
    directory = bench.publish("a", plan.undo)
    found.inject(plan)
    assert found.verify(plan) == {"rc": 0, "stdout": "", "stderr": "", "in_effect": True}
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert not Path(mark).exists()
    directory = bench.publish("b", plan.undo)  # nothing to undo: rm, which would fail, is not run
    assert bench.sh(shell, directory / "revert.sh").returncode == 0


def test_an_undo_that_does_not_restore_is_stuck(bench, shell, tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    for options, said in (({"check": ["test", "-e", mark]}, "what check finds"), ({"undo_check": ["test", "!", "-e", mark]}, "what undo_check finds")):
        found = ready(bench, inject=["touch", mark], **options)
        plan = found.plan(found.snapshot())
        directory = bench.publish("a", plan.undo)
        found.inject(plan)
        assert bench.sh(shell, directory / "revert.sh").returncode == 4
        assert said in (directory / "stuck").read_text()
        os.unlink(mark)
        assert bench.sh(shell, directory / "revert.sh").returncode == 0


def test_an_undo_that_fails_is_stuck(bench, shell) -> None:
    found = ready(bench, undo=["false"])
    plan = found.plan(found.snapshot())
    assert "exit status only" in plan.notes[0]
    assert bench.sh(shell, bench.publish("a", plan.undo) / "revert.sh").returncode == 4


def test_what_is_in_effect_already_is_refused(bench) -> None:
    with pytest.raises(AttackError, match="^check: .*already"):
        ready(bench, check=["true"]).snapshot()
    with pytest.raises(AttackError, match="^undo_check: "):
        ready(bench, undo_check=["false"]).snapshot()


def test_check_mode_runs_nothing(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.host._module, "check_mode", True, raising=False)
    found = ready(bench, check=["true"], undo_check=["false"])
    found.plan(found.snapshot())
    assert bench.host._module.commands == []


def test_a_failure_is_told(bench) -> None:
    found = ready(bench, inject=["ls", "/fl-no-such-file"])
    with pytest.raises(AttackError, match="inject failed with rc 2: .*fl-no-such-file"):
        found.inject(found.plan(found.snapshot()))
    found = ready(bench, check=["false"])
    plan = found.plan(found.snapshot())
    found.inject(plan)
    with pytest.raises(AttackError, match="not in effect"):
        found.verify(plan)
