# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Residue in a cluster: objects with marks of an attack that no journal accounts for."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import KubeError, NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import AUTOSCALERS_V2, CHANGED, JOB, MADE, SECRET, label
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import mark_on, parts
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import created
from ansible_collections.faultline.chaos.plugins.module_utils._marks import ID_LABEL, MARK, OF_OURS, PART_LABEL, RUN_LABEL

_OURS = (JOB,) + MADE + (SECRET,)  # kinds that attacks create
_MARKED = tuple(kind for kind in CHANGED if kind not in AUTOSCALERS_V2)  # kinds that attacks change; an autoscaler is the same object in every API version
_BEGINS = 60.0  # seconds by which the Secret of an undo may precede its journal


class Left:
    """One piece of residue."""

    def __init__(self, kind, meta, marked=False):
        self.kind = kind
        self.meta = meta
        self.marked = marked  # True: a foreign object with the mark of an attack; False: a managed object
        labels = meta.get("labels") or {}
        self.attack_id, self.journal, run = parts(mark_on(meta) or "")
        if not marked:
            self.journal = self.journal if self.attack_id == labels.get(ID_LABEL) else ""
            self.attack_id, run = labels.get(ID_LABEL), labels.get(RUN_LABEL)
        self.run_id = run or None

    def __str__(self):
        named = label(self.kind, self.meta.get("namespace"), self.meta["name"])
        return f"the mark of {self.attack_id} on {named}" if self.marked else named

    def help(self):
        """What helps, with the command."""
        where = "-n {} ".format(self.meta["namespace"]) if self.kind.namespaced else ""
        if self.marked:
            return "Put it right by hand, then take the mark off: kubectl {}annotate {} {} {}-".format(where, self.kind.plural, self.meta["name"], MARK)
        return "Delete it: kubectl {}delete {} {}".format(where, self.kind.plural, self.meta["name"])

    def is_accounted(self, entries):
        """Whether one of these journals is that of the attack. A mark names it by its uid, so that none forged with the same id counts."""
        return any(entry.uid == self.journal if self.journal else entry.id == self.attack_id for entry in entries)


def find(cluster, journal, namespaces=(), not_looked_at=None, attack_id=None, run_id=None, but=None):
    """List the residue, only in the namespaces when some are given. Kinds that the credentials may not list are skipped and added to not_looked_at.

    attack_id, run_id: only of these, also on nodes. but: the uid of a journal that accounts for nothing.
    All journals are read, and read last: a stuck or damaged one, or one created during the listing, still accounts for its objects.
    """
    # The journal of an attack on a node may be in any namespace.
    kinds = [kind for kind in _MARKED if kind.namespaced or not namespaces or attack_id or run_id]
    unseen = set()
    found = [each for kind in _OURS if not but or kind != SECRET for each in _made(cluster, kind, namespaces, unseen)]
    found += [each for kind in kinds for each in _marked(cluster, kind, namespaces, unseen)]
    if not_looked_at is not None:
        not_looked_at += sorted(unseen)
    found = [each for each in found if attack_id in (None, each.attack_id) and run_id in (None, each.run_id)]
    entries = [entry for entry in journal.entries(namespaces) if entry.uid != but] if found else []
    return [each for each in found if not each.is_accounted(entries)]


def _made(cluster, kind, namespaces, unseen):
    found = []
    for meta in _listed(cluster, kind, namespaces, f"{OF_OURS},{PART_LABEL}!=journal", unseen):
        owned = any(each.get("controller") for each in meta.get("ownerReferences") or [])  # deleted with its owner
        told = meta.get("labels") or {}
        # The Secret of an undo is written just before its journal: without this check a halt could delete it while an attack starts.
        begins = told.get(PART_LABEL) == "undo" and cluster.now() - created(meta) < _BEGINS
        if not owned and not begins and not meta.get("deletionTimestamp"):
            found.append(Left(kind, meta))
    return found


def _marked(cluster, kind, namespaces, unseen):
    return [Left(kind, meta, marked=True) for meta in _listed(cluster, kind, namespaces, None, unseen) if mark_on(meta) is not None]


def _listed(cluster, kind, namespaces, selector, unseen):
    rows = []
    for namespace in namespaces if kind.namespaced and namespaces else [None]:
        try:
            rows += cluster.rows(kind, namespace, selector)
        except AttackError as error:
            if isinstance(error, KubeError) and error.status == 403:
                unseen.add(kind.plural if namespace is None else f"{kind.plural} in namespace {namespace}")
            elif not isinstance(error, NotFound):
                raise
    return [row["metadata"] for row in rows]
