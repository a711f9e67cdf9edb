# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the objects of a cluster say, without what the server itself keeps counting: equal before an attack and after its undo."""

from __future__ import annotations

from typing import Any

from tests.cluster.support.cluster import Cluster

# A uid stays: an object that was deleted and made again is not the same.
SERVER_FIELDS = ("resourceVersion", "managedFields", "generation", "selfLink")
# The last two are how autoscaling/v1 shows parts of the status of v2.
SERVER_ANNOTATIONS = (
    "deployment.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
)
# Kinds that controllers write on their own as pods come and go.
TRANSIENT = {"pods", "events", "endpoints", "endpointslices", "replicasets", "controllerrevisions", "leases"}


def clean(found: dict) -> dict:
    """An object as its owner wrote it: no status, none of the server's own fields."""
    meta = {k: v for k, v in found["metadata"].items() if k not in SERVER_FIELDS}
    annotations = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if not k.startswith(SERVER_ANNOTATIONS)}
    if annotations:
        meta["annotations"] = annotations
    return {**{k: v for k, v in found.items() if k not in ("status", "apiVersion", "kind")}, "metadata": meta}


def fingerprint(cluster: Cluster, *namespaces: str, nodes: bool = False, objects: tuple[str, ...] = ()) -> dict[str, dict]:
    """Everything in the namespaces (but for TRANSIENT kinds), and if wished the nodes and the objects of more paths; by path."""
    found: dict[str, dict] = {}
    for path in [p for ns in namespaces for p in _collections(cluster, ns)] + (["/api/v1/nodes"] if nodes else []):
        listed = cluster.get(path)
        found.update({f"{path}/{o['metadata']['name']}": clean(o) for o in (listed or {}).get("items", [])})
    for path in objects:
        one = cluster.get(path)
        found[path] = clean(one) if one else {}
    return found


def compare(before: Any, after: Any, path: str = "") -> list[str]:
    """What differs, a line each; empty when nothing does."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [line for k in sorted({*before, *after}) for line in compare(before.get(k), after.get(k), f"{path} {k}".strip())]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def _collections(cluster: Cluster, namespace: str) -> list[str]:
    """The path of each listable kind in a namespace, in the version that the cluster prefers."""
    groups = ["/api/v1", *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in (cluster.get("/apis") or {})["groups"])]
    return [
        f"{group}/namespaces/{namespace}/{r['name']}"
        for group in groups
        for r in (cluster.get(group) or {"resources": []})["resources"]
        if r["namespaced"] and "list" in r["verbs"] and "/" not in r["name"] and r["name"] not in TRANSIENT and not group.startswith("/apis/metrics")
    ]
