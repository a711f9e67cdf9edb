# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The rules for text and JSON in the answers to probes: read here, evaluated in a process that can be killed."""

from __future__ import annotations

import re
import sys
import threading
import typing as t
from types import MappingProxyType

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.evaluation import EVALUATORS, RULE_SECONDS


def read_regex(options: Options) -> str:
    """A regular expression that the text must match somewhere."""
    pattern: str = options.text("regex", REQUIRED, "write a regular expression")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise options.refusal("regex", pattern, f"not a regular expression of Python: {error}") from error
    return pattern


def read_expression(options: Options) -> str:
    """A JMESPath expression that must be true over the JSON document."""
    expression: str = options.text("json", REQUIRED, "write a JMESPath expression")
    try:
        import jmespath
    except ImportError as error:
        fix = f"it needs the Python library jmespath on the controller: {sys.executable} -m pip install jmespath"
        raise options.refusal("json", expression, fix) from error
    try:
        jmespath.compile(expression)
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise options.refusal("json", expression, f"not a JMESPath expression: {reason}. Example: queue.depth < `100`") from error
    return expression


BOTH: t.Mapping[str, t.Callable[[Options], str]] = MappingProxyType({"regex": read_regex, "json": read_expression})


class Rules:
    """The rules for text in an expect section. Other expectations are part of the probes."""

    def __init__(self, expect: Options, kinds: t.Mapping[str, t.Callable[[Options], str]] = BOTH) -> None:
        self._rules: list[tuple[str, str]] = []
        self._turn = threading.Lock()
        for name, read in kinds.items():
            if expect.has(name):
                self._rules.append((name, read(expect)))
            else:
                expect.take(name)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def problem(self, text: str, subject: str, seconds: float = RULE_SECONDS) -> str | None:
        """The first rule that does not hold, in a sentence that begins with the subject; or that it took longer than that, at most RULE_SECONDS."""
        return EVALUATORS.problem(self._rules, text, subject, seconds, self._turn)
