# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One name for one thing: no public name of plugin_utils is defined in two files."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.support.paths import CHECKOUT

PLUGIN_UTILS = CHECKOUT / "plugins/plugin_utils"
# A name that stands in several files on purpose, with the reason.
SEVERAL = {"render": "the entry point of each format of the report, always called by way of its module"}


def defined(source: str) -> set[str]:
    """The public classes, functions and constants at the top level of a file."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
    return {name for name in names if not name.startswith("_")}


def test_what_counts_as_defined() -> None:
    source = "import a\nfrom b import c\nX, Y = 1, 2\nz: int = 3\n_w = 4\nclass K:\n    inner = 1\ndef f(): local = 1\nif X:\n    d = 1\n"
    assert defined(source) == {"X", "Y", "z", "K", "f"}


def test_no_public_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for path in sorted(PLUGIN_UTILS.rglob("*.py")):
        for name in defined(path.read_text()):
            places[name].append(str(path.relative_to(PLUGIN_UTILS)))
    several = {name: files for name, files in places.items() if len(files) > 1}
    assert {name: files for name, files in several.items() if name not in SEVERAL} == {}
    assert set(SEVERAL) <= set(several), "an exception that is no longer needed"
