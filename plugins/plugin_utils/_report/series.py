# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The samples of one probe in one phase, and the few of many that a page needs to show every failure and every outlier. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from statistics import median
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample

ON_PAGE = 12_000  # samples that a whole page is drawn from, about; a phase with fewer than its share is drawn from all of its own
PER_BUCKET = 8  # as many samples of a bucket are kept as a rule
_FEWEST, _MOST = 10, 250  # buckets in a phase
_VALUES = 4  # different words or states of a bucket that are kept


def epoch(value: Any) -> float | None:
    """Seconds since 1970 from an ISO time or a number. A time without a zone is UTC."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or not value:
        return None
    try:
        when = datetime.fromisoformat(value[:-1] + "+00:00" if value[-1] in "zZ" else value)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


def read_samples(series: Iterable[Any]) -> list[Sample]:
    """The samples of a record, by time."""
    samples = []
    for raw in series:
        when = epoch(raw.get("t"))
        if when is not None:
            ms = raw.get("ms")
            ms = float(ms) if isinstance(ms, (int, float)) and not isinstance(ms, bool) and ms >= 0 else None
            samples.append(Sample(when, bool(raw.get("ok")), ms, raw.get("value"), str(raw.get("detail") or "") or None))
    samples.sort(key=lambda sample: sample.t)
    return samples


def usual_step(samples: list[Sample], fallback: float = 1.0) -> float:
    """The usual time between two samples."""
    steps = [b.t - a.t for a, b in zip(samples, samples[1:], strict=False) if b.t > a.t]
    return median(steps) if steps else fallback


def share(segments: int) -> int:
    """The buckets for each of so many segments on one page."""
    return min(max(ON_PAGE // PER_BUCKET // max(segments, 1), _FEWEST), _MOST)


def thinned(samples: list[Sample], is_bad: Callable[[Sample], bool], buckets: int) -> tuple[list[Sample], float]:
    """The samples to draw, and the time from which a distance between two of them is a gap in the sampling.

    Few samples are returned as they are. Otherwise the time is cut into buckets, and of each these are kept: the first and the last
    sample, the first and the last bad one and the one after it (so that the times of failure and recovery stay exact), the fastest
    and the slowest, the least and the greatest value, and the first with each of a few other values.
    """
    gap = 2.5 * usual_step(samples)
    if len(samples) <= buckets * PER_BUCKET:
        return samples, gap
    start, width = samples[0].t, (samples[-1].t - samples[0].t) / buckets or 1.0
    kept: list[Sample] = []
    begin = 0
    while begin < len(samples):
        edge = start + (int((samples[begin].t - start) / width) + 1) * width
        end = begin + 1
        while end < len(samples) and samples[end].t < edge:
            end += 1
        kept += [samples[at] for at in sorted(_chosen(samples, begin, end, is_bad))]
        begin = end
    return kept, max(gap, 2.5 * width)


def _chosen(samples: list[Sample], begin: int, end: int, is_bad: Callable[[Sample], bool]) -> set[int]:
    found = {begin, end - 1}
    bad = [at for at in range(begin, end) if is_bad(samples[at])]
    if bad:
        found |= {bad[0], bad[-1], min(bad[-1] + 1, end - 1)}
    timed = [at for at in range(begin, end) if samples[at].ms is not None]
    if timed:
        found |= {min(timed, key=lambda at: samples[at].ms or 0.0), max(timed, key=lambda at: samples[at].ms or 0.0)}
    numbers: list[tuple[float, int]] = []
    words: dict[str, int] = {}
    for at in range(begin, end):
        value = samples[at].value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers.append((value, at))
        elif value is not None and len(words) < _VALUES:
            words.setdefault(str(value), at)
    found.update(words.values())
    return found | {min(numbers)[1], max(numbers)[1]} if numbers else found
