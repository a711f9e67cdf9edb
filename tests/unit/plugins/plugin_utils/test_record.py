# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of a run record, and who of its targets is in trouble."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils import _record
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import summary
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.verdict import judge
from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts, html, journal, junit, write
from tests.unit.support import report_records


def target(host: str, outcome: str, deadline: str | None = None) -> dict[str, Any]:
    return {"host": host, "outcome": outcome, "deadline": deadline, "error": "no answer"}


def record(*rounds: list[dict[str, Any]]) -> dict[str, Any]:
    phases = [{"kind": "attack", "name": f"round {at}", "attack": "netem", "revert": "revert", "hosts": hosts} for at, hosts in enumerate(rounds)]
    return {"title": "x", "run_id": "r", "verdict": "failed", "verdict_reason": "", "phases": phases}


def test_the_words_of_the_first_release_stay() -> None:
    assert tuple(word for word in _record.VERDICTS if word != "inconclusive") == ("not_reverted", "failed", "refused", "aborted", "deviated", "held")
    assert list(_record.OUTCOMES) == ["stuck", "left_to_timer", "not_injected", "reverted"]


def test_every_report_knows_every_verdict() -> None:
    assert set(html.VERDICT_WORDS) == set(journal.VERDICT_STATUS) == set(_record.VERDICTS)
    assert tuple(write.WRITERS) == _record.FORMATS


@pytest.mark.parametrize("verdict", _record.VERDICTS)
def test_only_a_hypothesis_that_held_passes_anywhere(verdict: str) -> None:
    root = ElementTree.fromstring(junit.render({**report_records.held(), "verdict": verdict}).split("\n", 1)[1])
    assert (root.get("failures") == root.get("errors") == "0") is _record.passed(verdict) is (verdict == "held")


@pytest.mark.parametrize("outcome", _record.OUTCOMES)
def test_every_outcome_has_its_test_case(outcome: str) -> None:
    cases = ElementTree.fromstring(junit.render(record([target("n1", outcome)])).split("\n", 1)[1]).findall(".//testcase[@classname='faultline.revert']")
    assert [sorted(child.tag for child in case) for case in cases] == [{"reverted": [], "not_injected": ["skipped"]}.get(outcome, ["failure"])]


def test_verdict_summary_and_report_agree_on_who_is_in_trouble() -> None:
    found = record(
        [target("a", "left_to_timer", "2026-03-02T10:00:00Z"), target("b", "stuck", "2026-03-02T10:00:00Z"), target("c", "reverted")],
        [target("a", "left_to_timer", "2026-03-02T11:00:00Z"), target("b", "left_to_timer", "2026-03-02T11:00:00Z"), target("d", "not_injected")],
    )
    hosts = _record.troubled_hosts(found)
    assert {host: (entry["outcome"], entry["deadline"][11:13]) for host, entry in hosts.items()} == {"a": ("left_to_timer", "11"), "b": ("stuck", "10")}
    verdict, reason = judge(found)
    assert (verdict, reason) == ("not_reverted", "The undo is stuck on b; left to their timers: a (until 2026-03-02T11:00:00Z).")
    lines = [line for line, _bad in summary.experiment(found, {})]
    assert "  stuck: b, no answer" in lines and "  left to its timer: a, until 2026-03-02T11:00:00Z (no answer)" in lines
    assert {host["host"] for host in facts.trouble(found)} == set(hosts)
    assert facts.trouble(found)[0]["outcome"] == "stuck"


BROKEN, FEW = {"met": False, "reason": "1 of 9 failed"}, {"met": False, "inconclusive": ["up: only 1 of 9 samples"]}


@pytest.mark.parametrize(
    "phase, wanted",
    [
        ({"steady_state": {"met": True}}, "held"),
        ({"steady_state": {"met": True}, "inconclusive": ["n1: no packet met the rule"]}, "inconclusive"),
        ({"steady_state": BROKEN}, "deviated"),
        ({"steady_state": {**BROKEN, "aborted": True}}, "aborted"),
        ({"steady_state": BROKEN, "inconclusive": ["n1: no packet met the rule"]}, "deviated"),
        ({"steady_state": FEW, "inconclusive": FEW["inconclusive"]}, "inconclusive"),
        ({"steady_state": None, "inconclusive": ["n1: taken away"]}, "inconclusive"),
        ({"steady_state": None}, None),
        ({}, None),
    ],
)
def test_what_a_phase_proved(phase: dict[str, Any], wanted: str | None) -> None:
    assert _record.proved(phase) == wanted


def test_every_report_shows_why_a_phase_is_inconclusive() -> None:
    found = report_records.ramp()
    first, second = [phase for phase in found["phases"] if phase["kind"] == "attack"][:2]
    _record.make_inconclusive(first, "n1: no packet met the rule", "n1: no packet met the rule")
    _record.make_inconclusive(second, "n1: <taken> away")
    assert first["inconclusive"] == ["n1: no packet met the rule"]
    for phase in found["phases"]:
        if phase["kind"] != "before":
            phase["steady_state"]["met"] = True
    found["verdict"], found["verdict_reason"] = judge(found)
    assert found["verdict"] == "inconclusive" and not _record.passed(found["verdict"])
    label = f"{first['name']} ({first['magnitude']})"
    assert found["verdict_reason"].startswith(f"No verdict on the hypothesis: {label}: n1: no packet met the rule; {second['name']}")
    assert (f"  inconclusive: {label}: n1: no packet met the rule", True) in summary.experiment(found, {})
    root = ElementTree.fromstring(junit.render(found).split("\n", 1)[1])
    cases = root.findall(".//testcase[@classname='faultline.evidence']/error")
    assert [case.get("message") for case in cases] == ["inconclusive: n1: no packet met the rule", "inconclusive: n1: <taken> away"]
    written = journal.journal(found)
    assert (written["status"], written["deviated"]) == ("failed", False)
    assert [state.get("inconclusive") for state in written["steady_states"]["during"]][:2] == [first["inconclusive"], second["inconclusive"]]
    page = html.render(found)
    assert '<body class="v-inconclusive">' in page and page.count('class="mark-unclear"') == 2 and "n1: &lt;taken&gt; away" in page
    assert f"inconclusive at {first['magnitude']}, {second['magnitude']}" in page


def test_a_deviation_outweighs_what_is_inconclusive() -> None:
    found = report_records.ramp()
    attacks = [phase for phase in found["phases"] if phase["kind"] == "attack"]
    _record.make_inconclusive(attacks[0], "n1: no packet met the rule")
    attacks[-1]["steady_state"].update(BROKEN)
    verdict, reason = judge(found)
    assert verdict == "deviated" and reason.endswith(f"Besides: {attacks[0]['name']} ({attacks[0]['magnitude']}): n1: no packet met the rule.")


def test_a_record_without_phases_has_nobody_in_trouble() -> None:
    assert _record.troubled_hosts({}) == _record.troubled_hosts({"phases": None}) == _record.troubled_hosts({"phases": [{"hosts": None}]}) == {}
