# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Derives facts from a run record: time windows, one track per probe, the times of failure and recovery. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import (
    ATTACK,
    HELD,
    INCONCLUSIVE,
    LEFT_TO_TIMER,
    STUCK,
    Record,
    broken,
    in_trouble,
    proved,
    troubled,
)
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.series import ON_PAGE, epoch, read_samples, share, thinned
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample, Tolerance


@dataclass
class Segment:
    """The samples of one probe in one phase. They are read when they are used; of many, those that a page needs (see series.py)."""

    phase: int
    result: dict[str, Any]
    buckets: int = ON_PAGE

    @cached_property
    def _drawn(self) -> tuple[list[Sample], float]:
        found = read_samples(self.result.get("series") or [])
        return thinned(found, self.bad, self.buckets)

    @property
    def samples(self) -> list[Sample]:
        return self._drawn[0]

    @property
    def gap(self) -> float:
        """The distance of two samples from which on nothing was sampled between them."""
        return self._drawn[1]

    @property
    def step(self) -> float:
        """The time for which a sample stands."""
        return self.gap / 2.5

    @property
    def count(self) -> int:
        """How many samples there are, drawn or not."""
        return len(self.result.get("series") or [])

    @property
    def failed(self) -> int:
        return sum(1 for raw in self.result.get("series") or [] if not raw.get("ok"))

    @property
    def met(self) -> bool:
        return bool(self.result.get("met"))

    @property
    def latency_ms(self) -> dict[str, Any]:
        """The measured latencies by name, in ms."""
        return self.result.get("latency_ms") or {}

    @property
    def breached(self) -> dict[str, float]:
        """The exceeded latency limits, in ms."""
        return Tolerance.of_result(self.result).breached(self.latency_ms)

    @property
    def bad(self) -> Callable[[Sample], bool]:
        """A function that is true for the samples that count against the steady state."""
        return Tolerance.of_result(self.result).bad(self.latency_ms)


@dataclass
class ProbeTrack:
    """One probe across the whole experiment."""

    name: str
    type: str
    target: str
    tolerance: Tolerance
    segments: list[Segment] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        return [sample for segment in self.segments for sample in segment.samples]


@dataclass(frozen=True)
class AttackWindow:
    """The time of one attack; from ``sure`` to ``end`` it is unknown whether it was still active."""

    phase: int
    number: int
    start: float
    end: float
    label: str
    sure: float

    @property
    def closed(self) -> bool:
        return self.sure >= self.end


@dataclass(frozen=True)
class Impact:
    """The effect of one attack on the steady state. Seconds are None when the samples do not show them."""

    phase: int
    detect_s: float | None
    recover_s: float | None
    probe: str
    hurt: bool


def phases(record: Record) -> list[dict[str, Any]]:
    return [phase for phase in record.get("phases") or [] if isinstance(phase, dict)]


def results(phase: dict[str, Any]) -> list[dict[str, Any]]:
    """The probes' results of a phase."""
    return list((phase.get("steady_state") or {}).get("probes") or [])


def tracks(record: Record) -> list[ProbeTrack]:
    """One track per probe, in the order of the plan."""
    buckets = share(sum(len(results(phase)) for phase in phases(record)))
    found: dict[str, ProbeTrack] = {}
    for probe in (record.get("plan") or {}).get("steady_state") or []:
        if isinstance(probe, dict):
            name = str(probe.get("name") or "unnamed probe")
            found[name] = ProbeTrack(name, str(probe.get("type") or ""), "", Tolerance.of_result(probe))
    for index, phase in enumerate(phases(record)):
        for result in results(phase):
            name = str(result.get("name") or "unnamed probe")
            track = found.setdefault(name, ProbeTrack(name, "", "", Tolerance()))
            track.type = str(result.get("type") or track.type)
            track.target = str(result.get("target") or track.target)
            if result.get("limits") or result.get("tolerance"):
                track.tolerance = Tolerance.of_result(result)
            track.segments.append(Segment(index, result, buckets))
    return list(found.values())


def _sampled(phase: dict[str, Any]) -> list[float]:
    """The first and last moments at which the probes of a phase were sampled."""
    ends = [result["series"][place].get("t") for result in results(phase) if result.get("series") for place in (0, -1)]
    return [when for when in map(epoch, ends) if when is not None]


def bounds(phase: dict[str, Any]) -> tuple[float, float] | None:
    """When a phase began and ended, from its own times or those of its samples."""
    known = [epoch(phase.get(key)) for key in ("started", "injected", "reverted", "ended")]
    times = [when for when in known if when is not None]
    times = times or _sampled(phase)
    return (min(times), max(times)) if times else None


def span(record: Record) -> tuple[float, float]:
    """The first and the last moment of the record; at least one second apart."""
    times = [when for when in (epoch(record.get("started")), epoch(record.get("ended"))) if when is not None]
    for phase in phases(record):
        times.extend(bounds(phase) or ())
        times.extend(_sampled(phase))
    first, last = (min(times), max(times)) if times else (0.0, 0.0)
    return first, max(last, first + 1.0)


def attack_label(phase: dict[str, Any]) -> str:
    return str(phase.get("magnitude") or phase.get("name") or phase.get("attack") or "attack")


def windows(record: Record) -> list[AttackWindow]:
    """The attacks that were injected. An attack whose end was not observed lasts until its targets' deadlines."""
    found: list[AttackWindow] = []
    last = span(record)[1]
    number = 0
    for index, phase in enumerate(phases(record)):
        if phase.get("kind") != ATTACK:
            continue
        number += 1
        start, end = epoch(phase.get("injected")), epoch(phase.get("reverted"))
        if start is None:
            continue
        deadlines = [epoch(host.get("deadline")) for host in phase.get("hosts") or [] if in_trouble(host)]
        late = max((when for when in deadlines if when is not None), default=None)
        sure = end or epoch(phase.get("ended")) or start
        until = min(max(sure, late if late is not None else last if end is None else sure), last)
        found.append(AttackWindow(index, number, start, until, attack_label(phase), min(sure, until)))
    return found


def seconds_of(value: Any) -> float | None:
    """A duration option as seconds, or None."""
    try:
        return _units.duration("duration", value)
    except BadOption:
        return None


def impacts(record: Record, known: list[ProbeTrack] | None = None) -> list[Impact]:
    """For each attack: the seconds to the first bad sample, and from it until every probe was good again.

    Samples up to the next attack count, including those of the recovery phase. A probe whose last sample is bad has not
    recovered. The resolution is the sampling interval.
    """
    known = tracks(record) if known is None else known
    attacks = windows(record)
    found = []
    for place, window in enumerate(attacks):
        until = attacks[place + 1].start if place + 1 < len(attacks) else float("inf")
        first: tuple[float, str] | None = None
        well: list[float | None] = []
        for track in known:
            seen: list[tuple[float, bool]] = []
            for segment in track.segments:
                is_bad = segment.bad
                seen.extend((sample.t, is_bad(sample)) for sample in segment.samples if window.start <= sample.t < until)
            bad = [at for at, (_when, wrong) in enumerate(seen) if wrong]
            if not bad:
                continue
            begin = seen[bad[0]][0]
            first = min(first, (begin, track.name)) if first else (begin, track.name)
            well.append(seen[bad[-1] + 1][0] if bad[-1] + 1 < len(seen) else None)
        if first is None:
            found.append(Impact(window.phase, None, None, "", False))
        else:
            ends = [when for when in well if when is not None]
            recover = max(ends) - first[0] if len(ends) == len(well) else None
            found.append(Impact(window.phase, first[0] - window.start, recover, first[1], True))
    return found


def outcomes(record: Record) -> Counter[str]:
    """The number of attacked targets by outcome. A host that was attacked in three rounds counts three times."""
    return Counter(str(host.get("outcome") or "unknown") for phase in phases(record) for host in phase.get("hosts") or [])


def trouble(record: Record) -> list[dict[str, Any]]:
    """The targets that this run did not revert, with their step: stuck ones first, then by deadline, the latest first."""
    found = [{**host, "attack": phase.get("attack") or "", "step": phase.get("name") or ""} for phase, host in troubled(record)]
    known = {str(host.get("host")) for host in found}
    for left in record.get("left_to_timer") or []:
        if str(left.get("host")) not in known:
            found.append({"outcome": LEFT_TO_TIMER, "attack": "", "step": "", **left})
    return sorted(found, key=lambda host: (host["outcome"] != STUCK, -(epoch(host.get("deadline")) or 0.0), str(host.get("host"))))


def blast_radius(record: Record) -> dict[str, Any] | None:
    """The attack on the most hosts, and all hosts that were selected in the experiment."""
    widest: dict[str, Any] | None = None
    hosts: set[str] = set()
    for phase in phases(record):
        radius = phase.get("blast_radius") or {}
        selected = [str(host) for host in radius.get("selected") or []]
        hosts.update(selected)
        eligible = int(radius.get("eligible") or len(selected))
        if phase.get("kind") == ATTACK and (widest is None or len(selected) > widest["selected"]):
            widest = {
                "selected": len(selected),
                "eligible": eligible,
                "pattern": str(radius.get("pattern") or ""),
                "seed": radius.get("seed"),
            }
    return {**widest, "hosts": sorted(hosts)} if widest else None


def lowest_success(record: Record) -> tuple[float, str, dict[str, Any]] | None:
    """The worst success percentage of any probe in any phase: (percent, probe, phase)."""
    worst: tuple[float, str, dict[str, Any]] | None = None
    for phase in phases(record):
        for result in results(phase):
            percent = result.get("success_percent")
            if isinstance(percent, (int, float)) and result.get("samples") and (worst is None or percent < worst[0]):
                worst = (float(percent), str(result.get("name") or ""), phase)
    return worst


def ramp_sentences(record: Record) -> list[str]:
    """For each step with several rounds: the magnitude up to which the steady state held, and the one at which it broke."""
    steps: dict[Any, list[dict[str, Any]]] = {}
    for phase in phases(record):
        if phase.get("kind") == ATTACK and phase.get("magnitude") and int(phase.get("rounds") or 1) > 1 and phase.get("steady_state"):
            steps.setdefault(phase.get("step"), []).append(phase)
    sentences = []
    for rounds in steps.values():
        name = str(rounds[0].get("name") or "The attack")
        held = [str(phase["magnitude"]) for phase in rounds if proved(phase) == HELD]
        unclear = [str(phase["magnitude"]) for phase in rounds if proved(phase) == INCONCLUSIVE]
        broke = [str(phase["magnitude"]) for phase in rounds if broken(phase)]
        if unclear:
            parts = [f"{words} {', '.join(some)}" for words, some in (("held at", held), ("did not hold at", broke), ("inconclusive at", unclear)) if some]
            sentences.append(f"{name}: {'; '.join(parts)}.")
        elif not broke:
            sentences.append(f"{name}: held at every magnitude, up to {held[-1]}.")
        elif not held:
            sentences.append(f"{name}: did not hold at {broke[0]}, the first magnitude that was tried.")
        else:
            sentences.append(f"{name}: held at {', '.join(held)}; did not hold at {', '.join(broke)}.")
    return sentences
