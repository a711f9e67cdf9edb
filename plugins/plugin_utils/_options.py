# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Reads one mapping of options strictly: every value is checked by the method that takes it, and what nobody took is refused."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._units import integer, percent
from ansible_collections.faultline.chaos.plugins.plugin_utils._durations import DAY, parse_duration

REQUIRED: t.Any = object()
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _plain(text: str) -> str:
    """The same text as a str and nothing else.

    What a task returned is a subclass of str until ansible-core 2.19, and so is every part of it; libraries that ask for the type by its
    name, as the functions of jmespath do, do not take it for text.
    """
    return str.__str__(text)


class Missing(BadOption):
    """An option that must be given is not there."""

    def __init__(self, option: str, fix: str) -> None:
        super().__init__(option, None, fix)
        self.args = (f"{option} is missing: {fix}",)


class Options:
    """The options of one probe, of one section of it, or of the task; `where` begins every error."""

    def __init__(self, data: t.Any, where: str, fix: str = "write a dictionary of options") -> None:
        if not isinstance(data, Mapping):
            raise BadOption(where, data, fix)
        self.where = where
        self._data = data
        self._known: list[str] = []

    def label(self, name: str) -> str:
        """What an error calls the option."""
        return f"{self.where}: {name}" if self.where else name

    def refusal(self, name: str, value: t.Any, fix: str) -> BadOption:
        """An error about one option, to be raised by the caller."""
        return BadOption(self.label(name), value, fix)

    def has(self, name: str) -> bool:
        """Whether the option is given; an empty YAML value is not."""
        return self._data.get(name) is not None

    def take(self, name: str, default: t.Any = None, fix: str = "it has no default") -> t.Any:
        """The raw value, for options that no other method fits."""
        self._known.append(name)
        if self.has(name):
            return self._data[name]
        if default is REQUIRED:
            raise Missing(self.label(name), fix)
        return default

    def done(self) -> None:
        """Refuses what nobody has taken, with the nearest name that exists."""
        for name in self._data:
            if name not in self._known:
                near = difflib.get_close_matches(str(name), self._known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise BadOption(self.where or "options", str(name), f"no such option; {hint}the options are {', '.join(sorted(set(self._known)))}")

    def text(self, name: str, default: t.Any = None, fix: str = "write some text", most: int = 1024) -> t.Any:
        """A line of text: not empty, no control characters."""
        value = self.take(name, default, fix)
        if value is default:
            return default
        if not isinstance(value, str):
            raise self.refusal(name, value, f"{fix}; put it in quotes")
        if not value.strip() or len(value) > most or _CONTROL.search(value):
            raise self.refusal(name, value, f"{fix}; one line of 1 to {most} characters")
        return _plain(value)

    def choice(self, name: str, choices: Sequence[str], default: t.Any = None) -> t.Any:
        """One of a few words."""
        value = self.take(name, default, f"choose one of {', '.join(choices)}")
        if value is not default and value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1)
            raise self.refusal(name, value, f"choose one of {', '.join(choices)}" + (f"; did you mean {near[0]}?" if near else ""))
        return value

    def choices(self, name: str, choices: Sequence[str], default: Sequence[str]) -> list[str]:
        """A list of words, or a single one."""
        value = self.take(name, default)
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)) or not words or any(word not in choices for word in words):
            raise self.refusal(name, value, f"list one or more of {', '.join(choices)}")
        return list(words)

    def texts(self, name: str, default: t.Any = None, fix: str = "write text or a list of texts") -> t.Any:
        """A text or a list of texts, as a list."""
        value = self.take(name, default, fix)
        if value is default:
            return default
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)) or not words or any(not isinstance(word, str) or not word.strip() for word in words):
            raise self.refusal(name, value, fix)
        return [_plain(word) for word in words]

    def whole(self, name: str, minimum: int, maximum: int, default: t.Any = None) -> t.Any:
        """A whole number in a range."""
        value = self.take(name, default, f"write a whole number from {minimum} to {maximum}")
        return value if value is default else integer(self.label(name), value, minimum, maximum)

    def wholes(self, name: str, minimum: int, maximum: int, default: Sequence[int]) -> list[int]:
        """A whole number or a list of them, as a list."""
        value = self.take(name, default)
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if not numbers:
            raise self.refusal(name, value, "list at least one number")
        return [integer(self.label(name), number, minimum, maximum) for number in numbers]

    def flag(self, name: str, default: bool) -> bool:
        """True or false; templates may hand the words over as text."""
        value = self.take(name, default)
        words = {"true": True, "yes": True, "false": False, "no": False}
        value = words.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, bool):
            raise self.refusal(name, value, "write true or false")
        return value

    def duration(self, name: str, default: t.Any = None, minimum: float = 0.0, maximum: float = DAY) -> t.Any:
        """Seconds as a float."""
        value = self.take(name, default, "write a duration such as 250ms, 30s, 5m or 1h")
        return value if value is None else parse_duration(value, self.label(name), minimum, maximum)

    def percent(self, name: str, default: t.Any = None) -> t.Any:
        """A percentage from 0 to 100."""
        value = self.take(name, default, "write a percentage such as 99%")
        return value if value is None else percent(self.label(name), value)

    def section(self, name: str) -> Options:
        """A dictionary inside of this one; empty when it is not given."""
        return Options(self.take(name, {}), self.label(name))
