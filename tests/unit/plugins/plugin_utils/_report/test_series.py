# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long series on the page: nothing that matters is lost, and the page does not grow with them."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts, html, series
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.write import record_text, write_reports
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample
from tests.support.long_record import long_record
from tests.unit.support.report_records import held


def bad(sample: Sample) -> bool:
    return not sample.ok


def thin(samples: list[Sample], buckets: int = 50) -> list[Sample]:
    return series.thinned(samples, bad, buckets)[0]


@pytest.mark.parametrize("seed", range(20))
def test_failures_and_outliers_stay(seed: int) -> None:
    rng = random.Random(seed)
    share = rng.choice((0.0, 0.001, 0.05, 0.5, 0.999, 1.0))
    samples = [
        Sample(at * 0.05 + rng.random() * 0.01, rng.random() >= share, None if rng.random() < 0.1 else rng.expovariate(0.05), rng.choice((200, 503)))
        for at in range(5000)
    ]
    kept = thin(samples)
    assert len(kept) <= 50 * (series.PER_BUCKET + 4) and set(kept) <= set(samples) and kept == sorted(kept, key=lambda sample: sample.t)
    width = (samples[-1].t - samples[0].t) / 50
    for one in samples:
        if bad(one):  # every failure is on the page, or one in the same bucket is
            assert any(bad(other) and abs(other.t - one.t) <= width for other in kept)
    timed = [sample.ms for sample in samples if sample.ms is not None]
    assert {min(timed), max(timed)} <= {sample.ms for sample in kept}
    assert (kept[0], kept[-1]) == (samples[0], samples[-1])


def test_the_times_of_failure_and_recovery_are_exact() -> None:
    record = long_record(6000, 2, 3)
    rng = random.Random(1)
    for phase in record["phases"]:
        for result in phase["steady_state"]["probes"]:
            first, last = sorted(rng.sample(range(6000), 2))
            for at, sample in enumerate(result["series"]):
                sample["ok"] = not first <= at <= last
    thinned = facts.impacts(record)
    whole = [
        facts.ProbeTrack(track.name, "", "", track.tolerance, [facts.Segment(one.phase, one.result) for one in track.segments])
        for track in facts.tracks(record)
    ]
    assert all(len(track.samples) == 18000 for track in whole)
    assert thinned == facts.impacts(record, whole)


def test_few_samples_are_all_drawn() -> None:
    samples = [Sample(float(at), True, 1.0) for at in range(300)]
    assert thin(samples) is samples


def test_a_gap_in_the_sampling_stays_a_gap() -> None:
    samples = [Sample(at * 0.05, True, 1.0) for at in range(20000) if not 8000 <= at < 9000]
    kept, gap = series.thinned(samples, bad, 250)
    assert any(after.t - before.t > gap for before, after in zip(kept, kept[1:], strict=False))
    assert sum(after.t - before.t > gap for before, after in zip(kept, kept[1:], strict=False)) == 1


def test_the_page_does_not_grow_with_the_samples() -> None:
    sizes = [len(html.render(clean(long_record(count, 2, 3)))) for count in (4000, 8000, 16000)]
    assert max(sizes) < 1.3 * min(sizes) and max(sizes) < 2_000_000
    assert "the drawings show" in html.render(clean(long_record(4000, 2, 3))) and "the drawings show" not in html.render(clean(held()))


def test_the_page_does_not_grow_with_the_probes_for_ever() -> None:
    small, large = (len(html.render(clean(long_record(1500, probes, 3)))) for probes in (5, 20))
    assert large < 4 * small and large < 5_000_000


def test_all_samples_are_in_the_record(tmp_path: Any) -> None:
    record = clean(long_record(2000, 2, 3))
    paths = write_reports(record, tmp_path, ("html",))
    with open(paths["record"], encoding="utf-8") as file:
        written = file.read()
    assert json.loads(written) == record
    assert sum(line.startswith('{"t": ') for line in written.splitlines()) == 12_000
    assert len(gzip.compress(written.encode())) < len(written) / 4


@pytest.mark.parametrize("record", [{}, {"phases": None}, {"phases": [1, None, {"steady_state": {"probes": [1, {"series": []}, {"series": "x"}]}}]}, held()])
def test_any_record_can_be_written(record: dict[str, Any]) -> None:
    assert json.loads("".join(record_text(record))) == record
