# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The kinds of rounds: the tasks of the role that run one, the module that reverts it, where its lease is renewed. Pure.

All other code of a run is the same for every kind of attack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLLECTION = "faultline.chaos"
ON_HOST, BY_CONTROLLER = "host", "controller"
# The connection options of attacks on clusters, with their aliases; their revert needs the same ones. A unit test compares them with the modules.
CONNECTION = (
    "kubeconfig", "context", "host", "api_key", "ca_cert", "ssl_ca_cert", "client_cert", "cert_file", "client_key", "key_file",
    "validate_certs", "verify_ssl", "proxy", "no_proxy", "username", "password", "impersonate_user", "impersonate_groups",
)  # fmt: skip


@dataclass(frozen=True)
class RoundKind:
    """What the role does differently for this kind of attack."""

    tasks: str
    sweep: str  # the tasks of a second revert
    revert: str
    #: Where leases are renewed; None for attacks whose lease cannot be renewed.
    lease: str | None = ON_HOST
    #: Whether the attack runs in check mode before anything is attacked: what it needs is not on the host, so no other check finds it missing.
    tried: bool = False

    def reverting(self, run_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The module that reverts the attacks that the run made with these options, and the options of that module."""
        return {"module": self.revert, "options": {"run_id": run_id}}


class ClusterKind(RoundKind):
    """Attacks on a cluster, run by a host that has access to it. Their journals are in the cluster.

    The check-mode result names the namespace of the journal. Credentials for a single namespace need it for the revert (see Run.tried).
    """

    def reverting(self, run_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        connection = {name: options[name] for name in CONNECTION if options.get(name) is not None}
        # Only where the step names several may its undo act in others than that of the journal.
        named = options.get("namespaces")
        several = {"namespaces": list(named)} if isinstance(named, list) and len(named) > 1 else {}
        return {"module": self.revert, "options": {"run_id": run_id, **several, **connection}}


HOST = RoundKind("round.yml", "sweep.yml", f"{COLLECTION}.revert")
# The lease of a host that is down cannot be renewed.
POWER = RoundKind("round_power.yml", "sweep.yml", f"{COLLECTION}.revert", lease=None)
CLUSTER = ClusterKind("round_cluster.yml", "sweep_cluster.yml", f"{COLLECTION}.k8s_revert", lease=BY_CONTROLLER, tried=True)


def kind_of(attack: str) -> RoundKind:
    """The kind of an attack, by its full name. Attacks on clusters begin with k8s_, in every collection."""
    if attack == f"{COLLECTION}.host_power":
        return POWER
    return CLUSTER if attack.rpartition(".")[2].startswith("k8s_") else HOST
