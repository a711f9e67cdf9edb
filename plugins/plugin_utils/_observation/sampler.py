# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Takes the samples: all probes run in parallel, each on its own fixed schedule, in a window whose length no slow probe changes.

The main thread keeps the schedule and starts a thread for every sample, so a slow answer delays no other sample, not even the next
one of the same probe. The samples show what clients experience that arrive at a fixed rate, and outages at full length. (Probes that
log in to a host have one sample in flight at a time; ticks during a slow sample are skipped.) A sample that exceeds its timeout
is recorded as failed at that moment, even if its thread cannot be stopped.
"""

from __future__ import annotations

import heapq
import math
import queue
import time
import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ansible_collections.faultline.chaos.plugins.module_utils._units import human
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample, Score
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import error_words

MOST_SAMPLES = 20_000  # per probe and window
FEWEST_SAMPLES = 3  # a verdict needs this many, or all that the interval gives if those are fewer, and at least half of these
CLOSING = 5.0  # seconds to wait for the last samples after a window
STAGGER = 0.05  # seconds between the first samples of two probes, so that they do not disturb one another
HEARTBEAT = 0.5
FROZEN = 1.0  # seconds behind schedule from which this process itself must have been suspended
_SLACK = 0.1  # seconds for a thread to report its own timeout first


@dataclass(frozen=True)
class SamplingPlan:
    """When to sample. With `settle` sampling continues up to that much longer, until the tolerances hold over a whole window."""

    window: float
    initial_delay: float = 0.0
    settle: float = 0.0
    abort: bool = True

    @property
    def longest(self) -> float:
        """The longest time from the first to the last sample."""
        return self.window + self.settle


class Track:
    """The samples of one probe."""

    def __init__(self, probe: Probe, plan: SamplingPlan, offset: float = 0.0) -> None:
        self.probe = probe
        #: When the first sample is due.
        self.first = first = probe.initial_delay + offset % (min(probe.interval, plan.window - probe.initial_delay) / 2)
        in_window = plan.window if plan.settle else plan.window - first
        #: How many samples make up a window, and how many there can be at most.
        self.per_window = max(1, math.ceil(round(in_window / probe.interval, 9)))
        self.planned = max(self.per_window, math.ceil(round((plan.longest - first) / probe.interval, 9)))
        #: Ticks in flight with their start; and ticks that timed out while their threads still hang.
        self.in_flight: dict[int, float] = {}
        self.hanging: set[int] = set()
        self._samples: list[Sample | None] = []
        self._early: dict[int, Sample | None] = {}
        self._score = Score(probe.tolerance)
        self._last_chance = Score(probe.tolerance)

    def decide(self, index: int, sample: Sample | None) -> None:
        """Takes the sample of one tick; None when the tick was skipped. Samples of later ticks may arrive first."""
        self._early[index] = sample
        if sample and index >= self.planned - self.per_window:
            self._last_chance.add(sample)
        while len(self._samples) in self._early:
            arrived = self._early.pop(len(self._samples))
            self._samples.append(arrived)
            if arrived:
                self._score.add(arrived)
            if len(self._samples) > self.per_window:
                leaving = self._samples[-1 - self.per_window]
                if leaving:
                    self._score.add(leaving, -1)

    def give_up(self, index: int) -> None:
        """Stops waiting for a tick; its thread may still hang."""
        del self.in_flight[index]
        self.hanging.add(index)

    @property
    def unanswered(self) -> int:
        """How many threads are still running."""
        return len(self.in_flight) + len(self.hanging)

    @property
    def full(self) -> bool:
        """Whether there is a whole window of samples without a gap."""
        return len(self._samples) >= self.per_window

    @property
    def finished(self) -> bool:
        """Whether all samples are known."""
        return len(self._samples) >= self.planned

    def breach(self) -> str | None:
        """Why the tolerance does not hold over the latest window; None when it does."""
        return self._score.breach()

    def certain(self) -> str | None:
        """Why the tolerance can no longer hold, not even over the last possible window; None while it can.

        Its bad samples so far are also in every other window that has not ended yet, and all windows have the same size. A skipped
        tick counts as a good sample: it does not prove anything.
        """
        return self._last_chance.breach(self.per_window - self._last_chance.count)

    def too_few(self) -> str | None:
        """Why the latest window has too few samples for a verdict; None when it has enough, or when its bad samples are proof even so."""
        taken = self._score.count
        if taken >= min(FEWEST_SAMPLES, self.per_window) and 2 * taken >= self.per_window:
            return None
        if self._score.breach(self.per_window - taken):
            return None
        return f"only {taken} of {self.per_window} samples could be taken; give the probe a longer interval or a longer window"

    @property
    def series(self) -> list[Sample]:
        """All samples in the order of their ticks, including those that arrived before an earlier one."""
        overtook = [self._early[index] for index in sorted(self._early)]
        return [sample for sample in [*self._samples, *overtook] if sample]

    @property
    def judged(self) -> list[Sample]:
        """The samples that the verdict is about."""
        if not self.full:
            return self.series
        return [sample for sample in self._samples[-self.per_window :] if sample]


class Listener(t.Protocol):
    """Receives the events of a sampler, in the main thread."""

    def sampled(self, track: Track, sample: Sample, elapsed: float) -> None:
        """A sample arrived."""

    def beat(self, elapsed: float) -> None:
        """Called at least once per heartbeat."""


class Sampler:
    """Samples over one window. `spawn` runs a call in a thread; `alive` is false when nothing waits for the result any more."""

    def __init__(
        self, probes: Sequence[Probe], plan: SamplingPlan, listener: Listener, spawn: Callable[[Callable[[], None]], t.Any], alive: Callable[[], bool]
    ) -> None:
        self.plan, self._listener, self._spawn, self._alive = plan, listener, spawn, alive
        step = min(STAGGER, 1.0 / max(1, len(probes)))
        self.tracks = [Track(probe, plan, position * step) for position, probe in enumerate(probes)]
        self.settled_after: float | None = None
        self._done: queue.SimpleQueue[tuple[int, int, Sample]] = queue.SimpleQueue()
        self._ticks = [(track.first, number, 0) for number, track in enumerate(self.tracks)]
        heapq.heapify(self._ticks)

    def run(self) -> str | None:
        """Samples until the window ends. Returns why it ended early (a certain breach), or None."""
        self._began = time.monotonic() + self.plan.initial_delay
        self._epoch = time.time() + self.plan.initial_delay
        before = -self.plan.initial_delay
        while self._alive():
            now = time.monotonic() - self._began
            if now - before > HEARTBEAT + FROZEN:
                self._forgive()
            before = now
            self._launch(now)
            self._expire(now)
            self._listener.beat(now)
            if self._settled(now):
                return None
            lost = self._certain()
            if lost or self._over(now):
                return lost
            self._collect(self._wait(now))
        return "nobody waits for the result any more"

    def _launch(self, now: float) -> None:
        while self._ticks and self._ticks[0][0] <= now:
            due, number, index = heapq.heappop(self._ticks)
            track = self.tracks[number]
            probe = track.probe
            if index + 1 < track.planned:
                heapq.heappush(self._ticks, (track.first + (index + 1) * probe.interval, number, index + 1))
            late = now - due > max(FROZEN, probe.interval)  # skip late ticks: no burst to catch up
            if late or (probe.most_at_once == 1 and track.in_flight):
                track.decide(index, None)
            elif track.unanswered >= min(probe.most_at_once, math.ceil(probe.longest / probe.interval) + 1):
                self._decide(track, index, Sample(self._epoch + now, False, detail=f"not asked: {track.unanswered} samples are still unanswered"))
            else:
                track.in_flight[index] = now
                self._spawn(partial(self._take, number, index))

    def _take(self, number: int, index: int) -> None:
        self._done.put((number, index, self._sample(number)))

    def _sample(self, number: int) -> Sample:
        """Takes one sample, in its own thread. Never raises."""
        probe = self.tracks[number].probe
        begun = time.monotonic()
        outcome = Measurement(False)
        tries = 0
        while not outcome.ok and tries <= probe.retries:
            tries += 1
            try:
                outcome = probe.attempt(probe.timeout)
            except Exception as error:
                outcome = Measurement(False, None, error_words(error, probe.timeout))
        ms = (time.monotonic() - begun) * 1000
        detail = outcome.detail
        if tries > 1:
            detail = f"{detail}, {tries} tries" if detail else f"at try {tries}"
        return Sample(self._epoch + begun - self._began, outcome.ok, ms, outcome.value, detail)

    def _collect(self, wait: float) -> None:
        """Takes all samples that arrived; waits at most `wait` seconds for the first one."""
        try:
            while True:
                number, index, sample = self._done.get(timeout=wait) if wait > 0 else self._done.get_nowait()
                wait = 0
                track = self.tracks[number]
                if track.in_flight.pop(index, None) is not None:
                    self._decide(track, index, sample)
                track.hanging.discard(index)
        except queue.Empty:
            return

    def _expire(self, now: float) -> None:
        """Fails the samples that exceeded their timeout and, CLOSING seconds after the window, all that are still in flight."""
        closed = now > self.plan.longest + CLOSING
        for track in self.tracks:
            longest = track.probe.longest
            for index, begun in list(track.in_flight.items()):
                if closed or now - begun > longest + _SLACK:
                    track.give_up(index)
                    words = f"no answer within {human(round(min(now - begun, longest), 3))}"
                    self._decide(track, index, Sample(self._epoch + begun, False, (now - begun) * 1000, None, words))

    def _forgive(self) -> None:
        """Drops the samples in flight after this process was suspended: they say nothing about the system."""
        for track in self.tracks:
            for index in list(track.in_flight):
                track.give_up(index)
                track.decide(index, None)

    def _decide(self, track: Track, index: int, sample: Sample) -> None:
        track.decide(index, sample)
        self._listener.sampled(track, sample, time.monotonic() - self._began)

    def _settled(self, now: float) -> bool:
        if (
            self.plan.settle
            and self.tracks
            and now >= self.plan.window
            and all(track.full and track.breach() is None and track.too_few() is None for track in self.tracks)
        ):
            self.settled_after = max(0.0, now - self.plan.window)
            return True
        return False

    def _certain(self) -> str | None:
        if self.plan.abort:
            for track in self.tracks:
                reason = None if track.finished else track.certain()
                if reason:
                    return f"{track.probe.name}: {reason}"
        return None

    def _over(self, now: float) -> bool:
        return all(track.finished for track in self.tracks) and now >= self.plan.longest

    def _wait(self, now: float) -> float:
        """Seconds until the next event, at most a heartbeat."""
        due = [now + HEARTBEAT]
        if self._ticks:
            due.append(self._ticks[0][0])
        if now < self.plan.longest:
            due.append(self.plan.longest)
        for track in self.tracks:
            due += [begun + track.probe.longest + _SLACK for begun in track.in_flight.values()]
        return max(0.001, min(due) - now)
