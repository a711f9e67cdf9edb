# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The Prometheus probe: an instant or range query, and the limits of its value."""

from __future__ import annotations

import http.client
import math
import operator
import re
import time
import typing as t
import urllib.parse

from ansible_collections.faultline.chaos.plugins.module_utils._units import human
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, MissingOption, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import BODY_LIMIT, Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.http_client import HttpClient
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rule_worker import LONGEST_NUMBER, read_json
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import error_words

REDUCTIONS = ("last", "avg", "min", "max", "all")
SERIES = ("one", "all", "any")
NO_DATA = ("bad", "good")
MOST_POINTS = 11_000  # per series; Prometheus itself refuses more
_SHORTEST_STEP = 1.0
_LONGEST_LABELS = 100
_COMPARE: dict[str, t.Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*")
Point = tuple[float, float]


_REDUCE: dict[str, t.Callable[[list[float]], float]] = {
    "last": lambda values: values[-1],
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
}


class Limits:
    """The comparisons that a value must meet, all of them."""

    def __init__(self, expect: Options) -> None:
        self._conditions: list[tuple[str, float]] = []
        fix = 'write a comparison in quotes, such as "< 0.05", or use min and max'
        value = expect.take("value")
        if value is not None:
            found = _COMPARISON.fullmatch(value) if isinstance(value, str) else None
            bound = _number(found[2]) if found else None
            if found is None or bound is None:
                raise expect.refusal("value", value, fix)
            self._conditions.append((found[1], bound))
        least, most = (self._bound(expect, name, sign) for name, sign in (("min", ">="), ("max", "<=")))
        if not self._conditions:
            raise MissingOption(expect.label("value"), fix)
        if least is not None and most is not None and least > most:
            raise expect.refusal("max", most, f"it must not be below min, {least:g}")

    def _bound(self, expect: Options, name: str, sign: str) -> float | None:
        given = expect.take(name)
        number = _number(given)
        if number is not None:
            self._conditions.append((sign, number))
        elif given is not None:
            raise expect.refusal(name, given, "write a number")
        return number

    def problem(self, value: float) -> str | None:
        """The condition that the value does not meet, or None."""
        broken = next((f"{sign} {bound:g}" for sign, bound in self._conditions if not _COMPARE[sign](value, bound)), None)
        return f"is {value:.6g}, wanted {broken}" if broken else None


def _number(value: t.Any) -> float | None:
    """A finite number, also from text, since templates return text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class PrometheusProbe(Probe):
    """Succeeds when the value of a query is as expected."""

    type = "prometheus"

    def read(self, options: Options) -> None:
        self._client = HttpClient(options, "http://prometheus.example.com:9090")
        if "?" in self._client.url or "#" in self._client.url:
            raise options.refusal("url", self._client.shown, "write the address of Prometheus alone; the query goes into query")
        fix = "write a query in PromQL, of 1 to 4096 characters"
        query = options.take("query", REQUIRED, fix)  # may have several lines
        if not isinstance(query, str) or not 0 < len(query.strip()) <= 4096:
            raise options.refusal("query", query, fix)
        self._query = query.strip()
        self._range = options.duration("range", None, minimum=_SHORTEST_STEP)
        step = options.duration("step", None, minimum=_SHORTEST_STEP)
        reduce = options.choice("reduce", REDUCTIONS, None)
        for name, value in (("step", step), ("reduce", reduce)):
            if value is not None and self._range is None:
                raise options.refusal(name, value, "it belongs to range, which is not given")
        self._reduce = reduce or "last"
        if self._range is not None:
            self._step = step or max(_SHORTEST_STEP, round(self._range / 60, 3))
            if self._step > self._range or self._range / self._step > MOST_POINTS:
                fix = f"over {human(self._range)} it must be from {human(max(_SHORTEST_STEP, math.ceil(self._range / MOST_POINTS)))} to {human(self._range)}"
                raise options.refusal("step", self._step, fix)
        self._series = options.choice("series", SERIES, "one")
        expect = options.section("expect")
        self._limits = Limits(expect)
        self._no_data_is_good = expect.choice("no_data", NO_DATA, "bad") == "good"
        expect.done()

    @property
    def target(self) -> str:
        shown = self._query if len(self._query) <= 200 else self._query[:200] + "…"
        return f"{' '.join(shown.split())} at {self._client.shown}"

    def attempt(self, timeout: float) -> Measurement:
        words = {"query": self._query, "timeout": f"{max(1, round(timeout * 1000))}ms"}
        end = time.time()
        if self._range is not None:
            words.update(start=f"{end - self._range:.3f}", end=f"{end:.3f}", step=f"{self._step:g}")
        url = f"{self._client.url.rstrip('/')}/api/v1/query{'' if self._range is None else '_range'}?{urllib.parse.urlencode(words)}"
        try:
            answer = self._client.fetch(timeout, url)
        except (OSError, http.client.HTTPException) as error:
            return Measurement(False, None, error_words(error, timeout))
        if not answer.whole:
            return Measurement(False, None, f"the answer is longer than {BODY_LIMIT >> 20} MiB: aggregate the query")
        try:
            document = read_json(answer.body)
            if document["status"] != "success":
                return Measurement(False, None, f"refused: {document.get('errorType')}: {document.get('error')}"[:300])
            found = _read(document["data"], self._range is not None)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError):
            status = "" if answer.status == 200 else f"status {answer.status}, "
            return Measurement(False, None, f"{status}not an answer of Prometheus; url must be its own address")
        if isinstance(found, str):
            return Measurement(False, None, found)
        return self._judge(found, end)

    def _judge(self, found: list[tuple[str, list[Point]]], end: float) -> Measurement:
        if self._series == "one" and len(found) > 1:
            names = ", ".join(labels for labels, _points in found[:2])
            return Measurement(False, None, f"{len(found)} series, such as {names}: aggregate the query, or choose series all or any")
        outcomes = [self._judge_series(labels if len(found) > 1 else "value", points, end) for labels, points in found]
        if not outcomes:
            return self._no_data("no series")
        bad = [outcome for outcome in outcomes if not outcome.ok]
        if self._series == "any" and len(bad) < len(outcomes):
            return next(outcome for outcome in outcomes if outcome.ok)
        if len(bad) > 1:
            return Measurement(False, bad[0].value, f"{bad[0].detail}, and {len(bad) - 1} more of {len(found)} series")
        return bad[0] if bad else outcomes[0]

    def _judge_series(self, labels: str, points: list[Point], end: float) -> Measurement:
        if self._range is not None and self._reduce == "last":
            points = points[-1:]
            age = end - points[-1][0] if points else 0.0
            if age > self._step + 1.0:
                return self._no_data(f"{labels} ended {human(round(age))} ago")
        values = [value for _when, value in points if not math.isnan(value)]
        if not values:
            return self._no_data(f"{labels} is NaN" if points else f"{labels} has no points")
        if self._reduce == "all":
            value = next((value for value in values if self._limits.problem(value)), values[-1])
        else:
            value = _REDUCE[self._reduce](values)
        problem = self._limits.problem(value)
        return Measurement(not problem, value if math.isfinite(value) else f"{value:+}", f"{labels} {problem}" if problem else None)

    def _no_data(self, what: str) -> Measurement:
        return Measurement(True, None, f"no data: {what}") if self._no_data_is_good else Measurement(False, None, f"no data: {what}")


def _read(data: t.Mapping[str, t.Any], ranged: bool) -> list[tuple[str, list[Point]]] | str:
    """The series of an answer as (labels, points), or the error in its type."""
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return [("value", [_point(result)])]
    if kind == "vector":
        if any("value" not in series for series in result):
            return "a histogram is no number: use histogram_quantile() or the like"
        return [(_labels(series["metric"]), [_point(series["value"])]) for series in result]
    if kind == "matrix" and not ranged:
        return "a range of values is no number: use avg_over_time() or the like"
    if kind == "matrix":
        if any("values" not in series for series in result):
            return "a histogram is no number: use histogram_quantile() or the like"
        return [(_labels(series["metric"]), [_point(pair) for pair in series["values"]]) for series in result]
    return f"a {str(kind)[:_LONGEST_LABELS]} is no number"


def _point(pair: t.Sequence[t.Any]) -> Point:
    if max(len(str(pair[0])), len(str(pair[1]))) > LONGEST_NUMBER:
        raise ValueError("not a number of Prometheus")
    when = float(pair[0])
    if not math.isfinite(when):
        raise ValueError("no time")
    return when, float(pair[1])


def _labels(metric: t.Mapping[str, str]) -> str:
    name = metric.get("__name__", "")
    text = name + "{" + ", ".join(f'{label}="{value}"' for label, value in sorted(metric.items()) if label != "__name__") + "}"
    return text if len(text) <= _LONGEST_LABELS else text[:_LONGEST_LABELS] + "…"
