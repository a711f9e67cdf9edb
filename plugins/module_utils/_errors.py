# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The errors that attacks raise; the lifecycle catches them in one place."""

from typing import Any


class AttackError(Exception):
    """An error with a sentence for the operator; details become further keys of the result."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class BadOption(AttackError):
    """A refused value; the message names the option, the value and the fix."""

    def __init__(self, option: str, value: object, fix: str) -> None:
        super().__init__(f"{option}: {value!r} is refused: {fix}", option=option)


class NotRestorable(AttackError):
    """The prior state could not be put back exactly, so the attack is refused."""


class JournalDamaged(AttackError):
    """A journal on the target cannot be trusted; it is left alone and reported."""


class JournalGone(JournalDamaged):
    """The journal does not exist any more, because its attack has just been undone."""
