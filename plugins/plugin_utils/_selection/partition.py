# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Shapes of network partitions. Pure: the same seed and hosts give the same cut on every machine, in any order of the hosts."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.faultline.chaos.plugins.module_utils._draw import rank

SHAPES = {"one": 2, "halves": 2, "majority_ring": 4, "bridge": 3}  # the fewest hosts of each
DIRECTIONS = ("both", "ingress", "egress")
OLD_DIRECTIONS = {"in": "ingress", "out": "egress"}  # until 1.0.0


def cut(hosts: Iterable[str], shape: str, seed: str, *, one_way: bool = False) -> dict[str, list[str]]:
    """The hosts that each host is cut off from. one_way: only the hosts on the first side of a cut have entries."""
    order = rank(seed, hosts)
    found: dict[str, list[str]] = {host: [] for host in order}
    for first, second in _pairs(order, shape):
        found[first].append(second)
        if not one_way:
            found[second].append(first)
    return {host: sorted(peers) for host, peers in found.items()}


def _pairs(order: list[str], shape: str) -> list[tuple[str, str]]:
    """The pairs of hosts that are cut off from each other, the one on the first side first."""
    count = len(order)
    if shape == "majority_ring":
        # Every host reaches so many neighbours on either side that together they are a majority.
        reach = (count // 2 + 1) // 2
        steps = range(reach + 1, count // 2 + 1)
        pairs = [(order[at], order[(at + step) % count]) for step in steps for at in range(count)]
        return [pair for at, pair in enumerate(pairs) if pair[::-1] not in pairs[:at]]
    size = 1 if shape == "one" else count // 2 if shape == "halves" else (count - 1) // 2
    rest = order[size + (shape == "bridge") :]  # the bridge is on neither side
    return [(first, second) for first in order[:size] for second in rest]
