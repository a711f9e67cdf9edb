# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Typed undo steps for objects of a cluster. They are serialized in the journal; run() is idempotent.

run() reports DONE, GONE (proved: nothing is left to undo) or DRIFTED (the object was changed by others since; their change is kept).
"""

from abc import ABC, abstractmethod

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE, Kind, label
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, escape, joined, operations, read
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import mark_on
from ansible_collections.faultline.chaos.plugins.module_utils._marks import ID_LABEL, MARK, NONCE

DONE = "done"
GONE = "already gone"
DRIFTED = "drifted"
_TRIES = 10


class Step(ABC):
    """One undo step. fields are the arguments of the constructor, all of them JSON."""

    fields = ()
    after_failure = True  # whether to run it after an earlier step failed
    mine = None  # in the memory of who attacks: whether this was applied. None: known from a journal only, so the marks must prove it

    def to_dict(self):
        told = dict((key, getattr(self, key)) for key in self.fields)
        told["step"] = type(self).__name__
        return told

    @abstractmethod
    def render(self):
        """Describe the step for people."""

    def sealed(self, cluster, seal):
        """Whether its object bears the mark, which proves that the undo is as the attack wrote it. Errors: see Seal.borne()."""
        return False

    @abstractmethod
    def run(self, cluster, seal):
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

    def sealed(self, cluster, seal):
        found = cluster.find(Kind(*self.kind), self.name, self.namespace)
        return found is not None and self._is_ours(found["metadata"]) and self._seal(seal).borne(found["metadata"], self._named())

    def run(self, cluster, seal):
        kind, named = Kind(*self.kind), self._named()
        found = cluster.find(kind, self.name, self.namespace)
        if found is None:
            return GONE, f"{named} is gone"
        meta = found["metadata"]
        theirs = f"Delete it, then delete the journal: {seal.delete()}"
        if not self._is_ours(meta):
            ours = (meta.get("labels") or {}).get(ID_LABEL) == seal.id
            if self.mine is False or not ours and meta.get("creationTimestamp", "") < seal.born:
                return GONE, f"{named} is not the one that was made"
            raise AttackError(f"{named} is there and does not bear the nonce of {seal.id}: somebody changed it, or made it anew. {theirs}")
        if seal.checksum and not self._seal(seal).borne(meta, named) and self.mine is None:
            raise AttackError(f"{named} does not bear the mark of {seal.id} any more: somebody took it off. {theirs}")
        if not cluster.delete(kind, self.name, self.namespace, meta["uid"], grace=0):
            return GONE, f"{named} is gone"
        return DONE, f"{named} deleted"

    def _named(self):
        return label(Kind(*self.kind), self.namespace, self.name)

    def _is_ours(self, meta):
        return bool(self.nonce) and (meta.get("annotations") or {}).get(NONCE) == self.nonce

    @staticmethod
    def _seal(seal):
        return seal


class DeleteOwner(DeleteCreated):
    """Delete the dead-man's Job. The cluster then deletes all that it owns, the journal too, so it does not run after a failed step."""

    after_failure = False

    @staticmethod
    def _seal(seal):
        return seal.before_journal()


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

    def sealed(self, cluster, seal):
        return _bears(cluster, Kind(*self.kind), self, self.namespace, seal)

    def run(self, cluster, seal):
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
            return wanted, told, drifted

        return _change(cluster, kind, self, self.namespace, edit, seal)


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

    def sealed(self, cluster, seal):
        return _bears(cluster, NODE, self, None, seal)

    def run(self, cluster, seal):
        key, effect, value = self.taint["key"], self.taint["effect"], self.taint.get("value") or ""

        def edit(found):
            taints = (found.get("spec") or {}).get("taints") or []
            mine = [each for each in taints if each.get("key") == key and each.get("effect") == effect]
            if not mine:
                return [], [], []
            if (mine[0].get("value") or "") != value:
                return [], [], ["the taint {} has the value {!r} by now, and is kept".format(key, mine[0].get("value"))]
            left = [each for each in taints if each is not mine[0]]
            put = {"op": "replace", "path": "/spec/taints", "value": left} if left else {"op": "remove", "path": "/spec/taints"}
            return [put], [f"the taint {key}"], []

        return _change(cluster, NODE, self, None, edit, seal)


def _bears(cluster, kind, step, namespace, seal):
    found = cluster.find(kind, step.name, namespace)
    return found is not None and found["metadata"]["uid"] == step.uid and seal.borne(found["metadata"], label(kind, namespace, step.name))


def _change(cluster, kind, step, namespace, edit, seal):
    """Edit the object of a step atomically; retry when it was changed concurrently.

    edit(object) returns (JSON patch operations, what they restore, what drifted). The mark was set in the same patch as the change, and goes with it.
    Without the mark, equal values may be those of somebody else, so only who has the attack in memory puts them back.
    """
    named = label(kind, namespace, step.name)
    for _attempt in range(_TRIES):
        found = cluster.find(kind, step.name, namespace)
        if found is None or found["metadata"]["uid"] != step.uid:
            return GONE, "{} is gone{}".format(named, "" if found is None else "; that one was made anew")
        borne, other = seal.borne(found["metadata"], named), mark_on(found["metadata"])
        wanted, told, drifted = edit(found)
        if told and not borne and step.mine is False:
            return GONE, f"{named} does not bear the mark of {seal.id}: nothing there is of this attack"
        if told and not borne and (step.mine is None or other is not None):
            raise AttackError(
                "{} is as {} set it ({}), but bears {}: somebody took its mark off. Put it right by hand (undo.txt in the journal says how), "
                "then delete the journal: {}".format(named, seal.id, ", ".join(told), f"the mark {other!r}" if other else "no mark", seal.delete())
            )
        wanted += _unmark(found) if borne else []
        if wanted:
            try:
                cluster.replace_fields(kind, step.name, namespace, guards(found) + joined(wanted))
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


def _unmark(found):
    """JSON patch operations that remove the mark."""
    if len(found["metadata"]["annotations"]) == 1:
        return [{"op": "remove", "path": "/metadata/annotations"}]
    return [{"op": "remove", "path": "/metadata/annotations/" + escape(MARK)}]


# The steps that a journal may have, by name. StopStress adds itself where it is shipped.
STEPS = dict((each.__name__, each) for each in (DeleteCreated, DeleteOwner, RestoreFields, RemoveTaint))


class NotHere(JournalDamaged):
    """A step that only some modules know."""


def from_dict(told):
    """Deserialize a step. Errors: JournalDamaged; NotHere for a step that k8s_revert knows."""
    try:
        if told["step"] == "StopStress" and told["step"] not in STEPS:
            raise NotHere("programs in containers are ended by the module faultline.chaos.k8s_revert only")
        made = STEPS[told["step"]]
        return made(**dict((key, told[key]) for key in made.fields))
    except (KeyError, TypeError):  # do not show the content: it may come from a Secret
        raise JournalDamaged("an undo step of the journal is not known here: {!r}".format(told.get("step") if isinstance(told, dict) else type(told).__name__))
