# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tolerances: percentiles, verdicts, and the certainty of a breach."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample, Score, Tolerance, latencies, nearest_rank, rank

GOOD, SLOW, FAILED = Sample(0.0, True, 10.0), Sample(0.0, True, 500.0), Sample(0.0, False, 3.0)


def test_nearest_rank_of_a_known_list() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [nearest_rank(values, percentile) for percentile in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


@pytest.mark.parametrize(
    ("count", "p50", "p95", "p99"), [(1, 1, 1, 1), (2, 1, 2, 2), (10, 5, 10, 10), (20, 10, 19, 20), (100, 50, 95, 99), (200, 100, 190, 198)]
)
def test_rank(count: int, p50: int, p95: int, p99: int) -> None:
    assert [rank(percentile, count) for percentile in (50, 95, 99)] == [p50, p95, p99]


def test_percentiles_are_of_the_successful_samples() -> None:
    assert latencies([GOOD, SLOW, Sample(0.0, False, 9999.0), Sample(0.0, False)]) == {"p50": 10.0, "p95": 500.0, "p99": 500.0, "max": 500.0}
    assert latencies([FAILED]) == {"p50": None, "p95": None, "p99": None, "max": None}


def score(tolerance: Tolerance, *samples: Sample) -> Score:
    found = Score(tolerance)
    for sample in samples:
        found.add(sample)
    return found


@pytest.mark.parametrize(
    ("success", "failed", "count", "met"),
    [
        (100, 0, 5, True),
        (100, 1, 5, False),
        (99, 1, 100, True),
        (99, 2, 100, False),
        (99, 1, 99, False),
        (66.6, 1, 3, True),
        (66.7, 1, 3, False),
        (0, 5, 5, True),
    ],
)
def test_success_ratio(success: float, failed: int, count: int, met: bool) -> None:
    found = score(Tolerance(success), *[FAILED] * failed, *[GOOD] * (count - failed))
    assert (found.breach() is None) is met


def test_no_sample_is_no_success() -> None:
    assert Score(Tolerance(0)).breach() == "no sample could be taken"
    assert score(Tolerance(0, {95: 100.0}), FAILED).breach() == "no successful sample to take p95 of"


def test_the_reason_says_by_how_much() -> None:
    assert score(Tolerance(99), *[GOOD] * 9, FAILED).breach() == "1 of 10 samples failed, 99% must succeed"
    assert score(Tolerance(99), FAILED).breach(to_come=29) == "1 of 1 samples failed of 30 planned, 99% must succeed"
    first, last = (Sample(0.0, False, 1.0, None, detail) for detail in ("connection refused", "status 503"))
    assert score(Tolerance(99), first, last, GOOD).breach() == "2 of 3 samples failed, 99% must succeed; last: status 503"
    assert score(Tolerance(100, {95: 300.0}), *[GOOD] * 9, SLOW).breach() == "1 of 10 answers took longer than 300ms, the limit of p95"


@pytest.mark.parametrize(
    "tolerance", [Tolerance(100), Tolerance(60), Tolerance(50, {50: 100.0}), Tolerance(0, {95: 100.0}), Tolerance(40, {50: 100.0, 99: 400.0})]
)
def test_a_breach_is_called_certain_exactly_when_nothing_can_help(tolerance: Tolerance) -> None:
    """Against every possible future of every possible past, for windows of five samples."""
    planned = 5
    for length in range(planned):
        for past in itertools.product((GOOD, SLOW, FAILED), repeat=length):
            futures = itertools.product((GOOD, SLOW, FAILED), repeat=planned - length)
            possible = any(score(tolerance, *past, *future).breach() is None for future in futures)
            assert (score(tolerance, *past).breach(planned - length) is None) is possible, past


@pytest.mark.parametrize("count", range(1, 130))
def test_counting_slow_answers_says_the_same_as_the_percentile(count: int) -> None:
    for slow in range(count + 1):
        samples = [GOOD] * (count - slow) + [SLOW] * slow
        found = latencies(samples)
        for percentile in (50, 95, 99):
            assert (score(Tolerance(0, {percentile: 100.0}), *samples).breach() is None) is ((found[f"p{percentile}"] or 0) <= 100.0)


def test_what_leaves_the_window_is_forgotten() -> None:
    found = score(Tolerance(100, {95: 100.0}), FAILED, SLOW, GOOD)
    found.add(FAILED, -1)
    found.add(SLOW, -1)
    assert found.breach() is None
    assert (found.count, found.percent) == (1, 100.0)


def test_reading() -> None:
    found = Tolerance.read(Options({"success": "99%", "p95": "300ms", "p50": 0.1}, "probe 'x': tolerance"))
    assert found.texts() == {"success": "99%", "p50": "100ms", "p95": "300ms"}
    assert found.limits() == {"success_percent": 99, "p50_ms": 100, "p95_ms": 300}
    nothing = Tolerance.read(Options({}, ""))
    assert (nothing.texts(), nothing.limits()) == ({"success": "100%"}, {"success_percent": 100})


@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(0), Tolerance(99.5, {50: 80.0, 95: 300.0, 99: 1500.0}), Tolerance(100, {95: 0.25})])
def test_numbers_and_texts_of_a_record_are_read_back(tolerance: Tolerance) -> None:
    assert Tolerance.of_result({"tolerance": tolerance.texts(), "limits": tolerance.limits()}) == tolerance
    assert Tolerance.of_result({"tolerance": tolerance.texts()}) == tolerance
    assert Tolerance.of_result({"limits": tolerance.limits()}) == tolerance


@pytest.mark.parametrize(
    ("result", "read"),
    [
        ({}, Tolerance()),
        ({"tolerance": None, "limits": None}, Tolerance()),
        ({"tolerance": "99%"}, Tolerance()),
        ({"tolerance": {"success": "99%", "p50": "80ms", "p95": "0.3s", "p99": 2, "max": "nonsense"}}, Tolerance(99, {50: 80.0, 95: 300.0, 99: 2000.0})),
        ({"tolerance": {"success": "most", "p95": "soon"}}, Tolerance()),
    ],
)
def test_records_of_the_first_release_have_texts_only(result: dict, read: Tolerance) -> None:
    assert Tolerance.of_result(result) == read


def test_slow_samples_are_bad_only_in_a_window_that_was_too_slow() -> None:
    tolerance = Tolerance(100, {50: 400.0, 95: 100.0})
    slow_window, window = {"p50": 10.0, "p95": 500.0}, {"p50": 10.0, "p95": 100.0}
    assert (tolerance.breached(slow_window), tolerance.breached(window), tolerance.breached({"p95": None})) == ({"p95": 100.0}, {}, {})
    assert [tolerance.bad(slow_window)(sample) for sample in (GOOD, SLOW, FAILED)] == [False, True, True]
    assert [tolerance.bad(window)(sample) for sample in (GOOD, SLOW, FAILED)] == [False, False, True]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"success": 101}, "'x': tolerance: success: 101 is refused: write a percentage from 0 to 100"),
        ({"success": "50 %"}, "success: '50 %' is refused"),
        ({"success": -1}, "success: -1 is refused"),
        ({"p95": "fast"}, "p95: 'fast' is refused: write a duration"),
        ({"p95": 0}, "p95: 0 is refused"),
        ({"p90": "1s"}, "'p90' is refused: there is no such option; did you mean p9"),
    ],
)
def test_bad_tolerances(given: dict, words: str) -> None:
    with pytest.raises(BadOption) as error:
        Tolerance.read(Options(given, "probe 'x': tolerance"))
    assert words in str(error.value)
