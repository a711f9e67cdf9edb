# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Typed undo steps for objects of a cluster. They are serialized in the journal; run() is idempotent.

run() reports DONE, GONE (nothing is left to undo) or DRIFTED (the object was changed by others since; their change is kept).
"""

from abc import ABC, abstractmethod

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD, Kind, label
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, escape, joined, operations, read
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import stress_sh
from ansible_collections.faultline.chaos.plugins.module_utils._marks import MARK, NONCE

DONE = "done"
GONE = "already gone"
DRIFTED = "drifted"
_TRIES = 10


class Step(ABC):
    """One undo step. fields are the arguments of the constructor, all of them JSON."""

    fields = ()
    after_failure = True  # whether to run it after an earlier step failed

    def to_dict(self):
        told = dict((key, getattr(self, key)) for key in self.fields)
        told["step"] = type(self).__name__
        return told

    @abstractmethod
    def render(self):
        """Describe the step for people."""

    @abstractmethod
    def run(self, cluster):
        """Return (DONE | GONE | DRIFTED, a sentence). Errors: AttackError; the step is then retried later."""


class DeleteCreated(Step):
    """Delete an object that the attack created, recognised by its nonce."""

    fields = ("kind", "namespace", "name", "nonce")

    def __init__(self, kind, namespace, name, nonce):
        self.kind = list(kind)
        self.namespace = namespace
        self.name = name
        self.nonce = nonce

    def render(self):
        return f"delete {label(Kind(*self.kind), self.namespace, self.name)}, if it is ours"

    def run(self, cluster):
        kind = Kind(*self.kind)
        named = label(kind, self.namespace, self.name)
        found = cluster.find(kind, self.name, self.namespace)
        if found is None:
            return GONE, f"{named} is gone"
        meta = found["metadata"]
        if not self.nonce or (meta.get("annotations") or {}).get(NONCE) != self.nonce:
            return GONE, f"{named} is not the one that was made"
        if not cluster.delete(kind, self.name, self.namespace, meta["uid"], grace=0):
            return GONE, f"{named} is gone"
        return DONE, f"{named} deleted"


class DeleteOwner(DeleteCreated):
    """Delete the dead-man's Job. The cluster then deletes all that it owns, the journal too, so it does not run after a failed step."""

    after_failure = False


class RestoreFields(Step):
    """Restore the fields of a foreign object that still have the value set by the attack.

    changes: [{"at": pointer, "before": value, "after": value}]; a missing key stands for an absent value.
    together: the fields are valid only in combination, so when one of them has drifted, none is restored.
    """

    fields = ("kind", "namespace", "name", "uid", "changes", "mark", "together")

    def __init__(self, kind, namespace, name, uid, changes, mark, together=False):
        self.kind = list(kind)
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.changes = changes
        self.mark = mark
        self.together = together

    def render(self):
        named = label(Kind(*self.kind), self.namespace, self.name)
        return "\n".join("{} {}: back to {!r}".format(named, each["at"], each.get("before", ABSENT)) for each in self.changes)

    def run(self, cluster):
        kind = Kind(*self.kind)

        def edit(found):
            wanted, told, drifted = [], [], []
            for each in self.changes:
                now = read(found, each["at"])
                if now == each.get("before", ABSENT):
                    continue
                if now == each.get("after", ABSENT):
                    wanted += operations(found, each["at"], each.get("before", ABSENT))
                    told.append(each["at"])
                else:
                    shown = "something else" if kind.kind == "Secret" or "/env" in each["at"] else f"{now!r}"  # the value may be a password
                    drifted.append("{} is {} by now, and kept".format(each["at"], shown))
            if self.together and drifted and told:
                drifted.append("{}, which must fit to that, is kept as the attack set it".format(", ".join(told)))
                wanted, told = [], []
            wanted += unmark(found, self.mark)
            return wanted, told, drifted

        return change(cluster, kind, self.namespace, self.name, self.uid, edit, self.mark)


class RemoveTaint(Step):
    """Remove the taint of the attack from a node. Other taints keep their order."""

    fields = ("name", "uid", "taint", "mark")

    def __init__(self, name, uid, taint, mark):
        self.name = name
        self.uid = uid
        self.taint = taint
        self.mark = mark

    def render(self):
        return "Node {}: remove the taint {}:{}".format(self.name, self.taint["key"], self.taint["effect"])

    def run(self, cluster):
        key, effect, value = self.taint["key"], self.taint["effect"], self.taint.get("value") or ""

        def edit(found):
            taints = (found.get("spec") or {}).get("taints") or []
            mine = [each for each in taints if each.get("key") == key and each.get("effect") == effect]
            if not mine:
                return unmark(found, self.mark), [], []
            if (mine[0].get("value") or "") != value:
                return unmark(found, self.mark), [], ["the taint {} has the value {!r} by now, and is kept".format(key, mine[0].get("value"))]
            left = [each for each in taints if each is not mine[0]]
            put = {"op": "replace", "path": "/spec/taints", "value": left} if left else {"op": "remove", "path": "/spec/taints"}
            return [put] + unmark(found, self.mark), [f"the taint {key}"], []

        return change(cluster, Kind("v1", "Node", "nodes", False), None, self.name, self.uid, edit, self.mark)


class StopStress(Step):
    """Stop the stress programs in a container: those with the word in their command line, only in the container with this id."""

    fields = ("namespace", "pod", "uid", "container", "container_id", "word")

    def __init__(self, namespace, pod, uid, container, container_id, word):
        self.namespace = namespace
        self.pod = pod
        self.uid = uid
        self.container = container
        self.container_id = container_id
        self.word = word

    def render(self):
        return f"Pod {self.namespace}/{self.pod}, container {self.container}: end the programs {self.word}"

    def run(self, cluster):
        named = f"container {self.container} of Pod {self.namespace}/{self.pod}"
        found = cluster.find(POD, self.pod, self.namespace)
        if found is None or found["metadata"]["uid"] != self.uid:
            return GONE, f"{named} is gone"
        if running_id(found, self.container) != self.container_id:
            return GONE, f"{named} ended or was started anew since"
        try:
            status, output, errors = kube_exec.run(cluster, self.namespace, self.pod, self.container, stress_sh.stop(self.word))
        except NotFound:
            return GONE, f"{named} is gone"
        if status != 0:
            raise AttackError("the programs in the {} do not end: {}".format(named, (output + errors).strip()[:200] or "no answer"))
        return (DONE, f"{named}: our programs ended") if output.strip() != "0" else (GONE, f"{named}: nothing of ours runs")


def running_id(pod, container):
    """The id of a running container of a pod, or None."""
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        if each["name"] == container and (each.get("state") or {}).get("running") is not None:
            return each.get("containerID")
    return None


def change(cluster, kind, namespace, name, uid, edit, mark=None):
    """Edit the object with this uid atomically; retry when it was changed concurrently.

    edit(object) returns (JSON patch operations, what they restore, what drifted).
    mark: set and removed in the same patch as the change. An object without it was never changed by the attack, even if a value is equal.
    """
    named = label(kind, namespace, name)
    for _attempt in range(_TRIES):
        found = cluster.find(kind, name, namespace)
        if found is None or found["metadata"]["uid"] != uid:
            return GONE, "{} is gone{}".format(named, "" if found is None else "; that one was made anew")
        if mark is not None and (found["metadata"].get("annotations") or {}).get(MARK) != mark:
            return GONE, f"{named} does not bear the mark of {mark}: nothing there is of this attack"
        wanted, told, drifted = edit(found)
        if wanted:
            try:
                cluster.replace_fields(kind, name, namespace, guards(found) + joined(wanted))
            except Conflict:
                continue
        if drifted:
            return DRIFTED, "{}: {}".format(named, "; ".join(drifted))
        return (DONE, "{}: {} put back".format(named, ", ".join(told))) if told else (GONE, f"{named} is as it was")
    raise AttackError(f"{named} changes too fast to be put back")


def guards(found):
    """JSON patch tests that fail when the object has changed since it was read."""
    meta = found["metadata"]
    return [
        {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
        {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
    ]


def unmark(found, mark):
    """JSON patch operations that remove the mark of the attack."""
    annotations = found["metadata"].get("annotations") or {}
    if mark is None or annotations.get(MARK) != mark:
        return []
    if len(annotations) == 1:
        return [{"op": "remove", "path": "/metadata/annotations"}]
    return [{"op": "remove", "path": "/metadata/annotations/" + escape(MARK)}]


_STEPS = dict((each.__name__, each) for each in (DeleteCreated, DeleteOwner, RestoreFields, RemoveTaint, StopStress))


def from_dict(told):
    """Deserialize a step. Errors: JournalDamaged."""
    try:
        made = _STEPS[told["step"]]
        return made(**dict((key, told[key]) for key in made.fields))
    except (KeyError, TypeError):  # do not show the content: it may come from a Secret
        raise JournalDamaged("an undo step of the journal is not known here: {!r}".format(told.get("step") if isinstance(told, dict) else type(told).__name__))
