# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Whether the owners of pods have as many ready pods as they want, for attacks that remove pods.

The status of an owner has the number of ready pods, so its cost does not grow with them. But right after a pod was removed the status may still
count it. So when the status says that all are ready, the pods created since are read themselves; for the others the status is right.
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import OWNERS, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import created, owner_of

_LOOK = (0.5, 2.0)  # seconds between two polls: first and longest
_FEW = 20  # up to so many pods are read one by one; more are listed
_MARGIN = 5.0  # seconds by which the clocks of API servers may differ


class Owner:
    """A controller of pods, and its removed pods that may still exist."""

    def __init__(self, kind, namespace, name, uid, selector):
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.selector = selector
        self.leaving = {}  # {uid: name}

    def __str__(self):
        return f"{self.kind.kind} {self.namespace}/{self.name}"


class Recovery:
    """The owners of some pods: those that can be watched, and the names of those that cannot."""

    def __init__(self, cluster, rows):
        self.cluster = cluster
        self.since = cluster.now() - _MARGIN
        self.watched, self.unwatched = [], []
        known = {}
        for row in rows:
            uid, kind, name = _owner(row)
            if uid not in known:
                known[uid] = self._watched(kind, row["metadata"]["namespace"], name, uid)
                if known[uid] is not None:
                    self.watched.append(known[uid])
                else:
                    self.unwatched.append("{} {}/{}".format(kind, row["metadata"]["namespace"], name))

    def _watched(self, kind, namespace, name, uid):
        """An Owner, or None: Jobs do not always replace a pod, and for custom kinds the wanted number of pods is not known."""
        if kind not in OWNERS or kind == "Job":
            return None
        seen = self.cluster.find(OWNERS[kind], name, namespace)
        if seen is None or seen["metadata"]["uid"] != uid:
            return None
        return Owner(OWNERS[kind], namespace, name, uid, _selector(seen["spec"].get("selector")))

    def require(self):
        """Refuse require_recovery when an owner cannot be watched. Errors: BadOption."""
        if self.unwatched:
            raise BadOption(
                "require_recovery", True, f"whether these recover cannot be seen: {self._shown_unwatched()}; leave their pods out, or watch them with a probe"
            )

    def _shown_unwatched(self):
        more = len(self.unwatched) - 10
        return ", ".join(self.unwatched[:10]) + (" and %d more" % more if more > 0 else "")

    def report(self, victims, patience, began, required, notes):
        """Wait for the recovery. Returns {recovered, recovery_seconds}. Errors: AttackError when it is required and did not happen."""
        left = self.wait(victims, patience)
        words = "after {} not recovered: {}".format(_units.human(max(patience, 0.0)), "; ".join(left))
        if left and required:
            raise AttackError(words)
        if left:
            notes.append(words)
        if self.unwatched:
            notes.append(f"not watched, so nothing is known of their recovery: {self._shown_unwatched()}")
        seconds = round(time.monotonic() - began, 2) if self.watched and not left else None
        return {"recovered": False if left else None if self.unwatched else True, "recovery_seconds": seconds}

    def wait(self, victims, timeout):
        """Wait until the victims are gone and every watched owner has its ready pods. Returns a sentence for each owner that has not."""
        by_uid = dict((owner.uid, owner) for owner in self.watched)
        for row in victims:
            owner = by_uid.get(_owner(row)[0])
            if owner is not None:
                owner.leaving[row["metadata"]["uid"]] = row["metadata"]["name"]
        until, pause, pending = time.monotonic() + timeout, _LOOK[0], list(self.watched)
        while True:
            told = [(owner, self._lacks(owner)) for owner in pending]
            pending = [owner for owner, lack in told if lack]
            now = time.monotonic()
            if not pending or now >= until:
                return [f"{owner} {lack}" for owner, lack in told if lack]
            time.sleep(min(pause, until - now))
            pause = min(1.5 * pause, _LOOK[1])

    def _lacks(self, owner):
        """What an owner lacks, as a phrase, or None."""
        seen = self.cluster.find(owner.kind, owner.name, owner.namespace)
        if seen is None or seen["metadata"]["uid"] != owner.uid:
            return None  # replaced meanwhile, for example by a rollout: nothing to wait for
        if owner.leaving and not self._have_left(owner):
            return "still has the pods that were to go"
        status = seen.get("status") or {}
        if status.get("observedGeneration", 0) < seen["metadata"].get("generation", 0):
            return "was changed, and its controller has not seen it yet"
        if owner.kind.kind == "DaemonSet":
            wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
        else:
            wanted, ready = seen["spec"].get("replicas", 1), status.get("readyReplicas", 0)
        if ready < wanted:
            return "has %d of %d ready pods" % (ready, wanted)
        return self._lacks_new(owner, wanted)

    def _have_left(self, owner):
        """Whether the victims are gone, including those that were terminating. Forgets those that are gone."""
        if len(owner.leaving) <= _FEW:
            rows = [row for name in sorted(owner.leaving.values()) for row in self.cluster.rows(POD, owner.namespace, fields=f"metadata.name={name}")]
        else:
            rows = self.cluster.rows(POD, owner.namespace, owner.selector)
        here = set(row["metadata"]["uid"] for row in rows)
        owner.leaving = dict(pair for pair in owner.leaving.items() if pair[0] in here)
        return not owner.leaving

    def _lacks_new(self, owner, wanted):
        """Check the pods themselves, because the status may be older than the removal. Returns what is lacking, or None."""
        rows = [row for row in self.cluster.rows(POD, owner.namespace, owner.selector) if _owner(row)[0] == owner.uid]
        rows = [row for row in rows if not row["metadata"].get("deletionTimestamp")]
        if len(rows) < wanted:
            return "has %d of %d pods" % (len(rows), wanted)
        new = dict((row["metadata"]["uid"], row["metadata"]["name"]) for row in rows if created(row["metadata"]) >= self.since)
        unready = len(new)
        unready -= sum(1 for pod in self._whole(owner, sorted(new.values())) if pod["metadata"]["uid"] in new and is_ready(pod))
        return "has %d of %d ready pods" % (len(rows) - unready, wanted) if len(rows) - unready < wanted else None

    def _whole(self, owner, names):
        if len(names) > _FEW:
            return self.cluster.whole(POD, owner.namespace, owner.selector)
        return [pod for name in names for pod in self.cluster.whole(POD, owner.namespace, fields=f"metadata.name={name}")]


def _owner(row):
    """(uid, kind, name) of the controller that would replace a pod; of the pod itself when it has none."""
    owner = owner_of(row)
    if owner is None:
        return row["metadata"]["uid"], "Pod", row["metadata"]["name"]
    return owner[2], owner[0], owner[1]


def is_ready(pod):
    if pod["metadata"].get("deletionTimestamp"):
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in (pod.get("status") or {}).get("conditions") or [])


def _selector(selector):
    """matchLabels as a query parameter that shortens the list. matchExpressions are left out; the owner of each pod is compared anyway."""
    labels = selector.get("matchLabels", {}) if selector and ("matchLabels" in selector or "matchExpressions" in selector) else selector
    return ",".join("{}={}".format(*pair) for pair in sorted((labels or {}).items())) or None
