# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The common parts of all drawings in a report: elements, the time axis, scales, the shaded attacks. Pure.

Colours come from the style sheet of the page through classes, so one drawing serves the light, the dark and the print style.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.faultline.chaos.plugins.module_utils._errors import visible
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.facts import AttackWindow

WIDTH = 1040
CHARACTER = 6.4  # the usual width of a character at 12 px
_KEPT = "\n\t\r\xa0\u2009\u202f"  # line ends, and blanks of the report itself
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def legal(value: object) -> str:
    """Text for a page, which is legal in XML: what visible() escapes is escaped here, but for line ends. Its length is not bounded."""
    text = str(value)
    return visible(text, 10 * len(text) + 3, _KEPT)


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """One SVG element; content is markup. ``class_`` and ``stroke_width`` become class and stroke-width."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else legal(value)
            words.append(f"{key.rstrip('_').replace('_', '-')}={quoteattr(shown)}")
    return f"<{' '.join(words)}>{content}</{name}>" if content else f"<{' '.join(words)}/>"


def label(x: float, y: float, words: object, class_: str = "t", anchor: str = "start", title: str = "") -> str:
    inner = escape(legal(words)) + (element("title", escape(legal(title))) if title else "")
    return element("text", inner, x=x, y=y, class_=class_, text_anchor=None if anchor == "start" else anchor)


def shorten(words: str, width: float, character: float = CHARACTER) -> str:
    """The words, cut to the characters that fit; empty when hardly any fit."""
    fits = int(width / character)
    if len(words) <= fits:
        return words
    return words[: fits - 1].rstrip() + "\u2026" if fits >= 4 else ""


def drawing(name: str, description: str, height: float, body: str, ident: str) -> str:
    """A whole SVG, with a title and a description for screen readers."""
    head = element("title", escape(legal(name)) or "drawing", id=f"{ident}-t") + element("desc", escape(legal(description)) or "-", id=f"{ident}-d")
    return element(
        "svg",
        head + body,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height:g}",
        width=WIDTH,
        height=f"{height:g}",
        role="img",
        class_="drawing",
        aria_labelledby=f"{ident}-t {ident}-d",
    )


def hatch(ident: str) -> str:
    """The pattern for an attack whose end was not observed."""
    line = element("path", d="M-2 2L2 -2M0 8L8 0M6 10L10 6", class_="hatch")
    return element("defs", element("pattern", line, id=f"{ident}-h", width=8, height=8, patternUnits="userSpaceOnUse"))


def clock(when: float, milliseconds: bool = False) -> str:
    """The time of day in UTC."""
    shown = datetime.fromtimestamp(when, timezone.utc)
    return shown.strftime("%H:%M:%S") + (f".{shown.microsecond // 1000:03}" if milliseconds else "")


def duration(seconds: float | None) -> str:
    """A duration for people: 0.34 -> 340 ms, 95 -> 1 min 35 s."""
    if seconds is None:
        return "-"
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for size, large, unit, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // unit
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 10000:
        return duration(value / 1000)
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


@dataclass
class Frame:
    """The time axis of a drawing: maps times to positions between left and right."""

    start: float
    end: float
    left: float = 64.0
    right: float = WIDTH - 14.0
    windows: list[AttackWindow] = field(default_factory=list)

    def x(self, when: float) -> float:
        share = (when - self.start) / max(self.end - self.start, 1e-9)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    @property
    def second(self) -> float:
        """The width of one second."""
        return (self.right - self.left) / max(self.end - self.start, 1e-9)

    def axis(self, top: float, bottom: float) -> str:
        """Grid lines and the time of day below them."""
        room = max(2.0, (self.right - self.left) / 92)
        step = next((step for step in _STEPS if (self.end - self.start) / step <= room), _STEPS[-1])
        while (self.end - self.start) / step > room:
            step *= 2
        parts = []
        tick = math.ceil(self.start / step) * step
        while tick <= self.end:
            x = self.x(tick)
            parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
            edge = "end" if x > self.right - 24 else "middle"
            parts.append(label(x, bottom + 14, clock(tick), "t tick", edge))
            tick += step
        parts.append(element("line", x1=self.left, x2=self.right, y1=bottom, y2=bottom, class_="axis"))
        return "".join(parts)

    def shade(self, top: float, bottom: float, ident: str, labels: bool = True) -> str:
        """The attacks as bands from injection to revert, with a number or name above."""
        parts = []
        for window in self.windows:
            x1, x2 = self.x(window.start), self.x(window.end)
            width = max(x2 - x1, 1.5)
            parts.append(element("rect", x=x1, y=top, width=width, height=bottom - top, class_="attack"))
            if not window.closed:
                unsure = self.x(window.sure)
                parts.append(element("rect", x=unsure, y=top, width=max(x2 - unsure, 1.5), height=bottom - top, fill=f"url(#{ident}-h)"))
            parts.append(element("line", x1=x1, x2=x1, y1=top, y2=bottom, class_="edge"))
            if window.closed:
                parts.append(element("line", x1=x2, x2=x2, y1=top, y2=bottom, class_="edge"))
            if labels:
                words = shorten(f"{window.number} \u00b7 {window.label}", width - 6, 6.0) or (str(window.number) if width > 8 else "")
                if words:
                    parts.append(label(x1 + 3, top - 5, words, "t attack-label", title=window.label))
        return "".join(parts)


@dataclass(frozen=True)
class Scale:
    """A vertical axis, linear from zero or logarithmic."""

    low: float
    high: float
    top: float
    bottom: float
    log: bool = False

    def y(self, value: float) -> float:
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            share = (math.log10(max(value, self.low)) - low) / (high - low)
        else:
            share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            every = [10.0**power * factor for power in range(first, last + 1) for factor in (1, 3)]
            shown = [tick for tick in every if self.low <= tick <= self.high * 1.001]
            return [tick for tick in shown if f"{tick:e}"[0] == "1"] if len(shown) > 5 else shown
        step = nice((self.high - self.low) / 3)
        first = math.ceil(self.low / step - 1e-9)
        return [count * step for count in range(first, int(self.high / step + 1e-9) + 1)][:8]


def nice(value: float) -> float:
    """The next round number: 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= value * 0.999)


def latency_scale(values: list[float], limits: Iterable[float], top: float, bottom: float) -> Scale:
    """Linear from zero; logarithmic when the maximum is more than 12 times the median."""
    wanted = [value for value in (*values, *limits) if value > 0]
    if not wanted:
        return Scale(0.0, 1.0, top, bottom)
    usual = sorted(values)[len(values) // 2] if values else wanted[0]
    high = max(wanted)
    if usual > 0 and high / usual > 12:
        low = max(min(wanted), usual / 20)
        return Scale(low * 0.55, high * 1.25, top, bottom, log=True)
    return Scale(0.0, high * 1.1, top, bottom)
