# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of an undo, in every shell of this machine: each word arrives byte by byte, and each guard says what the file or the program says."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._host import mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import OwnDirectory
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import SPACE
from ansible_collections.faultline.chaos.plugins.module_utils._host.kernel_files import value_of
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import IsInode
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import HasLine, Put, SameFile, StillOurs, ValueIs
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Feed, Insist, Lacks, Misses
from ansible_collections.faultline.chaos.plugins.module_utils._undo.own_directory import RemoveOwn
from ansible_collections.faultline.chaos.plugins.module_utils._undo.processes import LinksTo
from ansible_collections.faultline.chaos.plugins.module_utils._undo.script import render
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, FileHolds, OutputHas, Run, SameBoot, Undo, When
from tests.fuzz.words import lines, names, texts

BOOT_ID = "/proc/sys/kernel/random/boot_id"
BOOT = Path(BOOT_ID).read_text().strip()
RECORD = {"id": "a", "module": "test", "started": "2026-01-01T00:00:00Z", "boot_id": BOOT, "injector": [2**22 + 1, 1], "began_cs": 0, "limit_cs": 10**12}
MAIN = 'main "$@"; exit $?\n'
KEEP = 'printf "%s\\0" "$@" >>"$0"'


def to_bytes(text: str) -> bytes:
    return os.fsencode(text)


class Place:
    """A directory for one example, in which an undo and its checks run without their journal."""

    def __init__(self, directory: str, shell: list[str]) -> None:
        self.path = Path(directory)
        self.shell = shell
        self.journal = self.path / "state" / "a"
        (self.journal / "before").mkdir(parents=True)
        self.kept = self.path / "kept"

    def file(self, content: str, name: str = "file") -> str:
        (self.path / name).write_bytes(to_bytes(content))
        return str(self.path / name)

    def keeps(self, *arguments: str) -> list[str]:
        """A program that keeps its arguments in self.kept."""
        return ["sh", "-c", KEEP, str(self.kept), *arguments]

    def run(self, steps=(), checks=(), before: dict[str, str] | None = None) -> tuple[bool, bool]:
        """Whether a step or a check failed, and whether the state differs from before."""
        for name, text in (before or {}).items():
            (self.journal / "before" / name).write_bytes(to_bytes(text))
        text = render(RECORD, Undo(list(steps), list(checks), before), str(self.path / "state"))
        assert text.endswith(MAIN)
        script = self.path / "revert.sh"
        script.write_bytes(to_bytes(text[: -len(MAIN)] + 'undo\ncheck\necho "verdict $failed $drifted"\n'))
        done = subprocess.run([*self.shell, str(script)], capture_output=True, timeout=60, check=False, cwd=self.path)
        told = done.stdout.rpartition(b"verdict ")[2].split()
        assert len(told) == 2, (done.stdout, done.stderr)
        assert not (self.path / "x").exists(), "a word became a command"
        return told[0] == b"1", told[1] == b"1"

    def holds(self, guard) -> bool:
        """What the shell says to a guard; a program that it asks never fails here."""
        yes = self.path / "yes"
        yes.unlink(missing_ok=True)
        assert self.run([Run("x", ["touch", str(yes)], [guard])]) == (False, False)
        return yes.exists()


@pytest.fixture
def place(shell: list[str]) -> Iterator:
    """A function that makes a Place; each example needs its own."""
    made: list[tempfile.TemporaryDirectory] = []

    def make() -> Place:
        while made:
            made.pop().cleanup()
        made.append(tempfile.TemporaryDirectory(prefix="fuzz ' \"$"))
        return Place(made[-1].name, shell)

    yield make
    while made:
        made.pop().cleanup()


STEPS = {
    "run": lambda place, title, words: Run(title, place.keeps(*words)),
    "guarded": lambda place, title, words: Run(title, place.keeps(*words), [SameBoot(), Exists(str(place.path)), FileHolds(BOOT_ID, BOOT)]),
    "when": lambda place, title, words: When([SameBoot()], [Run(title, place.keeps(*words), seconds=90)]),
    "insist": lambda place, title, words: Insist(title, place.keeps(*words)),
    "entered": lambda place, title, words: Run(title, ["env", *place.keeps(*words)]),
}  # fmt: skip


@given(steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), texts(), st.lists(texts(), min_size=1, max_size=5)), min_size=1, max_size=4))
def test_every_word_arrives_as_it_is_and_no_title_is_run(place, steps: list) -> None:
    here = place()
    assert here.run([STEPS[kind](here, title, words) for kind, title, words in steps]) == (False, False)
    assert here.kept.read_bytes() == b"".join(to_bytes(word) + b"\0" for _kind, _title, words in steps for word in words)


@given(title=texts(), text=texts(), path=names(), entered=st.booleans())
def test_what_is_written_is_the_text(place, title: str, text: str, path: str, entered: bool) -> None:
    here = place()
    assert here.run([Put(title, os.path.join(here.path, path), text, [], ["env"] if entered else ())]) == (False, False)
    assert Path(here.path, path).read_bytes() == to_bytes(text) + b"\n"


@given(title=texts(), text=texts())
def test_what_is_fed_is_the_text(place, title: str, text: str) -> None:
    here = place()
    assert here.run([Feed(title, ["tee", str(here.kept)], text, tries=2)]) == (False, False)
    assert here.kept.read_bytes() == to_bytes(text.rstrip("\n")) + b"\n"


@st.composite
def content_and_part(draw) -> tuple[str, str]:
    """The content of a file, and a text that is often a part of it."""
    content = draw(texts())
    first, last = sorted((draw(st.integers(0, len(content))), draw(st.integers(0, len(content)))))
    part = draw(st.one_of(st.just(content[first:last]), st.sampled_from(content.split("\n")), texts()))
    # Half of a letter would be a part of its bytes, but not of its text.
    assume(os.fsdecode(to_bytes(part)) == part and (to_bytes(part) in to_bytes(content)) == (part in content))
    return content, part


@given(said=content_and_part())
def test_a_guard_sees_a_text_in_what_a_program_prints(place, said: tuple[str, str]) -> None:
    content, part = said
    here = place()
    command = ["cat", here.file(content)]
    seen = part in content.rstrip("\n")  # as the shell takes it
    assert here.holds(OutputHas(command, part)) is seen
    assert here.holds(Lacks(command, part)) is not seen


@given(said=content_and_part())
def test_a_guard_sees_a_line(place, said: tuple[str, str]) -> None:
    content, line = said
    assume("\n" not in line)
    here = place()
    path = here.file(content)
    stripped = [each.strip(" \t") for each in content.split("\n")]  # as read of the shell takes them
    shown = content.rstrip("\n").count("\n") + 1
    assert here.holds(Misses(["cat", path], line)) is (line.strip(" \t") not in stripped[:shown])
    assert here.holds(HasLine(path, line)) is (line in stripped[:-1])


@given(said=content_and_part())
def test_a_guard_sees_what_a_file_holds(place, said: tuple[str, str]) -> None:
    content, part = said
    here = place()
    path = here.file(content)
    without = content[:-1] if content.endswith("\n") else content
    assert here.holds(FileHolds(path, part)) is (without == part.rstrip("\n"))
    assert here.holds(FileHolds(path, content)) is (without == content.rstrip("\n"))


@given(target=lines(1, 20), other=lines(1, 20))
def test_a_guard_sees_where_a_link_leads(place, target: str, other: str) -> None:
    here = place()
    path = os.path.join(here.path, "link")
    os.symlink(to_bytes(target), path)
    assert here.holds(LinksTo(path, target))
    assert here.holds(LinksTo(path, other)) is (target == other)


@given(before=texts(), now=texts(), ours=texts())
@example(before="a\x0bb", now="a b", ours="a\x0bb")
def test_values_are_the_same_to_the_shell_as_to_python(place, before: str, now: str, ours: str) -> None:
    here = place()
    path = here.file(now)
    (here.journal / "note").write_bytes(to_bytes(f"written\n{value_of(ours)}\n"))
    assert here.holds(ValueIs(path, before)) is (value_of(now) == value_of(before))
    assert here.holds(ValueIs(path, now))
    expected = value_of(now) != value_of(before) and value_of(now) == value_of(ours)
    assert here.holds(StillOurs(path, before, "note")) is expected
    (here.journal / "note").write_bytes(b"writing\n")
    assert here.holds(StillOurs(path, before, "note")) is (value_of(now) != value_of(before))


@given(text=texts(), other=texts(), title=texts(), counters=st.lists(st.sampled_from(["used", "pref", "a.c", "[x]"]), max_size=2, unique=True))
@example(text="a\rb", other="a\nb", title="", counters=[])
def test_the_state_before_is_compared_as_python_saved_it(place, bench, text: str, other: str, title: str, counters: list[str]) -> None:
    here = place()
    path = here.file(text)
    undo = Undo()
    undo.same(title, ["cat", path], bench.host.output(["cat", path], counters), (), counters)
    assert here.run([], undo.checks, undo.before) == (False, False)
    here.file(other)
    changed = bench.host.output(["cat", path], counters) != undo.before["00"]
    assert here.run([], undo.checks, undo.before) == (False, changed)


@given(text=lines(), name=names(), title=texts())
def test_a_file_is_compared_by_its_path(place, text: str, name: str, title: str) -> None:
    here = place()
    path = os.path.join(here.path, name)
    Path(path).write_bytes(to_bytes(text))
    before = {"00": text.rstrip(SPACE)}
    assert here.run([], [SameFile(title, path, "00")], before) == (False, False)
    Path(path).write_bytes(to_bytes(text) + b"y\n")
    assert here.run([], [SameFile(title, path, "00")], before) == (False, True)


@given(name=names(200), title=texts())
def test_the_own_directory_is_removed_whatever_the_name_around_it(place, name: str, title: str) -> None:
    here = place()
    around, beside = Path(here.path, name), here.file("", "beside")
    around.mkdir()
    own = OwnDirectory(str(around), "a")
    own.make(Journal(str(here.journal.parent)), "a")
    Path(own.data, name).touch()
    made = os.stat(own.path)
    assert here.holds(IsInode(own.path, made.st_dev, made.st_ino))
    assert not here.holds(IsInode(beside, made.st_dev, made.st_ino))
    assert here.run([RemoveOwn(title, own.path, mounts.mount_of(own.path).home())]) == (False, False)
    assert around.exists() and not list(around.iterdir()) and Path(beside).exists()
