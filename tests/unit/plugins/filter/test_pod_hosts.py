# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.filter.pod_hosts import pod_hosts

POD = {"name": "web-1", "node": "worker-1", "node_addresses": ["10.0.0.11", "w1.example.com", "worker-1"]}


def host_of(hosts: dict[str, dict], pod: dict | None = None) -> str:
    return pod_hosts([pod or POD], hosts)[0]["inventory_host"]


@pytest.mark.parametrize(
    "name, variables",
    [
        ("worker-1", {}),
        ("W1.Example.com", {}),
        ("a", {"ansible_host": "10.0.0.11"}),
        ("a", {"ansible_ssh_host": "w1.example.com"}),
        ("a", {"ansible_facts": {"hostname": "worker-1"}}),
        ("a", {"ansible_facts": {"all_ipv4_addresses": ["192.0.2.1", "10.0.0.11"]}}),
        ("a", {"faultline_node": "worker-1", "ansible_host": "203.0.113.5"}),
    ],
)
def test_a_host_is_the_node(name: str, variables: dict) -> None:
    assert host_of({"other": {"ansible_host": "10.0.0.12"}, name: variables, "localhost": {}}) == name


def test_all_of_a_pod_is_kept() -> None:
    assert pod_hosts([POD, POD], {"worker-1": {}}) == [{**POD, "inventory_host": "worker-1"}] * 2


def test_who_says_which_node_it_is_is_no_other() -> None:
    hosts = {"a": {"ansible_host": "10.0.0.11", "faultline_node": "worker-2"}, "b": {"ansible_host": "10.0.0.11"}}
    assert host_of(hosts) == "b"


def test_this_machine_is_no_node_by_its_loopback() -> None:
    with pytest.raises(AnsibleFilterError, match="no host of the inventory"):
        host_of({"localhost": {"ansible_host": "127.0.0.1"}}, {**POD, "node_addresses": ["127.0.0.1", "localhost"]})


def test_a_node_that_is_nowhere() -> None:
    with pytest.raises(AnsibleFilterError, match=r"no host of the inventory has one of its names and addresses \(10.0.0.11, .*set faultline_node: worker-1"):
        host_of({"web": {"ansible_host": "10.0.0.99"}})


def test_a_node_that_could_be_two() -> None:
    with pytest.raises(AnsibleFilterError, match="several hosts of the inventory could be this node: a, worker-1; set faultline_node"):
        host_of({"worker-1": {}, "a": {"ansible_host": "10.0.0.11"}})


@pytest.mark.parametrize("pods", [None, "x", 5, ["x"], [{"name": "web-1"}], [{**POD, "node": None}], [{**POD, "node_addresses": "10.0.0.11"}]])
def test_what_is_no_list_of_pods(pods: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pod_hosts: "):
        pod_hosts(pods, {"worker-1": {}})


@pytest.mark.parametrize("hosts", [None, "worker-1", ["worker-1"], 5])
def test_what_is_no_hostvars(hosts: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="give it hostvars"):
        pod_hosts([POD], hosts)
