# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Text for people: lists, errors and numbers in plain words."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable

from ansible_collections.faultline.chaos.plugins.module_utils._units import human

# The moods of a line for people; an action plugin maps them to colours.
GOOD, BAD, PLAIN = "good", "bad", "plain"
_SHOWN = 5
_LONGEST_ERROR = 200


def plain_text(text: str) -> str:
    """The text as a plain str.

    Until ansible-core 2.19 the text in the result of a task is a subclass of str. Libraries that compare types by name, such as
    the functions of jmespath, do not accept it.
    """
    return str.__str__(text)


def listed(words: Iterable[str], shown: int = _SHOWN, separator: str = ", ") -> str:
    """The first few words, and the number of the rest."""
    words = list(words)
    more = f" and {len(words) - shown} more" if len(words) > shown else ""
    return separator.join(words[:shown]) + more


def tidy(number: float) -> float:
    """The number as an int if it is whole: 60 for 60.0."""
    return int(number) if float(number).is_integer() else number


def error_words(error: BaseException, timeout: float) -> str:
    """An exception of the network or a program in a few words. timeout: its timeout in seconds."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):  # urllib wraps the cause
        return error_words(reason, timeout)
    if isinstance(error, TimeoutError):
        return f"no answer within {human(timeout)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"name not resolved: {error.strerror or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:_LONGEST_ERROR]
