# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts, series
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Tolerance
from tests.unit.support import report_records
from tests.unit.support.report_records import HTTP, Story, outage, steady


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-08-21T10:00:03Z", 1787306403.0),
        ("2026-08-21T12:00:03+02:00", 1787306403.0),
        ("2026-08-21T10:00:03.500", 1787306403.5),
        (1787306403, 1787306403.0),
        ("", None),
        (None, None),
        (True, None),
        ("soon", None),
    ],
)
def test_epoch(given: object, expected: float | None) -> None:
    assert series.epoch(given) == expected


def test_an_attack_that_does_no_harm_is_neither_detected_nor_recovered_from() -> None:
    (impact,) = facts.impacts(report_records.held())
    assert (impact.hurt, impact.detect_s, impact.recover_s) == (False, None, None)


def test_detection_and_recovery_are_counted_from_the_samples() -> None:
    story = Story().quiet("before").attack("x", ["n1"], 3, 30, {HTTP["name"]: outage(4, 11)})
    (impact,) = facts.impacts(story.quiet("after").done("deviated", ""))
    assert impact.probe == HTTP["name"]
    assert impact.detect_s == pytest.approx(4.013, abs=0.001)
    assert impact.recover_s == pytest.approx(7.0, abs=0.001)


def test_recovery_may_come_after_the_revert() -> None:
    story = Story().quiet("before").attack("x", ["n1"], 3, 10, {HTTP["name"]: outage(5, 99)}).quiet("after", 10, {HTTP["name"]: outage(0, 3)})
    (impact,) = facts.impacts(story.done("deviated", ""))
    assert impact.recover_s == pytest.approx(5 + 0.9 + 3, abs=0.01)


def test_a_probe_that_ends_bad_has_not_recovered() -> None:
    (impact,) = facts.impacts(report_records.lost_writes())
    assert impact.hurt and impact.recover_s is None


def test_slow_samples_count_only_in_a_phase_that_was_too_slow() -> None:
    impacts = facts.impacts(report_records.ramp())
    assert [impact.hurt for impact in impacts] == [False, False, True]
    spike = Story().quiet("before").attack("x", ["n1"], 3, 60, {HTTP["name"]: lambda t: (True, 900.0 if t == 7 else 20.0, 200)})
    assert not facts.impacts(spike.done("held", ""))[0].hurt


def test_windows_are_the_attacks_in_force() -> None:
    (window,) = facts.windows(report_records.held())
    assert window.closed and window.end - window.start == pytest.approx(30.6, abs=0.01)
    assert [window.label for window in facts.windows(report_records.ramp())] == ["delay 50ms", "delay 100ms", "delay 500ms"]


def test_nobody_saw_the_end_of_an_attack_left_to_its_timer() -> None:
    record = report_records.not_reverted()
    (window,) = facts.windows(record)
    assert not window.closed
    assert window.end == facts.span(record)[1], "the deadline is later than the record"


def test_blast_radius_is_the_widest_attack() -> None:
    assert facts.blast_radius(report_records.refused()) is None
    radius = facts.blast_radius(report_records.ramp())
    assert radius and (radius["selected"], radius["eligible"], radius["hosts"]) == (3, 9, ["web2", "web5", "web7"])


def test_trouble_is_sorted_by_its_urgency() -> None:
    assert [(host["host"], host["outcome"]) for host in facts.trouble(report_records.not_reverted())] == [
        ("n3", "stuck"),
        ("n2", "left_to_timer"),
    ]
    only_named = {**report_records.empty(), "left_to_timer": [{"host": "n9", "deadline": "2026-08-21T10:10:00Z"}]}
    assert [host["host"] for host in facts.trouble(only_named)] == ["n9"]


def test_ramps_say_where_it_broke() -> None:
    assert facts.ramp_sentences(report_records.ramp()) == ["slow links: held at delay 50ms, delay 100ms; did not hold at delay 500ms."]
    assert facts.ramp_sentences(report_records.held()) == []


def with_numbers(record: dict) -> dict:
    """The record as steady_state writes it now, with texts that nobody can read."""
    record = copy.deepcopy(record)
    for phase in record["phases"]:
        for result in (phase["steady_state"] or {}).get("probes", []):
            result["limits"] = Tolerance.of_result(result).limits()
            result["tolerance"] = {"success": "most", "p95": "soon"}
    return record


@pytest.mark.parametrize("name", ["held", "ramp", "lost_writes", "not_reverted"])
def test_the_report_reads_the_numbers_of_a_tolerance_and_of_an_old_record_its_text(name: str) -> None:
    old = getattr(report_records, name)()
    new = with_numbers(old)
    assert [track.tolerance for track in facts.tracks(new)] == [track.tolerance for track in facts.tracks(old)]
    assert facts.impacts(new) == facts.impacts(old)
    assert [segment.breached for track in facts.tracks(new) for segment in track.segments] == [
        segment.breached for track in facts.tracks(old) for segment in track.segments
    ]


def test_a_probe_that_was_not_sampled_has_the_tolerance_of_the_plan() -> None:
    record = report_records.refused()
    record["plan"]["steady_state"] = [{"name": "p", "type": "tcp", "tolerance": {"p95": 0.3}}, {"name": "q", "type": "tcp"}]
    found = {track.name: track.tolerance for track in facts.tracks(record) if track.name in ("p", "q")}
    assert found == {"p": Tolerance(100.0, {95: 300.0}), "q": Tolerance()}


def test_damaged_samples_are_left_out() -> None:
    story = Story().quiet("before", 3, {HTTP["name"]: steady()})
    series = story.record["phases"][0]["steady_state"]["probes"][0]["series"]
    series.append({"t": None, "ok": True, "ms": 1.0})
    series.append({"t": 1e9, "ok": True, "ms": -5})
    (track,) = facts.tracks(story.record)
    assert len(track.samples) == 4
    assert track.samples[0].ms is None
