# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Reads nested options. Every refusal names the option by its path, shows its value and says what to write instead."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_DEEPEST = 20


def plain(path: str, value: Any, depth: int = 0) -> Any:
    """The value in Python's own types, without the marks that Ansible puts on strings; dates become text."""
    if depth > _DEEPEST:
        raise AttackError(f"{path} is nested deeper than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise BadOption(path, key, "option names are words; put quotes around on, off, yes, no and numbers")
        return {str.__str__(key): plain(f"{path}.{key}", item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(f"{path}[{at}]", item, depth + 1) for at, item in enumerate(value)]
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise BadOption(path, value, "write text, a number, a list or a dictionary")


class Level:
    """One dictionary of options. Its keys are checked when it is opened."""

    def __init__(self, path: str, value: Any, known: Collection[str]) -> None:
        if not isinstance(value, dict):
            raise BadOption(path, value, f"write a dictionary with the options {', '.join(sorted(known))}")
        for name, item in value.items():
            if name not in known:
                raise unknown(f"{path}.{name}", name, item, known)
            if item is None:
                raise BadOption(f"{path}.{name}", None, "give it a value, or leave the option out")
        self.path = path
        self.value = value

    def at(self, name: str) -> str:
        return f"{self.path}.{name}"

    def has(self, name: str) -> bool:
        return name in self.value

    def needed(self, name: str, fix: str) -> Any:
        if name not in self.value:
            raise AttackError(f"{self.at(name)} is required: {fix}", option=self.at(name))
        return self.value[name]

    def line(self, name: str, default: str | None = None, fix: str = "write one line of text", longest: int = 200) -> str:
        """One line of text, not empty."""
        value = self.needed(name, fix) if default is None else self.value.get(name, default)
        if name not in self.value:
            return value
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            raise BadOption(self.at(name), value, f"{fix} (1 to {longest} characters, no line breaks)")
        return value.strip()

    def text(self, name: str) -> str:
        """Text of several lines, or none."""
        value = self.value.get(name, "")
        if not isinstance(value, str) or "\0" in value:
            raise BadOption(self.at(name), value, "write text")
        return value.strip()

    def words(self, name: str, default: Collection[str] = (), choices: Collection[str] | None = None) -> list[str]:
        """A list of short texts."""
        value = self.value.get(name, list(default))
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            raise BadOption(self.at(name), value, "write a list of texts")
        for place, item in enumerate(value):
            if not isinstance(item, str) or not item.strip() or not item.isprintable():
                raise BadOption(f"{self.at(name)}[{place}]", item, "write one line of text; numbers and dates need quotes")
            if choices is not None and item not in choices:
                raise BadOption(f"{self.at(name)}[{place}]", item, f"choose from {', '.join(choices)}")
        return [item.strip() for item in value]

    def items(self, name: str, fix: str) -> list[Any]:
        """A list that is there and not empty."""
        value = self.needed(name, fix)
        if not isinstance(value, list) or not value:
            raise BadOption(self.at(name), value, fix)
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.value.get(name, default)
        if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        if not isinstance(value, bool):
            raise BadOption(self.at(name), value, "write true or false")
        return value

    def seconds(self, name: str, default: float, minimum: float, maximum: float) -> float:
        return _tidy(_units.duration(self.at(name), self.value.get(name, default), minimum, maximum))

    def needed_seconds(self, name: str, minimum: float, maximum: float, fix: str) -> float:
        self.needed(name, fix)
        return self.seconds(name, 0.0, minimum, maximum)

    def number(self, name: str, maximum: int) -> int | None:
        return _units.integer(self.at(name), self.value[name], 1, maximum) if name in self.value else None

    def percent(self, name: str) -> float | None:
        if name not in self.value:
            return None
        found = _units.percent(self.at(name), self.value[name])
        if found <= 0:
            raise BadOption(self.at(name), self.value[name], "write a percentage above 0, up to 100")
        return _tidy(found)


def unknown(path: str, name: str, value: Any, known: Collection[str]) -> BadOption:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return BadOption(path, value, f"there is no such option; {meant}known here: {', '.join(sorted(known))}")


def _tidy(number: float) -> float:
    """60.0 as 60: it is shown to people."""
    return int(number) if float(number).is_integer() else number
