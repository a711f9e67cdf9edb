# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""k8s_network_partition: connections are cut and come back, and the cluster itself ends the attack."""

from __future__ import annotations

import pytest

from tests.lab.support.lab import wait_until


def pods_of(cluster, namespace: str, deployment) -> tuple[dict, dict]:
    """A server and a client, each of a Deployment of its own."""
    return deployment(1, name="cart")[0], deployment(1, name="web")[0]


def connects(cluster, namespace: str, source: dict, target: dict) -> bool:
    return cluster.reaches(namespace, source["metadata"]["name"], target["status"]["podIP"])


@pytest.mark.smoke
def test_partition_steps(cluster, namespace, deployment, steps) -> None:
    cart, web = pods_of(cluster, namespace, deployment)
    assert connects(cluster, namespace, web, cart)
    options = {"namespace": namespace, "label_selector": "app=cart", "direction": "ingress", "duration": "5m", "probe": "require"}
    found = steps("k8s_network_partition", options, measure=lambda: (connects(cluster, namespace, web, cart), connects(cluster, namespace, cart, web)))
    assert found["measured"] == (False, True)
    assert found["real"]["deadman"] == "cluster"
    assert found["real"]["effect"]["enforcement"] == "enforced" and found["real"]["effect"]["pods"] == 1
    wait_until(lambda: connects(cluster, namespace, web, cart), 15, "the connection is back")


def test_egress_lets_the_allowed_through(cluster, namespace, deployment) -> None:
    cart, web = pods_of(cluster, namespace, deployment)
    other = deployment(1, name="other")[0]
    options = {"namespace": namespace, "label_selector": "app=web", "direction": "egress", "exclude_pods": "app=cart"}
    assert cluster.module("k8s_network_partition", {**options, "duration": "5m", "probe": "require"}).get("changed")
    assert connects(cluster, namespace, web, cart) and not connects(cluster, namespace, web, other)
    assert cluster.module("k8s_network_partition", {**options, "state": "absent", "probe": "require"})["status"] == "reverted"


def test_a_policy_that_is_not_enforced_is_refused_and_undone(cluster, namespace, deployment, fingerprint, compare) -> None:
    """Another policy that allows everything makes ours be of no effect."""
    pods_of(cluster, namespace, deployment)
    allow = {"metadata": {"name": "all"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}}
    cluster.request("POST", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", allow)
    before = fingerprint(namespace)
    options = {"namespace": namespace, "label_selector": "app=cart", "direction": "ingress", "duration": "5m"}
    refused = cluster.module("k8s_network_partition", options)
    assert refused["failed"] and "does not enforce network policies" in refused["msg"] and "undone at once, nothing is left" in refused["msg"], refused
    assert "another policy allows it: all" in refused["msg"]
    wait_until(lambda: not compare(before, fingerprint(namespace)), 15, "nothing is left")


def test_nothing_to_try_it_with_is_said(cluster, namespace, deployment) -> None:
    deployment(1, name="cart")
    options = {"namespace": namespace, "all": True, "direction": "ingress"}
    found = cluster.module("k8s_network_partition", {**options, "duration": "5m"})
    assert found["effect"]["enforcement"] == "unknown" and "is not known" in found["notes"][0]
    assert cluster.module("k8s_network_partition", {**options, "state": "absent"})["status"] == "reverted"
    refused = cluster.module("k8s_network_partition", {**options, "duration": "5m", "probe": "require"})
    assert refused["failed"] and "cannot be tried" in refused["msg"]


def test_what_is_wrong_is_named(cluster, namespace) -> None:
    good = {"namespace": namespace, "label_selector": "app=cart", "duration": "5m"}
    for bad, told in (
        ({"label_selector": "*"}, "label_selector: '*' is refused"),
        ({"label_selector": ""}, "label_selector: '' is refused"),
        ({"label_selector": "app="}, "no pod of namespace"),
        ({"exclude": ["0.0.0.0/0"]}, "exclude: '0.0.0.0/0' is refused"),
        ({"exclude": ["300.1.1.1"]}, "exclude: '300.1.1.1' is refused"),
        ({"duration": "5m; rm -rf /"}, "duration: '5m; rm -rf /' is refused"),
    ):
        result = cluster.module("k8s_network_partition", {**good, **bad})
        assert result["failed"] and told in result["msg"], result
