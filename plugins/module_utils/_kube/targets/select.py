# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Select the pods that an attack hits. Fetches only the fields that it needs."""

import random
import re

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE, OWNERS, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import (
    LABEL_VALUE,
    check_field_selector,
    check_label_selector,
    check_name,
    check_namespace,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.choose import (
    HOW_MANY_OPTIONS,
    ZONES,
    Candidate,
    Selection,
    check_how_many,
    choose,
    reasons,
    zone_of,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import created, owner_of, spared

# Mirrors the doc fragment _kube_pods.
POD_OPTIONS = dict(
    HOW_MANY_OPTIONS,
    namespaces={"type": "list", "elements": "str", "required": True, "aliases": ["namespace"]},
    names={"type": "list", "elements": "str"},
    label_selector={"type": "str"},
    field_selector={"type": "str"},
    owner_kind={"type": "str", "choices": ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"]},
    owner_name={"type": "str"},
    node={"type": "str"},
    zone={"type": "str"},
    phase={"type": "str", "choices": ["Running", "Pending", "Succeeded", "Failed", "Unknown", "any"], "default": "Running"},
    min_age={"type": "raw", "default": "0s"},
    opt_in={"type": "bool", "default": False},
    max_per_owner={"type": "int"},
    max_per_node={"type": "int"},
    max_per_namespace={"type": "int"},
    ignore_pdb={"type": "bool", "default": False},
)
POD_CONSTRAINTS = {"mutually_exclusive": [("count", "percent", "all")], "required_by": {"owner_name": ["owner_kind"]}}


def check_pods(params):
    """Check POD_OPTIONS without any request. Errors: BadOption."""
    check_how_many(params)
    if not params["namespaces"]:
        raise BadOption("namespaces", params["namespaces"], "name at least one namespace")
    for namespace in params["namespaces"]:
        check_namespace("namespaces", namespace, params["protected"])
    for name in params["names"] or []:
        check_name("names", name)
    for option in ("owner_name", "node"):
        if params[option] is not None:
            check_name(option, params[option])
    if params["zone"] is not None and not re.match(f"^{LABEL_VALUE}\\Z", params["zone"] or "*"):
        raise BadOption("zone", params["zone"], f"give the value of the label {ZONES[0]}")
    if params["label_selector"] is not None:
        check_label_selector("label_selector", params["label_selector"])
    if params["field_selector"] is not None:
        check_field_selector("field_selector", params["field_selector"])
    for option in ("max_per_owner", "max_per_node", "max_per_namespace"):
        if params[option] is not None:
            _units.integer(option, params[option], 1, 100000)
    _units.duration("min_age", params["min_age"], 0.0, 31536000.0)
    narrowing = [key for key in ("names", "label_selector", "field_selector", "owner_kind", "node", "zone") if params[key]]
    if not narrowing and not params["all"] and not params["opt_in"]:
        raise BadOption(
            "label_selector", None, "say which pods: label_selector, names, owner_kind, node, zone or opt_in; or set all: true for every pod of the namespace"
        )


def describe_pods(params):
    """The selection as one word, for resources()."""
    keys = ("names", "label_selector", "field_selector", "owner_kind", "owner_name", "node", "zone")
    told = [f"{key}={params[key]}" for key in keys if params[key]]
    return "pods:{}:{}".format("+".join(sorted(params["namespaces"])), ";".join(told) or "all")


def select_pods(cluster, params):
    """Select pods by POD_OPTIONS, as metadata rows. Errors: AttackError, BadOption."""
    seed = params["seed"] if params["seed"] is not None else f"{random.SystemRandom().getrandbits(32):08x}"
    found, passed = [], {}
    zone_nodes = _nodes_of_zone(cluster, params["zone"]) if params["zone"] is not None else None
    oldest = cluster.now() - _units.duration("min_age", params["min_age"])
    for namespace in params["namespaces"]:
        owners = _owner_uids(cluster, namespace, params)
        for row, node in _pods(cluster, namespace, params, zone_nodes is not None or params["max_per_node"] is not None):
            meta, owner = row["metadata"], owner_of(row)
            if params["names"] and meta["name"] not in params["names"] or meta.get("deletionTimestamp"):
                continue
            if owners is not None and (owner is None or owner[2] not in owners):
                continue
            if zone_nodes is not None and node not in zone_nodes or created(meta) > oldest:
                continue
            why = spared(row, params["opt_in"])
            if why is not None:
                passed["{}/{}".format(namespace, meta["name"])] = why
                continue
            groups = {"owner": owner[2] if owner else meta["uid"], "node": node, "namespace": namespace}
            found.append(Candidate(row, groups))
    missing = set(params["names"] or []) - set(each.row["metadata"]["name"] for each in found)
    if missing:
        raise BadOption("names", sorted(missing)[0], "no such pod may be attacked in {}".format(", ".join(params["namespaces"])))
    if not found:
        raise AttackError("no pod matches%s" % (" but %d that are spared: %s" % (len(passed), reasons(passed)) if passed else ""))
    percent = None if params["percent"] is None else _units.percent("percent", params["percent"])
    everything = params["all"] or bool(params["names"]) and params["count"] is None and percent is None
    caps = dict((group, params["max_per_" + group]) for group in ("owner", "node", "namespace"))
    taken = choose(found, seed, params["count"], percent, everything, caps)
    return Selection([each.row for each in taken], seed, len(found), passed)


def _pods(cluster, namespace, params, with_node):
    """List (metadata row, node name or None) of pods, filtered by the server as far as it can."""
    fields = [params["field_selector"]] if params["field_selector"] else []
    fields += ["status.phase={}".format(params["phase"])] if params["phase"] != "any" else []
    fields += ["spec.nodeName={}".format(params["node"])] if params["node"] else []
    fields = ",".join(fields) or None
    if with_node and params["node"] is None:
        table = cluster.table(POD, namespace, params["label_selector"], fields)
        return [({"metadata": meta}, cells.get("Node")) for meta, cells in table]
    return [(row, params["node"]) for row in cluster.rows(POD, namespace, params["label_selector"], fields)]


def _nodes_of_zone(cluster, zone):
    nodes = set(row["metadata"]["name"] for row in cluster.rows(NODE) if zone_of(row["metadata"].get("labels")) == zone)
    if not nodes:
        raise BadOption("zone", zone, "no node is in this zone")
    return nodes


def _owner_uids(cluster, namespace, params):
    """The uids of the controllers whose pods are selected, or None for any. For a Deployment these are its ReplicaSets."""
    kind, name = params["owner_kind"], params["owner_name"]
    if kind is None:
        return None
    direct = OWNERS["ReplicaSet" if kind == "Deployment" else kind]
    found = set()
    for row in cluster.rows(direct, namespace):
        if kind == "Deployment":
            owner = owner_of(row)
            hit = owner is not None and owner[0] == "Deployment" and name in (None, owner[1])
        else:
            hit = name in (None, row["metadata"]["name"])
        if hit:
            found.add(row["metadata"]["uid"])
    if name is not None and not found:
        raise BadOption("owner_name", name, f"there is no {kind} of this name in namespace {namespace}")
    return found
