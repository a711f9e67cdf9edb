# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The kinds of rounds: which tasks of the role make one, what reverts it, who keeps its lease. Pure.

Everything else of a run is the same for all of them and asks no attack what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLLECTION = "faultline.chaos"
ON_HOST, BY_CONTROLLER = "host", "controller"
# The connection options of attacks on clusters, with their aliases; their revert needs the same. A unit test compares them with the modules.
CONNECTION = (
    "kubeconfig", "context", "host", "api_key", "ca_cert", "ssl_ca_cert", "client_cert", "cert_file", "client_key", "key_file",
    "validate_certs", "verify_ssl", "proxy", "no_proxy", "username", "password", "impersonate_user", "impersonate_groups",
)  # fmt: skip


@dataclass(frozen=True)
class RoundKind:
    """Data of the role, chosen by the name of the attack."""

    tasks: str
    sweep: str  # the tasks of a second revert
    revert: str
    #: Where leases are renewed; None for attacks whose lease nobody could renew.
    lease: str | None = ON_HOST
    #: Whether the attack is asked in check mode before anything is attacked: what it needs is not on the host, so that only asking tells.
    tried: bool = False

    def reverting(self, run_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The module that reverts the attacks of a run made with these options, and its own options."""
        return {"module": self.revert, "options": {"run_id": run_id}}


class ClusterKind(RoundKind):
    """Attacks on a cluster, made by a host that has access to it. Their journals are in the cluster.

    Where, the attack says when it is asked: credentials that may look at one namespace only find them by it (see Run.tried).
    """

    def reverting(self, run_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        connection = {name: options[name] for name in CONNECTION if options.get(name) is not None}
        return {"module": self.revert, "options": {"run_id": run_id, **connection}}


HOST = RoundKind("round.yml", "sweep.yml", f"{COLLECTION}.revert")
# Nobody can renew the lease of a host that is away.
POWER = RoundKind("round_power.yml", "sweep.yml", f"{COLLECTION}.revert", lease=None)
CLUSTER = ClusterKind("round_cluster.yml", "sweep_cluster.yml", f"{COLLECTION}.k8s_revert", lease=BY_CONTROLLER, tried=True)


def kind_of(attack: str) -> RoundKind:
    """By the full name of an attack. Those on clusters begin with k8s_, whoever wrote them."""
    if attack == f"{COLLECTION}.host_power":
        return POWER
    return CLUSTER if attack.rpartition(".")[2].startswith("k8s_") else HOST
