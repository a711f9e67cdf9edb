# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The one family of errors that the attacks raise, caught once in the lifecycle."""

from typing import Any


class AttackError(Exception):
    """A sentence for the operator; details end up beside it in the result."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class BadOption(AttackError):
    """An option's value is refused: names the option, the value and the fix."""

    def __init__(self, option: str, value: object, fix: str) -> None:
        super().__init__(f"{option}: {value!r} is refused: {fix}", option=option)


class NotRestorable(AttackError):
    """The prior state could not be put back exactly, so the attack is refused."""


class JournalDamaged(AttackError):
    """A journal on the target cannot be trusted; it is left alone and reported."""


class JournalGone(JournalDamaged):
    """There is no such journal: its attack was undone a moment ago."""
