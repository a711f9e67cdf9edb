# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Comments and docstrings that point at a file, or at a name in it, lead to what is there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import CHECKOUT

_FILE = r"(?P<file>(?:[\w.-]+/)*\w+\.py)\b"
FILE = re.compile(r"(?<![\w/.{<-])" + _FILE)
# "see name in FILE", or a name that is no word of English: Name, NAME, name(), Class.method(); "name(...), see FILE"
NAMED = re.compile(r"(?:(?<=see )(?P<seen>\w+)|(?P<name>[A-Z]\w+(?:\.\w+)?|(?:\w+\.)?\w+(?=\(\))))(?:\(\))? in " + _FILE)
CALLED = re.compile(r"(?P<name>\w+)\([^()]*\), see " + _FILE)
NO_FILES = {"NAME.py", "module.py"}  # stand for any file


def python_files() -> list[Path]:
    return sorted(
        path for top in ("plugins", "tests", "scripts") for path in (CHECKOUT / top).rglob("*.py") if "output" not in path.parts and path != Path(__file__)
    )


def remarks(text: str) -> Iterator[str]:
    """The comments, each block of lines as one, the docstrings, and the comments of shell text."""
    if ".py" not in text:
        return
    block: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            block.append(token.string.lstrip("# "))
        elif token.type not in (tokenize.NL, tokenize.NEWLINE) and block:
            yield " ".join(block)
            block = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield " ".join((ast.get_docstring(node) or "").split())
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value:
            yield from (line.partition("# ")[2] for line in node.value.splitlines() if "# " in line)


def places(source: Path, name: str) -> list[Path]:
    """The files that may be meant by a name in a source: from where it is, where its rooms are, or from the top."""
    rooms = ("", "plugins", "plugins/module_utils", "plugins/plugin_utils", "tests", "tests/unit")
    tops = [source.parent, source.parent.parent, *(CHECKOUT / room for room in rooms)]
    found = [top / name for top in tops if (top / name).is_file()]
    return found or ([] if "/" in name else sorted(path for path in python_files() if path.name == name))


def defines(path: Path, name: str) -> bool:
    """In Python, or as a function or a variable of shell text."""
    last = re.escape(name.rpartition(".")[2])
    return bool(re.search(rf"^\s*(?:class|def) {last}\b|^\s*(?:self\.)?{last}\b[^=\n]*=|^{last}\(\) \{{|\bat_{last}\b", path.read_text(), re.MULTILINE))


def stale(source: Path) -> Iterator[str]:
    for text in remarks(source.read_text()):
        for found in FILE.finditer(text):
            if found["file"] not in NO_FILES and not places(source, found["file"]):
                yield f"{source.relative_to(CHECKOUT)}: there is no {found['file']}"
        for found in [*NAMED.finditer(text), *CALLED.finditer(text)]:
            name = found["name"] or found["seen"]
            if not any(defines(path, name) for path in places(source, found["file"])):
                yield f"{source.relative_to(CHECKOUT)}: there is no {name} in {found['file']}"


def test_what_comments_and_docstrings_point_at_is_there() -> None:
    assert [told for source in python_files() for told in stale(source)] == []


def test_stale_pointers_are_found(tmp_path: Path, monkeypatch) -> None:
    """The check itself: in a comment of two lines, in a docstring, and a file that is not there."""
    monkeypatch.setitem(globals(), "CHECKOUT", tmp_path)
    (tmp_path / "there.py").write_text('class Here:\n    def known(self):\n        """See Gone in there.py and nowhere.py."""\n\n# lost() in\n# there.py\n')
    (tmp_path / "fine.py").write_text("# Here in there.py, Here.known() in there.py, x.known([]), see there.py\n")
    assert list(stale(tmp_path / "there.py")) == [
        "there.py: there is no lost in there.py",
        "there.py: there is no nowhere.py",
        "there.py: there is no Gone in there.py",
    ]
    assert list(stale(tmp_path / "fine.py")) == []
