# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An injector that dies between the write and the rename of a file leaves nothing that counts, and the next one removes it."""

from __future__ import annotations

import os

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.residue import search
from tests.support import crash


@pytest.fixture(autouse=True)
def crash_points(monkeypatch: pytest.MonkeyPatch) -> None:
    crash.install(monkeypatch)


def dies(bench, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Publish an attack in a process that is killed at a point."""
    child = os.fork()
    if child == 0:
        monkeypatch.setenv(crash.VARIABLE, point)
        bench.publish("a")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9


@pytest.mark.parametrize("point", ["written", "rename:record.json", "rename:revert.sh", "rename:control.sh"])
def test_a_death_before_the_rename(bench, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    dies(bench, monkeypatch, point)
    left = set(os.listdir(bench.state)) - {"control.sh", "lock"}
    assert len(left) == 1 and left.pop().startswith("control.sh." if point.endswith("control.sh") else ".new-a"), left
    assert bench.journal.ids() == [] and not [mark for mark in search(bench.host, bench.journal).residue if str(bench.state) in mark]
    bench.publish("b")
    assert bench.journal.ids() == ["b"] and set(os.listdir(bench.state)) == {"control.sh", "history.jsonl", "lock", "b"}


def test_a_file_that_was_there_keeps_its_text(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish("b")
    (bench.state / "control.sh").write_text("old\n")
    dies(bench, monkeypatch, "rename:control.sh")
    assert (bench.state / "control.sh").read_text() == "old\n"


def test_a_failure_before_the_rename_leaves_nothing(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(crash.VARIABLE, "fail@rename:record.json")
    with pytest.raises(AttackError, match="the journal of a cannot be written .*: .* refused by the test at rename:record.json"):
        bench.publish("a")
    assert set(os.listdir(bench.state)) == {"control.sh", "lock"}


def test_as_it_is_shipped_nothing_happens(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv(crash.VARIABLE, "written")
    bench.publish("a")
    assert bench.journal.ids() == ["a"]
