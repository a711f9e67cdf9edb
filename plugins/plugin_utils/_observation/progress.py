# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The progress shown while the steady state is watched: a line every few seconds, and one when a probe changes state."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.faultline.chaos.plugins.module_utils._units import human
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.sampler import SamplingPlan, Track
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample, nearest_rank
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD, PLAIN

SHOWN = 6  # probes in one line
QUIET = 2.0  # seconds between two lines about a flapping probe


class Progress:
    """Turns the events of the sampler into lines. `show` gets each line and its mood (GOOD, BAD, PLAIN)."""

    def __init__(self, label: str, plan: SamplingPlan, tracks: Sequence[Track], show: Callable[[str, str], None]) -> None:
        self._label, self._plan, self._tracks, self._show = label, plan, tracks, show
        self._pause = min(max(plan.longest / 10, 2.0), 15.0)
        self._next = self._pause
        self._state: dict[int, bool] = {}
        self._told: dict[int, float] = {}

    def line(self, elapsed: float, words: str, mood: str = PLAIN) -> None:
        """Shows one line, with the elapsed and the total time."""
        now = min(max(elapsed, 0.0), self._plan.longest)
        self._show(f"{self._label}  {now:.0f}s/{human(self._plan.longest)}  {words}", mood)

    def sampled(self, track: Track, sample: Sample, elapsed: float) -> None:
        """Shows a line if the sample changed the state of its probe."""
        known = self._state.get(id(track), True)
        if sample.ok == known:
            return
        if elapsed - self._told.get(id(track), -QUIET) < QUIET:
            return
        self._state[id(track)] = sample.ok
        self._told[id(track)] = elapsed
        words = "answers again" if sample.ok else f"FAILS: {sample.detail or 'no reason given'}"
        self.line(elapsed, f"{track.probe.name} {words}", GOOD if sample.ok else BAD)

    def beat(self, elapsed: float) -> None:
        """Shows the summary when it is due."""
        if elapsed >= self._next and elapsed < self._plan.longest:
            self._next = elapsed + self._pause
            self.line(elapsed, self.summary())

    def end(self, elapsed: float, verdict: str, met: bool) -> None:
        """Shows the last line."""
        summary = self.summary()
        self.line(elapsed, f"{verdict}: {summary}" if summary else verdict, GOOD if met else BAD)

    def summary(self) -> str:
        """All probes in one line, failing ones first."""
        parts = sorted((_part(track) for track in self._tracks), key=lambda part: part[0])
        words = [text for _order, text in parts[:SHOWN]]
        if len(parts) > SHOWN:
            words.append(f"and {len(parts) - SHOWN} more")
        return " | ".join(words)


def _part(track: Track) -> tuple[bool, str]:
    samples: t.Sequence[Sample] = track.series
    good = [sample for sample in samples if sample.ok]
    healthy = len(good) == len(samples)
    text = f"{track.probe.name} {len(good)}/{len(samples)}{' ok' if samples and healthy else ''}"
    p95 = nearest_rank(sorted(sample.ms or 0.0 for sample in good), 95)
    return healthy, text if p95 is None else f"{text} p95 {p95:.0f}ms"
