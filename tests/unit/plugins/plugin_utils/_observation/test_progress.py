# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that people see."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.progress import Progress
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.sampler import SamplingPlan, Track
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample

GOOD, BAD = Sample(0.0, True, 31.2), Sample(0.0, False, None, None, "connection refused")


def tracks(plan: SamplingPlan, count: int) -> list[Track]:
    return [Track(probe, plan) for probe in read_probes([{"name": f"p{number}", "type": "tcp", "host": "x", "port": 1} for number in range(count)])]


def progress(count: int = 2, **plan: float) -> tuple[Progress, list[Track], list[str]]:
    lines: list[str] = []
    found = SamplingPlan(**{"window": 30.0, **plan})  # type: ignore[arg-type]
    watched = tracks(found, count)
    return Progress("before", found, watched, lambda line, _mood: lines.append(line)), watched, lines


def feed(shown: Progress, track: Track, index: int, sample: Sample, elapsed: float) -> None:
    track.decide(index, sample)
    shown.sampled(track, sample, elapsed)


def test_a_line_every_few_seconds() -> None:
    shown, watched, lines = progress()
    for second in range(30):
        for track in watched:
            feed(shown, track, second, GOOD, second)
        shown.beat(second)
    assert [line.split("  ")[1] for line in lines] == [f"{second}s/30s" for second in range(3, 30, 3)]
    assert lines[0] == "before  3s/30s  p0 4/4 ok p95 31ms | p1 4/4 ok p95 31ms"


@pytest.mark.parametrize(("window", "pause"), [(5, 2), (60, 6), (3600, 15)])
def test_the_pause_suits_the_window(window: float, pause: float) -> None:
    shown, _watched, lines = progress(window=window)
    for tenth in range(int(window * 10)):
        shown.beat(tenth / 10)
    assert lines[0].startswith(f"before  {pause}s/")
    assert len(lines) <= window / pause


def test_a_change_is_told_at_once() -> None:
    shown, watched, lines = progress()
    for index, sample in enumerate([GOOD, GOOD, BAD, BAD, BAD, GOOD]):
        feed(shown, watched[1], index, sample, index * 1.5)
    assert lines == ["before  3s/30s  p1 FAILS: connection refused", "before  8s/30s  p1 answers again"]


def test_a_flapping_probe_is_not_a_flood() -> None:
    shown, watched, lines = progress()
    for index in range(100):
        feed(shown, watched[0], index, BAD if index % 2 else GOOD, index * 0.1)
    assert 3 <= len(lines) <= 6


def test_those_in_trouble_come_first_and_many_are_cut() -> None:
    shown, watched, lines = progress(9)
    for track in watched:
        feed(shown, track, 0, BAD if track is watched[8] else GOOD, 0)
    shown.end(30, "not met", False)
    assert lines[-1] == (
        "before  30s/30s  not met: p8 0/1 | p0 1/1 ok p95 31ms | p1 1/1 ok p95 31ms | p2 1/1 ok p95 31ms | p3 1/1 ok p95 31ms | p4 1/1 ok p95 31ms | and 3 more"
    )
