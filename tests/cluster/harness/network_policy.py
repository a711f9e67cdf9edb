# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network_policy.py SERVER CA TOKEN_FILE NODE: enforces the NetworkPolicies for the pods of one node, in its network namespace.

The bridge plugin enforces none. Twice a second the policies are read and, when something changed, written as one nft table:
a pod that a policy selects gets a chain per direction, which lets the allowed return and drops the rest.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from api import Api, ApiError

INTERVAL = 0.5
TABLE = "test_cluster_policies"


@dataclass(frozen=True)
class Direction:
    policy_type: str
    rules: str  # the list in the spec of a policy
    peers: str  # the list in a rule
    own: str  # which address of a packet is the pod's
    other: str
    chain: str


EGRESS = Direction("Egress", "egress", "to", "saddr", "daddr", "from")
INGRESS = Direction("Ingress", "ingress", "from", "daddr", "saddr", "to")


@dataclass
class Cluster:
    """What the API says: labels by namespace, pods that have an address of their own, policies."""

    namespaces: dict[str, dict]
    pods: list[dict]
    policies: list[dict]

    @classmethod
    def read(cls, api: Api) -> Cluster:
        namespaces = {
            n["metadata"]["name"]: {"kubernetes.io/metadata.name": n["metadata"]["name"], **n["metadata"].get("labels", {})}
            for n in api.get("/api/v1/namespaces")["items"]
        }
        pods = [p for p in api.get("/api/v1/pods")["items"] if address(p) and p["status"].get("phase") == "Running" and not p["spec"].get("hostNetwork")]
        return cls(namespaces, pods, api.get("/apis/networking.k8s.io/v1/networkpolicies")["items"])

    def isolating(self, pod: dict, direction: Direction) -> list[dict]:
        """The policies that select a pod."""
        return [
            p
            for p in self.policies
            if p["metadata"]["namespace"] == pod["metadata"]["namespace"]
            and direction.policy_type in p["spec"].get("policyTypes", ["Ingress"])
            and selects(p["spec"].get("podSelector"), labels(pod))
        ]

    def peers(self, peer: dict, namespace: str) -> list[dict]:
        """The pods that a peer of a rule, other than an ipBlock, means."""
        return [p for p in self.pods if self._is_in(p["metadata"]["namespace"], peer, namespace) and selects(peer.get("podSelector"), labels(p))]

    def _is_in(self, name: str, peer: dict, namespace: str) -> bool:
        if "namespaceSelector" in peer:
            return selects(peer["namespaceSelector"], self.namespaces.get(name, {}))
        return name == namespace


def address(pod: dict) -> str:
    return pod.get("status", {}).get("podIP", "")


def labels(pod: dict) -> dict:
    return pod["metadata"].get("labels") or {}


def selects(selector: dict | None, found: dict) -> bool:
    """Whether a label selector meets labels; no selector meets all."""
    selector = selector or {}
    return all(found.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _meets(e["operator"], found.get(e["key"]), e.get("values") or []) for e in selector.get("matchExpressions") or []
    )


def _meets(operator: str, value: str | None, values: list[str]) -> bool:
    return {"In": value in values, "NotIn": value not in values, "Exists": value is not None, "DoesNotExist": value is None}[operator]


def allowed(cluster: Cluster, pod: dict, policy: dict, direction: Direction) -> Iterator[str]:
    """The lines of nft that let through what a policy allows a pod."""
    for rule in policy["spec"].get(direction.rules) or []:
        addresses, others = _addresses(cluster, policy["metadata"]["namespace"], rule.get(direction.peers), direction)
        ports = [_port(p, [pod] if direction is INGRESS else others) for p in rule["ports"]] if rule.get("ports") else [[""]]
        yield from (f"{a} {port} return".strip() for a in addresses for found in ports for port in found)


def _addresses(cluster: Cluster, namespace: str, peers: list[dict] | None, direction: Direction) -> tuple[list[str], list[dict]]:
    """Matches of the other side's address, and the pods behind them."""
    if not peers:
        return [""], cluster.pods
    lines, pods = [], []
    for peer in peers:
        block = peer.get("ipBlock")
        if block:
            lines.append(" ".join([*(f"ip {direction.other} != {cidr}" for cidr in block.get("except") or []), f"ip {direction.other} {block['cidr']}"]))
        else:
            pods += cluster.peers(peer, namespace)
    if pods:
        lines.append(f"ip {direction.other} {{ {', '.join(sorted({address(p) for p in pods}))} }}")
    return lines, pods


def _port(port: dict, pods: list[dict]) -> list[str]:
    """Matches of a port; a name means what each pod calls so."""
    protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
    if number is None:
        return [f"meta l4proto {protocol}"]
    if isinstance(number, int):
        return [f"{protocol} dport {number}" + (f"-{port['endPort']}" if port.get("endPort") else "")]
    named = {p["containerPort"] for pod in pods for c in pod["spec"]["containers"] for p in c.get("ports") or [] if p.get("name") == number}
    return [f"{protocol} dport {n}" for n in sorted(named)]


def chain(name: str, lines: list[str]) -> str:
    return "\n  ".join([f"chain {name} {{", *lines]) + "\n}"


def ruleset(cluster: Cluster, node: str) -> str:
    chains, jumps = [], []
    for pod in (p for p in cluster.pods if p["spec"].get("nodeName") == node):
        for direction in (EGRESS, INGRESS):
            policies = cluster.isolating(pod, direction)
            if policies:
                name = f"{direction.chain}_{address(pod).replace('.', '_')}"
                lines = [line for policy in policies for line in allowed(cluster, pod, policy, direction)]
                chains.append(chain(name, [*lines, "counter drop"]))
                jumps.append(f"ip {direction.own} {address(pod)} jump {name}")
    forward = chain("forward", ["type filter hook forward priority -10; policy accept;", "ct state established,related accept", *jumps])
    body = "\n".join([*chains, forward])
    return f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{body}\n}}\n"


def load(text: str) -> bool:
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True, check=False)
    print(time.strftime("%H:%M:%S"), text.count(" jump "), "isolated sides of pods", done.stderr)
    return done.returncode == 0


def main(server: str, ca: str, token_file: str, node: str) -> None:
    api, loaded = Api(server, ca, token_file), ""
    while True:
        try:
            text = ruleset(Cluster.read(api), node)
            if text != loaded:
                loaded = text if load(text) else ""
        except (ApiError, KeyError) as e:
            print(time.strftime("%H:%M:%S"), repr(e))
        time.sleep(INTERVAL)


def _arguments() -> list[str]:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    return sys.argv[1:]


if __name__ == "__main__":
    main(*_arguments())
