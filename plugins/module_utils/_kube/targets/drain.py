# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Which pods leave a node, which stay and which stand in the way, by the rules of kubectl drain; and how they are evicted."""

import math
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import many
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Refused, may_be_done
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import DAEMON_SET, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import is_protected
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import owner_of, spared

MIRROR = "kubernetes.io/config.mirror"  # the annotation of a static pod's image in the API
_LOOK = 0.25  # seconds between two looks at pods that are going
_AGAIN = (1.0, 5.0)  # seconds until a pod whose budget said no is asked for again, at first and at most


class Pods:
    """The pods of a node, sorted out."""

    def __init__(self):
        self.go = []
        self.stay = {}  # {name: why}
        self.refused = {}  # {fix: [names]}

    def refuse(self, name, fix):
        self.refused.setdefault(fix, []).append(name)

    def check(self, what):
        """Errors: AttackError naming every pod that is in the way, and what to do about it."""
        if self.refused:
            told = ["{} ({})".format(", ".join(sorted(names)), fix) for fix, names in sorted(self.refused.items())]
            raise AttackError("{} is refused because of pods on it: {}".format(what, "; ".join(told)))


def grace_seconds(value):
    """Whole seconds that pods may take to end; None for what they ask for.

    At least 1, for to the API 0 means to forget a pod without the word of its node that it ended. Errors: BadOption.
    """
    return None if value is None else max(1, int(math.ceil(_units.duration("grace", value, 0.0, 3600.0))))


def named(row):
    return "{}/{}".format(row["metadata"]["namespace"], row["metadata"]["name"])


def lost(word, rows, uncertain):
    """What was done to pods that no undo brings back, as an effect of an attack that failed; {} when nothing was."""
    told = {word: sorted(set(named(row) for row in rows)), "uncertain": sorted(set(named(row) for row in uncertain))}
    return dict((key, names) for key, names in told.items() if names)


def for_drain(pods, params, has_daemon_set, is_out=None):
    """Pods of a node as a drain sees them. has_daemon_set(namespace, name) is asked for pods of a DaemonSet, is_out(namespace) whether it opted out."""
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
    """Pods of a node as a taint sees them that evicts: it asks nobody, so what must stay has to tolerate it."""
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
    """Refuse what nobody brings back, unless that was asked for."""
    if unmanaged and not params["force"]:
        found.refuse(named(pod), "nobody replaces it, for it has no owner: set force: true to lose it")
    if not params["delete_emptydir_data"] and any("emptyDir" in volume for volume in pod["spec"].get("volumes") or []):
        found.refuse(named(pod), "it keeps data in an emptyDir: set delete_emptydir_data: true to lose them")


def is_finished(pod):
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def tolerates(pod, taint):
    """Whether a pod stays on a node with a taint for good."""
    return any(_fits(each, taint) and each.get("tolerationSeconds") is None for each in pod["spec"].get("tolerations") or [])


def _fits(toleration, taint):
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


# --- on the cluster -----------------------------------------------------------------------------


def on_node(cluster, name, selector=None):
    """Whole pods of one node: a node has some hundred at most."""
    return cluster.whole(POD, None, selector, f"spec.nodeName={name}")


def daemon_sets(cluster):
    """A function (namespace, name) that says whether there is such a DaemonSet, and asks once for each."""
    known = {}

    def has(namespace, name):
        if (namespace, name) not in known:
            known[(namespace, name)] = cluster.find(DAEMON_SET, name, namespace) is not None
        return known[(namespace, name)]

    return has


class Eviction:
    """What came of evicting some pods. Each list has rows."""

    def __init__(self):
        self.evicted = []
        self.already_gone = []
        self.refused = []  # (row, what the server said)
        self.uncertain = []  # those of which the server said neither

    def done(self):
        return lost("evicted", self.evicted, self.uncertain)


def evict(cluster, rows, grace, until, goes_on=None, told=None):
    """Evict pods, and ask again for those whose budget says no, until a time. Returns an Eviction; told, when it is given.

    goes_on() is called before each new try; it raises when there is no point any more. Errors: AttackError for anything but a budget.
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
    """Wait until pods, by their uids, are gone from nodes. Returns those that are not by then."""
    left = list(rows)
    while True:
        here = set(row["metadata"]["uid"] for node in nodes for row in cluster.rows(POD, None, fields=f"spec.nodeName={node}"))
        left = [row for row in left if row["metadata"]["uid"] in here]
        if not left or time.monotonic() >= until:
            return left
        time.sleep(_LOOK)
