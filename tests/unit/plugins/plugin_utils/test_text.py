# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text for people."""

from __future__ import annotations

import socket
import urllib.error

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._text import error_words, listed, tidy


@pytest.mark.parametrize(
    ("words", "shown", "text"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (iter("abcdefgh"), 5, "a, b, c, d, e and 3 more"),
    ],
)
def test_lists_are_cut_and_counted(words: list[str], shown: int, text: str) -> None:
    assert listed(words, shown) == text


def test_numbers_as_people_write_them() -> None:
    assert [repr(tidy(number)) for number in (60.0, 0.5, 3)] == ["60", "0.5", "3"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer within 2s"),
        (urllib.error.URLError(TimeoutError()), "no answer within 2s"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "name not resolved: Name or service not known"),
        (ValueError("first\nsecond"), "first"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 500), "x" * 200),
    ],
)
def test_errors_in_plain_words(error: Exception, words: str) -> None:
    assert error_words(error, 2.0) == words
