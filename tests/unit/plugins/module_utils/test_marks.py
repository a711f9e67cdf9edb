# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every mark of an attack is written once, in _marks.py; the shell of the undo has the same ones as literal text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _marks
from ansible_collections.faultline.chaos.plugins.module_utils._undo.control_sh import CONTROL
from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import MACHINERY
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import OnlyOurFilters
from tests.support.paths import PLUGINS

# What a mark looks like in a text that a program makes: names, labels, directories, preferences of tc.
MARK = re.compile(r"(^|[^\w./-])\.?faultline[-_]|faultline\.chaos/[a-z]|/faultline\b|^(fl|FL)$|^fl(test|\{|%)|\b47(000|999)\b")
# Shell, which people read as it stands: that of the undo, and that which runs inside of a container.
SHELL = ("_undo/control_sh.py", "_undo/machinery.py", "_kube/lifecycle/stress_sh.py")
TARGET_CODE = sorted(path for path in (PLUGINS / "module_utils").rglob("*.py") if path.name != "_marks.py")


def literals(path: Path) -> Iterator[str]:
    """The strings and numbers of a file, without its documentation."""
    tree = ast.parse(path.read_text())
    documented = (node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node))
    docstrings = {id(node.body[0].value) for node in documented}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes, int)) and id(node) not in docstrings:
            yield node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)


def test_marks_are_written_in_one_file() -> None:
    found = {}
    for path in TARGET_CODE:
        name = str(path.relative_to(PLUGINS / "module_utils"))
        marks = sorted({text for text in literals(path) if MARK.search(text)})
        if marks and name not in SHELL:
            found[name] = marks
    assert found == {}, "use the names of _marks.py"


@pytest.mark.parametrize("text", ["faultline-x", ".faultline-", "faultline_", "/var/lib/faultline", "faultline.chaos/id", "fl", "FL", "fltest", "47000"])
def test_a_mark_is_known_when_it_is_seen(text: str) -> None:
    assert MARK.search(text)


def test_the_shell_of_the_undo_has_the_same_marks() -> None:
    assert f"case $name in {_marks.PREFIX}*) ;;" in MACHINERY and f'"{_marks.PREFIX}$id.timer"' in MACHINERY
    first, last = str(_marks.TC_PREF_FIRST), str(_marks.TC_PREF_LAST)
    assert (first[:2], first[2:], last[2:]) == (last[:2], "000", "999") and f'" pref {first[:2]}"[0-9][0-9][0-9]" "*' in OnlyOurFilters.functions
    for mark in (_marks.ROOT_STATE, _marks.CRON, _marks.BOOT_UNIT, _marks.SWEEP_TIMER, _marks.SWEEP_SERVICE, f"id=${{unit#{_marks.PREFIX}}}"):
        assert mark in CONTROL
    words = set(re.findall(r"faultline-[a-z]+", CONTROL + MACHINERY))
    assert words == {_marks.PREFIX + word for word in ("recover", "sweep")}


def test_what_one_prefix_marks_is_no_part_of_another() -> None:
    assert _marks.made_by_attack(_marks.INTERFACE_PREFIX + "0123456789ab")
    for name in ("fl", "fl0123456789a", "fl0123456789abc", "flannel.1", "fl0123456789ax", _marks.TRIAL_INTERFACE, "xfl0123456789ab"):
        assert not _marks.made_by_attack(name)
