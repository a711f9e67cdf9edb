# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Observe the effect of a change on the pods of a workload or on the endpoints of a Service, within a time limit."""

import time

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD, Kind
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import matches

_ENDPOINTS = Kind("v1", "Endpoints", "endpoints", True)
_LOOK = 0.4  # seconds
_SOON = 5.0  # seconds
_NORMAL = ("ContainerCreating", "PodInitializing")


def workload(cluster, kind, before, patience):
    """Poll until a pod has a waiting reason, or the time is over. Once fewer pods are ready than before, wait at most _SOON for a reason."""
    meta = before["metadata"]
    had, until = _ready(before), time.monotonic() + patience
    while True:
        found = cluster.find(kind, meta["name"], meta["namespace"]) or before
        reasons = waiting(_pods(cluster, found))
        current = (found.get("status") or {}).get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
        if current and _ready(found) < had:
            until = min(until, time.monotonic() + _SOON)
            had = -1
        if current and reasons or time.monotonic() >= until:
            status = found.get("status") or {}
            wanted = found["spec"].get("replicas", status.get("desiredNumberScheduled", 0))
            return {"replicas": wanted, "ready": _ready(found), "reasons": reasons}
        time.sleep(_LOOK)


def endpoints(cluster, found):
    """The subsets of the Endpoints of a Service, without resource versions: those change with every pod."""
    subsets = (cluster.find(_ENDPOINTS, found["metadata"]["name"], found["metadata"]["namespace"]) or {}).get("subsets") or []
    return [(sorted(each["ip"] for each in part.get("addresses") or []), part.get("ports")) for part in subsets]


def service(cluster, found, before, patience):
    """Poll until the endpoints differ from before, or the time is over."""
    until = time.monotonic() + patience
    while True:
        now = endpoints(cluster, found)
        if now != before or time.monotonic() >= until:
            return {"endpoints": sum(len(addresses) for addresses, _ports in now)}
        time.sleep(_LOOK)


def waiting(pods):
    """The distinct waiting reasons of pods, sorted."""
    reasons = set()
    for pod in pods:
        status = pod.get("status") or {}
        for each in status.get("conditions") or []:
            if each["type"] == "PodScheduled" and each["status"] == "False":
                reasons.add(each.get("reason") or "Unschedulable")
        for each in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
            reason = ((each.get("state") or {}).get("waiting") or {}).get("reason")
            if reason and reason not in _NORMAL:
                reasons.add(reason)
    return sorted(reasons)


def _pods(cluster, found):
    selector = found["spec"].get("selector") or {}
    labels = ",".join("{}={}".format(*pair) for pair in sorted((selector.get("matchLabels") or {}).items()))
    pods = cluster.whole(POD, found["metadata"]["namespace"], labels or None)
    return [each for each in pods if matches(selector, each["metadata"].get("labels") or {}) and not each["metadata"].get("deletionTimestamp")]


def _ready(found):
    status = found.get("status") or {}
    return status.get("readyReplicas", status.get("numberReady", 0))
