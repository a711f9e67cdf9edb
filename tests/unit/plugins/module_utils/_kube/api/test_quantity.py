# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Amounts as Kubernetes writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        (0, "0"),
        (3, "3"),
        ("500m", "0.5"),
        ("1.5Gi", str(3 * 2**29)),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("2k", "2000"),
        ("1Ki", "1024"),
        ("100n", "0.0000001"),
        (".5", "0.5"),
        ("1.", "1"),
        ("1E", str(10**18)),
        ("1Ei", str(2**60)),
        ("0.1", "0.1"),
    ],
)
def test_amounts(text: str | int, number: str) -> None:
    assert quantity.parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", " 1", "1 Gi", "-1", "+1", "1GB", "1K", "m", "1mm", "1e999", "9Ei", "nan", "1Gi; id", "1\n", True, None, 1.5, [], {}])
def test_what_is_no_amount(text: object) -> None:
    assert quantity.parse(text) is None
    with pytest.raises(BadOption, match="^hard: "):
        quantity.amount("hard", text)


def test_the_least() -> None:
    with pytest.raises(BadOption, match="the least is 10"):
        quantity.amount("memory", "9", Decimal(10))


def test_how_they_are_written() -> None:
    assert quantity.milli(Decimal("1.5")) == "1500m"
    assert quantity.milli(Decimal("0.0001")) == "1m"
