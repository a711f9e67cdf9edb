# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.faultline.chaos.plugins.filter.partition import EXAMPLES, partition

SHAPES = ("one", "halves", "majority_ring", "bridge")


def hosts(count: int) -> list[str]:
    return [f"n{number}" for number in range(count)]


def reached(cut: dict[str, list[str]], host: str) -> set[str]:
    """The hosts that a host reaches, itself included."""
    return set(cut) - set(cut[host])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 9, 20])
def test_every_shape(shape: str, count: int) -> None:
    cut = partition(hosts(count), shape, 42)
    assert cut == partition(hosts(count)[::-1], shape, "42")
    assert set(cut) == set(hosts(count))
    assert all(host in cut[peer] for host in cut for peer in cut[host]), "a cut has two ends"
    assert all(host not in cut[host] for host in cut) and any(cut.values())
    assert len({str(partition(hosts(count), shape, seed)) for seed in range(20)}) > 1


@pytest.mark.parametrize("count", [2, 3, 9])
def test_one_is_isolated(count: int) -> None:
    sizes = sorted(len(peers) for peers in partition(hosts(count), "one", 1).values())
    assert sizes == [1] * (count - 1) + [count - 1]


@pytest.mark.parametrize("count, first", [(2, 1), (3, 1), (4, 2), (5, 2), (9, 4)])
def test_halves(count: int, first: int) -> None:
    cut = partition(hosts(count), "halves", 1)
    sides = {frozenset(reached(cut, host)) for host in cut}
    assert sorted(len(side) for side in sides) == sorted([first, count - first])
    assert set.union(*map(set, sides)) == set(cut)


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 9, 10, 21])
def test_a_ring_of_majorities(count: int) -> None:
    cut = partition(hosts(count), "majority_ring", 7)
    views = [frozenset(reached(cut, host)) for host in cut]
    assert all(len(view) > count / 2 for view in views)
    assert len(set(views)) == count, "two hosts see the same majority"


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_a_bridge_reaches_both_sides(count: int) -> None:
    cut = partition(hosts(count), "bridge", 7)
    bridges = [host for host in cut if not cut[host]]
    assert len(bridges) == 1
    sides = {frozenset(reached(cut, host)) - set(bridges) for host in cut if cut[host]}
    assert sum(len(side) for side in sides) == count - 1 and len(sides) == 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("direction", ["ingress", "egress", "in", "out"])
def test_one_way_is_one_end_of_every_cut(shape: str, direction: str) -> None:
    both, one = partition(hosts(7), shape, 3), partition(hosts(7), shape, 3, direction=direction)
    for host, peers in both.items():
        for peer in peers:
            assert (peer in one[host]) != (host in one[peer])
    if shape == "one":
        assert sorted(len(peers) for peers in one.values()) == [0] * 6 + [6]


@pytest.mark.parametrize(
    "names, shape, seed, options, words",
    [
        (hosts(4), "quarters", 1, {}, "partition.shape: 'quarters' is refused: choose one of one, halves, majority_ring, bridge"),
        (hosts(4), None, 1, {}, "partition.shape"),
        (hosts(4), "one", None, {}, "partition.seed"),
        (hosts(4), "one", "", {}, "partition.seed: '' is refused"),
        (hosts(4), "one", 2**70, {}, "partition.seed"),
        (hosts(4), "one", 1, {"direction": "up"}, "partition.direction: 'up' is refused: choose one of both, ingress, egress"),
        (hosts(4), "one", 1, {"directoin": "in"}, "did you mean direction?"),
        (hosts(1), "one", 1, {}, "the shape one needs at least 2 hosts"),
        (["n1", "n1"], "halves", 1, {}, "needs at least 2 hosts"),
        (hosts(3), "majority_ring", 1, {}, "needs at least 4 hosts"),
        (hosts(2), "bridge", 1, {}, "needs at least 3 hosts"),
        ([], "one", 1, {}, "needs at least 2 hosts"),
        ([5], "one", 1, {}, "partition.hosts[0]: 5 is refused"),
    ],
)
def test_bad_input(names: Any, shape: Any, seed: Any, options: dict, words: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        partition(names, shape, seed, **options)
    assert words in str(error.value)


INVENTORY = """
redis:
  hosts:
    r1: {ansible_host: 192.0.2.1, redis_address: 10.0.0.1}
    r2: {ansible_host: "{{ net }}.2", net: 192.0.2}
    r3: {redis_address: 10.0.0.3}
    r4:
"""
ADDRESSES = [
    {"r1": "192.0.2.1", "r2": "192.0.2.2", "r3": "r3", "r4": "r4"},
    {"r1": "10.0.0.1", "r2": "192.0.2.2", "r3": "10.0.0.3", "r4": "r4"},
]


def trusted(value: Any) -> Any:
    """ansible-core from 2.19 on evaluates only templates that it was told to trust."""
    try:
        from ansible.template import trust_as_template
    except ImportError:
        return value
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_name_peers_by_the_first_address_that_there_is(tmp_path: Path, number: int) -> None:
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(tmp_path / "inventory.yml")])
    manager = VariableManager(loader, inventory)
    HostVars(inventory, manager, loader)
    play = yaml.safe_load(EXAMPLES)[number]
    [task] = play["tasks"]
    named = {}
    for host in inventory.get_hosts():
        templar = Templar(loader, {**manager.get_vars(host=host), **trusted(play["vars"])})
        named[host.name] = list(templar.template(trusted(task["faultline.chaos.blackhole"]))["peers"])
    cut = partition(sorted(named), ("one", "halves")[number], 42, direction=task["faultline.chaos.blackhole"].get("direction", "both"))
    assert named == {host: [ADDRESSES[number][peer] for peer in peers] for host, peers in cut.items()}
    assert any(named.values())
