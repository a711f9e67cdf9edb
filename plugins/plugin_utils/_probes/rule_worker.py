# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The program that evaluates rules on text, in a process of its own, which can be killed.

A regular expression can take years on a short text, and holds the interpreter meanwhile. evaluation.py starts this file by its path,
so it imports nothing of the collection. A message has a head in JSON and a text; the kernel kills the process at the limit of the head.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import sys
import typing as t

LENGTHS = struct.Struct(">II")
MOST_MEMORY = 512 << 20
LONGEST_NUMBER = 400
_INFINITE = float("inf")
_LONGEST = 200
_LONGEST_PROBLEM = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def _int(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is out of range")
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= LONGEST_NUMBER else _INFINITE
    if number in (_INFINITE, -_INFINITE):
        raise ValueError("a number is out of range")
    return number


def _no_constant(text: str) -> t.NoReturn:
    raise ValueError(f"{text} is not JSON")


def read_json(text: str) -> t.Any:
    """The document. Errors: ValueError, also for NaN, numbers that are out of range, and deep nesting."""
    try:
        return json.loads(text, parse_int=_int, parse_float=_float, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def unmet(kind: str, rule: str, text: str, subject: str) -> str | None:
    """Why the text is not as the rule wants it, or None. A regular expression quotes no text, which may hold secrets."""
    if kind == "regex":
        return None if re.search(rule, text) else f"{subject} does not match {rule!r}"
    return _Expression(rule).problem(text, subject)


class _Expression:
    """A JMESPath expression that must be true. The message shows its value, since the plan chose exactly that part of the document."""

    def __init__(self, expression: str) -> None:
        import jmespath
        import jmespath.parser

        self._compiled = jmespath.compile(expression)
        self._errors = (jmespath.exceptions.JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError)
        self._part: t.Any = jmespath.parser.ParsedResult
        self._text = expression

    def problem(self, text: str, subject: str) -> str | None:
        try:
            document = read_json(text)
        except json.JSONDecodeError:
            return f"{subject} is not JSON"
        except ValueError as error:
            return f"{subject} is not JSON that can be read: {error}"
        try:
            found = self._compiled.search(document)
            return None if found is True else self._words(document, found, subject)
        except self._errors as error:
            return f"{subject} {self._text} cannot be evaluated: {str(error).partition(chr(10))[0][:_LONGEST]}"

    def _words(self, document: t.Any, found: t.Any, subject: str) -> str:
        if isinstance(found, str) and found.strip() and self._compiled.parsed["type"] in ("or_expression", "and_expression", "function_expression"):
            return _CONTROL.sub(" ", found[: 2 * _LONGEST]).strip()[:_LONGEST]  # the plan composed this text as the message
        node = self._compiled.parsed
        reason = self._reason(node, document) if found is False and not _text(node) else None
        return f"{subject} {self._text} is {_shown(found)}" + (f": {reason}" if reason else ", not true")

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
    return json.dumps(value if not isinstance(value, str) or len(value) <= _LONGEST else value[:_LONGEST] + "…", ensure_ascii=False)


def _received(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        chunk = connection.recv(min(size - len(found), 1 << 16))
        if not chunk:
            sys.exit(0)  # the task has ended
        found += chunk
    return bytes(found)


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    except (ImportError, OSError, ValueError):
        pass  # a controller without such limits


def main() -> None:
    """Answers messages until the connection ends. The first message has the module path; its answer says that the process is ready."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    connection = socket.socket(fileno=0)
    while True:
        head_size, text_size = LENGTHS.unpack(_received(connection, LENGTHS.size))
        head, text = json.loads(_received(connection, head_size)), _received(connection, text_size).decode("utf-8", "replace")
        found = None
        if "path" in head:
            sys.path[:] = head["path"]
            try:
                import jmespath  # noqa: F401
            except ImportError:
                pass  # the plan has no such rule, or was refused
            _limit_memory()
        else:
            signal.setitimer(signal.ITIMER_REAL, head["seconds"])
            try:
                found = next((why for why in (unmet(kind, rule, text, head["subject"]) for kind, rule in head["rules"]) if why), None)
            except MemoryError:
                found = f"the rule for {head['subject']} needed more than {MOST_MEMORY >> 20} MiB"
            signal.setitimer(signal.ITIMER_REAL, 0)
        answer = json.dumps(found if found is None else found[:_LONGEST_PROBLEM]).encode()
        connection.sendall(LENGTHS.pack(len(answer), 0) + answer)


if __name__ == "__main__":
    main()
