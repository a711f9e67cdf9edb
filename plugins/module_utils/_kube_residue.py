# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""What attacks left behind in a cluster: things with our marks that no journal accounts for."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube_errors import NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube_journal import ID_LABEL, OF_OURS, PART_LABEL
from ansible_collections.faultline.chaos.plugins.module_utils._kube_kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    NETWORK_POLICY,
    NODE,
    POD,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    label,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube_revert import is_forbidden
from ansible_collections.faultline.chaos.plugins.module_utils._kube_undo import MARK, change, unmark

_OURS = (JOB, NETWORK_POLICY, RESOURCE_QUOTA, DEPLOYMENT, POD, SECRET)  # what attacks make
_MARKED = (NODE, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CONFIG_MAP, SECRET, SERVICE, AUTOSCALER)  # what they change


class Left(object):
    """One thing that was left."""

    def __init__(self, kind, meta, mark=None):
        self.kind = kind
        self.meta = meta
        self.mark = mark  # the id on an object of theirs; None for an object of ours

    def __str__(self):
        named = label(self.kind, self.meta.get("namespace"), self.meta["name"])
        return named if self.mark is None else "the mark of %s on %s" % (self.mark, named)

    def remove(self, cluster):
        """Delete what is ours; take the mark off what is theirs. What the attack changed there nobody knows any more."""
        name, namespace, uid = self.meta["name"], self.meta.get("namespace"), self.meta["uid"]
        if self.mark is None:
            cluster.delete(self.kind, name, namespace, uid)
        else:
            change(cluster, self.kind, namespace, name, uid, lambda found: (unmark(found, self.mark), ["the mark"], []))


def find(cluster, namespaces=(), entries=()):
    """What is left. What these credentials may not list is passed over."""
    known = set(entry.id for entry in entries)
    found = []
    for kind in _OURS:
        for meta in _listed(cluster, kind, namespaces, "%s,%s!=journal" % (OF_OURS, PART_LABEL)):
            owned = any(each.get("controller") for each in meta.get("ownerReferences") or [])  # goes with its owner
            if (meta.get("labels") or {}).get(ID_LABEL) not in known and not owned and not meta.get("deletionTimestamp"):
                found.append(Left(kind, meta))
    for kind in _MARKED:
        for meta in _listed(cluster, kind, namespaces if kind.namespaced else (), None):
            mark = (meta.get("annotations") or {}).get(MARK)
            if mark is not None and mark not in known:
                found.append(Left(kind, meta, mark))
    return found


def _listed(cluster, kind, namespaces, selector):
    rows = []
    for namespace in namespaces or [None]:
        try:
            rows += cluster.rows(kind, namespace, selector)
        except AttackError as error:
            if not is_forbidden(error) and not isinstance(error, NotFound):
                raise
    return [row["metadata"] for row in rows]
