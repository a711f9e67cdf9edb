# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs and files that root trusts: nobody else can change them, now and when the undo runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import program, trusted
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import choose
from ansible_collections.faultline.chaos.plugins.module_utils._undo.programs import Trusted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Run, Undo
from tests.unit.support.hostile import AS_USER, PROGRAM, named

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs other users")
STRANGER = 5000


def script(path: Path, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def foreign(path: Path) -> Path:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    return path


def test_what_only_root_can_change_is_accepted_by_the_place_where_it_is(bench, tmp_path: Path) -> None:
    real = script(tmp_path / "real" / "undo")
    (tmp_path / "link").symlink_to("real")
    assert program.find(bench.host, "undo", [str(tmp_path / "link" / "undo"), "x"]) == [str(real), "x"]
    (tmp_path / "alias").symlink_to(real)
    found = program.find(bench.host, "undo", [str(tmp_path / "alias")])
    assert found == [str(tmp_path / "alias")], "a program of many names looks at its own"
    assert {str(real), str(tmp_path / "alias"), str(tmp_path), "/", os.path.realpath("/bin/sh")} <= set(program.ways(bench.host, [found]))


@pytest.mark.parametrize("what", ["file", "parent", "grandparent", "link", "interpreter", "env", "writable parent", "writable file", "sticky parent"])
def test_what_others_can_change_is_refused(bench, tmp_path: Path, what: str) -> None:
    path = script(tmp_path / "a" / "b" / "undo")
    if what == "file":
        foreign(path)
    elif what == "parent":
        foreign(path.parent)
    elif what == "grandparent":
        foreign(path.parent.parent)
    elif what == "link":
        (tmp_path / "link").symlink_to(path)
        path = foreign(tmp_path / "link")
    elif what == "interpreter":
        script(path, f"#!{foreign(script(tmp_path / 'sh'))}\n")
    elif what == "env":
        script(path, f"#!/usr/bin/env -S A=b {foreign(script(tmp_path / 'sh'))}\n")
    elif what == "writable parent":
        path.parent.chmod(0o775)
    elif what == "writable file":
        path.chmod(0o757)
    else:
        path.parent.chmod(0o1777)
        foreign(path)
    with pytest.raises(BadOption, match="^undo: .*would run as root"):
        program.find(bench.host, "undo", [str(path)])


@pytest.mark.parametrize("what", ["untouched", "replaced by root", "file", "parent", "mode", "gone", "parent moved", "swapped"])
def test_it_is_looked_at_again_when_the_undo_runs(bench, shell, tmp_path: Path, what: str) -> None:
    mark = tmp_path / "mark"
    path = script(tmp_path / "app" / "undo", f"#!/bin/sh\ntouch {mark}\n")
    argv = program.find(bench.host, "undo", [str(path)])
    directory = bench.publish("a", Undo([Run("x", argv, [Trusted(program.ways(bench.host, [argv]))])]))
    if what == "replaced by root":
        script(tmp_path / "new", f"#!/bin/sh\ntouch {mark}\n").rename(path)
    elif what == "file":
        foreign(path)
    elif what == "parent":
        foreign(path.parent)
    elif what == "mode":
        path.parent.chmod(0o777)
    elif what == "gone":
        path.unlink()
    elif what == "parent moved":
        path.parent.rename(tmp_path / "old")
    elif what == "swapped":
        path.parent.rename(tmp_path / "old")
        foreign(script(tmp_path / "app" / "undo", f"#!/bin/sh\ntouch {mark}\n"))
    done = bench.sh(shell, directory / "revert.sh")
    if what in ("untouched", "replaced by root"):
        assert done.returncode == 0 and mark.exists(), done
        return
    assert done.returncode == 4 and not mark.exists(), done
    told = (directory / "stuck").read_text()
    assert "a program of this undo is not run" in told and str(path.parent) in told


@pytest.mark.parametrize("what", ["root's", "its own", "names another", "link", "fifo", "device", "hard link", "writable", "long", "foreign link above"])
def test_a_pid_file_is_only_trusted_for_whose_it_is(tmp_path: Path, what: str) -> None:
    child = named(b"flpidfile", program=(AS_USER if what == "its own" else "") + PROGRAM.strip())
    path = tmp_path / "run" / "pid"
    path.parent.mkdir()
    path.write_text(f"{child.pid}\n")
    path.chmod(0o644)
    if what in ("its own", "names another"):
        foreign(path)
        foreign(path.parent)
    elif what == "link":
        path.rename(tmp_path / "real")
        path.symlink_to(tmp_path / "real")
    elif what == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif what == "device":
        path.unlink()
        path.symlink_to("/dev/zero")
    elif what == "hard link":
        os.link(path, tmp_path / "other")
    elif what == "writable":
        path.chmod(0o664)
        os.chown(path, 0, STRANGER)
    elif what == "long":
        path.write_text(f"{child.pid}{' ' * 100}")
    elif what == "foreign link above":
        (tmp_path / "to").symlink_to(path.parent)
        path = foreign(tmp_path / "to") / "pid"
    try:
        if what in ("root's", "its own"):
            assert [each.pid for each in choose(pid_file=str(path))] == [child.pid]
        else:
            with pytest.raises(AttackError, match="^pid_file: "):
                choose(pid_file=str(path))
    finally:
        child.kill()
        child.communicate()


def test_a_users_own_programs_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = foreign(script(foreign(script(tmp_path / "home" / "x").parent) / "run"))
    path.chmod(0o775)
    assert "belongs to the user 5000" in (trusted.problem(str(path)) or "")
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    monkeypatch.setattr(os, "getegid", lambda: STRANGER)
    assert trusted.problem(str(path)) is None
    path.chmod(0o777)
    assert "chmod go-w" in (trusted.problem(str(path)) or "")
    shutil.rmtree(path.parent)
