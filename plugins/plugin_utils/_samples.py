# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""When a probe's samples are good enough, and when they can no longer become so.

Percentiles are nearest-rank: of n sorted values the p-th percentile is the one at rank ceil(p / 100 * n), always a value that was
measured (definition 1 of R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50, 1996).
They are taken over the successful samples; the failed ones count in the success ratio. So "p95 is at most L" says the same as "at
most n - ceil(0.95 n) of the successful samples took longer than L", which needs no sorting and can be judged ahead of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._units import human
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options

PERCENTILES = (50, 95, 99)
_ROUNDING = 1e-9


def rank(percentile: int, count: int) -> int:
    """The nearest rank, 1 to count, in whole numbers: no rounding error can move it."""
    return max(1, -(-percentile * count // 100))


def nearest_rank(ordered: Sequence[float], percentile: int) -> float | None:
    """The percentile of sorted values; None of none."""
    return ordered[rank(percentile, len(ordered)) - 1] if ordered else None


@dataclass(frozen=True)
class Tolerance:
    """The least success ratio in percent, and the highest latency in ms per percentile."""

    success: float = 100.0
    latency: dict[int, float] = field(default_factory=dict)

    @classmethod
    def read(cls, options: Options) -> Tolerance:
        """Takes and checks the tolerance section of a probe."""
        success = options.percent("success")
        latency = {}
        for percentile in PERCENTILES:
            seconds = options.duration(f"p{percentile}", minimum=0.000001, maximum=3600)
            if seconds is not None:
                latency[percentile] = seconds * 1000
        options.done()
        return cls(100.0 if success is None else success, latency)

    def told(self) -> dict[str, str]:
        """As in an experiment file, defaults included."""
        return {"success": f"{self.success:g}%", **{f"p{key}": human(ms / 1000) for key, ms in self.latency.items()}}


@dataclass(frozen=True)
class Sample:
    """One sample: when it began (epoch), how it went, how long it took."""

    t: float
    ok: bool
    ms: float | None = None
    value: Any = None
    detail: str | None = None

    def told(self) -> dict[str, Any]:
        """As in the result."""
        ms = None if self.ms is None else round(self.ms, 3)
        return {"t": round(self.t, 3), "ok": self.ok, "ms": ms, "value": self.value, "detail": self.detail}


class Score:
    """Running counts over samples, enough to judge a tolerance at any moment without looking at them again."""

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.count = 0
        self.succeeded = 0
        self._slow = dict.fromkeys(tolerance.latency, 0)
        self._last_failure: str | None = None

    def add(self, sample: Sample, times: int = 1) -> None:
        """Counts a sample in, or out with times=-1."""
        self.count += times
        if sample.ok:
            self.succeeded += times
            for percentile, limit in self.tolerance.latency.items():
                if (sample.ms or 0.0) > limit:
                    self._slow[percentile] += times
        elif times > 0:
            self._last_failure = sample.detail

    @property
    def percent(self) -> float:
        """The success ratio in percent."""
        return 100.0 * self.succeeded / self.count if self.count else 0.0

    def breach(self, to_come: int = 0) -> str | None:
        """Why the tolerance cannot be met, even if all samples still to come are good and fast; None when it can.

        With nothing to come this is the verdict. Both limits only grow easier with every good sample, so the best case is enough.
        """
        total, good = self.count + to_come, self.succeeded + to_come
        if total == 0:
            return "no sample could be taken"
        if 100.0 * good < self.tolerance.success * total - _ROUNDING:
            failed = self.count - self.succeeded
            planned = f" of {total} planned" if to_come else ""
            last = f"; last: {self._last_failure}" if self._last_failure else ""
            return f"{failed} of {self.count} samples failed{planned}, {self.tolerance.success:g}% must succeed{last}"
        for percentile, limit in self.tolerance.latency.items():
            if good == 0:
                return f"no successful sample to take p{percentile} of"
            if self._slow[percentile] > good - rank(percentile, good):
                planned = f" of {total} planned" if to_come else ""
                return f"{self._slow[percentile]} of {self.succeeded} answers{planned} took longer than {human(limit / 1000)}, the limit of p{percentile}"
        return None


def latencies(samples: Sequence[Sample]) -> dict[str, float | None]:
    """p50, p95, p99 and the longest of the successful samples, in ms."""
    ordered = sorted(sample.ms for sample in samples if sample.ok and sample.ms is not None)
    told: dict[str, float | None] = {f"p{key}": nearest_rank(ordered, key) for key in PERCENTILES}
    told["max"] = ordered[-1] if ordered else None
    return {key: None if value is None else round(value, 3) for key, value in told.items()}
