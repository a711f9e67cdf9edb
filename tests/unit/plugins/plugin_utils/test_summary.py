# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils import _summary

CLEAN = {"reverted": [], "already_gone": [], "stuck": [], "clean": True}
AWAY = {"unreachable": True, "msg": "Failed to connect"}


@pytest.mark.parametrize(
    "result, ok, label, words",
    [
        (CLEAN, True, _summary.CLEAN, "n1"),
        ({**CLEAN, "reverted": ["a", "b"]}, True, _summary.REVERTED, "n1: a, b"),
        ({**CLEAN, "already_gone": ["a"]}, True, _summary.GONE, "n1: a"),
        ({"reverted": ["b"], "stuck": [{"id": "a", "reason": "rc 2"}], "failed": True}, False, _summary.STUCK, "n1: a: rc 2"),
        (AWAY, False, _summary.UNREACHABLE, "n1 (unreachable: Failed to connect)"),
        ({"failed": True, "msg": "MODULE FAILURE"}, False, _summary.FAILED, "n1: MODULE FAILURE"),
        ({}, False, _summary.FAILED, "n1: no answer"),
    ],
)
def test_halt(result: dict[str, Any], ok: bool, label: str, words: str) -> None:
    fleet = _summary.halt(["n1", "n2"], {"n1": result, "n2": CLEAN}, check_mode=False)
    assert fleet.ok is ok
    assert fleet.lists[label][0] == words
    lines = _summary.fleet_lines("Halt", fleet, 2)
    assert lines[-1] == (("Halt: all 2 clean", False) if ok else ("Halt: NOT CLEAN", True))
    assert any(words in line for line, _bad in lines) or label == _summary.CLEAN


def test_halt_in_check_mode() -> None:
    fleet = _summary.halt(["n1"], {"n1": {**CLEAN, "reverted": ["a"], "clean": False}}, check_mode=True)
    assert (fleet.ok, fleet.lists) == (True, {_summary.WOULD: ["n1: a"]})


ATTACK = {"id": "a", "module": "netem", "status": "active", "deadline": "2026-03-02T10:00:00Z"}


@pytest.mark.parametrize(
    "result, ok, label, words",
    [
        ({"attacks": [], "residue": [], "clean": True}, True, _summary.CLEAN, "n1"),
        ({"attacks": [ATTACK], "residue": [], "clean": False}, False, _summary.ACTIVE, "n1: a (netem) is active, deadline 2026-03-02T10:00:00Z"),
        ({"attacks": [], "residue": ["unit x"], "clean": False}, False, _summary.RESIDUE, "n1: unit x"),
        ({"attacks": [], "residue": [], "clean": False}, False, _summary.FAILED, "n1: it says that it is not clean"),
        (AWAY, False, _summary.UNKNOWN, "n1 (unreachable: Failed to connect)"),
        ({"failed": True, "msg": "no root"}, False, _summary.FAILED, "n1: no root"),
        ({}, False, _summary.FAILED, "n1: no answer"),
    ],
)
def test_audit(result: dict[str, Any], ok: bool, label: str, words: str) -> None:
    fleet = _summary.audit(["n1"], {"n1": result})
    assert (fleet.ok, fleet.lists) == (ok, {label: [words]})


def test_the_bad_news_come_last() -> None:
    fleet = _summary.halt(["n1", "n2", "n3"], {"n1": AWAY, "n2": CLEAN, "n3": {**CLEAN, "reverted": ["a"]}}, check_mode=False)
    assert [bad for _line, bad in _summary.fleet_lines("Halt", fleet, 3)] == [False, False, False, False, True, True, True]


def test_a_halt_of_a_cluster_tells_what_was_kept_and_what_nobody_knew_of() -> None:
    result = {"reverted": [], "already_gone": [], "stuck": [], "clean": True, "removed": ["NetworkPolicy shop/x"], "drifted": ["Deployment shop/web: replicas"]}
    fleet = _summary.halt(["localhost"], {"localhost": result}, False)
    assert fleet.ok and fleet.lists == {_summary.KEPT: ["localhost: Deployment shop/web: replicas"], _summary.REMOVED: ["localhost: NetworkPolicy shop/x"]}
    assert _summary.WOULD in _summary.halt(["localhost"], {"localhost": result}, True).lists
