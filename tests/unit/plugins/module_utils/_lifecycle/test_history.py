# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history: what ended, what began and never ended, and what a crash or a trim must not take from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import HISTORY_KEPT
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.residue import lost
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one


def test_the_history_is_trimmed_but_never_while_an_undo_may_write_to_it(bench) -> None:
    bench.publish("a")
    path = bench.state / "history.jsonl"
    path.write_text("".join('{"id": "x"}\n' for _each in range(HISTORY_KEPT + 1)))
    bench.publish("b")
    assert len(path.read_text().splitlines()) == HISTORY_KEPT + 2  # and that b began
    for attack_id in ("a", "b"):
        assert revert_one(bench.host, bench.journal, attack_id).clean
    bench.publish("c")
    assert len(path.read_text().splitlines()) == HISTORY_KEPT // 2 + 1  # and that c began
    assert [each["id"] for each in bench.journal.history(2)] == ["a", "b"]


def test_unreadable_lines_of_the_history_are_passed_over(bench) -> None:
    bench.publish("a")
    (bench.state / "history.jsonl").write_bytes(b'{"id": "x"}\n{"id\n\xff\xfe\n\n\0\0\0{"id": "y"}\n')
    assert [each["id"] for each in bench.journal.history()] == ["x", "y"]
    assert bench.journal.history(0) == []


def kinds(bench) -> list[tuple[str, str]]:
    """The lines of the history: which attack, and whether it began or ended."""
    lines = [json.loads(line) for line in (bench.state / "history.jsonl").read_text().splitlines()]
    return [(each["id"], each.get("event", "ended")) for each in lines]


def test_a_beginning_is_noted_and_is_no_end(bench) -> None:
    bench.publish("a", run_id="r", resources=["x"])
    assert kinds(bench) == [("a", "began")]
    (begun,) = bench.journal.unended()
    assert {name: begun[name] for name in ("id", "module", "run_id", "started", "resources")} == {
        "id": "a", "module": "test", "run_id": "r", "started": "2026-01-01T00:00:00Z", "resources": ["x"],
    }  # fmt: skip
    assert (bench.journal.history(), lost(bench.journal)) == ([], [])
    assert revert_one(bench.host, bench.journal, "a").clean
    assert kinds(bench) == [("a", "began"), ("a", "ended")]
    assert ([each["id"] for each in bench.journal.history()], bench.journal.unended(), lost(bench.journal)) == (["a"], [], [])


def test_an_attack_without_end_and_journal_is_lost(bench) -> None:
    shutil.rmtree(bench.publish("a"))
    bench.publish("b")
    assert [each["id"] for each in lost(bench.journal)] == ["a"]
    bench.publish("a", started="2026-01-01T00:00:09Z")  # another one with its id does not end it
    assert revert_one(bench.host, bench.journal, "a").clean
    assert [each["started"] for each in lost(bench.journal)] == ["2026-01-01T00:00:00Z"]


def test_an_attack_that_ends_while_we_look_is_not_lost(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish("a")
    looked = bench.journal.unended
    monkeypatch.setattr(bench.journal, "unended", lambda: (looked(), revert_one(bench.host, bench.journal, "a"))[0])
    assert lost(bench.journal) == []
    assert bench.history() != []


def test_trimming_keeps_what_has_no_end(bench) -> None:
    shutil.rmtree(bench.publish("gone"))
    with (bench.state / "history.jsonl").open("a") as stream:
        stream.write("".join('{"id": "x"}\n' for _each in range(HISTORY_KEPT)))
    bench.publish("a")
    assert len(kinds(bench)) == HISTORY_KEPT // 2 + 2
    assert [each["id"] for each in lost(bench.journal)] == ["gone"]


def test_an_undo_that_was_killed_before_its_line_is_not_lost(bench) -> None:
    bench.publish("a").rename(bench.state / ".gone-a")
    assert lost(bench.journal) == []
    bench.publish("b")  # clears the place
    assert not (bench.state / ".gone-a").exists()
    assert lost(bench.journal) == []
    assert [(each["id"], each["ended"], each["by"], each["result"]) for each in bench.journal.history()] == [("a", None, None, "reverted")]
    (bench.state / ".gone-c").mkdir()
    (bench.state / ".gone-c" / "history").write_text('{"torn')
    bench.publish("d")
    assert not (bench.state / ".gone-c").exists()


def test_a_history_that_cannot_be_written_is_no_reason_to_fail(bench, tmp_path: Path) -> None:
    bench.publish("a")
    (bench.state / "history.jsonl").unlink()
    (bench.state / "history.jsonl").symlink_to(tmp_path / "elsewhere")
    bench.publish("b")
    assert bench.journal.ids() == ["a", "b"]
    assert not (tmp_path / "elsewhere").exists()
