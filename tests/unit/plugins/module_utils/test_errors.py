# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors that the attacks raise."""

from __future__ import annotations

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption


def test_bad_option_says_all_three() -> None:
    error = BadOption("load", "x", "write a number")
    assert str(error) == "load: 'x' is refused: write a number"
    assert error.details == {"option": "load"}
