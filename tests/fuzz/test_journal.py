# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals with damage of any kind: the record, or an error that says so; and Python never counts on a deadline that the shell does not keep."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import checksum
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import overview, residue
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.control import remaining
from ansible_collections.faultline.chaos.plugins.module_utils._resources.deadline import Deadline
from ansible_collections.faultline.chaos.plugins.module_utils._undo.control_sh import CONTROL
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Run, Undo
from tests.fuzz.words import texts

MAIN = 'main "$@"; exit $?\n'
DEEP = [opening * 3000 for opening in ("[", '{"a":')] + ["[" * 100_000, '{"sum": "x", "record": ' + "[" * 100_000]
HUGE = ["9" * 5000, "-" + "9" * 5000, "1e999", "-1e999", "NaN", "Infinity", "0." + "0" * 5000 + "1", "9" * 400]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), texts(0, 8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["id", "started", "event", "module", "x"]), inner, max_size=3)),
    max_leaves=8,
)


@st.composite
def damage(draw, whole: bytes) -> bytes:
    """What becomes of a file: torn, with flipped bits, in another order, with something in its middle, with holes."""
    kind = draw(st.sampled_from(["torn", "bits", "order", "inside", "zeros", "twice", "other"]))
    at, end = sorted((draw(st.integers(0, len(whole))), draw(st.integers(0, len(whole)))))
    if kind == "torn":
        return whole[:at]
    if kind == "bits":
        flipped = bytearray(whole)
        for position, bit in draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 7)), min_size=1, max_size=4)):
            flipped[position] ^= 1 << bit
        return bytes(flipped)
    if kind == "order":
        return b"".join(draw(st.permutations(whole.splitlines(keepends=True))))
    if kind == "inside":
        return whole[:at] + draw(st.one_of(st.sampled_from(DEEP + HUGE).map(str.encode), st.binary(max_size=20))) + whole[end:]
    if kind == "zeros":
        return whole[:at] + b"\0" * (end - at) + whole[end:]
    if kind == "twice":
        return whole[:end] + whole[at:]
    return draw(st.one_of(st.sampled_from(DEEP + HUGE).map(str.encode), st.binary(max_size=200), JSON.map(lambda made: json.dumps(made).encode())))


def numbers() -> st.SearchStrategy[bytes]:
    """The content of a note that should be a whole number."""
    digits = st.text("0123456789", max_size=18).map(str.encode)
    around = st.sampled_from(
        [b"", b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", b"\xc2\xa0", b"\0", b"-", b"+", b"\\", b"0", b".0", b"e3", b"\n\n", b"\n7"]
    )
    written = texts(0, 8).map(lambda text: text.encode(errors="surrogateescape"))
    return st.one_of(st.builds(lambda *parts: b"".join(parts), around, digits, around), st.binary(max_size=20), written)


def shell_says(shell: list[str], script: str, text: str) -> list[bytes]:
    """The words that a script of ours prints when it runs this text instead of its main part."""
    done = subprocess.run([*shell, "-c", script + text], capture_output=True, timeout=60, check=False)
    return done.stdout.split()


@given(data=st.data())
def test_a_record_is_right_or_damaged(bench, data) -> None:
    path = bench.state / "a" / "record.json"
    if not path.exists():
        bench.publish("a", Undo([Run("x", ["true"])]), run_id="r")
        bench.right, bench.whole = bench.journal.load("a"), path.read_bytes()
    path.write_bytes(data.draw(damage(bench.whole)))
    try:
        found = bench.journal.load("a")
    except JournalDamaged:
        assert overview.describe(bench.journal, bench.host.boot_id, "a")["status"] == "damaged"
        assert overview.chosen(bench.journal, run_id="r") == ["a"], "its run is noted beside it"
        return
    assert found == bench.right


@given(record=JSON)
def test_a_record_with_a_checksum_of_its_own_is_no_record_without_its_version(bench, record) -> None:
    if not bench.state.exists():
        bench.publish("a")
    text = json.dumps(record, indent=1, sort_keys=True)
    (bench.state / "a" / "record.json").write_text(json.dumps({"sum": checksum(text), "record": record}))
    with pytest.raises(JournalDamaged):
        bench.journal.load("a")


@given(data=st.data())
def test_damaged_notes_are_reported_and_never_stop_the_overview(bench, data) -> None:
    directory = bench.state / "a"
    if not directory.exists():
        bench.publish("a", Undo([Run("x", ["true"])], before={"00": "as it was"}), run_id="r")
        bench.files = {name: (directory / name).read_bytes() for name in ("deadline", "limit", "sums", "revert.sh", "run", "before/00")} | {
            "effect": b'{"loss": 5}'
        }
    for name, content in bench.files.items():
        (directory / name).write_bytes(content)
    damaged = data.draw(st.sampled_from(sorted(bench.files)))
    (directory / damaged).write_bytes(data.draw(damage(bench.files[damaged])))
    (found,) = overview.attacks(bench.journal, bench.host.boot_id)
    assert found["id"] == "a" and isinstance(found["effect"], dict)
    same = (directory / damaged).read_bytes() == bench.files[damaged]
    if damaged in ("sums", "revert.sh", "before/00"):
        assert found["status"] == ("active" if same else "damaged")
    else:
        assert found["status"] in ("active", "overdue")
    json.dumps(found)


@given(lines=st.lists(st.one_of(JSON.map(json.dumps), st.sampled_from(DEEP + HUGE), texts(0, 20)), max_size=8))
@example(lines=['{"event": "began", "id": 5, "started": "x"}'])
def test_a_history_with_any_lines_is_read(bench, lines: list[str]) -> None:
    if not bench.state.exists():
        bench.publish("a")
    began = {"id": "b", "module": "m", "started": "2026-01-01T00:00:00Z", "event": "began"}
    whole = [json.dumps(began), *(line.replace("\n", " ") for line in lines)]
    (bench.state / "history.jsonl").write_bytes("\n".join(whole).encode(errors="surrogateescape"))
    assert began in bench.journal.unended() and began in residue.lost(bench.journal)
    assert all(each.get("event") != "began" for each in bench.journal.history(1000))


@given(content=numbers())
@example(content=b"12\x0b")
@example(content=b"\n12")
@example(content=b"\xc2\xa012")
def test_a_noted_number_is_what_the_shell_reads_or_none(bench, shell: list[str], content: bytes) -> None:
    directory = bench.state / "a"
    if not directory.exists():
        bench.publish("a")
    (directory / "deadline").write_bytes(content)
    functions = CONTROL.partition('\nstate=$(cd "$(dirname "$0")"')[0]
    read = shell_says(shell, functions, f"\ndeadline_of '{directory}'\necho $due\n")
    found = bench.journal.number("a", "deadline")
    assert found is None or read == [b"%d" % found]


@given(deadline=numbers(), ahead=st.one_of(st.none(), st.integers(-100, 70_000)))
def test_what_is_due_to_python_is_due_to_the_shell(bench, shell: list[str], deadline: bytes, ahead: int | None) -> None:
    directory = bench.state / "a"
    if not directory.exists():
        bench.publish("a", seconds=600)
    (directory / "deadline").write_bytes(deadline if ahead is None else b"%d\n" % (uptime() * 100 + ahead))
    script = (directory / "revert.sh").read_text()
    told = shell_says(shell, script[: -len(MAIN)], "\nif due; then echo due; else echo $left; fi\n")
    left = remaining(bench.journal, "a")
    assert (told == [b"due"]) is (left <= 0) or abs(left) < 1
    assert told == [b"due"] or abs(int(told[0]) / 100 - left) < 1


@given(content=numbers())
@example(content="²".encode())
@example(content=b"\xff")
def test_a_worker_survives_any_deadline(tmp_path: Path, content: bytes) -> None:
    until = Deadline.__new__(Deadline)
    until.until, until._file = uptime() + 60, str(tmp_path / "deadline")
    (tmp_path / "deadline").write_bytes(content)
    assert until.over() in (True, False)
