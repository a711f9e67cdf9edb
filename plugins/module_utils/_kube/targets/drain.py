# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Sort the pods of a node into those that leave, stay or block a drain, by the rules of kubectl drain; and evict pods."""

import math
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import many
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Refused, may_be_done
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import DAEMON_SET, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import is_protected
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import owner_of, spared

MIRROR = "kubernetes.io/config.mirror"  # the annotation of mirror pods, which represent static pods in the API
_LOOK = 0.25  # seconds between two polls for terminating pods
_AGAIN = (1.0, 5.0)  # seconds until an eviction that a disruption budget refused is retried: first and longest


class Pods:
    """The pods of a node, sorted."""

    def __init__(self):
        self.go = []
        self.stay = {}  # {name: reason}
        self.refused = {}  # {fix: [names]}

    def refuse(self, name, fix):
        self.refused.setdefault(fix, []).append(name)

    def check(self, what):
        """Errors: AttackError that names every blocking pod and the fix."""
        if self.refused:
            told = ["{} ({})".format(", ".join(sorted(names)), fix) for fix, names in sorted(self.refused.items())]
            raise AttackError("{} is refused because of pods on it: {}".format(what, "; ".join(told)))


def grace_seconds(value):
    """The grace period in whole seconds; None for the value in the spec of each pod.

    At least 1, because with 0 the API deletes a pod without confirmation of its node that it ended. Errors: BadOption.
    """
    return None if value is None else max(1, int(math.ceil(_units.duration("grace", value, 0.0, 3600.0))))


def named(row):
    return "{}/{}".format(row["metadata"]["namespace"], row["metadata"]["name"])


def lost(word, rows, uncertain):
    """The irreversible effects on pods, for the result of a failed attack; {} when there are none."""
    told = {word: sorted(set(named(row) for row in rows)), "uncertain": sorted(set(named(row) for row in uncertain))}
    return dict((key, names) for key, names in told.items() if names)


def for_drain(pods, params, has_daemon_set, is_out=None):
    """Sort the pods of a node for a drain.

    has_daemon_set(namespace, name): whether that DaemonSet exists. is_out(namespace): whether that namespace opted out.
    """
    found = Pods()
    for pod in pods:
        name, owner = named(pod), owner_of(pod)
        if params["namespaces"] and pod["metadata"]["namespace"] not in params["namespaces"]:
            continue
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            found.stay[name] = "a static pod of its node"
        elif is_protected(pod["metadata"]["namespace"], params["protected"]):
            found.stay[name] = "in a protected namespace"
        elif is_out is not None and is_out(pod["metadata"]["namespace"]):
            found.stay[name] = "in a namespace that opted out"
        elif spared(pod, False) is not None:
            found.stay[name] = spared(pod, False)
        elif pod["metadata"].get("deletionTimestamp"):
            found.stay[name] = "on its way out already"
        elif is_finished(pod):
            found.go.append(pod)
        elif owner is not None and owner[0] == "DaemonSet" and has_daemon_set(pod["metadata"]["namespace"], owner[1]):
            if not params["ignore_daemonsets"]:
                found.refuse(name, "a DaemonSet makes it anew at once: set ignore_daemonsets: true to let it stay")
            found.stay[name] = "of a DaemonSet"
        else:
            _is_lost(found, pod, params, owner is None or owner[0] == "DaemonSet")
            found.go.append(pod)
    return found


def for_taint(pods, params, taint, is_out=None):
    """Sort the pods of a node for an evicting taint. It ignores disruption budgets, so pods that must stay have to tolerate it."""
    found = Pods()
    for pod in pods:
        name, owner = named(pod), owner_of(pod)
        if tolerates(pod, taint):
            found.stay[name] = "tolerates the taint"
        elif MIRROR in (pod["metadata"].get("annotations") or {}):
            found.stay[name] = "a static pod of its node"
        elif pod["metadata"].get("deletionTimestamp"):
            found.stay[name] = "on its way out already"
        else:
            if is_protected(pod["metadata"]["namespace"], params["protected"]):
                found.refuse(name, "in a protected namespace, and does not tolerate the taint: take another node")
            elif is_out is not None and is_out(pod["metadata"]["namespace"]):
                found.refuse(name, "in a namespace that opted out, and does not tolerate the taint: take another node")
            elif spared(pod, False) is not None:
                found.refuse(name, f"is spared, because it {spared(pod, False)}, and does not tolerate the taint: take another node")
            elif not is_finished(pod):
                _is_lost(found, pod, params, owner is None)
            found.go.append(pod)
    return found


def _is_lost(found, pod, params, unmanaged):
    """Refuse a pod that would be lost, or lose its data, unless the options allow it."""
    if unmanaged and not params["force"]:
        found.refuse(named(pod), "nobody replaces it, for it has no owner: set force: true to lose it")
    if not params["delete_emptydir_data"] and any("emptyDir" in volume for volume in pod["spec"].get("volumes") or []):
        found.refuse(named(pod), "it keeps data in an emptyDir: set delete_emptydir_data: true to lose them")


def is_finished(pod):
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def tolerates(pod, taint):
    """Whether a pod tolerates a taint without a time limit."""
    return any(_fits(each, taint) and each.get("tolerationSeconds") is None for each in pod["spec"].get("tolerations") or [])


def _fits(toleration, taint):
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


# --- on the cluster -----------------------------------------------------------------------------


def on_node(cluster, name, selector=None):
    """The whole pods of one node: some hundred at most."""
    return cluster.whole(POD, None, selector, f"spec.nodeName={name}")


def daemon_sets(cluster):
    """Return a function (namespace, name) that tells whether that DaemonSet exists. Answers are cached."""
    known = {}

    def has(namespace, name):
        if (namespace, name) not in known:
            known[(namespace, name)] = cluster.find(DAEMON_SET, name, namespace) is not None
        return known[(namespace, name)]

    return has


class Eviction:
    """The result of evicting pods, as lists of rows."""

    def __init__(self):
        self.evicted = []
        self.already_gone = []
        self.refused = []  # (row, the message of the server)
        self.uncertain = []  # evictions with an unknown result

    def done(self):
        return lost("evicted", self.evicted, self.uncertain)


def evict(cluster, rows, grace, until, goes_on=None, told=None):
    """Evict pods; retry evictions that a disruption budget refuses, until a monotonic time. Fills and returns told, or a new Eviction.

    goes_on() is called before each retry; it raises to stop. Errors: AttackError for any refusal other than a budget.
    """
    told, pending, wait = told or Eviction(), list(rows), _AGAIN[0]
    while True:
        told.refused, failed = [], []
        told.uncertain = list(pending)
        outcomes = many.evict_all(cluster, pending, grace)
        told.uncertain = [row for row, outcome in outcomes if isinstance(outcome, AttackError) and may_be_done(outcome)]
        for row, outcome in outcomes:
            if isinstance(outcome, Refused):
                told.refused.append((row, outcome.said or str(outcome)))
            elif isinstance(outcome, AttackError):
                failed.append(outcome)
            else:
                (told.evicted if outcome == "evicted" else told.already_gone).append(row)
        if failed:
            raise failed[0]
        pending = [row for row, _why in told.refused]
        if not pending or time.monotonic() + wait > until:
            return told
        time.sleep(wait)
        wait = min(2 * wait, _AGAIN[1])
        if goes_on is not None:
            goes_on()


def wait_gone(cluster, rows, nodes, until):
    """Wait until pods (compared by uid) are gone from the nodes. Returns those still there at the end."""
    left = list(rows)
    while True:
        here = set(row["metadata"]["uid"] for node in nodes for row in cluster.rows(POD, None, fields=f"spec.nodeName={node}"))
        left = [row for row in left if row["metadata"]["uid"] in here]
        if not left or time.monotonic() >= until:
            return left
        time.sleep(_LOOK)
