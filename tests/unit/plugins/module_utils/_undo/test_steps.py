# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed undo steps: quoting, the way to JSON and back, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.cgroup import EmptyCgroup, RemoveCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo import steps
from ansible_collections.faultline.chaos.plugins.module_utils._undo.files import FileBack, HasLine, InPlace, IoController, IsInode, Put, RemoveOwn, Settled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.limits import HasHeirs, HeirsBack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Feed, Insist, Lacks, Misses, Until
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import (
    Alive,
    ComesBack,
    Continue,
    Exists,
    Fails,
    FileHolds,
    Gone,
    KillGroup,
    LinksTo,
    NetworkNamespace,
    NotRunning,
    OnlyOurFilters,
    OutputHas,
    Run,
    SameBoot,
    SetClock,
    Stopped,
    Succeeds,
    Undo,
    When,
    render_record,
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
        render_record(bench.record("a", Undo([Run("x", argv)])), "/x")


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


def everything() -> Undo:
    guard = [SameBoot(), FileHolds("/a", "b"), Exists("/c"), OutputHas(["d"], "e"), OnlyOurFilters(["f"]), Alive(1, 2), Fails(["g"]), NotRunning("h")]
    guard += [Succeeds(["v"]), LinksTo("w", "x"), Stopped(5, 6)]
    undo = Undo(
        [Run("i", ["j", "k"], guard), KillGroup("l", 3, 4), RemoveCgroup("w", "/x", guard), When(guard, [Run("m", ["n"], [Exists("o")])])],
        [Gone("p", guard), ComesBack("q", "r")],
    )
    undo.steps += [Continue("y", 7, 8), SetClock("z", -9, 10), EmptyCgroup("a", "/b", "/c", "/d", guard)]
    undo.steps.append(Until("k", 5, [Misses(["l"], "m"), Lacks(["n"], "o"), NetworkNamespace("4:5", "/p")]))
    undo.steps += [Feed("o", ["p"], "q\nr", 2), Insist("i", ["j", "k"], guard)]
    undo.steps.append(When([HasHeirs(11, 12, 13, 14)], [HeirsBack("p", "/q", 15, 16, 17, 18, 19)]))
    file = {"title": "f", "path": "/f", "parent": [1, 2], "name": "g", "file": [3, 4], "before": "h", "after": "i"}
    undo.steps.append(Put("j", "/k", "l", [IsInode("/m", 5, 6), HasLine("/r", "s"), IoController("/t"), Settled()]))
    undo.steps += [RemoveOwn("n", "/o"), FileBack(aside="p", fresh="q", **file), InPlace(how="mode", **file)]
    undo.same("s", ["t"], "u\nv", guard, ["refcnt"])
    return undo


def test_every_type_goes_to_json_and_back(bench) -> None:
    told = json.loads(json.dumps(everything().to_dict()))
    again = Undo.from_dict(told)
    assert again.to_dict() == told
    record = bench.record("a", everything())
    assert render_record(record, "/x") == render_record(json.loads(json.dumps(record)), "/x")
    used = set()

    def collect(found):
        if isinstance(found, dict):
            used.add(found.get("type"))
            for value in found.values():
                collect(value)
        elif isinstance(found, list):
            for value in found:
                collect(value)

    collect(told)
    assert used - {None} == set(steps._KINDS), "a type has no test here"


def test_an_unknown_type_or_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        steps.from_dict({"type": "Shell", "text": "reboot"})
    with pytest.raises((AttackError, TypeError)):
        steps.from_dict({"type": "Run", "title": "x", "argv": ["true"], "shell": "reboot"})


def test_no_function_that_a_step_brings_along_has_the_name_of_one_of_the_machinery(bench) -> None:
    found = []
    for undo in (Undo(), everything()):
        brought, _line, machinery = render_record(bench.record("a", undo), "/x").partition("# --- The machinery")
        found.append([set(re.findall(r"^ *(\w+)\(\) *\{", text, re.MULTILINE)) for text in (brought, machinery)])
    (none, machinery), (brought, _same) = found
    assert none == {"undo", "check"} and len(machinery) > 20 and len(brought) > 20
    assert not brought & machinery


def test_every_shell_can_read_it(bench, shell, tmp_path: Path) -> None:
    script = tmp_path / "revert.sh"
    script.write_text(render_record(bench.record("a", everything()), "/x"))
    assert bench.sh([*shell, "-n"], script).returncode == 0
