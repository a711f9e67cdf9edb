# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Options and checks that attacks on nodes share, and which nodes they hit."""

import random
import re

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import LABEL_VALUE, check_label_selector, check_name
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
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import spared
from ansible_collections.faultline.chaos.plugins.module_utils._marks import MARK

# Mirrors the doc fragment _kube_nodes.
NODE_OPTIONS = dict(
    HOW_MANY_OPTIONS,
    names={"type": "list", "elements": "str"},
    label_selector={"type": "str"},
    zone={"type": "str"},
    max_per_zone={"type": "int"},
    control_plane={"type": "bool", "default": False},
)
NODE_CONSTRAINTS = {"mutually_exclusive": [("count", "percent", "all")]}
CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def check_nodes(params):
    """Check NODE_OPTIONS without any request. Errors: BadOption."""
    check_how_many(params)
    if params["names"] is not None and not params["names"]:
        raise BadOption("names", params["names"], "name at least one node, or leave it out")
    for name in params["names"] or []:
        check_name("names", name)
    if params["label_selector"] is not None:
        check_label_selector("label_selector", params["label_selector"])
    if params["zone"] is not None and not re.match(f"^{LABEL_VALUE}\\Z", params["zone"] or "*"):
        raise BadOption("zone", params["zone"], f"give the value of the label {ZONES[0]}")
    if params["max_per_zone"] is not None:
        _units.integer("max_per_zone", params["max_per_zone"], 1, 100000)
    if not params["all"] and not any(params[key] for key in ("names", "label_selector", "zone")):
        raise BadOption("names", None, "say which nodes: names, label_selector or zone; or set all: true for every node of the cluster")


def describe_nodes(params):
    """The locked resources, for resources(): the nodes by name when only names are given, else the selection."""
    drawn = params["count"] is not None or params["percent"] is not None
    if params["names"] and not drawn and not params["label_selector"] and not params["zone"]:
        return [f"node:{name}" for name in sorted(set(params["names"]))]
    told = [f"{key}={params[key]}" for key in ("names", "label_selector", "zone") if params[key]]
    return ["nodes:%s" % (";".join(told) or "all")]


def describe(selection):
    """The selection, for the effect. Names have no namespace part."""
    return dict(selection.describe(), selected=sorted(row["metadata"]["name"] for row in selection.rows))


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
        raise AttackError("no node matches%s" % (" but %d that are spared: %s" % (len(passed), reasons(passed)) if passed else ""))
    percent = None if params["percent"] is None else _units.percent("percent", params["percent"])
    everything = params["all"] or bool(params.get("names")) and params["count"] is None and percent is None
    taken = choose(found, seed, params["count"], percent, everything, {"zone": params.get("max_per_zone")})
    return Selection([each.row for each in taken], seed, len(found), passed)


def take_nodes(cluster, params, attack_id):
    """Return (selection, whole nodes). Errors: AttackError, BadOption."""
    selection = select_nodes(cluster, params)
    for row in selection.rows:
        refuse_node(row["metadata"], params["control_plane"], attack_id)
    return selection, [cluster.get(NODE, row["metadata"]["name"]) for row in selection.rows]


def refuse_node(meta, control_plane, attack_id):
    """Errors: AttackError for a node of the control plane, or one with the mark of another attack."""
    if not control_plane and any(label in (meta.get("labels") or {}) for label in CONTROL_PLANE):
        raise AttackError(
            "the node {} belongs to the control plane: leave it out with label_selector: '!{}', or set control_plane: true".format(
                meta["name"], CONTROL_PLANE[0]
            ),
            option="control_plane",
        )
    other = (meta.get("annotations") or {}).get(MARK, "").partition(":")[0] or None
    if other not in (None, attack_id):
        raise AttackError("the node {} bears the mark of the attack {}: revert that first".format(meta["name"], other))


def schedulable_elsewhere(cluster, nodes):
    """Whether a node besides these is schedulable. Reads metadata only, whatever the size of the cluster."""
    mine = set(node["metadata"]["name"] for node in nodes)
    return any(row["metadata"]["name"] not in mine for row in cluster.rows(NODE, fields="spec.unschedulable=false"))
