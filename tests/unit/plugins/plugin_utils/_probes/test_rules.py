# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe says about a JSON document that is not as expected: the value that it found."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes import evaluation
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.evaluation import EVALUATORS
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import Rules

LEDGER = {
    "lost": 1347, "acknowledged": 3164, "intact": False, "status": "degraded", "primary": None,
    "queue": {"depth": 42, "limit": 10}, "lines": "two\nlines", "nodes": [{"name": "n1"}, {"name": "n2"}], "odd-name": 1, "empty": "",
}  # fmt: skip
SENTENCE = "intact || join(' ', [to_string(lost), 'of', to_string(acknowledged), 'acknowledged writes are gone'])"


def problem(expression: str, text: str = json.dumps(LEDGER)) -> str | None:
    return Rules(Options({"json": expression}, "expect")).problem(text, "body", 20.0)


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
    rule = Rules(Options({"regex": "^ok"}, "expect"))
    assert rule.problem("secret", "body") == "body does not match '^ok'"


HOSTILE, BODY = r"^(\w+\s?)*$", "a" * 40 + "!"


def test_a_rule_that_never_ends_is_killed_and_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """41 bytes that this expression takes years for, and the interpreter with it: a window of 3 s had not ended after 25 s."""
    monkeypatch.setattr(evaluation, "RULE_SECONDS", 3.0)  # on a busy machine the other rule takes its time, too
    rule, other = Rules(Options({"regex": HOSTILE}, "expect")), Rules(Options({"regex": "^ok"}, "expect"))
    assert other.problem("ok", "body") is None  # its process is there
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(rule.problem(BODY, "body", 20.0)), daemon=True)
    thread.start()
    turns = 0  # answers that came while the hostile rule was still evaluated
    until = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < until:
        assert other.problem("ok", "body", 20.0) is None
        turns += thread.is_alive()
    assert found == ["the rule for body took longer than 3s and was ended"] and turns > 5
    assert other.problem("no", "body") == "body does not match '^ok'"


def test_a_rule_has_no_more_than_the_rest_of_the_timeout() -> None:
    begun = time.monotonic()
    assert Rules(Options({"regex": HOSTILE}, "expect")).problem(BODY, "body", 0.2) == "the rule for body took longer than 200ms and was ended"
    assert time.monotonic() - begun < 1.5


def test_samples_of_one_rule_wait_for_one_another() -> None:
    rule = Rules(Options({"regex": HOSTILE}, "expect"))
    before = len(EVALUATORS._all)
    threads = [threading.Thread(target=rule.problem, args=(BODY, "body", 0.4)) for _each in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert len(EVALUATORS._all) <= before + 1
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"lost":' * 100_000, "nested too deeply"),
        ('{"lost": NaN}', "NaN"),
        ('{"lost": -Infinity}', "-Infinity"),
        ('{"lost": 1e999}', "out of range"),
        ('{"lost": %s}' % ("9" * 5000), "out of range"),
        ('{"lost": 0.%s}' % ("1" * 1_000_000), "out of range"),
        ("[" + "{}," * 300_000 + "{}]", "body lost < `10`"),
        ("", "body is not JSON"),
    ],
)
def test_json_that_is_a_bomb(text: str, words: str) -> None:
    begun = time.monotonic()
    assert words in str(problem("lost < `10`", text))
    assert time.monotonic() - begun < 3


def test_a_rule_may_not_use_up_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "RULE_SECONDS", 20.0)  # on a busy machine the memory takes its time
    doubled = " | ".join(["join('', [@, @])"] * 10)
    assert problem(f"{doubled} | length(@) == `1`", json.dumps("x" * (1 << 20))) == "the rule for body needed more than 512 MiB"
    assert problem(f"{doubled} | length(@) == `1024`", '"x"') is None


def test_a_text_without_end() -> None:
    assert Rules(Options({"regex": "^ok"}, "expect")).problem("x" * (9 << 20), "output") == "output is longer than 8 MiB"
