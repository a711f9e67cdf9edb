# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The errors that attacks raise; the lifecycle catches them in one place. They and results may quote foreign names, which are made visible here."""

from typing import Any

_LINES = ("diff", "undo_text", "stdout", "stderr")


def visible(text: str, longest: int = 2000, keep: str = "") -> str:
    """Bounded text for people: what a terminal would obey, what reorders a line and what cannot be seen become escapes."""
    cut = text[:longest]
    if not cut.isprintable():
        cut = "".join(each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in cut)
    return cut if len(cut) <= longest and len(text) <= longest else cut[: longest - 3] + "..."


def shown(told: Any, keep: str = "") -> Any:
    """A result as it leaves a module: its texts visible(), in full; what has lines keeps them."""
    if isinstance(told, dict):
        return {shown(key): shown(each, "\n\t" if key in _LINES else keep) for key, each in told.items()}
    if isinstance(told, (list, tuple)):
        return [shown(each, keep) for each in told]
    return visible(told, 10 * len(told) + 3, keep) if isinstance(told, str) else told


class AttackError(Exception):
    """An error with a sentence for the operator; details become further keys of the result."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(visible(message))
        self.details = shown(details)


class BadOption(AttackError):
    """A refused value; the message names the option, the value and the fix."""

    def __init__(self, option: str, value: object, fix: str) -> None:
        super().__init__(f"{option}: {visible(repr(value), 300)} is refused: {fix}", option=option)


class NotRestorable(AttackError):
    """The prior state could not be put back exactly, so the attack is refused."""


class JournalDamaged(AttackError):
    """A journal on the target cannot be trusted; it is left alone and reported."""


class JournalGone(JournalDamaged):
    """The journal does not exist any more, because its attack has just been undone."""
