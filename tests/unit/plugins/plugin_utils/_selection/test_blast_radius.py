# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.blast_radius import caps, rank, select, share

HOSTS = [f"web{number}" for number in range(1, 10)]
GROUPS = {"all": HOSTS, "ungrouped": [], "web": HOSTS, "rack_a": HOSTS[:4], "rack_b": HOSTS[4:8]}


def test_the_draw_never_changes() -> None:
    """Experiments are repeated by their seed: another order would be another experiment."""
    assert rank("42", HOSTS) == ["web1", "web8", "web5", "web2", "web6", "web9", "web7", "web4", "web3"]
    assert rank("42", ["n1", "n2", "n3"]) == ["n2", "n1", "n3"]


def test_order_and_repetition_of_the_hosts_do_not_matter() -> None:
    shuffled = HOSTS * 2
    random.Random(1).shuffle(shuffled)
    assert rank("a", shuffled) == rank("a", HOSTS)
    assert rank("a", HOSTS) != rank("b", HOSTS)


def test_a_larger_selection_contains_the_smaller_one() -> None:
    for count in range(1, len(HOSTS)):
        assert select(HOSTS, "s", count=count + 1).selected[:count] == select(HOSTS, "s", count=count).selected


@pytest.mark.parametrize("percent, expected", [(1, 1), (11, 1), (23, 2), (50, 4), (99.9, 8), (100, 9)])
def test_a_percentage_is_rounded_down_but_at_least_one(percent: float, expected: int) -> None:
    assert len(select(HOSTS, "s", percent=percent).selected) == expected


@pytest.mark.parametrize("percent, total, expected", [(30, 10, 3), (7, 100, 7), (29, 100, 29), (58, 100, 58), (0.1, 1000, 1), (33.3, 3, 0)])
def test_share_does_not_lose_a_host_to_floating_point(percent: float, total: int, expected: int) -> None:
    assert share(percent, total) == expected


def test_caps_of_a_step() -> None:
    found = select(HOSTS, "s", count=9, limits=caps(GROUPS, ["rack_a", "rack_b"], max_count=1))
    assert len([host for host in found.selected if host in GROUPS["rack_a"]]) == 1
    assert len([host for host in found.selected if host in GROUPS["rack_b"]]) == 1
    assert "web9" in found.selected  # in no rack
    assert found.wanted == 9
    assert set(found.passed_over.values()) == {"at most 1 of group rack_a", "at most 1 of group rack_b"}


def test_caps_count_over_the_whole_group_not_over_the_hosts_handed_in() -> None:
    limits = caps(GROUPS, ["web"], max_percent=50, whole_experiment=True)
    assert len(select(HOSTS[:3], "s", count=3, limits=limits).selected) == 3
    assert len(select(HOSTS, "s", count=9, limits=limits).selected) == 4


def test_caps_count_what_earlier_steps_took() -> None:
    limits = caps(GROUPS, ["web"], max_count=3, whole_experiment=True)
    first = select(HOSTS, "one", count=2, limits=limits).selected
    second = select([host for host in HOSTS if host not in first], "two", count=5, limits=limits, taken=first)
    assert len(second.selected) == 1
    again = select(HOSTS, "one", count=2, limits=limits, taken=[*first, *second.selected])
    assert again.selected == first  # hosts that were taken before widen nothing


def test_caps_of_a_step_do_not_count_earlier_steps() -> None:
    limits = caps(GROUPS, ["web"], max_count=1)
    assert len(select(HOSTS, "two", count=1, limits=limits, taken=HOSTS[:5]).selected) == 1


def test_a_group_too_small_for_its_percentage_gives_nobody() -> None:
    found = select(["db1"], "s", count=1, limits=caps({"db": ["db1"]}, max_percent=50))
    assert found.selected == []
    assert found.passed_over == {"db1": "at most 50 % of group db, that is 0 of 1"}


def test_the_groups_all_and_ungrouped_do_not_cap() -> None:
    assert {cap.group for cap in caps(GROUPS, max_count=1)} == {"web", "rack_a", "rack_b"}
    assert caps(GROUPS) == []


def test_two_names_of_one_machine_are_one() -> None:
    machines = {"a": "10.0.0.1", "alias": "10.0.0.1", "b": "10.0.0.2"}
    found = select(machines, "s", count=3, machines=machines)
    assert len(found.selected) == 2
    assert "b" in found.selected
    [cap] = caps({"g": ["a", "alias", "b"]}, max_percent=50, machines=machines)
    assert (cap.limit, len(cap.members)) == (1, 2)


def test_more_than_there_are() -> None:
    found = select(HOSTS[:2], "s", count=5)
    assert (len(found.selected), found.eligible, found.wanted, found.percent) == (2, 2, 5, 100.0)
    assert select([], "s", count=1).selected == []
    assert select([], "s", count=1).percent == 0.0
