# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Samples of probes, and the tolerance that decides whether they are good enough, and whether they still can be. Pure.

Percentiles are nearest-rank: of n sorted values the p-th percentile is the one at rank ceil(p / 100 * n), always a value that was
measured (definition 1 of R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50, 1996).
They are taken over the successful samples; the failed ones count in the success ratio. So "p95 is at most L" is equivalent to "at
most n - ceil(0.95 n) of the successful samples took longer than L", which needs no sorting and can be decided early.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._units import duration, human, percent
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import tidy

PERCENTILES = (50, 95, 99)
# The latencies of a result and of the report, in order.
LATENCIES = (*(f"p{percentile}" for percentile in PERCENTILES), "max")
_ROUNDING = 1e-9


def rank(percentile: int, count: int) -> int:
    """The nearest rank, 1 to count, by integer arithmetic, so without rounding errors."""
    return max(1, -(-percentile * count // 100))


def nearest_rank(ordered: Sequence[float], percentile: int) -> float | None:
    """The percentile of sorted values; None without values."""
    return ordered[rank(percentile, len(ordered)) - 1] if ordered else None


@dataclass(frozen=True)
class Sample:
    """One sample: its start (seconds since 1970), whether it was good, its duration in ms (None when the probe was not run)."""

    t: float
    ok: bool
    ms: float | None = None
    value: Any = None
    detail: str | None = None

    def slower_than(self, limit: float) -> bool:
        """Whether it took longer than limit, in ms."""
        return self.ms is not None and self.ms > limit

    def to_dict(self) -> dict[str, Any]:
        """The form in the result and in the record."""
        ms = None if self.ms is None else round(self.ms, 3)
        return {"t": round(self.t, 3), "ok": self.ok, "ms": ms, "value": self.value, "detail": self.detail}


@dataclass(frozen=True)
class Tolerance:
    """The minimum success ratio in percent, and the maximum latency in ms per percentile."""

    success: float = 100.0
    latency: dict[int, float] = field(default_factory=dict)

    @classmethod
    def read(cls, options: Options) -> Tolerance:
        """Reads and checks the tolerance section of a probe."""
        success = options.percent("success")
        latency = {}
        for percentile in PERCENTILES:
            seconds = options.duration(f"p{percentile}", minimum=0.000001, maximum=3600)
            if seconds is not None:
                latency[percentile] = seconds * 1000
        options.done()
        return cls(100.0 if success is None else success, latency)

    @classmethod
    def of_result(cls, result: Mapping[str, Any]) -> Tolerance:
        """The tolerance of a probe in a record: from its numbers or, in a plan and in a record of version 0.1, from its text."""
        limits = result.get("limits")
        if isinstance(limits, Mapping):
            latency = {key: limits.get(f"p{key}_ms") for key in PERCENTILES}
            success = limits.get("success_percent")
        else:
            texts = result.get("tolerance")
            texts = texts if isinstance(texts, Mapping) else {}
            success = _number(percent, texts.get("success"))
            seconds = {key: _number(duration, texts.get(f"p{key}")) for key in PERCENTILES}
            latency = {key: None if number is None else number * 1000.0 for key, number in seconds.items()}
        return cls(100.0 if success is None else success, {key: ms for key, ms in latency.items() if ms is not None})

    def texts(self) -> dict[str, str]:
        """The form in an experiment file, with defaults."""
        return {"success": f"{self.success:g}%", **{f"p{key}": human(ms / 1000) for key, ms in self.latency.items()}}

    def limits(self) -> dict[str, float]:
        """The limits as numbers, with the unit in the key."""
        return {"success_percent": tidy(self.success), **{f"p{key}_ms": tidy(round(ms, 6)) for key, ms in self.latency.items()}}

    def breached(self, latency_ms: Mapping[str, Any]) -> dict[str, float]:
        """The exceeded latency limits in ms, by the name of the percentile."""
        limits = {f"p{key}": limit for key, limit in self.latency.items()}
        return {name: limit for name, limit in limits.items() if isinstance(latency_ms.get(name), (int, float)) and latency_ms[name] > limit}

    def bad(self, latency_ms: Mapping[str, Any]) -> Callable[[Sample], bool]:
        """A function that is true for the samples that count against the window: failed ones and, if the window was too slow, slow ones."""
        limit = min(self.breached(latency_ms).values(), default=math.inf)
        return lambda sample: not sample.ok or sample.slower_than(limit)


def _number(parse: Callable[..., float], text: Any) -> float | None:
    """A number from text; None for text that only the option reader of another version accepted."""
    try:
        return None if text is None else parse("tolerance", text)
    except BadOption:
        return None


class Score:
    """Running counts over samples, from which the tolerance can be judged at any moment."""

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.count = 0
        self.succeeded = 0
        self._slow = dict.fromkeys(tolerance.latency, 0)
        self._last_failure: str | None = None

    def add(self, sample: Sample, times: int = 1) -> None:
        """Adds a sample, or removes it with times=-1."""
        self.count += times
        if sample.ok:
            self.succeeded += times
            for percentile, limit in self.tolerance.latency.items():
                if sample.slower_than(limit):
                    self._slow[percentile] += times
        elif times > 0:
            self._last_failure = sample.detail

    @property
    def percent(self) -> float:
        """The success ratio in percent."""
        return 100.0 * self.succeeded / self.count if self.count else 0.0

    def breach(self, to_come: int = 0) -> str | None:
        """Why the tolerance cannot be met, even if all samples still to come are good and fast; None when it can.

        With to_come=0 this is the verdict. Every good sample makes both limits easier to meet, so the best case decides.
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
    values = [*(nearest_rank(ordered, key) for key in PERCENTILES), ordered[-1] if ordered else None]
    return {name: None if value is None else round(value, 3) for name, value in zip(LATENCIES, values, strict=True)}
