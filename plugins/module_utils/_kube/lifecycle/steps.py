# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Typed steps of attacks on objects of a cluster. Each step creates its undo before it is applied."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE, label, path
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, escape, joined, operations, read
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.create import create_ours
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import mark_on, parts
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DeleteCreated, RemoveTaint, RestoreFields, guards
from ansible_collections.faultline.chaos.plugins.module_utils._marks import MARK

_TRIES = 10


class _Change:
    """A step that remembers its undo, so that this knows whether the step was applied."""

    _undo = None

    def prepare(self, cluster):
        """Learn from the server what the step needs. Changes nothing."""

    def _undone_by(self, undo):
        undo.mine = False
        self._undo = undo
        return undo

    def _applied(self, found):
        if self._undo is not None:
            self._undo.mine = True
        return found


class Create(_Change):
    """Create an object. body has metadata.name, and metadata.namespace when its kind is namespaced."""

    def __init__(self, kind, body):
        self.kind = kind
        self.body = body
        self.name = body["metadata"]["name"]
        self.namespace = body["metadata"].get("namespace")

    def undo(self, making):
        return self._undone_by(DeleteCreated(self.kind, self.namespace, self.name, making.nonce))

    def apply(self, cluster, making):
        """Create it. Returns the object as the server stored it."""
        body = dict(self.body, metadata=making.marked(self.body["metadata"]))
        return self._applied(create_ours(cluster, self.kind, body, self.namespace))


class SetFields(_Change):
    """Change fields of a foreign object. found: the object as read; changes: {pointer: value or ABSENT}.

    together: the fields are valid only in combination, so the undo restores all or none of them.
    """

    def __init__(self, kind, found, changes, together=False):
        self.kind = kind
        self.found = found
        self.meta = found["metadata"]
        self.changes = [(at, read(found, at), value) for at, value in sorted(changes.items())]
        self.together = together

    def prepare(self, cluster):
        """Send a dry run to learn how the server normalises the values (1000m becomes 1), and whether it accepts them."""
        wanted = [each for at, _before, value in self.changes for each in operations(self.found, at, value)]
        answer = cluster.request(
            "PATCH",
            path(self.kind, self.meta.get("namespace"), self.meta["name"]),
            body=joined(wanted),
            query=[("dryRun", "All")],
            content_type="application/json-patch+json",
        )
        self.changes = [(at, before, read(answer, at)) for at, before, _value in self.changes]

    def undo(self, making):
        told = []
        for at, before, after in self.changes:
            each = {"at": at}
            each.update({} if before is ABSENT else {"before": before})
            each.update({} if after is ABSENT else {"after": after})
            told.append(each)
        return self._undone_by(RestoreFields(self.kind, self.meta.get("namespace"), self.meta["name"], self.meta["uid"], told, making.id, self.together))

    def apply(self, cluster, making):
        def edit(found):
            for at, before, _after in self.changes:
                if read(found, at) != before:
                    raise AttackError(f"{self._label()}: {at} was changed while the attack was planned")
            wanted = [each for at, _before, after in self.changes for each in operations(found, at, after)]
            return wanted + _marking(found, making.seal)

        return self._applied(_edit(cluster, self.kind, self.meta, edit))

    def _label(self):
        return label(self.kind, self.meta.get("namespace"), self.meta["name"])


class AddTaint(_Change):
    """Add a taint to a node. node: the object as read; taint: key, effect and optionally value."""

    def __init__(self, node, taint):
        self.meta = node["metadata"]
        self.taint = taint
        for each in (node.get("spec") or {}).get("taints") or []:
            if each.get("key") == taint["key"] and each.get("effect") == taint["effect"]:
                raise NotRestorable("Node {} has a taint {}:{} already".format(self.meta["name"], taint["key"], taint["effect"]))

    def undo(self, making):
        return self._undone_by(RemoveTaint(self.meta["name"], self.meta["uid"], self.taint, making.id))

    def apply(self, cluster, making):
        def edit(found):
            taints = (found.get("spec") or {}).get("taints") or []
            if any(each.get("key") == self.taint["key"] and each.get("effect") == self.taint["effect"] for each in taints):
                raise AttackError("Node {} was tainted while the attack was planned".format(self.meta["name"]))
            return operations(found, "/spec/taints", taints + [self.taint]) + _marking(found, making.seal)

        return self._applied(_edit(cluster, NODE, self.meta, edit))


def cordon(node):
    """The steps that cordon a node; none when it is cordoned already, so that the undo does not uncordon it."""
    if (node.get("spec") or {}).get("unschedulable"):
        return []
    return [SetFields(NODE, node, {"/spec/unschedulable": True})]


def _edit(cluster, kind, meta, edit):
    for _attempt in range(_TRIES):
        found = cluster.find(kind, meta["name"], meta.get("namespace"))
        if found is None or found["metadata"]["uid"] != meta["uid"]:
            raise AttackError("{} is gone since it was looked at".format(label(kind, meta.get("namespace"), meta["name"])))
        try:
            return cluster.replace_fields(kind, meta["name"], meta.get("namespace"), guards(found) + joined(edit(found)))
        except Conflict:
            continue
    raise AttackError("{} changes too fast to be attacked".format(label(kind, meta.get("namespace"), meta["name"])))


def _marking(found, seal):
    other = mark_on(found["metadata"])
    if other not in (None, seal.mark):
        raise AttackError("{} bears the mark of the attack {}: revert that first".format(found["metadata"]["name"], parts(other)[0]))
    return operations(found, "/metadata/annotations/" + escape(MARK), seal.mark)
