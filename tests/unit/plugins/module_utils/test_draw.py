# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drawing by a seed: one rule for hosts, pods and nodes."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.faultline.chaos.plugins.filter.blast_radius import blast_radius
from ansible_collections.faultline.chaos.plugins.module_utils import _draw
from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.choose import check_how_many

ABSURD = ["", " ", " a", "a ", "a\nb", "a\0b", "x" * 65]


@pytest.mark.parametrize("value", [*ABSURD, None, True, 1.5, 2**63, -(2**63) - 1, [], {}])
def test_seeds_that_are_refused(value) -> None:
    with pytest.raises(BadOption, match="^where.seed: .* is refused: write a whole number below 2.63, or 1 to 64 characters"):
        _draw.seed("where.seed", value)


@pytest.mark.parametrize("value", ABSURD)
def test_pods_and_nodes_have_the_same_rule(value: str) -> None:
    with pytest.raises(BadOption, match="^seed: "):
        check_how_many({"count": None, "percent": None, "seed": value})


def test_a_number_and_its_text_are_one_seed() -> None:
    assert [_draw.seed("seed", value) for value in (0, 42, "42", -(2**63), "a b", "x" * 64)] == ["0", "42", "42", str(-(2**63)), "a b", "x" * 64]
    hosts = [f"n{number}" for number in range(9)]
    assert blast_radius(hosts, 42, count=4) == blast_radius(hosts[::-1], "42", count=4) == _draw.rank("42", hosts)[:4]


def test_the_same_seed_and_candidates_give_the_same_draw() -> None:
    """On every machine and release: who repeats an experiment relies on it."""
    for order in itertools.permutations("abcde"):
        assert _draw.rank("monday", order) == ["d", "a", "c", "b", "e"]
