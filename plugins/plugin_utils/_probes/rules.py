# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The rules for text and JSON in the answers to probes."""

from __future__ import annotations

import json
import re
import sys
import typing as t
from types import MappingProxyType

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options

_LONGEST = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class RegexRule:
    """The text must contain a match."""

    def __init__(self, options: Options, name: str = "regex") -> None:
        pattern = options.text(name, REQUIRED, "write a regular expression")
        try:
            self._pattern = re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise options.refusal(name, pattern, f"not a regular expression of Python: {error}") from error

    def problem(self, text: str, subject: str) -> str | None:
        """Why the text is not as expected, or None. It does not quote the text, which may hold secrets."""
        return None if self._pattern.search(text) else f"{subject} does not match {self._pattern.pattern!r}"


class JsonRule:
    """A JMESPath expression over the JSON document must be true.

    The error shows its value, since the plan chose exactly that part of the document.
    """

    def __init__(self, options: Options, name: str = "json") -> None:
        expression = options.text(name, REQUIRED, "write a JMESPath expression")
        try:
            import jmespath
            import jmespath.parser
        except ImportError as error:
            fix = f"it needs the Python library jmespath on the controller: {sys.executable} -m pip install jmespath"
            raise options.refusal(name, expression, fix) from error
        try:
            self._compiled = jmespath.compile(expression)
        except (jmespath.exceptions.JMESPathError, RecursionError) as error:
            reason = str(error).partition("\n")[0]
            raise options.refusal(name, expression, f"not a JMESPath expression: {reason}. Example: queue.depth < `100`") from error
        self._errors = (jmespath.exceptions.JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError)
        self._part: t.Any = jmespath.parser.ParsedResult
        self.expression = expression

    def problem(self, text: str, subject: str) -> str | None:
        """Why the document is not as expected, or None."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):  # the service may send what is nested deeper than Python can follow
            return f"{subject} is not JSON"
        try:
            found = self._compiled.search(document)
            if found is True:
                return None
            return self._words(document, found, subject)
        except self._errors as error:
            return f"{subject} {self.expression} cannot be evaluated: {str(error).partition(chr(10))[0][:_LONGEST]}"

    def _words(self, document: t.Any, found: t.Any, subject: str) -> str:
        if isinstance(found, str) and found.strip() and self._compiled.parsed["type"] in ("or_expression", "and_expression", "function_expression"):
            return _CONTROL.sub(" ", found).strip()[:_LONGEST]  # the plan composed this text as the message
        node = self._compiled.parsed
        reason = self._reason(node, document) if found is False and not _text(node) else None
        return f"{subject} {self.expression} is {_shown(found)}" + (f": {reason}" if reason else ", not true")

    def _reason(self, node: dict[str, t.Any], document: t.Any) -> str | None:
        """The values that made a comparison false; with "and", those of the first false one."""
        kind, parts = node["type"], node.get("children") or []
        if kind == "and_expression":
            broken = next((part for part in parts if self._value(part, document) in (False, None)), None)
            return self._reason(broken, document) if broken else None
        if kind == "comparator":
            sides = [(_text(part), self._value(part, document)) for part in parts if part["type"] != "literal"]
            return " and ".join(f"{text} is {_shown(value)}" for text, value in sides if text) or None
        text = _text(node)
        return f"{text} is {_shown(self._value(node, document))}" if text else None

    def _value(self, node: dict[str, t.Any], document: t.Any) -> t.Any:
        return self._part("", node).search(document)


def _text(node: dict[str, t.Any]) -> str | None:
    """A simple part of an expression, as written; None when it is not simple."""
    kind, parts = node["type"], node.get("children") or []
    if kind == "field":
        return node["value"] if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", node["value"]) else json.dumps(node["value"])
    if kind == "current":
        return "@"
    if kind == "index":
        return f"[{node['value']}]"
    inner = [_text(part) for part in parts]
    if None in inner or kind not in ("subexpression", "index_expression", "function_expression"):
        return None
    if kind == "function_expression":
        return f"{node['value']}({', '.join(map(str, inner))})"
    return ("." if kind == "subexpression" else "").join(map(str, inner))


def _shown(value: t.Any) -> str:
    if isinstance(value, (list, dict)):
        return f"a {'list' if isinstance(value, list) else 'dictionary'} of {len(value)}"
    text = json.dumps(value if not isinstance(value, str) or len(value) <= _LONGEST else value[:_LONGEST] + "…", ensure_ascii=False)
    return text if len(text) <= 2 * _LONGEST else text[:_LONGEST] + "…"  # a number, or control characters


class Rules:
    """The rules for text in an expect section. Other expectations are part of the probes."""

    def __init__(self, expect: Options, kinds: t.Mapping[str, t.Callable[[Options], t.Any]] = MappingProxyType({"regex": RegexRule, "json": JsonRule})) -> None:
        self._rules = []
        for name, rule in kinds.items():
            if expect.has(name):
                self._rules.append(rule(expect))
            else:
                expect.take(name)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def problem(self, text: str, subject: str) -> str | None:
        """The first rule that does not hold, in a sentence that begins with the subject."""
        return next((found for found in (rule.problem(text, subject) for rule in self._rules) if found), None)
