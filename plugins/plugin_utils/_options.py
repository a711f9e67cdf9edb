# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Reads the options of plans, probes, tasks and filters. Every error names the option, its value and the fix."""

from __future__ import annotations

import datetime
import re
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._hints import did_you_mean
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import plain_text, tidy

REQUIRED: t.Any = object()
HOUR, DAY = 3600.0, 86400.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_DEEPEST = 20


def plain(path: str, value: t.Any, depth: int = 0) -> t.Any:
    """The value in Python's own types, without Ansible's tags; dates become text.

    Errors: AttackError for types that YAML does not have, keys that are not text, and more than 20 levels.
    """
    if depth > _DEEPEST:
        raise AttackError(f"{path} is nested deeper than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise BadOption(path, key, "option names are words; put quotes around on, off, yes, no and numbers")
        return {plain_text(key): plain(f"{path}.{key}", item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(f"{path}[{at}]", item, depth + 1) for at, item in enumerate(value)]
    if isinstance(value, str):
        return plain_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise BadOption(path, value, "write text, a number, a list or a dictionary")


class MissingOption(BadOption):
    """A required option is not given."""

    def __init__(self, option: str, fix: str) -> None:
        super().__init__(option, None, fix)
        self.args = (f"{option} is required: {fix}",)


def unknown_option(option: str, value: t.Any, name: str, known: Collection[str]) -> BadOption:
    """The error for an unknown option, with the closest known name."""
    hint = did_you_mean(name, known)
    return BadOption(option, value, f"there is no such option; {hint}{' ' if hint else ''}the options are {', '.join(sorted(set(known)))}")


class Options:
    """One mapping of options. Each method takes an option, checks it, and returns its value or the default.

    Unknown names are refused in one of two ways. A reader whose subclasses add options calls done() at its end, which refuses the
    options that no method has taken; an empty YAML value counts as not given there. A reader that knows all names passes them as
    `known`: they are checked at once, an empty value is refused, and errors name options by their path (a.b.c).
    """

    def __init__(self, data: t.Any, where: str, known: Collection[str] | None = None, *, fix: str = "write a dictionary of options") -> None:
        """where: the name of the option that holds this mapping, for errors; empty for the options of a task."""
        if not isinstance(data, Mapping):
            raise BadOption(where, data, fix if known is None else f"write a dictionary with the options {', '.join(sorted(known))}")
        self.where = where
        self._data = data
        self._by_path = known is not None
        self._known: list[str] = list(known or ())
        if known is not None:
            for name, value in data.items():
                if name not in known:
                    raise unknown_option(self.label(name), value, name, known)
                if value is None:
                    raise self.refusal(name, None, "give it a value, or leave the option out")

    @property
    def data(self) -> Mapping[str, t.Any]:
        """The raw mapping."""
        return self._data

    def label(self, name: str) -> str:
        """The name of an option in errors."""
        if not self.where:
            return name
        return f"{self.where}.{name}" if self._by_path else f"{self.where}: {name}"

    def refusal(self, name: str, value: t.Any, fix: str) -> BadOption:
        """The error for one option; the caller raises it."""
        return BadOption(self.label(name), value, fix)

    def has(self, name: str) -> bool:
        """Whether the option is given; an empty YAML value is not."""
        return self._data.get(name) is not None

    def take(self, name: str, default: t.Any = None, fix: str = "it has no default") -> t.Any:
        """The raw value, for options that no other method fits. Errors: MissingOption when the default is REQUIRED."""
        if not self._by_path:
            self._known.append(name)
        if self.has(name):
            return self._data[name]
        if default is REQUIRED:
            raise MissingOption(self.label(name), fix)
        return default

    def done(self) -> None:
        """Refuses the options that no method has taken. Their values are not shown: one may be a password under a misspelt name."""
        for name in self._data:
            if name not in self._known:
                raise unknown_option(self.where or "options", str(name), str(name), self._known)

    def section(self, name: str, known: Collection[str] | None = None) -> Options:
        """A nested dictionary; empty when it is not given."""
        return Options(self.take(name, {}), self.label(name), known)

    # --- text -----------------------------------------------------------------------------------

    def text(self, name: str, default: t.Any = None, fix: str = "write some text", most: int = 1024) -> t.Any:
        """A line of text, unchanged: not empty, no control characters."""
        value = self.take(name, default, fix)
        if value is default:
            return default
        if not isinstance(value, str):
            raise self.refusal(name, value, fix if isinstance(value, (Mapping, list, tuple)) else f"{fix}; put it in quotes")
        if not value.strip() or len(value) > most or _CONTROL.search(value):
            raise self.refusal(name, value, f"{fix}; one line of 1 to {most} characters")
        return plain_text(value)

    def line(self, name: str, default: t.Any = None, fix: str = "write one line of text", most: int = 200) -> t.Any:
        """A line of text for display: printable, stripped of spaces."""
        value = self.text(name, default, fix, most)
        if value is default:
            return default
        if not value.isprintable():
            raise self.refusal(name, value, f"{fix}; printable characters only")
        return value.strip()

    def prose(self, name: str) -> str:
        """Text of several lines; empty when it is not given."""
        value = self.take(name, "")
        if not isinstance(value, str) or "\0" in value:
            raise self.refusal(name, value, "write text")
        return plain_text(value).strip()

    def texts(self, name: str, default: t.Any = None, fix: str = "write text or a list of texts", may_be_empty: bool = False) -> t.Any:
        """A text or a list of texts, as a list."""
        value = self.take(name, default, fix)
        if value is default:
            return default
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)) or not (words or may_be_empty):
            raise self.refusal(name, value, fix)
        for at, word in enumerate(words):
            if not isinstance(word, str) or not word.strip() or not word.isprintable():
                label = name if isinstance(value, str) else f"{name}[{at}]"
                raise self.refusal(label, word, f"{fix}; one line of text each, numbers and dates in quotes")
        return [plain_text(word).strip() for word in words]

    def choice(self, name: str, choices: Sequence[str], default: t.Any = None) -> t.Any:
        """One of the choices."""
        fix = f"choose one of {', '.join(choices)}"
        value = self.take(name, default, fix)
        if value is not default and value not in choices:
            hint = did_you_mean(value, choices)
            raise self.refusal(name, value, f"{fix}; {hint}" if hint else fix)
        return value

    def choices(self, name: str, choices: Sequence[str], default: Sequence[str], may_be_empty: bool = False) -> list[str]:
        """Some of the choices, as a list."""
        fix = f"list {'any' if may_be_empty else 'one or more'} of {', '.join(choices)}"
        words = self.texts(name, default, fix, may_be_empty)
        for at, word in enumerate(words):
            if word not in choices:
                raise self.refusal(name if isinstance(self._data[name], str) else f"{name}[{at}]", word, fix)
        return list(words)

    # --- other types ----------------------------------------------------------------------------

    def items(self, name: str, fix: str) -> list[t.Any]:
        """A list that must be given, with at least one entry of any type."""
        value = self.take(name, REQUIRED, fix)
        if not isinstance(value, list) or not value:
            raise self.refusal(name, value, fix)
        return value

    def whole(self, name: str, minimum: int, maximum: int, default: t.Any = None) -> t.Any:
        """A whole number in a range."""
        value = self.take(name, default, f"write a whole number from {minimum} to {maximum}")
        return value if value is default else _units.integer(self.label(name), value, minimum, maximum)

    def wholes(self, name: str, minimum: int, maximum: int, default: Sequence[int]) -> list[int]:
        """A whole number or a list of them, as a list."""
        value = self.take(name, default)
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if not numbers:
            raise self.refusal(name, value, "list at least one number")
        return [_units.integer(self.label(name), number, minimum, maximum) for number in numbers]

    def flag(self, name: str, default: bool) -> bool:
        """True or false; templates may give the words as text."""
        given = self.take(name, default)
        value = _FLAGS.get(given.lower(), given) if isinstance(given, str) else given
        if not isinstance(value, bool):
            raise self.refusal(name, given, "write true or false")
        return value

    def duration(
        self, name: str, default: t.Any = None, minimum: float = 0.0, maximum: float = DAY, fix: str = "write a duration such as 250ms, 30s, 5m or 1h"
    ) -> t.Any:
        """Seconds as a float."""
        value = self.take(name, default, fix)
        return value if value is None else _units.duration(self.label(name), value, minimum, maximum)

    def percent(self, name: str, default: t.Any = None) -> t.Any:
        """A percentage from 0 to 100, as a float."""
        value = self.take(name, default, "write a percentage such as 99%")
        return value if value is None else _units.percent(self.label(name), value)

    def share(self, name: str) -> float | None:
        """A percentage above 0, as an int where it is whole; None when it is not given."""
        value = self.percent(name)
        if value is not None and value <= 0:
            raise self.refusal(name, self._data[name], "write a percentage above 0, up to 100")
        return None if value is None else tidy(value)


def host_names(where: str, hosts: t.Any) -> list[str]:
    """The list of host names that was passed to a filter."""
    names: list[str] = Options({"hosts": hosts}, where, ("hosts",)).texts("hosts", REQUIRED, "write a list of host names", may_be_empty=True)
    return names
