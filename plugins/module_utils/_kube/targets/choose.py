# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Draw objects by a seed. Pure. Shared by attacks on pods and on nodes."""

from ansible_collections.faultline.chaos.plugins.module_utils import _draw, _units
from ansible_collections.faultline.chaos.plugins.module_utils._draw import rank, share
from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
# How many objects: shared by attacks on pods and on nodes.
HOW_MANY_OPTIONS = {
    "count": {"type": "int"},
    "percent": {"type": "raw"},
    "all": {"type": "bool", "default": False},
    "seed": {"type": "str"},
}


class Candidate:
    """An object that may be selected: its row, and the groups to which caps apply."""

    def __init__(self, row, groups):
        self.row = row
        self.groups = groups  # {"owner": "ReplicaSet web-1", "node": "a", "namespace": "shop"}
        meta = row["metadata"]
        self.name = "{}/{}".format(meta["namespace"], meta["name"]) if meta.get("namespace") else meta["name"]


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


def reasons(passed):
    return ", ".join(sorted(set(passed.values())))
