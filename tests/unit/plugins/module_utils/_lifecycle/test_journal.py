# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: torn, changed, newer, in a bad place, interrupted - and never trusted or lost by mistake."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged, JournalGone
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import checksum, write_file
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import journal as lifecycle_journal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.control import remaining
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.overview import attacks, await_endings, chosen
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.publishing import OpenJournal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Run, Undo

NOBODY = 65534


def meaning(bench, attack_id: str):
    try:
        return bench.journal.load(attack_id)
    except JournalDamaged:
        return None


def test_published_all_at_once_and_private(bench) -> None:
    directory = bench.publish("a", Undo([Run("x", ["true"])]), run_id="r")
    assert {path.name for path in directory.iterdir()} == {"record.json", "revert.sh", "history", "boot", "run", "deadline", "limit", "sums", "before", "lock"}
    for path in (bench.state, directory, *directory.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path
    assert bench.journal.load("a")["run_id"] == "r"
    assert bench.journal.ids() == ["a"]
    assert not list(bench.state.glob(".new-*"))


def test_a_record_torn_at_any_byte_is_never_trusted(bench) -> None:
    bench.publish("a")
    path = bench.state / "a" / "record.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(JournalDamaged):
            bench.journal.load("a")


def test_a_record_with_any_bit_flipped_is_refused_or_means_the_same(bench) -> None:
    bench.publish("a")
    path = bench.state / "a" / "record.json"
    whole = path.read_bytes()
    right = bench.journal.load("a")
    for position in [*range(1500), *range(1500, len(whole), 7)]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        assert meaning(bench, "a") in (None, right), position


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "0", '"x"', "{}", '{"record": null, "sum": ""}', '{"record": [], "sum": 1}', "{" * 100000, "\xff\xfe", "NaN"]
)
def test_nonsense_is_damaged(bench, text: str) -> None:
    bench.publish("a")
    (bench.state / "a" / "record.json").write_text(text, encoding="latin-1")
    with pytest.raises(JournalDamaged):
        bench.journal.load("a")


def test_a_newer_version_is_left_alone_but_undone_by_its_own_script(bench, tmp_path: Path) -> None:
    undo = Undo([Run("x", ["touch", str(tmp_path / "undone")])])
    bench.publish("a", undo)
    path = bench.state / "a" / "record.json"
    record = dict(bench.journal.load("a"), version=2, shape="unknown")
    path.write_text(json.dumps({"record": record, "sum": checksum(json.dumps(record, indent=1, sort_keys=True))}))
    with pytest.raises(JournalDamaged, match="has version 2 and this is version 1"):
        bench.journal.load("a")
    assert revert_one(bench.host, bench.journal, "a").clean
    assert (tmp_path / "undone").exists()


def test_a_damaged_journal_never_keeps_the_others_from_being_undone(bench) -> None:
    for attack_id in ("a", "b", "c"):
        bench.publish(attack_id)
    (bench.state / "b" / "record.json").write_text("torn")
    (bench.state / "b" / "revert.sh").write_text("echo torn; exit 0\n")
    outcomes = {each: revert_one(bench.host, bench.journal, each) for each in bench.journal.ids()}
    assert {each: outcome.clean for each, outcome in outcomes.items()} == {"a": True, "b": False, "c": True}
    assert "damaged in both halves" in outcomes["b"].reason
    assert [(each["id"], each["status"]) for each in attacks(bench.journal, bench.host.boot_id)] == [("b", "damaged")]


@pytest.mark.parametrize("name", ["revert.sh", "before/00", "sums"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_damaged_script_is_written_again_from_its_record(bench, tmp_path: Path, name: str, how: str) -> None:
    undo = Undo([Run("x", ["touch", str(tmp_path / "undone")])])
    undo.same("y", ["printf", "z"], "z")
    directory = bench.publish("a", undo)
    if how == "gone":
        (directory / name).unlink()
    else:
        (directory / name).write_text(f"touch {tmp_path}/pwned\n")
    assert not bench.journal.script_intact("a")
    assert attacks(bench.journal, bench.host.boot_id)[0]["status"] == "damaged"
    outcome = revert_one(bench.host, bench.journal, "a")
    assert outcome.clean and outcome.acted, outcome.reason
    assert (tmp_path / "undone").exists() and not (tmp_path / "pwned").exists()


def test_a_damaged_script_without_a_second_copy_is_stuck_and_says_what_to_do(bench, tmp_path: Path) -> None:
    """Records of release 0.1 have none."""
    directory = bench.publish("a", Undo([Run("x", ["touch", str(tmp_path / "undone")])]))
    record = bench.journal.load("a")
    del record["script"]
    text = json.dumps(record, indent=1, sort_keys=True)
    (directory / "record.json").write_text(json.dumps({"sum": checksum(text), "record": record}))
    assert bench.journal.script_intact("a")
    (directory / "revert.sh").write_text("torn")
    outcome = revert_one(bench.host, bench.journal, "a")
    assert not outcome.clean and "revert.sh is damaged: undo by hand what it shows" in outcome.reason
    assert directory.exists() and not (tmp_path / "undone").exists()


@pytest.mark.parametrize("text", ["", "#!/bin/sh\n: cut\n"], ids=["empty", "cut"])
def test_checksums_without_the_script_are_no_proof(bench, tmp_path: Path, text: str) -> None:
    """Both are damaged: the sums lost the line of the script, and the script its commands."""
    directory = bench.publish("a", Undo([Run("x", ["touch", str(tmp_path / "undone")])]))
    (directory / "sums").write_text("".join(line for line in (directory / "sums").read_text().splitlines(True) if "revert.sh" not in line))
    (directory / "revert.sh").write_text(text)
    assert not bench.journal.script_intact("a")
    by_hand = bench.sh(["sh"], bench.state / "control.sh", "revert-all")
    assert by_hand.returncode == 5 and "does not match its checksum" in by_hand.stderr, by_hand
    outcome = revert_one(bench.host, bench.journal, "a")
    assert outcome.clean and outcome.acted and (tmp_path / "undone").exists()


def test_an_undo_that_ends_without_a_word_is_not_clean(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = bench.publish("a", Undo([Run("x", ["touch", str(tmp_path / "undone")])]))
    (directory / "revert.sh").write_text("exit 0\n")
    monkeypatch.setattr(OpenJournal, "script_intact", lambda _journal, _attack_id: True)
    outcome = revert_one(bench.host, bench.journal, "a")
    assert not outcome.clean and not outcome.acted and "ended without a word" in outcome.reason
    assert directory.exists()


def test_a_lost_saved_state_is_written_again(bench) -> None:
    undo = Undo()
    undo.same("y", ["printf", "z"], "z")
    directory = bench.publish("a", undo)
    shutil.rmtree(directory / "before")
    assert revert_one(bench.host, bench.journal, "a").clean


def test_a_repair_does_not_bring_back_what_is_gone(bench) -> None:
    """The timer may finish between our look and our repair."""
    directory = bench.publish("a")
    record = bench.journal.load("a")
    shutil.rmtree(directory)
    with pytest.raises(AttackError, match="cannot be repaired"):
        bench.journal.repair("a", record)
    assert not directory.exists()
    with pytest.raises(JournalGone):
        bench.journal.load("a")
    outcome = revert_one(bench.host, bench.journal, "a")
    assert outcome.clean and not outcome.acted


@pytest.mark.parametrize("text", ["", "x", "-5", "1e9", "١٢", "1_0", "9" * 400, "12\x00", " ", "nan"])
@pytest.mark.parametrize("name", ["deadline", "limit"])
def test_an_unreadable_deadline_has_passed(bench, name: str, text: str) -> None:
    directory = bench.publish("a")
    assert remaining(bench.journal, "a") > 50
    (directory / name).write_text(text, encoding="utf-8")
    assert remaining(bench.journal, "a") < -3
    assert attacks(bench.journal, bench.host.boot_id)[0]["status"] == "overdue"


def test_a_deadline_beyond_what_was_agreed_has_passed(bench) -> None:
    """One flipped bit can make a deadline much later; it may never pass the duration."""
    directory = bench.publish("a")
    (directory / "deadline").write_text("9" + (directory / "deadline").read_text())
    assert remaining(bench.journal, "a") < -3


def test_a_torn_effect_does_not_hide_the_attacks(bench) -> None:
    directory = bench.publish("a")
    (directory / "effect").write_text('{"asked"')
    assert attacks(bench.journal, bench.host.boot_id)[0]["effect"] == {}


def test_an_attack_is_found_by_its_run_though_one_of_the_two_is_damaged(bench) -> None:
    for attack_id in ("a", "b", "c"):
        bench.publish(attack_id, run_id="r")
    (bench.state / "a" / "run").write_text("")
    (bench.state / "b" / "record.json").write_text("")
    assert chosen(bench.journal, run_id="r") == ["a", "b", "c"]
    assert chosen(bench.journal, run_id="x") == []


def test_only_ids_of_ours_are_attacks(bench) -> None:
    bench.publish("a")
    for name in ("lost+found", "Backup", ".hidden", "x y"):
        (bench.state / name).mkdir()
    (bench.state / "b").write_text("")
    assert bench.journal.ids() == ["a"]


# --- the place ----------------------------------------------------------------------------------------------------


def bad_place(kind: str, path: Path) -> None:
    if kind == "symlink":
        (path.parent / "elsewhere").mkdir()
        path.symlink_to(path.parent / "elsewhere")
    elif kind == "dangling":
        path.symlink_to(path.parent / "nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("")
    elif kind == "everybody":
        path.mkdir()
        path.chmod(0o777)
    elif kind == "group":
        path.mkdir()
        path.chmod(0o770)
    elif kind == "other owner":
        path.mkdir()
        os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize(
    "kind",
    [
        "symlink",
        "dangling",
        "fifo",
        "file",
        "everybody",
        "group",
        pytest.param("other owner", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")),
    ],
)
def test_a_bad_place_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state"
    bad_place(kind, path)
    journal = OpenJournal(str(path))
    with pytest.raises(AttackError, match="must be a directory of uid|cannot be written"), journal.locked():
        journal.open_place()
    with pytest.raises(AttackError, match="must be a directory of uid"):
        journal.ids()
    assert not (tmp_path / "nowhere").exists()
    assert not list((tmp_path / "elsewhere").iterdir()) if kind == "symlink" else True


@pytest.mark.parametrize("name", ["lock", "control.sh"])
def test_a_planted_symlink_in_the_place_is_not_followed(bench, tmp_path: Path, name: str) -> None:
    bench.state.mkdir(0o700)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (bench.state / name).symlink_to(victim)
    try:
        with bench.journal.locked():
            bench.journal.open_place()
    except AttackError:
        pass
    assert victim.read_text() == "precious"


def test_a_place_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = OpenJournal(str(tmp_path / "file" / "state"))
    with pytest.raises(AttackError, match="cannot be written"), journal.locked():
        pass


def test_two_that_make_the_place_at_once(tmp_path: Path) -> None:
    errors = []

    def begin() -> None:
        try:
            journal = OpenJournal(str(tmp_path / "deep" / "state"))
            with journal.locked():
                journal.open_place()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=begin) for _each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# --- locks --------------------------------------------------------------------------------------------------------


def test_the_lock_excludes_and_ends_with_its_holder(bench) -> None:
    other = OpenJournal(bench.journal.path)
    with bench.journal.locked():
        with (
            pytest.raises(AttackError, match=rf"another faultline.chaos action \(process {os.getpid()}\) holds .*/lock; try again"),
            other.locked(seconds=0.2),
        ):
            pass
        bench.journal.release()
        with other.locked(seconds=0.2):
            pass
    with other.locked(seconds=0.2):
        pass


def test_a_clock_step_does_not_end_the_wait_for_the_lock(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_journal.time, "time", lambda: 1e12)
    with bench.journal.locked(), pytest.raises(AttackError), OpenJournal(bench.journal.path).locked(seconds=0.2):
        pass


def test_an_attack_with_the_same_id_waits_for_the_end_of_the_last_undo(bench) -> None:
    """At its end an undo stops the timer of its id: it must not be the timer of the next attack."""
    directory = bench.publish("a")
    gone = bench.state / ".gone-a"
    directory.rename(gone)
    handle = os.open(gone / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    threading.Timer(0.5, os.close, [handle]).start()
    begin = lifecycle_journal.time.monotonic()
    bench.publish("a")
    assert lifecycle_journal.time.monotonic() - begin > 0.4
    assert not gone.exists()


def test_the_end_of_another_undo_is_not_swept_away(bench) -> None:
    gone = bench.publish("a").rename(bench.state / ".gone-a")
    handle = os.open(gone / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    bench.publish("b")
    assert gone.exists()
    os.close(handle)
    bench.publish("c")
    assert not gone.exists()


def test_the_history_is_read_when_the_last_undo_has_added_its_line(bench) -> None:
    gone = bench.publish("a").rename(bench.state / ".gone-a")
    handle = os.open(gone / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    begin = lifecycle_journal.time.monotonic()
    await_endings(bench.journal, 0.2)
    assert lifecycle_journal.time.monotonic() - begin >= 0.2
    threading.Timer(0.5, os.close, [handle]).start()
    await_endings(bench.journal)
    assert 0.6 < lifecycle_journal.time.monotonic() - begin < 9


def test_an_id_in_use_is_never_overwritten(bench) -> None:
    bench.publish("a", run_id="first")
    with pytest.raises(AttackError, match="cannot be written"):
        bench.publish("a", run_id="second")
    assert bench.journal.load("a")["run_id"] == "first"
    assert not list(bench.state.glob(".new-*"))


# --- bytes --------------------------------------------------------------------------------------------------------

LOCALES = [
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "C.UTF-8"},
    {"LC_ALL": "xx_XX.ISO-8859-1", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
]


@pytest.mark.parametrize("text", ["é ünïcödé", "a\r\nb\rc", "\udce9", "日本"], ids=ascii)
def test_checksums_hold_for_any_text(bench, text: str) -> None:
    directory = bench.publish("a", Undo([Run("x", ["true", text])]))
    assert bench.journal.script_intact("a")
    assert subprocess.run(["sha256sum", "-c", "sums"], cwd=directory, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("locale", LOCALES, ids=lambda env: env["LC_ALL"])
def test_the_locale_of_the_target_does_not_matter(tmp_path: Path, locale: dict) -> None:
    program = f"from {lifecycle_journal.__name__} import write_file\nwrite_file({str(tmp_path / 'x')!r}, 'caf\\u00e9\\r\\n')"
    env = {**os.environ, **locale, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x").read_bytes() == b"caf\xc3\xa9\r\n"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deadline"
    path.write_text("1")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lifecycle_journal.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(str(path), "2")
    assert [each.name for each in tmp_path.iterdir()] == ["deadline"]
    assert path.read_text() == "1"
