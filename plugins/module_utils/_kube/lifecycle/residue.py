# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Residue in a cluster: objects with marks of an attack that no journal accounts for."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import AUTOSCALERS_V2, CHANGED, JOB, MADE, SECRET, label
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import is_forbidden
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import change, unmark
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import created
from ansible_collections.faultline.chaos.plugins.module_utils._marks import ID_LABEL, MARK, OF_OURS, PART_LABEL

_OURS = (JOB,) + MADE + (SECRET,)  # kinds that attacks create
_MARKED = tuple(kind for kind in CHANGED if kind not in AUTOSCALERS_V2)  # kinds that attacks change; an autoscaler is the same object in every API version
_BEGINS = 60.0  # seconds by which the Secret of an undo may precede its journal


class Left:
    """One piece of residue."""

    def __init__(self, kind, meta, attack_id, marked=False):
        self.kind = kind
        self.meta = meta
        self.attack_id = attack_id
        self.marked = marked  # True: a foreign object with the mark of an attack; False: a managed object

    def __str__(self):
        named = label(self.kind, self.meta.get("namespace"), self.meta["name"])
        return f"the mark of {self.attack_id} on {named}" if self.marked else named

    def remove(self, cluster):
        """Delete a managed object, or remove the mark from a foreign one. The changes to a foreign object are not known any more."""
        name, namespace, uid = self.meta["name"], self.meta.get("namespace"), self.meta["uid"]
        if self.marked:
            change(cluster, self.kind, namespace, name, uid, lambda found: (unmark(found, self.attack_id), ["the mark"], []))
        else:
            cluster.delete(self.kind, name, namespace, uid)


def find(cluster, journal, namespaces=(), not_looked_at=None):
    """List the residue, only in the namespaces when some are given. Kinds that the credentials may not list are skipped and added to not_looked_at.

    All journals are read, and read last: a stuck or damaged one, or one created during the listing, still accounts for its objects.
    """
    kinds = [kind for kind in _MARKED if kind.namespaced or not namespaces]  # the journal of an attack on a node may be in any namespace
    unseen = set()
    found = [each for kind in _OURS for each in _made(cluster, kind, namespaces, unseen)]
    found += [each for kind in kinds for each in _marked(cluster, kind, namespaces, unseen)]
    if not_looked_at is not None:
        not_looked_at += sorted(unseen)
    known = set(entry.id for entry in journal.entries(namespaces))
    return [each for each in found if each.attack_id not in known]


def _made(cluster, kind, namespaces, unseen):
    found = []
    for meta in _listed(cluster, kind, namespaces, f"{OF_OURS},{PART_LABEL}!=journal", unseen):
        owned = any(each.get("controller") for each in meta.get("ownerReferences") or [])  # deleted with its owner
        told = meta.get("labels") or {}
        # The Secret of an undo is written just before its journal: without this check a halt could delete it while an attack starts.
        begins = told.get(PART_LABEL) == "undo" and cluster.now() - created(meta) < _BEGINS
        if not owned and not begins and not meta.get("deletionTimestamp"):
            found.append(Left(kind, meta, told.get(ID_LABEL)))
    return found


def _marked(cluster, kind, namespaces, unseen):
    rows = [(meta, (meta.get("annotations") or {}).get(MARK)) for meta in _listed(cluster, kind, namespaces, None, unseen)]
    return [Left(kind, meta, mark, marked=True) for meta, mark in rows if mark is not None]


def _listed(cluster, kind, namespaces, selector, unseen):
    rows = []
    for namespace in namespaces or [None]:
        try:
            rows += cluster.rows(kind, namespace, selector)
        except AttackError as error:
            if is_forbidden(error):
                unseen.add(kind.plural if namespace is None else f"{kind.plural} in namespace {namespace}")
            elif not isinstance(error, NotFound):
                raise
    return [row["metadata"] for row in rows]
