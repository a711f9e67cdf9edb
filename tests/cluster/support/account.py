# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service account with only the rights that a manifest of docs/rbac grants."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import yaml
from kubernetes.client.rest import ApiException

from tests.cluster.support.cluster import REPO, Cluster
from tests.lab.support.lab import wait_until

_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Account:
    """Context manager that yields the module options to act as this account. It removes cluster-scoped objects at the end."""

    def __init__(self, cluster: Cluster, namespace: str, manifest: str, scratch: Path, *more: str) -> None:
        """more: further manifests."""
        self.cluster = cluster
        self.namespace = namespace
        self.name = f"faultline-{secrets.token_hex(3)}"
        found = [yaml.safe_load((REPO / "docs" / "rbac" / each).read_text()) for each in (manifest, *more)]
        self.documents = [document for each in found for document in (each["items"] if each["kind"] == "List" else [each])]
        self.scratch = scratch
        self.made: list[str] = []

    def __enter__(self) -> dict[str, str]:
        account = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        self.cluster.request("POST", f"/api/v1/namespaces/{self.namespace}/serviceaccounts", {"metadata": {"name": self.name}})
        for document in self.documents:
            name, cluster_wide = document["metadata"]["name"], document["kind"] == "ClusterRole"
            where = _RBAC if cluster_wide else f"{_RBAC}/namespaces/{self.namespace}"
            roles, bindings = ("clusterroles", "clusterrolebindings") if cluster_wide else ("roles", "rolebindings")
            binding = {
                "metadata": {"name": name if cluster_wide else f"{name}-{self.name}"},
                "subjects": [account],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": document["kind"], "name": name},
            }
            for plural, body in ((roles, document), (bindings, binding)):
                if cluster_wide:
                    self._forget(f"{where}/{plural}/{name}")
                    self.made.append(f"{where}/{plural}/{name}")
                self.cluster.request("POST", f"{where}/{plural}", body)
        token = {
            "metadata": {"name": f"{self.name}-token", "annotations": {"kubernetes.io/service-account.name": self.name}},
            "type": "kubernetes.io/service-account-token",
        }
        self.cluster.request("POST", f"/api/v1/namespaces/{self.namespace}/secrets", token)
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{self.name}-token"
        wait_until(lambda: (self.cluster.get(path) or {}).get("data", {}).get("token"), 30, "the account has its token", 0.1)
        data = {key: base64.b64decode(value).decode() for key, value in self.cluster.get(path)["data"].items()}
        authority = self.scratch / "authority.crt"
        authority.write_text(data["ca.crt"])
        return {"host": self.cluster.api.configuration.host, "api_key": data["token"], "ca_cert": str(authority)}

    def __exit__(self, *_: object) -> None:
        for path in self.made:
            self._forget(path)

    def _forget(self, path: str) -> None:
        try:
            self.cluster.request("DELETE", path)
        except ApiException as e:
            if e.status != 404:
                raise
