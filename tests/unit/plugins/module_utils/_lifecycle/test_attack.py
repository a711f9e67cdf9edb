# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lifecycle of an attack: whatever fails on the way, nothing is left; and nothing is done before it can be undone."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import checksum
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time, uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack as lifecycle_attack, deadman
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.publishing import OpenJournal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one
from ansible_collections.faultline.chaos.plugins.module_utils._times import iso_later
from ansible_collections.faultline.chaos.plugins.module_utils._undo.script import render
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Run, Undo
from ansible_collections.faultline.chaos.plugins.modules.clock_skew import ClockSkew
from ansible_collections.faultline.chaos.plugins.modules.host_power import HostPower
from tests.support import crash
from tests.unit.support.lifecycle import Module, Touch
from tests.unit.support.returns import check_returned


def watchers(bench) -> list[int]:
    """Dead-men of this state directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[-2:-1] == [b"timer"] and words[1].startswith(os.fsencode(bench.journal.path)):
            found.append(int(path.parent.name))
    return found


def clean(bench, tmp_path: Path) -> bool:
    return not (tmp_path / "mark").exists() and bench.journal.ids() == [] and not list(bench.state.glob(".new-*"))


def test_present_twice_and_absent(attack, bench, tmp_path: Path) -> None:
    first = attack(duration="20s", run_id="r")
    assert (first["changed"], first["status"], first["deadman"]) == (True, "active", "watcher")
    assert 18 < first["remaining"] <= 20
    assert len(watchers(bench)) == 2
    again = attack(duration="20s")
    assert (again["changed"], again["status"], again["id"], again["effect"]) == (False, "active", first["id"], first["effect"])
    ended = attack(state="absent")
    assert (ended["changed"], ended["status"]) == (True, "reverted")
    assert clean(bench, tmp_path)
    assert attack(state="absent")["changed"] is False
    time.sleep(0.3)
    assert watchers(bench) == []


def test_the_same_attack_again_tells_the_renewed_deadline(attack, bench) -> None:
    first = attack(duration="10m", lease="20s", run_id="r")
    bench.sh(["sh"], bench.state / "control.sh", "renew", "r", "300")
    again = attack(duration="10m", lease="20s")
    assert 297 < again["remaining"] <= 300 and again["deadline"] in (iso_later(first["deadline"], seconds) for seconds in (280, 281, 282))


# --- an attack that was begun and never finished ------------------------------------------------------------------


def unfinished(bench, first: dict, injector: list[int], undo: Undo | None = None, **other) -> None:
    """As when the injector dies or hangs between the journal and the injection: no effect was noted."""
    directory = bench.state / first["id"]
    (directory / "effect").unlink()
    record = {**bench.journal.load(first["id"]), "injector": injector, **other}
    if undo:
        record.update(undo=undo.to_dict(), script=render(record, undo, bench.journal.path))
    record["script"] = re.sub("^injector=.*$", "injector='{} {}'".format(*injector), record["script"], flags=re.M)
    text = json.dumps(record, indent=1, sort_keys=True)
    (directory / "record.json").write_text(json.dumps({"sum": checksum(text), "record": record}))
    bench.journal.repair(first["id"], record)


def test_what_is_being_applied_is_not_told_as_active(attack, bench) -> None:
    first = attack()
    unfinished(bench, first, [os.getpid(), start_time(os.getpid())])
    with pytest.raises(AttackError, match=f"{first['id']} is being applied by another task .pid {os.getpid()}.: wait for that task, or revert it first"):
        attack()
    assert bench.journal.ids() == [first["id"]]


@pytest.mark.parametrize("injector", ["gone", "another process with its number"])
def test_what_was_interrupted_is_undone_and_begun_anew(attack, bench, tmp_path: Path, injector: str) -> None:
    first = attack()
    unfinished(bench, first, [os.getpid(), 1] if injector != "gone" else [2**22 + 1, 1])
    (tmp_path / "mark").unlink()
    with pytest.raises(AttackError, match="was interrupted while it was applied: revert it first"):
        attack(check_mode=True)
    again = attack()
    assert (again["changed"], again["status"], again["effect"]) == (True, "active", first["effect"])
    assert again["notes"][0] == f"{first['id']} was interrupted while it was applied: undone now"
    assert (tmp_path / "mark").exists()
    assert [each["id"] for each in bench.history()] == [first["id"]]


def test_what_was_interrupted_with_other_options_is_left_to_its_owner(attack, bench) -> None:
    first = attack(id="one")
    unfinished(bench, first, [2**22 + 1, 1])
    with pytest.raises(AttackError, match="active with other options"):
        attack(id="one", path="/nonexistent/other")
    assert bench.journal.ids() == ["one"]


def test_what_was_interrupted_and_cannot_be_undone_is_not_begun_anew(attack, bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = attack()
    unfinished(bench, first, [2**22 + 1, 1], undo=Undo([], [Gone("the file", [Exists(str(tmp_path / "mark"))])]))
    with pytest.raises(AttackError, match="is overdue or stuck: revert it first"):
        attack()
    (tmp_path / "mark").unlink()


def test_an_injector_from_before_a_reboot_does_not_live_any_more(attack, bench) -> None:
    """The same number and start time may be somebody else's in another boot."""
    first = attack()
    unfinished(bench, first, [os.getpid(), start_time(os.getpid())], boot_id="00000000-0000-4000-8000-000000000000")
    with pytest.raises(AttackError, match="is overdue or stuck: revert it first"):
        attack(check_mode=True)
    assert attack()["notes"][0] == f"{first['id']} was overdue: undone now"


class Number(Touch):
    options = {**Touch.options, "load": {"type": "raw"}}


def test_the_spelling_of_an_option_makes_no_other_attack(attack, bench) -> None:
    first = attack(Number, load=50)
    assert {attack(Number, load=spelled)["status"] for spelled in ("50", 50.0)} == {"active"}
    other = attack(Number, load=51, state="absent")
    assert (other["status"], other["notes"]) == ("absent", [f"{first['id']} is active here, with other options: nothing was done to it"])
    assert attack(Number, load="50", state="absent")["status"] == "reverted"


def test_absent_waits_for_what_is_just_being_published(attack, bench, tmp_path: Path) -> None:
    attack(id="a")
    hidden = bench.state / ".new-a"
    (bench.state / "a").rename(hidden)
    with bench.journal.locked():  # as an injection holds it until its journal is there
        threading.Timer(0.5, lambda: (hidden.rename(bench.state / "a"), bench.journal.release())).start()
        ended = lifecycle_attack._Lifecycle(Module(bench, path=str(tmp_path / "mark"), id="a", state="absent"), Touch)
        ended.journal = OpenJournal(bench.journal.path)
        assert ended.run()["status"] == "reverted"
    assert clean(bench, tmp_path)


def test_absent_has_reverted_also_when_a_dead_man_was_faster(attack, monkeypatch: pytest.MonkeyPatch) -> None:
    attack(id="a")
    monkeypatch.setattr(lifecycle_attack, "revert_one", lambda *those: [revert_one(*those) for _time in "12"][1])
    assert attack(id="a", state="absent")["status"] == "reverted"


def test_absent_needs_root_where_the_attack_does(attack, monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(Touch):
        needs_root = True

    monkeypatch.setattr(lifecycle_attack.Host, "is_root", False)
    with pytest.raises(AttackError, match="touch needs root on the target: set become: true"):
        attack(Strict, state="absent")


def test_check_mode_touches_nothing(attack, bench, tmp_path: Path) -> None:
    planned = attack(check_mode=True)
    assert (planned["changed"], planned["status"]) == (True, "planned")
    assert "rm -f" in planned["diff"]["after"]
    assert not bench.state.exists() and not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({"duration": value}, "duration")
        for value in (None, 0, -1, "0s", "010", "010s", "1e9", "5m; rm -rf /", float("nan"), float("inf"), True, "2h", [], {}, "", "٣s", "5 m s")
    ]
    + [({"lease": "31s"}, "lease"), ({"lease": 0}, "lease"), ({"max_duration": "25h"}, "max_duration")]
    + [({"id": value}, "id") for value in ("", "/", "../x", "a\0", "A", "-a", "a b", "x" * 65, ".new-a", "a\n", "lost+found", "sweep", "recover")]
    + [({"run_id": value}, "run_id") for value in ("", "*", "a b", "a/b")],
)
def test_bad_input_is_refused_by_its_name(attack, bench, tmp_path: Path, params: dict, option: str) -> None:
    with pytest.raises(AttackError) as caught:
        attack(**params)
    assert caught.value.details.get("option") == option
    assert option in str(caught.value)
    assert not bench.state.exists() and not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "error",
    [AttackError("no effect"), ValueError("unexpected output"), KeyError("x"), OSError(5, "Input/output error"), RecursionError()],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_verification_is_undone_at_once(attack, bench, tmp_path: Path, error: Exception) -> None:
    """Not only the errors that a module foresees: a traceback would leave the attack to its timer."""

    def fail(lifecycle_attack: Attack) -> None:
        raise error

    kind = type("Broken", (Touch,), {"fail": fail})
    with pytest.raises(AttackError, match="undone at once, nothing is left"):
        attack(kind)
    assert clean(bench, tmp_path)
    assert bench.history()[-1]["by"] == "module"


def test_a_refused_step_is_undone_with_those_before_it(attack, bench, tmp_path: Path) -> None:
    kind = type("Refused", (Touch,), {"step": ["false"]})
    with pytest.raises(AttackError, match="false failed with rc 1: .*undone at once"):
        attack(kind)
    assert clean(bench, tmp_path)


def test_an_undo_that_fails_too_is_told_and_kept(attack, bench, tmp_path: Path) -> None:
    class Stuck(Touch):
        step = ["false"]

        def plan(self, before):
            plan = super().plan(before)
            plan.undo.steps = []
            return plan

    with pytest.raises(AttackError, match="and the undo is stuck") as caught:
        attack(Stuck, id="stuck")
    assert caught.value.details["stuck"] == ["stuck"]
    assert bench.journal.ids() == ["stuck"]
    (tmp_path / "mark").unlink()


# --- arming --------------------------------------------------------------------------------------------------------


def failing(error: Exception):
    def fail(*_args, **_kwargs):
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [AttackError("no"), OSError(11, "Resource temporarily unavailable"), PermissionError(13, "x")], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize("what", ["prepare", "_watchers"])
def test_without_a_dead_man_nothing_is_injected(attack, bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception) -> None:
    """fork() may fail on a host that is out of processes, and cron's directory may be read-only."""
    told = []
    if what == "prepare":
        monkeypatch.setattr(deadman, "_cron_runs", failing(error))
        monkeypatch.setattr(deadman, "ROOT_STATE", bench.journal.path)
    else:
        monkeypatch.setattr(deadman, what, failing(error))
    monkeypatch.setattr(Touch, "inject", lambda *_args: told.append("injected"))
    if what == "prepare" and (os.geteuid() or not Path("/etc/cron.d").is_dir()):
        pytest.skip("no cron here")
    with pytest.raises(AttackError):
        attack()
    assert told == []
    assert clean(bench, tmp_path)


def test_watchers_that_do_not_start_are_an_error(attack, bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadman, "start_time", lambda _pid: None)
    with pytest.raises(AttackError, match="watchers did not start, so nothing was injected"):
        attack()
    assert clean(bench, tmp_path)


def test_recovery_is_there_before_the_journal_is(attack, bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a crash between the two leaves a journal that nobody ever looks at."""
    seen = []
    monkeypatch.setattr(deadman, "prepare", lambda _host, journal: seen.append(journal.ids()) or [])
    attack()
    assert seen == [[]]


def test_an_unwritable_journal_injects_nothing_and_ends_the_worker(attack, bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = []
    kind = type("Working", (Touch,), {"worker": True})
    park = Worker.park
    monkeypatch.setattr(Worker, "park", lambda self: (park(self), workers.append(self))[0])
    monkeypatch.setattr(OpenJournal, "publish", failing(AttackError("the journal cannot be written: No space left on device")))
    with pytest.raises(AttackError, match="No space left"):
        attack(kind)
    assert clean(bench, tmp_path)
    time.sleep(0.3)
    assert [worker.alive() for worker in workers] == [False]


# --- others --------------------------------------------------------------------------------------------------------


def test_two_attacks_on_one_thing_are_refused(attack, bench) -> None:
    attack(id="one")
    with pytest.raises(AttackError, match="is held by the active attack one"):
        attack(id="two")
    with pytest.raises(AttackError, match="active with other options"):
        attack(id="one", path="/nonexistent/other")
    assert bench.journal.ids() == ["one"]


def test_the_clock_is_one_thing(attack, bench) -> None:
    """Whoever sets it first keeps it, until the undo; and nobody keeps its wrong time."""
    skew = ClockSkew({}, None).resources()
    bench.publish("skewed", resources=skew)
    for other in (skew, HostPower({"action": "reboot", "abrupt": False}, None).resources()):
        kind = type("Timed", (Touch,), {"resources": lambda _self, other=other: other})
        with pytest.raises(AttackError, match="clock is held by the active attack skewed"):
            attack(kind)


def test_no_deadline_goes_by_a_clock_that_can_be_set(attack, bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day ahead, or at the beginning of time: due by the time since boot alone."""
    for attack_id, wrong in (("ahead", time.time() + 86400), ("behind", 1.0)):
        monkeypatch.setattr(lifecycle_attack.time, "time", lambda wrong=wrong: wrong)
        result = attack(duration="20s", id=attack_id, path=str(tmp_path / attack_id))
        due = int((bench.state / attack_id / "deadline").read_text())
        assert 15 < result["remaining"] <= 20 and 15 < due / 100 - uptime() <= 20
        assert bench.sh(["sh"], bench.state / attack_id / "revert.sh", "sweep").stdout == ""
    assert bench.journal.ids() == ["ahead", "behind"]


def test_an_overdue_attack_is_undone_by_whoever_comes_by(attack, bench, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.touch()
    bench.publish("forgotten", Undo([Run("x", ["rm", str(old)])]), seconds=-10)
    bench.publish("rebooted", boot_id="00000000-0000-4000-8000-000000000000")
    bench.publish("young", seconds=-1)
    result = attack()
    assert {"forgotten was overdue: undone now", "rebooted was overdue: undone now"} <= set(result["notes"])
    assert not old.exists()
    assert bench.journal.ids() == [result["id"], "young"]


def test_a_damaged_journal_of_another_attack_is_no_obstacle(attack, bench) -> None:
    (bench.publish("bad") / "record.json").write_text("torn")
    assert attack()["status"] == "active"
    with pytest.raises(AttackError, match="choose another id or revert it first"):
        attack(id="bad")


def test_the_lock_of_the_journals_is_free_while_an_attack_begins(attack, bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verification takes seconds; no other attack's injection, and no undo, may wait for it."""
    seen = []

    def verify(self, plan):
        with OpenJournal(bench.journal.path).locked(seconds=0):
            seen.append("free")
        return {}

    monkeypatch.setattr(Touch, "verify", verify)
    attack()
    assert seen == ["free"]


@pytest.mark.parametrize("point", ["guarded", "prepared", "journalled", "armed", "inject:0", "injected", "verified"])
def test_crash_points_are_in_their_order(attack, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    killed = []
    monkeypatch.setattr(lifecycle_attack.os, "kill", lambda _pid, number: killed.append(number))
    crash.install(monkeypatch)
    monkeypatch.setenv(crash.VARIABLE, point)
    attack()
    assert killed == [signal.SIGKILL]


def test_what_is_returned_is_what_is_documented(attack) -> None:
    results = [attack(check_mode=True), attack(), attack(), attack(state="absent", check_mode=True), attack(state="absent"), attack(state="absent")]
    assert [result["status"] for result in results] == ["planned", "active", "active", "absent", "reverted", "absent"]
    for result in results:
        check_returned("host", result)
