# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Select the pods, nodes or other objects that an attack hits. choose() is pure; the rest fetches only the fields that it needs."""

import random
import re

from ansible_collections.faultline.chaos.plugins.module_utils import _draw, _units
from ansible_collections.faultline.chaos.plugins.module_utils._draw import rank, share
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE, OWNERS, POD, POD_DISRUPTION_BUDGETS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import (
    LABEL_VALUE,
    check_field_selector,
    check_label_selector,
    check_name,
    check_namespace,
    matches,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import created, owner_of, spared

ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")

# How many objects: shared by attacks on pods and on nodes.
HOW_MANY_OPTIONS = {
    "count": {"type": "int"},
    "percent": {"type": "raw"},
    "all": {"type": "bool", "default": False},
    "seed": {"type": "str"},
}
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


class Candidate:
    """An object that may be selected: its row, and the groups to which caps apply."""

    def __init__(self, row, groups):
        self.row = row
        self.groups = groups  # {"owner": "ReplicaSet web-1", "node": "a", "namespace": "shop"}
        meta = row["metadata"]
        self.name = "{}/{}".format(meta["namespace"], meta["name"]) if meta.get("namespace") else meta["name"]


# --- pure ---------------------------------------------------------------------------------------


def choose(candidates, seed, count=None, percent=None, everything=False, caps=None, option="count"):
    """Draw candidates by the seed, within the caps. caps: {group: largest number per value}. Errors: BadOption."""
    caps = dict((key, value) for key, value in (caps or {}).items() if value is not None)
    by_name = dict((each.name, each) for each in candidates)
    if everything:
        wanted = len(by_name)
    elif percent is not None:
        wanted = max(1, share(percent, len(by_name))) if by_name else 0
    else:
        wanted = 1 if count is None else count
        if wanted > len(by_name):
            raise BadOption(option, wanted, "only %d match%s" % (len(by_name), "" if len(by_name) != 1 else "es"))
    taken, used = [], {}
    for name in rank(seed, by_name):
        candidate = by_name[name]
        keys = [(group, candidate.groups.get(group)) for group in caps]
        if len(taken) >= wanted or any(used.get(key, 0) >= caps[key[0]] for key in keys):
            continue
        for key in keys:
            used[key] = used.get(key, 0) + 1
        taken.append(candidate)
    if count is not None and len(taken) < count:
        told = ", ".join("max_per_%s %d" % pair for pair in sorted(caps.items()))
        raise BadOption(option, count, "only %d can be taken with %s" % (len(taken), told))
    return taken


def zone_of(labels):
    for key in ZONES:
        if (labels or {}).get(key):
            return labels[key]
    return None


def check_how_many(params):
    """Errors: BadOption."""
    if params["count"] is not None:
        _units.integer("count", params["count"], 1, 100000)
    if params["percent"] is not None:
        if _units.percent("percent", params["percent"], 0, 100) == 0:
            raise BadOption("percent", params["percent"], "write a percentage above 0")
    if params["seed"] is not None:
        _draw.seed("seed", params["seed"])


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


# --- fetching -----------------------------------------------------------------------------------


class Selection:
    """The selected rows, and how they were selected."""

    def __init__(self, rows, seed, matched, spared_rows):
        self.rows = rows
        self.seed = seed
        self.matched = matched
        self.spared = spared_rows

    def describe(self):
        return {
            "seed": self.seed,
            "matched": self.matched,
            "selected": sorted("{}/{}".format(row["metadata"].get("namespace", ""), row["metadata"]["name"]) for row in self.rows),
            "spared": self.spared,
        }


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
        raise AttackError("no pod matches%s" % (" but %d that are spared: %s" % (len(passed), _reasons(passed)) if passed else ""))
    percent = None if params["percent"] is None else _units.percent("percent", params["percent"])
    everything = params["all"] or bool(params["names"]) and params["count"] is None and percent is None
    caps = dict((group, params["max_per_" + group]) for group in ("owner", "node", "namespace"))
    taken = choose(found, seed, params["count"], percent, everything, caps)
    return Selection([each.row for each in taken], seed, len(found), passed)


def select_nodes(cluster, params):
    """Select nodes by names, label_selector, zone, max_per_zone and HOW_MANY_OPTIONS, as metadata rows. Errors: AttackError, BadOption."""
    seed = params["seed"] if params["seed"] is not None else f"{random.SystemRandom().getrandbits(32):08x}"
    found, passed = [], {}
    for row in cluster.rows(NODE, labels=params.get("label_selector")):
        meta = row["metadata"]
        zone = zone_of(meta.get("labels"))
        if params.get("names") and meta["name"] not in params["names"] or params.get("zone") and zone != params["zone"]:
            continue
        why = spared(row, False)
        if why is not None:
            passed[meta["name"]] = why
            continue
        found.append(Candidate(row, {"zone": zone}))
    missing = set(params.get("names") or []) - set(each.name for each in found)
    if missing:
        raise BadOption("names", sorted(missing)[0], "no such node may be attacked")
    if not found:
        raise AttackError("no node matches%s" % (" but %d that are spared: %s" % (len(passed), _reasons(passed)) if passed else ""))
    percent = None if params["percent"] is None else _units.percent("percent", params["percent"])
    everything = params["all"] or bool(params.get("names")) and params["count"] is None and percent is None
    taken = choose(found, seed, params["count"], percent, everything, {"zone": params.get("max_per_zone")})
    return Selection([each.row for each in taken], seed, len(found), passed)


def respect_budgets(cluster, rows):
    """Refuse a selection that exceeds a disruption budget. Errors: AttackError that names the budget."""
    kind = cluster.serving(POD_DISRUPTION_BUDGETS)
    by_namespace = {}
    for row in rows:
        by_namespace.setdefault(row["metadata"]["namespace"], []).append(row)
    for namespace, mine in sorted(by_namespace.items()) if kind else []:
        for budget in cluster.whole(kind, namespace):
            hit = [row for row in mine if matches(budget["spec"].get("selector"), row["metadata"].get("labels") or {})]
            allowed = (budget.get("status") or {}).get("disruptionsAllowed", 0)
            if len(hit) > allowed:
                raise AttackError(
                    "the disruption budget %s/%s allows %d disruption(s) now and %d would be made: take fewer, or set ignore_pdb: true"
                    % (namespace, budget["metadata"]["name"], allowed, len(hit)),
                    option="ignore_pdb",
                )


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


def _reasons(passed):
    return ", ".join(sorted(set(passed.values())))
