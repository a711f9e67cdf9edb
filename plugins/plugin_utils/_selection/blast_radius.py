# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Selects targets. Pure: the same seed and hosts give the same selection on every machine, in any order of the hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.faultline.chaos.plugins.module_utils._draw import rank, share

_BUILT_IN_GROUPS = ("all", "ungrouped")


@dataclass(frozen=True)
class Cap:
    """The most machines of one group. A cap of the whole experiment also counts the machines of earlier steps."""

    group: str
    members: frozenset[str]
    limit: int
    reason: str
    whole_experiment: bool = False


@dataclass
class Selection:
    """The selected hosts, the number of candidates, and why others were skipped."""

    selected: list[str]
    eligible: int
    wanted: int
    passed_over: dict[str, str] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        return round(100.0 * len(self.selected) / self.eligible, 1) if self.eligible else 0.0


def caps(
    groups: Mapping[str, Collection[str]],
    names: Collection[str] | None = None,
    *,
    max_count: int | None = None,
    max_percent: float | None = None,
    whole_experiment: bool = False,
    machines: Mapping[str, str] | None = None,
) -> list[Cap]:
    """The caps of groups: of the named ones, or of every group except all and ungrouped. A percentage is rounded down."""
    found = []
    wanted = [name for name in groups if name not in _BUILT_IN_GROUPS] if names is None else names
    for name in wanted:
        members = frozenset((machines or {}).get(host, host) for host in groups[name])
        limits = []
        if max_count is not None:
            limits.append((max_count, f"at most {max_count} of group {name}"))
        if max_percent is not None:
            most = share(max_percent, len(members))
            limits.append((most, f"at most {max_percent:g} % of group {name}, that is {most} of {len(members)}"))
        if limits:
            limit, reason = min(limits)
            found.append(Cap(name, members, limit, reason, whole_experiment))
    return found


def select(
    hosts: Iterable[str],
    seed: str,
    *,
    count: int | None = None,
    percent: float | None = None,
    limits: Iterable[Cap] = (),
    taken: Collection[str] = (),
    machines: Mapping[str, str] | None = None,
) -> Selection:
    """Draws hosts by the seed and skips those that would exceed a cap.

    A percentage is of the given hosts, rounded down, and at least one host. taken: the hosts of earlier steps; drawing one of
    them again does not widen the blast radius. machines: the machine of each name, where several names may mean one machine.
    """
    machine = dict(machines or {})
    order = rank(seed, hosts)
    wanted = count if percent is None else max(1, share(percent, len(order)))
    before = {machine.get(host, host) for host in taken}
    result = Selection([], len(order), wanted or 0)
    chosen: set[str] = set()
    limits = list(limits)
    used = {id(cap): len(cap.members & before) if cap.whole_experiment else 0 for cap in limits}
    for host in order:
        if len(result.selected) >= result.wanted:
            break
        here = machine.get(host, host)
        if here in chosen:
            result.passed_over[host] = "the same machine as another selected name"
            continue
        mine = [cap for cap in limits if here in cap.members and not (cap.whole_experiment and here in before)]
        full = next((cap for cap in mine if used[id(cap)] >= cap.limit), None)
        if full:
            result.passed_over[host] = full.reason
            continue
        for cap in mine:
            used[id(cap)] += 1
        chosen.add(here)
        result.selected.append(host)
    return result
