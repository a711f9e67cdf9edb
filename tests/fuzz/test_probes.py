# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probed service says, which may be hostile: a verdict in a short text, and soon."""

from __future__ import annotations

import functools
import json
import math
import time
import typing as t

import pytest
from hypothesis import example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rule_worker import unmet
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import read_expression, read_regex
from tests.fuzz.words import answers, texts

LONGEST = 2000
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts(0, 20), st.sampled_from(["NaN", "+Inf", "1e400", "\ud800", "x\ny"]))
KEYS = st.sampled_from(["depth", "queue", "ok", "\ud800"])
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner)), max_leaves=12)
NASTY = [
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 5000,
    '{"depth": ' + "9" * 5000 + "}",
    "1e999",
    "NaN",
    '"\\ud800"',
    "",
    "\0",
    "{",
    '{"depth": "\\ud800"}',
    '{"depth": [' + "[" * 900 + "]" * 900 + "]}",
]
BODIES = st.one_of(DOCUMENTS.map(json.dumps), st.sampled_from(NASTY), texts(), st.integers(1, 6000).map(lambda count: '{"depth": ' + "9" * count + "}"))
EXPRESSIONS = [
    "depth < `100`", "queue.depth == `1`", "ok", "depth", "@", "length(@) > `1`", "depth && ok", "depth || 'down'", "join(',', queue)", "queue[0].depth",
    "queue[*].ok", "max_by(queue, &depth)", "sum(queue)", "to_number(depth) > `5`", "sort(queue)", "queue[?ok].depth", "contains(depth, 'x')", "keys(@)",
    "not_null(depth, ok)",
]  # fmt: skip


def check(problem: str | None) -> None:
    """It is there, and short."""
    assert problem is None or problem and len(problem) <= LONGEST


@given(expression=st.sampled_from(EXPRESSIONS), body=BODIES)
@example(expression="depth", body="[" * 100_000)
@example(expression="depth", body='{"depth": "\\ud800"}')
@example(expression="depth || 'down'", body='{"depth": "x\\ud800\\u2028\\u202e"}')
def test_a_json_rule_judges_any_body(expression: str, body: str) -> None:
    begun = time.monotonic()
    check(unmet("json", expression, body, "the body"))
    assert time.monotonic() - begun < 2


@given(
    expression=st.one_of(texts(0, 12), st.sampled_from(EXPRESSIONS).flatmap(lambda text: st.integers(0, len(text)).map(lambda at: text[:at] + text[at + 1 :]))),
    body=BODIES,
)
@example(expression="(" * 5000, body="{}")
@example(expression="[" * 1000, body="{}")
def test_an_expression_is_taken_or_refused(expression: str, body: str) -> None:
    try:
        read_expression(Options({"json": expression}, "expect"))
    except BadOption as error:
        assert str(error).startswith("expect: json")
        return
    check(unmet("json", expression, body, "the body"))


@given(pattern=st.one_of(texts(0, 8), st.sampled_from(["ok", r"^\d+$", "(", "a{1000000000000}", "(?P<x>a)(?P<x>b)", "(" * 500 + ")" * 500])), body=texts())
@example(pattern="(" * 1000 + ")" * 1000, body="")
def test_a_pattern_is_taken_or_refused(pattern: str, body: str) -> None:
    try:
        read_regex(Options({"regex": pattern}, "expect"))
    except BadOption as error:
        assert str(error).startswith("expect: regex")
        return
    check(unmet("regex", pattern, body, "the body"))


# --- Prometheus -------------------------------------------------------------------------------------------

PAIR = st.one_of(
    st.tuples(st.floats(0, 2e9), st.one_of(st.floats().map(str), st.sampled_from(["NaN", "+Inf", "-Inf", "1e400", "x", "9" * 5000]))),
    st.lists(SCALARS, max_size=3),
)
METRIC = st.one_of(st.dictionaries(st.sampled_from(["__name__", "instance", "\ud800"]), st.one_of(texts(0, 30), SCALARS), max_size=3), SCALARS)
SERIES = st.one_of(st.fixed_dictionaries({"metric": METRIC}, optional={"value": PAIR, "values": st.lists(PAIR, max_size=4), "histogram": PAIR}), SCALARS)
ANSWERS = st.one_of(
    st.fixed_dictionaries(
        {
            "status": st.one_of(st.just("success"), st.just("success"), st.just("error"), SCALARS),
            "data": st.one_of(
                st.fixed_dictionaries(
                    {
                        "resultType": st.one_of(st.sampled_from(["vector", "matrix", "scalar", "string"]), SCALARS),
                        "result": st.one_of(st.lists(SERIES, max_size=4), PAIR, SCALARS),
                    }
                ),
                SCALARS,
            ),
        },
        optional={"error": texts(), "errorType": SCALARS},
    ).map(json.dumps),
    BODIES,
)  # fmt: skip


@functools.cache
def prometheus(options: str) -> t.Any:
    """A probe with these options; it takes a while to be made."""
    common = {"name": "p", "type": "prometheus", "url": "http://prometheus.example.com:9090", "query": "up", "expect": {"min": 1}}
    return read_probes([{**common, **json.loads(options)}])[0]


class Said(t.NamedTuple):
    body: str
    status: int = 200
    whole: bool = True


@pytest.mark.parametrize(
    "options", [{}, {"range": "5m"}, {"range": "5m", "reduce": "all", "series": "all"}, {"series": "any", "expect": {"value": "> 1", "no_data": "good"}}]
)
@given(body=ANSWERS)
@example(body="[" * 100_000)
@example(body='{"status": "error", "error": "a\\nb\\ud800"}')
@example(body='{"status": "success", "data": {"resultType": "x\\ny", "result": []}}')
@example(
    body='{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"a": "\\ud800"}, "value": [1, "5"]}, {"metric": {}, "value": [1]}]}}'
)
@example(body='{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1e999, "5"]}]}}')
@example(body='{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[-1e999, "5"], [NaN, "1e308"], [1, "1e308"]]}]}}')
def test_prometheus_may_say_anything(options: dict, body: str) -> None:
    probe = prometheus(json.dumps(options))
    probe._client.fetch = lambda *_told, **_more: Said(body)
    found = probe.attempt(1.0)
    assert isinstance(found, Measurement) and (found.ok or found.detail)
    check(found.detail)
    assert not isinstance(found.value, float) or math.isfinite(found.value)


@given(value=answers(), name=st.sampled_from(["value", "min", "max", "no_data"]))
def test_limits_are_taken_or_refused(value, name: str) -> None:
    try:
        read_probes([{"name": "p", "type": "prometheus", "url": "http://prometheus.example.com:9090", "query": "up", "expect": {"min": 1, name: value}}])
    except BadOption as error:
        assert "expect" in str(error)
