# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fingerprint of the objects of a cluster, without fields that the server maintains: equal before an attack and after its undo."""

from __future__ import annotations

from typing import Any

from tests.cluster.support.cluster import Cluster

# The uid is kept: an object that was deleted and created again is a difference.
SERVER_FIELDS = ("resourceVersion", "managedFields", "generation", "selfLink")
# The last two hold parts of the status of autoscaling/v2 in objects of v1.
SERVER_ANNOTATIONS = (
    "deployment.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
)
# Kinds that controllers write by themselves when pods start and end.
TRANSIENT = {"pods", "events", "endpoints", "endpointslices", "replicasets", "controllerrevisions", "leases"}


def clean(found: dict) -> dict:
    """An object without its status and the fields that the server maintains."""
    meta = {k: v for k, v in found["metadata"].items() if k not in SERVER_FIELDS}
    annotations = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if not k.startswith(SERVER_ANNOTATIONS)}
    if annotations:
        meta["annotations"] = annotations
    return {**{k: v for k, v in found.items() if k not in ("status", "apiVersion", "kind")}, "metadata": meta}


def fingerprint(cluster: Cluster, *namespaces: str, nodes: bool = False, objects: tuple[str, ...] = ()) -> dict[str, dict]:
    """All objects of the namespaces except TRANSIENT kinds, and optionally nodes and objects at more paths; by path."""
    found: dict[str, dict] = {}
    for path in [p for ns in namespaces for p in _collections(cluster, ns)] + (["/api/v1/nodes"] if nodes else []):
        listed = cluster.get(path)
        found.update({f"{path}/{o['metadata']['name']}": clean(o) for o in (listed or {}).get("items", [])})
    for path in objects:
        one = cluster.get(path)
        found[path] = clean(one) if one else {}
    return found


def compare(before: Any, after: Any, path: str = "") -> list[str]:
    """The differences, one line each; empty when there are none."""
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
