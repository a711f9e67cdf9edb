# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of what was asked for and what was measured on lab hosts: its errors, its files, and that every attack is in it."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest
import yaml

from tests.support.paths import CHECKOUT

LAB = CHECKOUT / "tests" / "lab"
ATTACKS = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())["action_groups"]["attacks"]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("measured", LAB / "support/measured.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "OUTPUT", tmp_path / "output")
    monkeypatch.setenv(module.LINES, "")
    return module


def test_lines_of_all_workers_become_one_table(table, tmp_path: Path) -> None:
    table.begin()
    for told in (("netem", "delay", 40, 40.5, "ms"), ("netem", "loss | of 300", 30, 28, "%"), ("disk_fill", "left over", 0, 3, "bytes")):
        child = os.fork()
        if child == 0:  # a worker
            table.tell(*told)
            os._exit(0)
        os.waitpid(child, 0)
    rows = table.end()
    assert rows[1:] == [
        ("disk_fill", "left over", "0", "3", "bytes", "+3 bytes"),
        ("netem", "delay", "40", "40.5", "ms", "+1.25 %"),
        ("netem", "loss | of 300", "30", "28", "%", "-2.00 points"),
    ]
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["measured.md"]
    lines = (tmp_path / "output" / "measured.md").read_text().splitlines()
    assert lines[0] == "| attack | what | asked | measured | unit | error |" and lines[3] == "| netem | delay | 40 | 40.5 | ms | +1.25 % |"
    assert lines[4].startswith("| netem | loss \\| of 300 |")
    assert len({len(line) for line in table.aligned(rows)}) == 1


def test_a_session_that_measured_nothing_leaves_the_table_of_the_last_one(table, tmp_path: Path) -> None:
    table.begin()
    (tmp_path / "output" / "measured.md").write_text("kept")
    assert table.end() == [] and (tmp_path / "output" / "measured.md").read_text() == "kept"


def test_what_is_told_is_a_number(table) -> None:
    table.begin()
    with pytest.raises(ValueError, match="could not convert"):
        table.tell("netem", "delay", 40, "soon", "ms")


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_on_hosts_tells_what_was_measured(attack: str) -> None:
    told = re.compile(rf'\btell\("{attack}", ')
    assert [path.name for path in LAB.glob("test_*.py") if told.search(path.read_text())]
