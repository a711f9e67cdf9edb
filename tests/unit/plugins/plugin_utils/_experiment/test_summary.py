# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import summary

CLEAN = {"reverted": [], "already_gone": [], "stuck": [], "clean": True}
AWAY = {"unreachable": True, "msg": "Failed to connect"}


@pytest.mark.parametrize(
    "result, ok, label, words",
    [
        (CLEAN, True, summary.CLEAN_LIST, "n1"),
        ({**CLEAN, "reverted": ["a", "b"]}, True, summary.REVERTED_LIST, "n1: a, b"),
        ({**CLEAN, "already_gone": ["a"]}, True, summary.GONE_LIST, "n1: a"),
        ({"reverted": ["b"], "stuck": [{"id": "a", "reason": "rc 2"}], "failed": True}, False, summary.STUCK_LIST, "n1: a: rc 2"),
        (AWAY, False, summary.UNREACHABLE_LIST, "n1 (unreachable: Failed to connect)"),
        ({"failed": True, "msg": "MODULE FAILURE"}, False, summary.FAILED_LIST, "n1: MODULE FAILURE"),
        ({}, False, summary.FAILED_LIST, "n1: no answer"),
    ],
)
def test_halt(result: dict[str, Any], ok: bool, label: str, words: str) -> None:
    fleet = summary.halt(["n1", "n2"], {"n1": result, "n2": CLEAN}, check_mode=False)
    assert fleet.ok is ok
    assert fleet.lists[label][0] == words
    lines = summary.fleet_lines("Halt", fleet, 2)
    assert lines[-1] == (("Halt: all 2 clean", False) if ok else ("Halt: NOT CLEAN", True))
    assert any(words in line for line, _bad in lines) or label == summary.CLEAN_LIST


def test_halt_in_check_mode() -> None:
    fleet = summary.halt(["n1"], {"n1": {**CLEAN, "reverted": ["a"], "clean": False}}, check_mode=True)
    assert (fleet.ok, fleet.lists) == (True, {summary.WOULD_LIST: ["n1: a"]})


SCALED = {"id": "s", "module": "k8s_scale", "status": "stuck", "reason": "no right", "remaining": -8.5, "journal": "shop/faultline-s"}
STUCK_THERE = "n1: s (k8s_scale) is stuck, 8.5 s past its deadline, journal shop/faultline-s: no right"
DAMAGED = {"id": "d", "status": "damaged", "reason": "no record", "run_id": None, "journal": "shop/faultline-d"}
ACCEPT = "ansible n1 -b -m faultline.chaos.revert -a 'id=a accept_drift=true'"
ATTACK = {"id": "a", "module": "netem", "status": "active", "deadline": "2026-03-02T10:00:00Z"}


@pytest.mark.parametrize(
    "result, ok, label, words",
    [
        ({"attacks": [], "residue": [], "clean": True}, True, summary.CLEAN_LIST, "n1"),
        ({"attacks": [ATTACK], "residue": [], "clean": False}, False, summary.ACTIVE_LIST, "n1: a (netem) is active, deadline 2026-03-02T10:00:00Z"),
        ({"attacks": [SCALED], "clean": False}, False, summary.STUCK_LIST, STUCK_THERE),
        ({"attacks": [DAMAGED], "clean": False}, False, summary.ACTIVE_LIST, "n1: d is damaged, journal shop/faultline-d: no record"),
        ({"attacks": [], "residue": ["unit x"], "clean": False}, False, summary.RESIDUE_LIST, "n1: unit x"),
        ({"attacks": [], "residue": [], "clean": False}, False, summary.FAILED_LIST, "n1: it says that it is not clean"),
        (AWAY, False, summary.UNKNOWN_LIST, "n1 (unreachable: Failed to connect)"),
        ({"failed": True, "msg": "no root"}, False, summary.FAILED_LIST, "n1: no root"),
        ({}, False, summary.FAILED_LIST, "n1: no answer"),
    ],
)
def test_audit(result: dict[str, Any], ok: bool, label: str, words: str) -> None:
    fleet = summary.audit(["n1"], {"n1": result})
    assert (fleet.ok, fleet.lists) == (ok, {label: [words]})


def test_an_audit_of_a_cluster_says_what_it_did_not_look_at() -> None:
    result = {"attacks": [], "residue": [], "clean": True, "not_looked_at": ["nodes: forbidden"]}
    fleet = summary.audit(["localhost"], {"localhost": result})
    assert fleet.ok and fleet.lists == {summary.CLEAN_LIST: ["localhost"], summary.UNSEEN_LIST: ["localhost: nodes: forbidden"]}
    assert ("  localhost: nodes: forbidden", True) in summary.fleet_lines("Audit", fleet, 1)


OTHERS = [{"id": "cpu-1", "user": "eve", "uid": 5000, "status": "active", "deadline": "2026-03-02T10:00:00Z", "command": "sudo -u eve sh x revert-all"}]


def test_attacks_of_other_users_are_named_and_their_host_is_not_called_clean() -> None:
    told = "n1: cpu-1 of user eve (uid 5000) is active, deadline 2026-03-02T10:00:00Z: sudo -u eve sh x revert-all"
    for fleet, title in (
        (summary.audit(["n1"], {"n1": {"attacks": [], "residue": [], "clean": True, "others": OTHERS}}), "Audit"),
        (summary.halt(["n1"], {"n1": {**CLEAN, "others": OTHERS}}, False), "Halt"),
    ):
        assert fleet.ok and fleet.lists == {summary.OTHERS_LIST: [told]}
        lines = summary.fleet_lines(title, fleet, 1)
        assert (f"  {told}", True) in lines and lines[-1] == (f"{title}: all 1 clean, but for attacks of other users", False)


def test_marks_of_other_users_are_named_and_count_for_nothing() -> None:
    fleet = summary.audit(["n1"], {"n1": {"attacks": [], "residue": [], "clean": True, "foreign": ["file of uid 5000: /tmp/.faultline-x"]}})
    assert fleet.ok and fleet.lists == {summary.FOREIGN_LIST: ["n1: file of uid 5000: /tmp/.faultline-x"], summary.CLEAN_LIST: ["n1"]}


def test_what_is_not_clean_comes_with_the_command_that_helps() -> None:
    text = "\n".join(line for line, _bad in summary.fleet_lines("Audit", summary.audit(["n1"], {"n1": {"attacks": [ATTACK], "clean": False}}), 1))
    assert "ansible-playbook faultline.chaos.halt" in text


@pytest.mark.parametrize(
    "status, reason, told",
    [
        ("stuck", "rc 2 from: ip link", ": rc 2 from: ip link"),
        ("stuck", "x; revert with accept_drift: true", ": x; revert with accept_drift: true -- once you have read that: " + ACCEPT),
        ("stuck", "now: " + "x" * 2000 + "; accept_drift", ": now: " + "x" * 992 + "... -- once you have read that: " + ACCEPT),
        ("overdue", "still there: x", ": still there: x"),
        ("damaged", "no record", ": no record"),
    ],
)
def test_an_audit_says_why_and_what_helps_with_one(status: str, reason: str, told: str) -> None:
    """Before: only "is stuck, deadline", and a halt as the help, which would be stuck again."""
    fleet = summary.audit(["n1"], {"n1": {"attacks": [{**ATTACK, "status": status, "reason": reason}], "clean": False}})
    label = summary.STUCK_LIST if status == "stuck" else summary.ACTIVE_LIST
    assert fleet.lists == {label: [f"n1: a (netem) is {status}, deadline 2026-03-02T10:00:00Z{told}"]}
    text = "\n".join(line for line, _bad in summary.fleet_lines("Audit", fleet, 1))
    assert ("read the reason first" in text) is (status == "stuck") and ("playbook faultline.chaos.halt" in text) is (status != "stuck")


@pytest.mark.parametrize("revert, words, others", [("revert", "chaos.audit", "cluster_"), ("k8s_revert", "chaos.cluster_audit", "chaos.audit")])
def test_trouble_names_the_playbooks_that_look_there(revert: str, words: str, others: str) -> None:
    host = {"host": "n1", "outcome": "stuck", "error": "x: rc 2", "deadline": None}
    fine = {"kind": "attack", "revert": "revert" if revert == "k8s_revert" else "k8s_revert", "hosts": [{**host, "outcome": "reverted"}]}
    record = {"title": "t", "verdict": "not_reverted", "verdict_reason": "x.", "run_id": "r", "phases": [{"kind": "before"}, fine]}
    record["phases"].append({"kind": "attack", "revert": revert, "hosts": [host]})
    text = "\n".join(line for line, _bad in summary.experiment(record, {}))
    assert words in text and words.replace("audit", "halt") in text and others not in text


def test_the_bad_news_come_last() -> None:
    fleet = summary.halt(["n1", "n2", "n3"], {"n1": AWAY, "n2": CLEAN, "n3": {**CLEAN, "reverted": ["a"]}}, check_mode=False)
    assert [bad for _line, bad in summary.fleet_lines("Halt", fleet, 3)] == [False, False, False, False, True, True, True, True]


@pytest.mark.parametrize(
    "more, label, words",
    [
        ({"stuck": [{"id": "a", "reason": "rc 2"}, {"id": "d", "reason": "rc 3"}], "failed": True}, summary.STUCK_LIST, "n1: a: rc 2; d: rc 3"),
        ({"failed": True, "msg": "no disk"}, summary.FAILED_LIST, "n1: no disk"),
        (AWAY, summary.UNREACHABLE_LIST, "n1 (unreachable: Failed to connect)"),
    ],
)
def test_what_was_reverted_is_told_beside_what_was_not(more: dict[str, Any], label: str, words: str) -> None:
    fleet = summary.halt(["n1"], {"n1": {**CLEAN, "reverted": ["b", "c"], **more}}, check_mode=False)
    assert (fleet.ok, fleet.lists) == (False, {summary.REVERTED_LIST: ["n1: b, c"], label: [words]})
    assert summary.REVERTED_LIST not in summary.halt(["n1"], {"n1": {**CLEAN, "reverted": ["b", "c"], **more}}, check_mode=True).lists


def test_a_halt_of_a_cluster_tells_what_was_kept_and_what_nobody_knew_of() -> None:
    result = {"reverted": [], "already_gone": [], "stuck": [], "clean": True, "removed": ["NetworkPolicy shop/x"], "drifted": ["Deployment shop/web: replicas"]}
    fleet = summary.halt(["localhost"], {"localhost": result}, False)
    assert fleet.ok and fleet.lists == {
        summary.KEPT_LIST: ["localhost: Deployment shop/web: replicas"],
        summary.REMOVED_LIST: ["localhost: NetworkPolicy shop/x"],
    }
    assert summary.WOULD_LIST in summary.halt(["localhost"], {"localhost": result}, True).lists
