# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The answers to a survey: flat variables, each a text, a number or a flag. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption

_TRUE, _FALSE = ("yes", "on", "1", "true"), ("", "no", "off", "0", "false")


class Answers:
    """The values of the variables of a playbook; unknown variables are ignored.

    A missing variable has its default. AWX passes an empty string for an unanswered question: that stays empty here, and filled()
    replaces it by the default.
    """

    def __init__(self, given: Mapping[str, Any], defaults: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
        """aliases: older names by the present name. Errors: AttackError when both have a value."""
        self.defaults = defaults
        self._given = {name: "" if value is None else value for name, value in given.items() if name in defaults}
        self._shown: dict[str, str] = {}
        for name, older in aliases.items():
            value = given.get(older)
            if value is None or value == "":
                continue
            if self._given.get(name, "") != "":
                raise AttackError(f"{older} is the older name of {name}, and both are given ({value!r} and {self._given[name]!r}): give only {name}")
            self._given[name] = value
            self._shown[name] = older

    def __getitem__(self, name: str) -> Any:
        return self._given.get(name, self.defaults[name])

    def shown(self, name: str) -> str:
        """The name under which the user gave the variable."""
        return self._shown.get(name, name)

    def filled(self, name: str) -> Any:
        """The value, or the default where it is empty, 0 or false."""
        return self[name] or self.defaults[name]

    def given(self, *names: str) -> list[str]:
        """The names of those variables that have a value."""
        return [name for name in names if self[name] != ""]

    def required(self, name: str, fix: str) -> Any:
        """The value. Errors: BadOption when it is empty."""
        if not self.given(name):
            raise self.refused(name, fix)
        return self[name]

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices; the default where the variable is empty. Errors: BadOption."""
        value = self.filled(name)
        if value not in choices:
            raise self.refused(name, f"choose from {', '.join(choices)}")
        return str(value)

    def flag(self, name: str) -> bool:
        """yes or no; an empty variable is no. Errors: BadOption."""
        text = str(self[name]).lower()
        if text not in _TRUE + _FALSE:
            raise self.refused(name, "answer yes or no")
        return text in _TRUE

    def words(self, name: str) -> list[str]:
        """The items of a text with commas, or of a list."""
        value = self[name]
        items = value if isinstance(value, list) else str(value).split(",")
        return [text for text in (str(item).strip() for item in items) if text]

    def refused(self, name: str, fix: str) -> BadOption:
        return BadOption(self.shown(name), self[name], fix)


def present(**options: Any) -> dict[str, Any]:
    """The options without those that are an empty string, an empty list or None. 0 and false are values."""
    return {name: value for name, value in options.items() if value is not None and value != "" and value != []}
