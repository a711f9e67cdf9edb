# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Suggestions for unknown words."""

import typing


def did_you_mean(word: object, known: typing.Iterable[str]) -> str:
    """ "did you mean WORD?" with the nearest of the known words; empty when none is near."""
    import difflib  # not at the top: only errors need it, and every attack would load it

    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""
