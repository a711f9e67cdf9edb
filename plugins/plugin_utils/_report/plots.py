# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The drawings of a report: the overview of all phases and probes, and one plot per probe. Pure."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ansible_collections.faultline.chaos.plugins.plugin_utils._record import ATTACK, HELD, INCONCLUSIVE, Record, proved
from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts, svg
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.facts import ProbeTrack, Segment
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.svg import Frame, Scale, element, label
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample

PANEL_TOP, PANEL = 22.0, 118.0
_COLUMN = 1.6  # samples within this many pixels are drawn as one stroke from their minimum to their maximum
_PIXEL = 1.0
_MOST_STRETCHES = 500  # of one value each; of more, those that begin within a pixel are drawn as one
_CELL, _LARGE_CELL = 4.0, 8.0  # failures this close together are drawn as one cross; the larger one for probes that were thinned
_CATEGORIES = 12


def frame_of(record: Record, left: float = 64.0) -> Frame:
    start, end = facts.span(record)
    margin = (end - start) * 0.005
    return Frame(start - margin, end + margin, left=left, windows=facts.windows(record))


def runs(segment: Segment) -> list[tuple[float, float, bool]]:
    """Stretches of good and of bad samples; a gap in the sampling ends a stretch."""
    usual = segment.step
    is_bad = segment.bad
    found: list[tuple[float, float, bool]] = []
    for sample in segment.samples:
        good = not is_bad(sample)
        begin, end = sample.t, sample.t + usual
        if found and found[-1][2] == good and begin - found[-1][1] <= usual * 1.5:
            found[-1] = (found[-1][0], end, good)
        else:
            if found and begin < found[-1][1]:
                found[-1] = (found[-1][0], begin, found[-1][2])
            found.append((begin, end, good))
    return found


def _visible(stretches: list[tuple[float, float, bool]], pixel: float) -> list[tuple[float, float, bool]]:
    """The stretches without the good ones between two bad ones that are too short to be seen."""
    found: list[tuple[float, float, bool]] = []
    for at, (begin, end, good) in enumerate(stretches):
        hidden = good and end - begin < pixel and found and not found[-1][2] and at + 1 < len(stretches) and stretches[at + 1][0] - end < pixel
        if found and begin - found[-1][1] < pixel and (hidden or good == found[-1][2]):
            found[-1] = (found[-1][0], end, found[-1][2])
        else:
            found.append((begin, end, good))
    return found


def strip(track: ProbeTrack, frame: Frame, middle: float, height: float) -> str:
    """One row of good times (a thin line) and bad times (a full block); empty where nothing was sampled.

    Bad times with less than a pixel between them are one block.
    """
    parts = []
    for segment in track.segments:
        for begin, end, good in _visible(runs(segment), _PIXEL / frame.second):
            x = frame.x(begin)
            width = max(frame.x(end) - x, 1.6)
            tall = height * 0.42 if good else height
            title = "" if good else element("title", f"{svg.clock(begin)} to {svg.clock(end)} UTC: outside of its tolerance")
            parts.append(
                element(
                    "rect",
                    title,
                    x=x,
                    y=middle - tall / 2,
                    width=width,
                    height=tall,
                    rx=1.5 if good else 1.0,
                    class_="good" if good else "bad",
                )
            )
    return "".join(parts)


def _mark(x: float, y: float, result: str | None) -> str:
    """A tick, a question mark or a cross."""
    if result == INCONCLUSIVE:
        return element("path", d=f"M{x - 2.2:.1f} {y - 2.6:.1f}a2.2 2.2 0 1 1 3 2.1q-.8 .4 -.8 1.8m0 2.4v.2", class_="mark-unclear")
    good = result == HELD
    path = f"M{x - 4:.1f} {y:.1f}l3 3.4l5.4 -6.6" if good else f"M{x - 3.4:.1f} {y - 3.4:.1f}l6.8 6.8m0 -6.8l-6.8 6.8"
    return element("path", d=path, class_="mark-good" if good else "mark-bad")


def _phase_bars(record: Record, frame: Frame, top: float, height: float) -> str:
    parts = []
    shown = {window.phase: window for window in frame.windows}
    number = 0
    for index, phase in enumerate(facts.phases(record)):
        attack = phase.get("kind") == ATTACK
        number += attack
        between = facts.bounds(phase)
        if between is None:
            continue
        x1, x2 = frame.x(between[0]), frame.x(between[1])
        width = max(x2 - x1, 2.0)
        name = str(phase.get("name") or phase.get("kind") or "")
        words = f"{number} \u00b7 {facts.attack_label(phase)}" if attack else name
        title = f"{words}, {svg.clock(between[0])} to {svg.clock(between[1])} UTC"
        parts.append(
            element(
                "rect",
                element("title", escape(svg.legal(title))),
                x=x1,
                y=top,
                width=width,
                height=height,
                rx=5,
                class_=f"phase {'is-attack' if attack else 'is-quiet'}",
            )
        )
        window = shown.get(index)
        if window:
            wide = max(frame.x(window.end) - frame.x(window.start), 1.5)
            parts.append(element("rect", x=frame.x(window.start), y=top + height - 5, width=wide, height=5, rx=2, class_="live"))
        state = phase.get("steady_state")
        room = width - 12
        if state is not None and width > 18:
            parts.append(_mark(x1 + 12, top + height / 2, proved(phase)))
            room = width - 28
        text = svg.shorten(words, room) or (str(number) if attack and room > 8 else "")
        if text:
            parts.append(label(x1 + (24 if state is not None else 8), top + height / 2 + 4, text, "t phase-label"))
    return "".join(parts)


def overview(record: Record, tracks: list[ProbeTrack]) -> str:
    """All phases on one line, and below them the good and bad times of each probe."""
    left = 210.0
    frame = frame_of(record, left)
    top, tall, row = 20.0, 34.0, 22.0
    bottom = top + tall + 12 + row * max(len(tracks), 1)
    ident = "overview"
    parts = [
        svg.hatch(ident),
        frame.shade(top, bottom, ident, labels=False),
        frame.axis(top, bottom),
        _phase_bars(record, frame, top, tall),
    ]
    parts.append(label(left - 12, top + tall / 2 + 4, "Phases", "t name strong", "end"))
    sampled = 0
    for place, track in enumerate(tracks):
        middle = top + tall + 12 + row * place + row / 2
        sampled += sum(segment.count for segment in track.segments)
        parts.append(element("line", x1=left, x2=frame.right, y1=middle, y2=middle, class_="lane"))
        parts.append(label(left - 12, middle + 4, svg.shorten(track.name, left - 22), "t name", "end", title=track.name))
        parts.append(strip(track, frame, middle, 14.0))
    if not sampled:
        parts.append(label((left + frame.right) / 2, bottom - 8, "nothing was sampled", "t muted", "middle"))
    counted = f"{len(facts.phases(record))} phases, {len(frame.windows)} attacks, {len(tracks)} probes"
    description = f"{counted}, from {svg.clock(frame.start)} to {svg.clock(frame.end)} UTC."
    return svg.drawing("Phases of the experiment and the health of each probe", description, bottom + 22, "".join(parts), ident)


def _line(samples: list[Sample], frame: Frame, scale: Scale, gap: float) -> str:
    """The line of the latency of good samples; interrupted at failed samples, samples without latency, and gaps in the sampling."""
    strokes: list[list[tuple[float, float, float]]] = []
    before: Sample | None = None
    for sample in samples:
        if sample.ms is None or not sample.ok:
            before = None
            continue
        x, y = frame.x(sample.t), scale.y(sample.ms)
        if before is None or sample.t - before.t > gap:
            strokes.append([(x, y, y)])
        elif x - strokes[-1][-1][0] < _COLUMN:
            last = strokes[-1][-1]
            strokes[-1][-1] = (last[0], min(last[1], y), max(last[2], y))
        else:
            strokes[-1].append((x, y, y))
        before = sample
    paths, dots = [], []
    for stroke in strokes:
        if len(stroke) == 1 and stroke[0][2] - stroke[0][1] < 1:
            dots.append(element("circle", cx=stroke[0][0], cy=stroke[0][1], r=1.8, class_="dot"))
            continue
        points = [f"{x:.1f} {low:.1f}" + (f"L{x:.1f} {high:.1f}" if high - low >= 0.1 else "") for x, low, high in stroke]
        paths.append("M" + "L".join(points))
    return (element("path", d="".join(paths), class_="series") if paths else "") + "".join(dots)


def _failures(track: ProbeTrack, frame: Frame, scale: Scale) -> str:
    parts, seen = [], set()
    cell = _CELL if len(track.samples) == sum(segment.count for segment in track.segments) else _LARGE_CELL
    for sample in track.samples:
        if sample.ok:
            continue
        x = frame.x(sample.t)
        y = scale.y(sample.ms) if sample.ms is not None else scale.bottom - 6
        if (int(x / cell), int(y / cell)) in seen:
            continue
        seen.add((int(x / cell), int(y / cell)))
        title = f"{svg.clock(sample.t)} UTC: failed" + (f", {sample.detail[:200]}" if sample.detail else "")
        cross = f"M{x - 3.2:.1f} {y - 3.2:.1f}l6.4 6.4m0 -6.4l-6.4 6.4"
        parts.append(element("path", element("title", escape(svg.legal(title))), d=cross, class_="failure"))
    return "".join(parts)


def _limit_lines(track: ProbeTrack, frame: Frame, scale: Scale) -> str:
    """The lines of the tolerance, and for each phase the measured value."""
    limits = {f"p{key}": limit for key, limit in track.tolerance.latency.items()}
    parts = []
    by_value: dict[float, list[str]] = {}
    for name, limit in limits.items():
        by_value.setdefault(limit, []).append(name)
    for limit, names in by_value.items():
        y = scale.y(limit)
        parts.append(element("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="limit"))
        parts.append(
            label(
                frame.right - 4,
                y - 4 if y > scale.top + 12 else y + 12,
                f"{', '.join(names)} at most {svg.milliseconds(limit)}",
                "t limit-label",
                "end",
            )
        )
    if limits:
        name = min(limits, key=lambda item: limits[item])
        for segment in track.segments:
            measured = segment.latency_ms.get(name)
            if isinstance(measured, (int, float)) and segment.samples:
                x1, x2 = frame.x(segment.samples[0].t), frame.x(segment.samples[-1].t)
                over = measured > limits[name]
                title = element("title", f"{name} measured: {svg.milliseconds(measured)}")
                parts.append(
                    element(
                        "line",
                        title,
                        x1=x1,
                        x2=max(x2, x1 + 3),
                        y1=scale.y(measured),
                        y2=scale.y(measured),
                        class_="measured over" if over else "measured",
                    )
                )
    return "".join(parts)


def _values(track: ProbeTrack) -> tuple[str, list[tuple[Sample, Any]]]:
    """The kind of the values of the samples ("number", "category", or "" when there is nothing to draw), and the values."""
    found = [(sample, sample.value) for sample in track.samples if sample.value is not None and isinstance(sample.value, (str, int, float))]
    distinct = {value for _sample, value in found}
    if len(distinct) < 2:
        return "", []
    measured = [value for value in distinct if not isinstance(value, (str, bool))]
    numbers = len(measured) == len(distinct)
    codes = track.type == "http" and numbers and all(100 <= value <= 599 and value == int(value) for value in measured)
    if numbers and not codes:
        return "number", found
    return ("category", found) if len(distinct) <= _CATEGORIES else ("", [])


def _value_panel(track: ProbeTrack, frame: Frame, top: float) -> tuple[str, float]:
    """A second, smaller panel for the values of the samples; with its height."""
    kind, found = _values(track)
    if not kind:
        return "", 0.0
    usual = max((segment.step for segment in track.segments if segment.samples), default=1.0)
    if kind == "category":
        order: list[str] = []
        parts = [label(frame.left - 8, top + 19, "value", "t tick", "end")]
        stretches: list[list[Any]] = []
        for sample, value in found:
            hidden = len(stretches) > _MOST_STRETCHES and (sample.t - stretches[-1][0]) * frame.second < _PIXEL
            if stretches and (hidden or (stretches[-1][2] == value and sample.t - stretches[-1][1] <= usual * 2.5)):
                stretches[-1][1] = sample.t + usual
            else:
                if stretches:
                    stretches[-1][1] = min(stretches[-1][1], sample.t)
                stretches.append([sample.t, sample.t + usual, value])
        for begin, end, value in stretches:
            shown = str(value)
            if shown not in order:
                order.append(shown)
            x = frame.x(begin)
            width = max(frame.x(end) - x, 1.6)
            title = element("title", escape(svg.legal(f"{shown[:200]}, {svg.clock(begin)} to {svg.clock(end)} UTC")))
            parts.append(element("rect", title, x=x, y=top + 4, width=width, height=22, class_=f"category c{order.index(shown) % 4}"))
            words = svg.shorten(shown, width - 6)
            if words:
                parts.append(label(x + 4, top + 19, words, "t category-label"))
        return "".join(parts), 34.0
    numbers = [float(value) for _sample, value in found]
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    scale = Scale(low, high, top + 8, top + 52)
    parts = [label(frame.left - 8, scale.y(tick) + 4, f"{tick:,.4g}", "t tick", "end") for tick in sorted({low, high})]
    parts.append(element("line", x1=frame.left, x2=frame.right, y1=scale.y(0.0), y2=scale.y(0.0), class_="axis"))
    path, before = [], None
    for sample, value in found:
        x, y = frame.x(sample.t), scale.y(float(value))
        near = before is not None and sample.t - before <= usual * 2.5
        path.append(f"H{x:.1f}V{y:.1f}" if near else f"M{x:.1f} {y:.1f}h{max(frame.second * usual * 0.5, 1.0):.1f}")
        before = sample.t
    parts.append(element("path", d="".join(path), class_="value-line"))
    parts.append(label(frame.left + 6, top + 16, "value", "t muted"))
    return "".join(parts), 62.0


def probe_plot(track: ProbeTrack, frame: Frame, ident: str) -> str:
    """One probe across the whole experiment."""
    top, bottom = PANEL_TOP, PANEL_TOP + PANEL
    latencies = [sample.ms for sample in track.samples if sample.ms is not None]
    scale = svg.latency_scale(latencies, track.tolerance.latency.values(), top + 4, bottom)
    second, extra = _value_panel(track, frame, bottom + 24)
    end = bottom + 24 + extra
    parts = [svg.hatch(ident), frame.shade(top, end, ident), frame.axis(top, end)]
    if latencies:
        for tick in scale.ticks():
            y = scale.y(tick)
            parts.append(element("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="grid"))
            parts.append(label(frame.left - 8, y + 4, svg.milliseconds(tick) if tick else "0", "t tick", "end"))
        parts.append(_limit_lines(track, frame, scale))
        if scale.log:
            parts.append(label(frame.left - 8, top - 7, "log", "t muted", "end", title="logarithmic scale"))
    for segment in track.segments:
        parts.append(_line(segment.samples, frame, scale, segment.gap))
    parts.append(_failures(track, frame, scale))
    parts.append(label(frame.left - 8, bottom + 18, "ok", "t tick", "end"))
    parts.append(strip(track, frame, bottom + 14, 10.0))
    parts.append(second)
    if not track.samples:
        parts.append(label((frame.left + frame.right) / 2, (top + bottom) / 2, "no samples", "t muted", "middle"))
    elif not latencies:
        parts.append(label((frame.left + frame.right) / 2, (top + bottom) / 2, "no latency was measured", "t muted", "middle"))
    count, failed = (sum(getattr(segment, name) for segment in track.segments) for name in ("count", "failed"))
    words = f"{count} samples, {failed} failed." + (f" Drawn from {len(track.samples)} of them." if len(track.samples) < count else "")
    if latencies:
        words += f" Latency from {svg.milliseconds(min(latencies))} to {svg.milliseconds(max(latencies))}."
    return svg.drawing(f"{track.name} over time", words, end + 22, "".join(parts), ident)
