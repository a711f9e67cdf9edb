# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Whether those who make pods have as many ready ones as they want. For attacks that take pods away."""

import time

from ansible_collections.faultline.chaos.plugins.module_utils._kube_kinds import OWNERS, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube_select import owner_of

_LOOK = 0.25  # seconds


class Owner(object):
    """A controller of pods, and how many ready ones it had."""

    def __init__(self, kind, namespace, name, uid, selector):
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.selector = selector

    def __str__(self):
        return "%s %s/%s" % (self.kind.kind, self.namespace, self.name)


def owners(cluster, rows):
    """The controllers of some pods that replace them. Jobs do not always, so they are left out."""
    found = {}
    for row in rows:
        owner = owner_of(row)
        if owner is None or owner[0] not in OWNERS or owner[0] == "Job" or owner[2] in found:
            continue
        kind, namespace = OWNERS[owner[0]], row["metadata"]["namespace"]
        seen = cluster.find(kind, owner[1], namespace)
        if seen is not None and seen["metadata"]["uid"] == owner[2]:
            found[owner[2]] = Owner(kind, namespace, owner[1], owner[2], _selector(seen["spec"].get("selector")))
    return list(found.values())


def wait(cluster, watched, victims, timeout):
    """Wait until the victims are gone and every owner has its ready pods. Returns sentences about those that have not."""
    gone = set(row["metadata"]["uid"] for row in victims)
    until = time.monotonic() + timeout
    pending = list(watched)
    while True:
        told = [(owner, _lacks(cluster, owner, gone)) for owner in pending]
        pending = [owner for owner, lack in told if lack]
        if not pending or time.monotonic() >= until:
            return ["%s %s" % (owner, lack) for owner, lack in told if lack]
        time.sleep(_LOOK)


def _lacks(cluster, owner, gone):
    """What an owner lacks, or None."""
    seen = cluster.find(owner.kind, owner.name, owner.namespace)
    if seen is None or seen["metadata"]["uid"] != owner.uid:
        return None  # it was replaced meanwhile, for example by a new version: nothing to wait for
    if owner.kind.kind == "DaemonSet":
        wanted = (seen.get("status") or {}).get("desiredNumberScheduled", 0)
    else:
        wanted = seen["spec"].get("replicas", 1)
    pods = [each for each in cluster.whole(POD, owner.namespace, owner.selector) if (owner_of(each) or (0, 0, 0))[2] == owner.uid]
    if any(each["metadata"]["uid"] in gone for each in pods):
        return "still has the pods that were to go"
    ready = sum(1 for each in pods if is_ready(each))
    return None if ready >= wanted else "has %d of %d ready pods" % (ready, wanted)


def is_ready(pod):
    if pod["metadata"].get("deletionTimestamp"):
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in (pod.get("status") or {}).get("conditions") or [])


def _selector(selector):
    """As the query parameter that keeps the list short; expressions are left to the look at the owner."""
    labels = selector.get("matchLabels", {}) if selector and ("matchLabels" in selector or "matchExpressions" in selector) else selector
    return ",".join("%s=%s" % pair for pair in sorted((labels or {}).items())) or None
