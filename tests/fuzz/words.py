# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The texts that are tried: every byte that a name or a value of a host can have, and above all those that mean something to a parser."""

from __future__ import annotations

import math

from hypothesis import strategies as st

# To a shell, to a regular expression, to str.splitlines() and str.split(), to a number's parser; and bytes that shells use inside of themselves.
_MEANING = [
    *"'\"`$\\#;&|<>(){}[]*?!~%=-+^,.:@ \t\n\r", "\x01", "\x0b", "\x0c", "\x1b", "\x1c", "\x1e", "\x7f", "\x85", "\xa0", "\u2028", "\u202e", "\ufeff",
    "\udc80", "\udc81", "\udc82", "\udc83", "\udc84", "\udc88", "\udcff", "\\n", "$(touch x)", "'; touch x; '", "\nEOF\n", "\ntouch x\n", "%s", " -- ", "--",
    " dev ", " - ", ") R 1 ", "pref 47001 ", "0", "08", "1e9", "²", "٣", "\u00e9", "\U0001f4a5",
]  # fmt: skip
_LETTERS = st.one_of(
    st.sampled_from(_MEANING),
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    st.integers(0x80, 0xFF).map(lambda byte: chr(0xDC00 + byte)),  # a byte that is no UTF-8, as Python spells it
)


def _whole(text: str) -> str:
    """The spelling of the same bytes that Python gives when it reads them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def texts(least: int = 0, most: int = 40) -> st.SearchStrategy[str]:
    """Text of any bytes but zero, at least so many letters long."""
    return st.lists(_LETTERS, min_size=least, max_size=most).map(lambda letters: _whole("".join(letters)))


def lines(least: int = 0, most: int = 30) -> st.SearchStrategy[str]:
    """The same without a line feed."""
    return texts(least, most).map(lambda text: text.replace("\n", "")).filter(lambda text: len(text) >= least)


def names(most: int = 255) -> st.SearchStrategy[str]:
    """Names that a file can have; most in bytes."""
    made = texts(1, 30).map(lambda text: text.replace("/", "_"))
    return made.filter(lambda name: name not in (".", "..") and len(name.encode("utf-8", "surrogateescape")) <= most)


def answers() -> st.SearchStrategy:
    """What comes from a form, a template or YAML in the place of a number or a word."""
    return st.one_of(
        st.sampled_from(
            [
                "", " ", "None", "null", "[]", "{}", "true", "no", "0", "-0", "-1", "1", "080", "80, 81", "1,000", "1.5", ".5", "5.", "1e3", "0x10", "²", "٣",
                "１", "+1", "1_000", "nan", "inf", "-inf", "Infinity", "5%", "101%", "30s", "30 s", "30S", "1h30m", "1m ", "1mbit", "1Mi", "64KiB", "9" * 400,
                "9" * 5000, "0." + "9" * 5000, "1" + "0" * 4999 + "h", "5\n", "\n5", "5\x00", "\u00a05", "web:!db", "a/b/c", "host:99999", "[::1]:80",
                "{{ x }}", 0, 1, -1, 2**63, 10**400, 1.5, -0.0, 1e-10, 1e308, 5e-324, math.nan, math.inf, True, False, None, [], ["a"], {},
                {"a": 1}, [[]], ["80", 81],
            ]
        ),
        texts(0, 12),
        st.integers(),
        st.floats(),
        st.from_regex(r"\A(0|[1-9][0-9]{0,6})(\.[0-9]{1,4})?( ?(us|ms|s|m|h|%|[kKMGT](i?B)?|B|[kmg]?bit))?\Z"),
        st.integers(1, 6000).map(lambda count: "9" * count),
    )  # fmt: skip
