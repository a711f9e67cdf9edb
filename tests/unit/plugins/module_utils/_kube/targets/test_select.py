# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which objects an attack takes: the same for the same seed, never more than the caps, never what is protected or spared."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _draw
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_label_selector, matches
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.reach import to_selector
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets import select
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.budgets import respect_budgets
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.choose import Candidate, choose
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.nodes import select_nodes
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.select import check_pods, select_pods
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection import blast_radius

PODS = "/api/v1/namespaces/shop/pods"


def params(**values) -> dict:
    defaults = {key: spec.get("default") for key, spec in select.POD_OPTIONS.items()}
    return {**defaults, "protected": [], "namespaces": ["shop"], "label_selector": "app=web", **values}


def candidates(number: int) -> list[Candidate]:
    rows = [{"metadata": {"name": f"p{at}", "namespace": "shop", "uid": str(at)}} for at in range(number)]
    return [Candidate(row, {"owner": str(at % 2), "node": str(at % 3), "namespace": "shop"}) for at, row in enumerate(rows)]


def names(taken: list[Candidate]) -> list[str]:
    return [each.name for each in taken]


def test_hosts_and_pods_are_drawn_by_the_same_function() -> None:
    assert blast_radius.rank is _draw.rank and blast_radius.share is _draw.share


def test_a_seed_draws_the_same_in_every_order() -> None:
    drawn = {tuple(names(choose(list(order), "s", count=2))) for order in itertools.permutations(candidates(5))}
    assert len(drawn) == 1
    assert len({tuple(names(choose(candidates(9), str(seed), count=3))) for seed in range(20)}) > 10


@pytest.mark.parametrize(("percent", "number"), [(1, 1), (10, 1), (50, 5), (59, 5), (100, 10)])
def test_a_percentage_is_rounded_down_and_at_least_one(percent: float, number: int) -> None:
    assert len(choose(candidates(10), "s", percent=percent)) == number


def test_caps_hold() -> None:
    taken = choose(candidates(12), "s", everything=True, caps={"owner": 2, "node": 1})
    assert len(taken) <= 3 and all(len([t for t in taken if t.groups["node"] == node]) <= 1 for node in "012")


@pytest.mark.parametrize(("count", "caps", "told"), [(6, None, "only 5 match"), (3, {"owner": 1}, "only 2 can be taken with max_per_owner 1")])
def test_more_than_there_are_is_refused(count: int, caps: dict | None, told: str) -> None:
    with pytest.raises(BadOption, match=told):
        choose(candidates(5), "s", count=count, caps=caps)


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"label_selector": ""}, "label_selector"),
        ({"label_selector": "*"}, "label_selector"),
        ({"label_selector": "app=web;rm -rf /"}, "label_selector"),
        ({"label_selector": "app in (a"}, "label_selector"),
        ({"label_selector": None}, "label_selector"),
        ({"field_selector": "a b"}, "field_selector"),
        ({"namespaces": []}, "namespaces"),
        ({"namespaces": ["*"]}, "namespaces"),
        ({"namespaces": ["kube-system"]}, "namespaces"),
        ({"namespaces": ["prod-eu"], "protected": ["prod-*"]}, "namespaces"),
        ({"names": ["a/../b"]}, "names"),
        ({"owner_name": ".*"}, "owner_name"),
        ({"node": ""}, "node"),
        ({"zone": "a b"}, "zone"),
        ({"count": 0}, "count"),
        ({"count": -1}, "count"),
        ({"percent": "0"}, "percent"),
        ({"percent": "50 %"}, "percent"),
        ({"seed": ""}, "seed"),
        ({"seed": "x" * 65}, "seed"),
        ({"max_per_node": 0}, "max_per_node"),
        ({"min_age": "yesterday"}, "min_age"),
    ],
)
def test_bad_options_are_named(values: dict, option: str) -> None:
    with pytest.raises(BadOption) as raised:
        check_pods(params(**values))
    assert raised.value.details["option"] == option


def test_everything_needs_an_explicit_wish() -> None:
    check_pods(params(label_selector=None, all=True))
    check_pods(params(label_selector=None, opt_in=True))


@pytest.mark.parametrize("selector", ["a", "!a", "a=b", "a==b", "a!=b", "x.io/a=b,c in (d, e)", "a notin (b),!c"])
def test_good_selectors(selector: str) -> None:
    check_label_selector("o", selector)
    to_selector("o", selector)


def test_a_selector_means_the_same_to_us_as_to_the_server() -> None:
    selector = to_selector("o", "app=web,tier!=cache,zone in (a, b),!old,new")
    assert matches(selector, {"app": "web", "zone": "a", "new": ""})
    for other in ({"app": "x"}, {"tier": "cache"}, {"zone": "c"}, {"old": "1"}):
        assert not matches(selector, {"app": "web", "zone": "a", "new": "", **other})
    assert not matches(selector, {"app": "web", "zone": "a"})
    assert matches({}, {}) and not matches(None, {})


def test_who_is_spared(kube) -> None:
    kube.put(PODS, "plain", metadata={"labels": {"app": "web"}})
    kube.put(PODS, "out", metadata={"labels": {"app": "web"}, "annotations": {"faultline.chaos/opt-out": "true"}})
    kube.put(PODS, "monkey", metadata={"labels": {"app": "web", "kube-monkey/enabled": "enabled"}})
    kube.put(PODS, "ours", metadata={"labels": {"app": "web", "app.kubernetes.io/managed-by": "faultline.chaos"}})
    kube.put(PODS, "going", metadata={"labels": {"app": "web"}, "deletionTimestamp": "2026-01-01T00:00:00Z"})
    kube.put(PODS, "other", metadata={"labels": {"app": "api"}})
    taken = select_pods(kube.cluster, params(all=True))
    assert sorted(row["metadata"]["name"] for row in taken.rows) == ["monkey", "plain"]
    assert taken.describe()["spared"] == {"shop/out": "opted out", "shop/ours": "belongs to an attack"}
    assert [row["metadata"]["name"] for row in select_pods(kube.cluster, params(all=True, opt_in=True)).rows] == ["monkey"]


def test_names_owners_and_age(kube) -> None:
    rs = kube.put("/apis/apps/v1/namespaces/shop/replicasets", "web-1", metadata={"ownerReferences": [_ref("Deployment", "web", "d")]})
    kube.put(PODS, "a", metadata={"ownerReferences": [_ref("ReplicaSet", "web-1", rs["metadata"]["uid"])]})
    kube.put(PODS, "b", metadata={"creationTimestamp": "2099-01-01T00:00:00Z"})
    by_owner = params(label_selector=None, owner_kind="Deployment", owner_name="web", all=True)
    assert [row["metadata"]["name"] for row in select_pods(kube.cluster, by_owner).rows] == ["a"]
    assert len(select_pods(kube.cluster, params(label_selector=None, names=["a"])).rows) == 1
    with pytest.raises(BadOption, match="^names: 'c' is refused"):
        select_pods(kube.cluster, params(label_selector=None, names=["a", "c"]))
    with pytest.raises(BadOption, match="^owner_name: 'x' is refused"):
        select_pods(kube.cluster, params(label_selector=None, owner_kind="StatefulSet", owner_name="x"))
    with pytest.raises(AttackError, match="no pod matches"):
        select_pods(kube.cluster, params())
    assert [r["metadata"]["name"] for r in select_pods(kube.cluster, params(label_selector=None, all=True, min_age="1h")).rows] == ["a"]


def _ref(kind: str, name: str, uid: str) -> dict:
    return {"kind": kind, "name": name, "uid": uid, "controller": True}


def test_nodes_by_zone(kube) -> None:
    for name, zone in (("a", "z1"), ("b", "z1"), ("c", "z2")):
        kube.put("/api/v1/nodes", name, metadata={"labels": {"topology.kubernetes.io/zone": zone}})
    how = {"count": None, "percent": None, "all": True, "seed": "s"}
    assert len(select_nodes(kube.cluster, {**how, "zone": "z1"}).rows) == 2
    assert len(select_nodes(kube.cluster, {**how, "max_per_zone": 1}).rows) == 2
    with pytest.raises(BadOption, match="^names: 'x' is refused"):
        select_nodes(kube.cluster, {**how, "names": ["x"]})


def test_budgets(kube) -> None:
    row = kube.put(PODS, "a", metadata={"labels": {"app": "web"}})
    spec = {"selector": {"matchLabels": {"app": "web"}}}
    budget = kube.put("/apis/policy/v1beta1/namespaces/shop/poddisruptionbudgets", "keep", spec=spec, status={"disruptionsAllowed": 1})
    respect_budgets(kube.cluster, [row])
    budget["status"]["disruptionsAllowed"] = 0
    with pytest.raises(AttackError, match="the disruption budget shop/keep allows 0 disruption"):
        respect_budgets(kube.cluster, [row])
