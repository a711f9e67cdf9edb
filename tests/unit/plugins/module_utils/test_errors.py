# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors name the option, the value and the fix."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, visible


def test_bad_option_says_all_three() -> None:
    error = BadOption("load", "x", "write a number")
    assert str(error) == "load: 'x' is refused: write a number"
    assert error.details == {"option": "load"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 日本語 \U0001f525 a\\x2db", "größe 日本語 \U0001f525 a\\x2db"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\nhost: clean\r\t", r"a\nhost: clean\r\t"),
        ("\x9b31m\x7f\x85", r"\x9b31m\x7f\x85"),
        ("".join(map(chr, (0x202A, 0x202B, 0x202C, 0x202D, 0x202E))), r"\u202a\u202b\u202c\u202d\u202e"),
        ("".join(map(chr, (0x2066, 0x2067, 0x2068, 0x2069, 0x200E, 0x200F, 0x61C))), r"\u2066\u2067\u2068\u2069\u200e\u200f\u061c"),
        ("".join(map(chr, (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x2028, 0x2029))), r"\u200b\u200c\u200d\u2060\ufeff\u2028\u2029"),
        ("\udcff\ud800\U000e0041", r"\udcff\ud800\U000e0041"),
    ],
)
def test_what_people_could_not_see_becomes_visible(text: str, shown: str) -> None:
    assert visible(text) == shown and visible(shown) == shown
    assert str(AttackError(text)) == shown


@pytest.mark.parametrize("text", ["x" * 10**6, "\x1b" * 10**6])
def test_text_for_people_is_bounded(text: str) -> None:
    assert len(visible(text)) == 2000 and visible(text).endswith("...") and visible(visible(text)) == visible(text)
    assert visible("x" * 2000) == "x" * 2000
