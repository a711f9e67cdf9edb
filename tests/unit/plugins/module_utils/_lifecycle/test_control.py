# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules revert and lease: they act on all that is there, and never call half a view clean."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import control, overview
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Run, Undo
from ansible_collections.faultline.chaos.plugins.modules import lease, revert


class Module:
    check_mode = False

    def __init__(self, bench, **params) -> None:
        self.params = {"id": None, "run_id": None, "all": False, "accept_drift": False, **params}
        self.get_bin_path, self.run_command = bench.host._module.get_bin_path, bench.host._module.run_command


@pytest.fixture
def act(bench, monkeypatch: pytest.MonkeyPatch):
    """Runs a module in the state directory of the bench."""
    monkeypatch.setattr(revert, "Journal", lambda: Journal(bench.journal.path))
    monkeypatch.setattr(lease, "Journal", lambda: Journal(bench.journal.path))
    return lambda what, **params: what(Module(bench, **params))


def test_all_includes_what_is_just_being_published(bench, act) -> None:
    bench.publish("a")
    bench.journal.let_go()
    hidden = bench.publish("b").rename(bench.state / ".new-b")
    bench.journal.let_go()
    with bench.journal.locked():
        threading.Timer(0.5, lambda: (hidden.rename(bench.state / "b"), bench.journal.release())).start()
        found = act(revert.revert, all=True)
    assert (found["reverted"], found["clean"], found["changed"]) == (["a", "b"], True, True)


def test_an_injection_that_never_ends_is_told_beside_what_was_reverted(bench, act, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish("a")
    waited = Journal.await_publishing
    monkeypatch.setattr(Journal, "await_publishing", lambda journal: waited(journal, 0.3))
    with bench.journal.locked():
        found = act(revert.revert, all=True)
    assert (found["reverted"], found["clean"], found["stuck"][0]["id"]) == (["a"], False, "an attack that is being made")


def test_waiting_for_an_injection_writes_nothing(bench, act) -> None:
    """On a disk that went read-only the halt must still say what it finds."""
    bench.state.mkdir(mode=0o700)
    assert act(revert.revert, all=True)["clean"] and list(bench.state.iterdir()) == []


@pytest.mark.parametrize("params", [{"id": "a", "all": True}, {"run_id": "r", "all": True}])
def test_all_and_one_exclude_one_another(bench, act, params: dict) -> None:
    bench.publish("a")
    with pytest.raises(BadOption, match="^all: True is refused: give one of id, run_id and all"):
        act(revert.revert, **params)
    assert bench.journal.ids() == ["a"]


@pytest.mark.parametrize("params", [{"all": True}, {"run_id": "r"}, {"id": "x"}])
def test_without_become_the_attacks_of_root_are_not_called_clean(bench, act, params: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = tmp_path / "faultline-recover.service"
    monkeypatch.setattr(overview, "RECOVERY", (str(unit),))
    monkeypatch.setattr(revert.Host, "is_root", False)
    assert act(revert.revert, **params)["clean"]
    unit.touch()
    with pytest.raises(AttackError, match="attacks of root are active here.* set become: true"):
        act(revert.revert, **params)


def test_one_of_our_own_is_reverted_all_the_same(bench, act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "RECOVERY", (str(tmp_path),))
    monkeypatch.setattr(revert.Host, "is_root", False)
    bench.publish("a", run_id="r")
    bench.journal.let_go()
    assert act(revert.revert, run_id="r")["reverted"] == ["a"]


def test_an_attack_that_ends_meanwhile_keeps_no_lease_from_being_renewed(bench, act, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        bench.publish(name, run_id="r", limit=600)
        bench.journal.let_go()
    noted = Journal.note

    def note(journal, attack_id, name, text):
        if attack_id == "a":
            (bench.state / "a").rename(bench.state / ".gone-a")
        noted(journal, attack_id, name, text)

    monkeypatch.setattr(Journal, "note", note)
    assert list(act(lease.renew, run_id="r", lease="90s")) == ["b"]


# --- the deadline after renewals ------------------------------------------------------------------


def described(bench) -> dict:
    [found] = overview.attacks(bench.journal, bench.host.boot_id)
    return found


def test_a_renewed_deadline_is_what_is_reported(bench, act) -> None:
    """It is that of the record, moved as far as the renewals moved the file."""
    bench.publish("a", run_id="r", seconds=60, limit=600)  # the record says one minute past midnight
    assert described(bench)["deadline"] == "2026-01-01T00:01:00Z"
    assert act(lease.renew, run_id="r", lease="150s") == {"a": described(bench)["deadline"]}
    assert described(bench)["deadline"] in ("2026-01-01T00:02:30Z", "2026-01-01T00:02:31Z") and 148 < described(bench)["remaining"] <= 150
    assert act(lease.renew, run_id="r", lease="1h") == {"a": "2026-01-01T00:10:00Z"}
    assert described(bench)["deadline"] == "2026-01-01T00:10:00Z", "the end of the duration"


def test_a_deadline_that_was_renewed_without_python_is_reported(bench) -> None:
    bench.publish("a", run_id="r", seconds=60, limit=600)
    told = bench.sh(["sh"], bench.state / "control.sh", "renew", "r", "1000").stdout
    assert told in ("a 600\n", "a 599\n") and described(bench)["deadline"] == "2026-01-01T00:10:00Z"


@pytest.mark.parametrize("text", ["", "soon", "9999999999999"])
def test_a_deadline_that_cannot_be_right_is_reported_as_planned(bench, text: str) -> None:
    (bench.publish("a", seconds=60) / "deadline").write_text(text)
    assert described(bench)["deadline"] == "2026-01-01T00:01:00Z" and described(bench)["status"] == "overdue"


def test_while_another_undo_runs_the_reason_of_the_one_before_is_told(bench, tmp_path: Path) -> None:
    """Before: overdue, and no reason."""
    hold, begun = tmp_path / "hold", tmp_path / "begun"
    script = '[ ! -e "$1" ] || : >"$2"; while [ -e "$1" ]; do sleep 0.05; done'
    undo = Undo([Run("wait", ["sh", "-c", script, "sh", str(hold), str(begun)])], [Gone("x", [Exists(str(tmp_path))]), Gone("y", [Exists("/")])])
    path = bench.publish("a", undo, seconds=0) / "revert.sh"
    assert bench.sh(["sh"], path).returncode == 4
    told = {"status": "stuck", "reason": "still there: x; still there: y"}
    assert described(bench).items() >= told.items()
    hold.touch()
    with subprocess.Popen(["sh", path], stderr=subprocess.DEVNULL) as again:
        while not begun.exists():
            time.sleep(0.01)
        meanwhile = described(bench)
        hold.unlink()
    assert again.returncode == 4 and meanwhile["status"] in ("active", "overdue") and meanwhile["reason"] == told["reason"]
    assert described(bench).items() >= told.items()


def test_a_reason_does_not_repeat_the_id(bench, tmp_path: Path) -> None:
    bench.publish("a", Undo([], [Gone("x", [Exists(str(tmp_path))]), Gone("y", [Exists("/")])]))
    assert revert_one(bench.host, bench.journal, "a").reason == "still there: x; still there: y"
    state = tmp_path / "setting"
    state.write_text("a")
    undo = Undo()
    undo.same("setting", ["cat", str(state)], "b\n")
    bench.publish("b", undo)
    assert revert_one(bench.host, bench.journal, "b").reason.endswith(
        "(somebody else changed it?): differs from before: setting; to close it: revert with accept_drift: true"
    )


def test_a_damaged_record_keeps_no_lease_from_being_renewed(bench, act) -> None:
    directory = bench.publish("a", run_id="r", seconds=60, limit=600)
    (directory / "record.json").write_text("{")
    assert act(lease.renew, run_id="r", lease="5m") == {"a": None}
    assert control.remaining(bench.journal, "a") > 290


def test_check_mode_renews_nothing(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "Journal", lambda: Journal(bench.journal.path))
    bench.publish("a", run_id="r", seconds=60, limit=600)
    module = Module(bench, run_id="r", lease="5m")
    module.check_mode = True
    assert lease.renew(module) == {"a": "2026-01-01T00:01:00Z"} and control.remaining(bench.journal, "a") <= 60


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_module_returns_the_new_deadlines(bench, monkeypatch: pytest.MonkeyPatch, check_mode: bool) -> None:
    monkeypatch.setattr(lease, "Journal", lambda: Journal(bench.journal.path))
    bench.publish("a", run_id="r", seconds=60, limit=600)
    module, results = Module(bench, run_id="r", lease="1h"), []
    module.check_mode, module.exit_json = check_mode, lambda **result: results.append(result)
    monkeypatch.setattr(lease, "AnsibleModule", lambda **_spec: module)
    lease.main()
    told = {} if check_mode else {"deadlines": {"a": "2026-01-01T00:10:00Z"}}
    assert results == [{"changed": True, "renewed": ["a"], **told}]
