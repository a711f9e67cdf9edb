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
    assert _record.VERDICTS == ("not_reverted", "failed", "refused", "aborted", "deviated", "held")
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


def test_a_record_without_phases_has_nobody_in_trouble() -> None:
    assert _record.troubled_hosts({}) == _record.troubled_hosts({"phases": None}) == _record.troubled_hosts({"phases": [{"hosts": None}]}) == {}
