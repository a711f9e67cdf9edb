# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface that an undo finds by its number, in every shell: as ip shows it, and as /sys does. With a real kernel: tests/netns."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import Put, SameFile
from ansible_collections.faultline.chaos.plugins.module_utils._undo.links import FindLink
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK

STUCK = 4
LO = "1: lo: <LOOPBACK>\\    link/loopback"
# As ip shows the links, and the file in which the value then is; None: nothing is written.
SHOWN = [
    ("2: v0: <UP>", "v0"),
    ("2: v9@if3: <UP>", "v9"),
    ("2: $(id)*@'x: <UP>", "$(id)*"),
    ("12: v0: <UP>\n3: v9: <UP>", None),  # gone
    ("3: v0: <UP>\n2: v9: <UP>", "v9"),  # swapped
    ("2: none: <UP>", None),  # it has no such file
]


@pytest.fixture
def undo(bench, tmp_path: Path):
    """An undo that writes to the interface with the number 2, in a network of which ip shows this."""
    for name in ("v0", "v9", "$(id)*", "a", "a@b"):
        (tmp_path / "conf's" / name).mkdir(parents=True)
        (tmp_path / "conf's" / name / "x").write_text("0\n")

    def undo(shown: str) -> Path:
        ip = tmp_path / "ip"
        ip.write_text(f"#!/bin/sh\n[ $# = 3 ] || exec grep -F -e \": $5:\" -e \": $5@\" '{tmp_path}/shown'\ncat '{tmp_path}/shown'\n")
        ip.chmod(0o755)
        (tmp_path / "shown").write_text(shown)
        path = f"{tmp_path}/conf's/{LINK}/x"
        find = [FindLink("2", "v0", path, str(ip), ["nice"])]
        bench.publish("a", Undo([Put("put", path, "1", find, ["nice"])], [SameFile("x", path, "00", find, ["nice"])], {"00": "1\n"}))
        return bench.state / "a/revert.sh"

    return undo


def written(tmp_path: Path) -> list[str]:
    return [file.parent.name for file in sorted(tmp_path.glob("conf's/*/x")) if file.read_text() == "1\n"]


@pytest.mark.parametrize(("shown", "name"), SHOWN)
def test_in_another_network(bench, shell, undo, tmp_path: Path, shown: str, name: str | None) -> None:
    done = bench.sh(shell, undo(f"{LO}\n{shown}\n"))
    assert done.returncode == 0 and written(tmp_path) == ([name] if name else []), done


@pytest.mark.parametrize(("shown", "name"), [("3: a: <UP>\n2: a@b: <UP>", "a@b"), ("2: a@b: <UP>\n3: b: <UP>", "a"), ("3: a: <UP>\n2: a@b@if4: <UP>", "a@b")])
def test_an_at_sign(bench, shell, undo, tmp_path: Path, shown: str, name: str) -> None:
    done = bench.sh(shell, undo(f"{LO}\n{shown}\n"))
    assert done.returncode == 0 and written(tmp_path) == [name], done


@pytest.mark.parametrize("shown", ["", None])
def test_it_cannot_be_told(bench, shell, undo, tmp_path: Path, shown: str | None) -> None:
    script = undo(shown or "")
    if shown is None:
        (tmp_path / "ip").unlink()
    done = bench.sh(shell, script)
    assert done.returncode == STUCK and written(tmp_path) == [] and "interface v0 (number 2)" in done.stderr, done


@pytest.mark.parametrize(("number", "name"), [("1", "lo"), ("2147483647", None)])
def test_on_the_host_itself(bench, shell, tmp_path: Path, number: str, name: str | None) -> None:
    (tmp_path / "lo").write_text("0\n")
    path = f"{tmp_path}/{LINK}"
    bench.publish("a", Undo([Put("put", path, "1", [FindLink(number, "v0", path)])]))
    assert bench.sh(shell, bench.state / "a/revert.sh").returncode == 0
    assert (tmp_path / "lo").read_text() == ("1\n" if name else "0\n")
