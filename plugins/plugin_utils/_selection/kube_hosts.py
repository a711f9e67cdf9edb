# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Maps the node of a pod to a host of the inventory, by names and addresses that both have. No name is resolved; ambiguity is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption

NODE_VARIABLE = "faultline_node"  # for a host that shares no name or address with its node
_ADDRESS_VARIABLES = ("ansible_host", "ansible_ssh_host")
_FACTS = ("hostname", "fqdn", "nodename", "all_ipv4_addresses", "all_ipv6_addresses")
_NEVER = {"localhost", "127.0.0.1", "::1"}


def add_hosts(pods: Iterable[Mapping[str, Any]], hosts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The pods, with inventory_host added. Errors: BadOption for a node that matches no host or several."""
    told = [(name, _said(hosts[name]), words_of(name, hosts[name])) for name in hosts]
    found: dict[str, str] = {}
    result = []
    for pod in pods:
        node, addresses = pod.get("node"), pod.get("node_addresses")
        if not isinstance(node, str) or not isinstance(addresses, list):
            raise AttackError("pod_hosts: an entry has no node and node_addresses: give it the pods that k8s_pod_location_info returned")
        if node not in found:
            found[node] = _host_of(node, {str(word).lower() for word in addresses} | {node.lower()}, told)
        result.append({**pod, "inventory_host": found[node]})
    return result


def _host_of(node: str, words: set[str], told: list[tuple[str, str | None, set[str]]]) -> str:
    said = [name for name, told_node, _words in told if told_node == node]
    # A host with NODE_VARIABLE is that node and no other.
    fits = said or [name for name, told_node, mine in told if told_node is None and mine & (words - _NEVER)]
    if len(fits) == 1:
        return fits[0]
    fix = f"set {NODE_VARIABLE}: {node} for the host that it is"
    if fits:
        raise BadOption("pod_hosts", node, f"several hosts of the inventory could be this node: {', '.join(sorted(fits))}; {fix}")
    raise BadOption("pod_hosts", node, f"no host of the inventory has one of its names and addresses ({', '.join(sorted(words))}); {fix}")


def _said(variables: Mapping[str, Any]) -> str | None:
    node = variables.get(NODE_VARIABLE)
    return str(node) if node else None


def words_of(name: str, variables: Mapping[str, Any]) -> set[str]:
    """The names and addresses of a host from its variables and facts."""
    words = {name}
    words |= {str(variables[key]) for key in _ADDRESS_VARIABLES if variables.get(key)}
    facts = variables.get("ansible_facts") or {}
    for key in _FACTS:
        fact = facts.get(key) or []
        words |= {fact} if isinstance(fact, str) else {str(each) for each in fact}
    return {word.strip("[]").lower() for word in words} - _NEVER
