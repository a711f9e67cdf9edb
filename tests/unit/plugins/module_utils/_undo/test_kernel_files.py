# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo steps and guards for small files of the kernel, run for real under every shell: written once, and only where the value is still ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import IsInode
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import HasLine, Put, StillOurs, ValueIs
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import SameBoot, Undo

STUCK = 4
ENTER = ["nice"]  # a program that runs another one, as nsenter does


def revert(bench, shell: list[str], *words: str):
    return bench.sh(shell, bench.state / "a" / "revert.sh", *words)


def test_put_only_where_our_line_is(bench, shell, tmp_path: Path) -> None:
    for name, text in (("ours", "7:0 1\n8:0 10\n"), ("theirs", "18:0 10\n8:0 100\n")):
        (tmp_path / name).write_text(text)
    steps = [Put("put", str(tmp_path / name), "8:0 0", [SameBoot(), HasLine(str(tmp_path / name), "8:0 10")]) for name in ("ours", "theirs", "none")]
    bench.publish("a", Undo(steps))
    assert revert(bench, shell).returncode == 0
    assert (tmp_path / "ours").read_text() == "8:0 0\n" and (tmp_path / "theirs").read_text() == "18:0 10\n8:0 100\n"
    assert not (tmp_path / "none").exists()


def test_put_to_another_inode_is_not_done(bench, shell, tmp_path: Path) -> None:
    found = tmp_path.stat()
    file = tmp_path / "file"
    file.write_text("x\n")
    bench.publish("a", Undo([Put("put", str(file), "y", [IsInode(str(tmp_path), found.st_dev, found.st_ino + 1)])]))
    assert revert(bench, shell).returncode == 0 and file.read_text() == "x\n"


@pytest.mark.parametrize("enter", [(), ENTER], ids=["here", "elsewhere"])
@pytest.mark.parametrize(
    ("note", "now", "after"),
    [
        (None, "7", "7"),  # the attack wrote nothing
        (None, "1", "1"),
        ("writing", "4", "1 2"),  # what is there is its value, however the kernel made it
        ("writing", "1\t2", "1\t2"),
        ("written\n4", "4", "1 2"),
        ("written\n4 5", "4\t5", "1 2"),
        ("written\n1-3", "1-3", "1 2"),
        ("written\n4", "5", "5"),  # somebody else has set it since
        ("written\n4", "1\t2", "1\t2"),  # it is back already
        ("written\n", "", "1 2"),  # an empty value
        ("written\n", "5", "5"),
        ("written\n*", "*", "1 2"),
        ("written\n*", "x", "x"),
        ("", "4", "4"),  # a damaged note
    ],
)
def test_a_value_goes_back_only_while_it_is_the_one_that_was_written(bench, shell, tmp_path: Path, enter, note: str | None, now: str, after: str) -> None:
    file = tmp_path / "it's a value"
    file.write_text(now + "\n")
    bench.publish("a", Undo([Put("put", str(file), "1 2", [SameBoot(), StillOurs(str(file), "1\t2", "set-0", enter)], enter)]))
    if note is not None:
        bench.journal.note("a", "set-0", note + "\n")
    assert revert(bench, shell).returncode == 0
    assert file.read_text() == after + "\n"


def test_a_value_with_other_blanks_is_the_same(bench, shell, tmp_path: Path) -> None:
    for name, text in (("tabs", "4\t 5\n"), ("other", "45\n"), ("longer", "4 5 6\n")):
        (tmp_path / name).write_text(text)
    steps = [Put("put", str(tmp_path / name), "0", [ValueIs(str(tmp_path / name), "4 5")]) for name in ("tabs", "other", "longer")]
    bench.publish("a", Undo(steps))
    assert revert(bench, shell).returncode == 0
    assert [(tmp_path / name).read_text() for name in ("tabs", "other", "longer")] == ["0\n", "45\n", "4 5 6\n"]


@pytest.mark.parametrize("enter", [(), ENTER], ids=["here", "elsewhere"])
def test_a_refused_write_is_no_success(bench, shell, enter) -> None:
    bench.publish("a", Undo([Put("put", "/dev/full", "1", [SameBoot()], enter)]))
    assert revert(bench, shell).returncode == STUCK


def test_a_value_that_cannot_be_read_is_no_success(bench, shell, tmp_path: Path) -> None:
    bench.publish("a", Undo([Put("put", str(tmp_path / "x"), "1", [ValueIs(str(tmp_path / "x"), "2")])]))
    assert revert(bench, shell).returncode == STUCK and not (tmp_path / "x").exists()
