# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed undo steps: quoting, the way to JSON and back, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Feed, Insist
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import (
    Exists,
    FileHolds,
    Gone,
    KillGroup,
    OutputHas,
    Run,
    SameBoot,
    Undo,
    When,
)

HOSTILE = [
    "",
    " ",
    "two words",
    "tab\there",
    "'",
    '"',
    "''",
    "a'b\"c",
    "$(touch pwned)",
    "`touch pwned`",
    "$HOME",
    "${PATH}",
    "\\",
    "\\n",
    "line\nbreak",
    "\n",
    "trailing\n",
    "car\rriage",
    "-n",
    "--",
    "-rf",
    "*",
    "?",
    "[a-z]",
    "~",
    "~root",
    "a;b",
    "a&b",
    "a|b",
    "a>pwned",
    "<x",
    "#",
    "!",
    "!!",
    "{a,b}",
    "ünïcödé",
    "日本",
    "\u2028",
    "\x85",
    "\x1b[31m",
    "%s",
    "%n",
    "=",
    "A=b",
    "(",
    ")",
    "\udce9",
    "x" * 4000,
]


def bytes_of(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")


def test_a_hostile_word_reaches_the_program_as_it_is(bench, shell, tmp_path: Path) -> None:
    writer = tmp_path / "writer.py"
    writer.write_text("import os, sys\nfor n, word in enumerate(sys.argv[2:]):\n    open(sys.argv[1] + str(n), 'wb').write(os.fsencode(word))\n")
    undo = Undo([Run("hostile: " + word, ["true", word]) for word in HOSTILE])
    undo.steps.append(Run("all", ["python3", str(writer), str(tmp_path / "argument"), *HOSTILE]))
    directory = bench.publish(undo=undo)
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"argument{number}").read_bytes() for number in range(len(HOSTILE))] == [bytes_of(word) for word in HOSTILE]
    assert not list(tmp_path.rglob("pwned"))
    assert not directory.exists()


def test_a_hostile_word_in_guards_and_checks(bench, shell, tmp_path: Path) -> None:
    undo = Undo()
    for number, word in enumerate(HOSTILE):
        path = tmp_path / ("file " + word.replace("/", "")[:60])
        path.write_bytes(bytes_of(word))
        guards = [FileHolds(str(path), word), Exists(str(path)), OutputHas(["cat", str(path)], word.strip("\n"))]
        undo.steps.append(Run("x", ["touch", str(tmp_path / f"done{number}")], guards))
        undo.checks.append(Gone(word, [FileHolds(str(path), word + "x")]))
        if number < 5:
            undo.same(word, ["printf", "%s", "same"], "same")
    directory = bench.publish(undo=undo)
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert [number for number in range(len(HOSTILE)) if not (tmp_path / f"done{number}").exists()] == []
    assert not list(tmp_path.rglob("pwned"))


def test_a_title_with_a_line_break_stays_a_comment(bench, shell, tmp_path: Path) -> None:
    """The title may hold the name of a process, which every user of the target can choose: it must never run as root."""
    title = f"start x\ntouch {tmp_path}/pwned #\r\x85\u2028 again"
    undo = Undo([Run(title, ["true"]), KillGroup(title, 2**22 + 1, 1), When([SameBoot()], [Run(title, ["true"])])])
    directory = bench.publish(undo=undo)
    lines = (directory / "revert.sh").read_text().split("\n")
    assert not [line for line in lines if line.lstrip().startswith("touch")]
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("argv", [["exit", "0"], ["finish", "reverted"]])
def test_no_argv_reaches_a_builtin_or_a_function(bench, shell, argv: list[str]) -> None:
    """`exit 0` as a recover command once ended the undo with success before anything was checked."""
    directory = bench.publish(undo=Undo([Run("x", argv)], [Gone("mark", [Exists("/proc")])]))
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 4, done.stdout
    assert "still there: mark" in (directory / "stuck").read_text()


@pytest.mark.parametrize("argv", [[], [""], ["-x"], ["A=b", "id"], ["true", "a\0b"]])
def test_what_no_program_can_be_run_with_is_refused(bench, argv: list[str]) -> None:
    with pytest.raises(AttackError, match="undo: "):
        bench.record("a", Undo([Run("x", argv)]))


def test_a_program_gets_its_input_and_may_refuse_it(bench, shell, tmp_path: Path) -> None:
    text = "\n".join(word for word in HOSTILE if "\n" not in word).rstrip("\n")
    assert len(text * 999) > 1 << 17, "more than a pipe holds"
    taken = tmp_path / "taken"
    undo = Undo([Feed("x", ["tee", str(taken)], text), Feed("x", ["false"], text * 999), Feed("x", ["/nowhere"], text)])
    directory = bench.publish(undo=undo)
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert taken.read_bytes() == bytes_of(text + "\n")
    assert not directory.exists() and not list(tmp_path.rglob("pwned"))


# Works at the third call, and tells what it was given each time.
BUSY = """#!/bin/sh
cd %s
echo "$*" >>told
[ "$1" != fed ] || cat >>told
[ $(grep -c "^$1 " told) -ge 3 ]
"""


def test_a_program_that_others_are_in_the_way_of_is_run_again(bench, shell, tmp_path: Path) -> None:
    program = tmp_path / "busy"
    program.write_text(BUSY % tmp_path)
    program.chmod(0o755)
    guard = [OutputHas(["echo", "yes"], "yes")]
    undo = Undo([Feed("x", [str(program), "fed", "it"], "a\nb", 5), Insist("x", [str(program), "run", "a b"], guard)])
    undo.steps += [Insist("x", [str(program), "never", "it"], [OutputHas(["echo", "no"], "yes")])]
    done = bench.sh(shell, bench.publish(undo=undo) / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told").read_text() == "fed it\na\nb\n" * 3 + "run a b\n" * 3


def test_a_program_that_never_works_makes_the_undo_fail_with_what_it_was(bench, shell) -> None:
    directory = bench.publish(undo=Undo([Feed("x", ["false"], "a", 2), Insist("x", ["false", "again"])]))
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 4
    assert (directory / "stuck").read_text() == "rc 1 from: false again\n"
