# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.filter.blast_radius import blast_radius
from ansible_collections.faultline.chaos.plugins.filter.pattern_hosts import pattern_hosts
from ansible_collections.faultline.chaos.plugins.filter.plan_hosts import plan_hosts

HOSTS = ["n1", "n2", "n3", "n4"]
GROUPS = {"all": [*HOSTS, "d1"], "ungrouped": [], "web": HOSTS, "db": ["d1"]}
PLAN: dict[str, Any] = {
    "title": "t",
    "steady_state": [{"name": "up", "type": "tcp", "host": "h", "port": 1}],
    "method": [{"attack": "netem", "hosts": "web:!n1", "duration": "5s"}, {"attack": "netem", "hosts": "db", "duration": "5s"}],
}


def test_blast_radius() -> None:
    assert len(blast_radius(HOSTS, 42)) == 1
    assert blast_radius(HOSTS, 42, percent=100) == blast_radius(reversed_hosts(), "42", count=4)
    assert blast_radius(HOSTS, 42, count=4, exclude=["n1"]) == [host for host in blast_radius(HOSTS, 42, count=4) if host != "n1"]
    assert len(blast_radius(HOSTS, 42, count=4, max_per_group=2, groups=GROUPS)) == 2
    assert len(blast_radius(HOSTS, 42, count=4, max_percent_per_group=25, groups=GROUPS)) == 1
    assert blast_radius([], 42, count=4) == []


def reversed_hosts() -> list[str]:
    return HOSTS[::-1]


@pytest.mark.parametrize(
    "hosts, seed, options, words",
    [
        (HOSTS, "", {}, "blast_radius.seed: '' is refused"),
        (HOSTS, None, {}, "seed"),
        (HOSTS, 2**70, {}, "blast_radius.seed"),
        (HOSTS, 1, {"count": 0}, "blast_radius.count: 0 is refused"),
        (HOSTS, 1, {"count": 1, "percent": 5}, "write count or percent"),
        (HOSTS, 1, {"percent": 101}, "blast_radius.percent: 101 is refused"),
        (HOSTS, 1, {"pct": 5}, "blast_radius.pct: 5 is refused: there is no such option"),
        (HOSTS, 1, {"max_per_group": 1}, "blast_radius.groups is required"),
        (5, 1, {}, "blast_radius.hosts: 5 is refused"),
        ([5], 1, {}, "blast_radius.hosts[0]: 5 is refused"),
    ],
)
def test_blast_radius_refuses(hosts: Any, seed: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        blast_radius(hosts, seed, **options)
    assert words in str(error.value)


def test_pattern_hosts() -> None:
    assert pattern_hosts("web:&web", GROUPS) == HOSTS
    assert pattern_hosts("all", GROUPS, "n2,n3") == ["n2", "n3"]
    for pattern, limit in (("wbe", None), ("web", "db"), ("", None), ("web:!web", None)):
        with pytest.raises(AnsibleFilterError, match="^halt_hosts: "):
            pattern_hosts(pattern, GROUPS, limit, "halt_hosts")


def test_an_empty_inventory_has_nothing_to_halt() -> None:
    with pytest.raises(AnsibleFilterError, match="it leaves no host"):
        pattern_hosts("all", {"all": [], "ungrouped": []})


def test_plan_hosts() -> None:
    assert plan_hosts(PLAN, GROUPS) == ["d1", "n2", "n3", "n4"]
    with pytest.raises(AnsibleFilterError, match="experiment_plan.method\\[1\\].hosts: 'db' is refused: --limit web leaves none"):
        plan_hosts(PLAN, GROUPS, "web")
    with pytest.raises(AnsibleFilterError, match="experiment_plan is required"):
        plan_hosts({}, GROUPS)
    with pytest.raises(AnsibleFilterError, match="experiment_plan.titel: 't' is refused"):
        plan_hosts({**PLAN, "titel": "t"}, GROUPS)
    with pytest.raises(AnsibleFilterError, match="method\\[0\\].hosts: 'wbe' is refused"):
        plan_hosts({**PLAN, "method": [{**PLAN["method"][0], "hosts": "wbe"}]}, GROUPS)
