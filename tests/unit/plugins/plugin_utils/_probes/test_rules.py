# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe says about a JSON document that is not as expected: the value that it found."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import JsonRule, RegexRule

LEDGER = {
    "lost": 1347, "acknowledged": 3164, "intact": False, "status": "degraded", "primary": None,
    "queue": {"depth": 42, "limit": 10}, "lines": "two\nlines", "nodes": [{"name": "n1"}, {"name": "n2"}], "odd-name": 1, "empty": "",
}  # fmt: skip
SENTENCE = "intact || join(' ', [to_string(lost), 'of', to_string(acknowledged), 'acknowledged writes are gone'])"


def problem(expression: str, text: str = json.dumps(LEDGER)) -> str | None:
    return JsonRule(Options({"json": expression}, "expect")).problem(text, "body")


@pytest.mark.parametrize("expression", ["lost == `1347`", "queue.depth > queue.limit && status == 'degraded'", "!intact", "length(nodes) == `2`"])
def test_true(expression: str) -> None:
    assert problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("lost < `10`", "body lost < `10` is false: lost is 1347"),
        ("queue.depth < queue.limit", "body queue.depth < queue.limit is false: queue.depth is 42 and queue.limit is 10"),
        ("`3` > queue.depth", "body `3` > queue.depth is false: queue.depth is 42"),
        ("status == 'ok'", "body status == 'ok' is false: status is \"degraded\""),
        ("lost < `9999` && status == 'ok' && intact", "body lost < `9999` && status == 'ok' && intact is false: status is \"degraded\""),
        ("intact && lost == `0`", "body intact && lost == `0` is false: intact is false"),
        ("length(nodes) == `3`", "body length(nodes) == `3` is false: length(nodes) is 2"),
        ("nodes[0].name == 'n2'", "body nodes[0].name == 'n2' is false: nodes[0].name is \"n1\""),
        ("primary == 'n1'", "body primary == 'n1' is false: primary is null"),
        ("nodes == `[]`", "body nodes == `[]` is false: nodes is a list of 2"),
        ('"odd-name" == `2`', 'body "odd-name" == `2` is false: "odd-name" is 1'),
        ("intact", "body intact is false, not true"),
        ("!lost", "body !lost is false, not true"),
        ("nodes[?name == 'n3'] == `1`", "body nodes[?name == 'n3'] == `1` is false, not true"),
        ("lost", "body lost is 1347, not true"),
        ("intact || lost", "body intact || lost is 1347, not true"),
        ("primary", "body primary is null, not true"),
        ("status", 'body status is "degraded", not true'),
        ("empty", 'body empty is "", not true'),
        ("queue", "body queue is a dictionary of 2, not true"),
        ("nodes", "body nodes is a list of 2, not true"),
        # Put together to be read, so nothing is added to it.
        (SENTENCE, "1347 of 3164 acknowledged writes are gone"),
        ("intact || join('', [lines])", "two lines"),
    ],
)
def test_what_was_found_is_told(expression: str, words: str) -> None:
    assert problem(expression) == words


class Unsafe(str):
    """As ansible-core before 2.19 marks what a task returned: the parts of the text are marked as well."""

    def __iter__(self) -> Iterator[Unsafe]:  # type: ignore[override]
        return map(Unsafe, super().__iter__())

    def __radd__(self, other: str) -> Unsafe:
        return Unsafe(other.__add__(self))

    def replace(self, *parts: t.Any) -> Unsafe:
        return Unsafe(super().replace(*parts))


def test_text_that_ansible_has_marked() -> None:
    # Not the expression of another test: jmespath keeps what it has compiled.
    assert problem(Unsafe("intact || join(' ', [to_string(lost), 'are lost'])")) == "1347 are lost"


def test_no_json() -> None:
    assert problem("lost", "<html>") == "body is not JSON"
    assert str(problem("length(lost) > `1`")).startswith("body length(lost) > `1` cannot be evaluated: ")


def test_long_texts_are_cut() -> None:
    assert len(str(problem("long", json.dumps({"long": "x" * 10_000})))) < 250
    assert len(str(problem("ok || join('', [long])", json.dumps({"long": "x" * 10_000})))) == 200


def test_a_regex_does_not_tell_the_text() -> None:
    rule = RegexRule(Options({"regex": "^ok"}, "expect"))
    assert rule.problem("secret", "body") == "body does not match '^ok'"
