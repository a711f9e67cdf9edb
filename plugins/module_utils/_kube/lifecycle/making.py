# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The marks of the objects that an attack makes."""

import copy

from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import Seal
from ansible_collections.faultline.chaos.plugins.module_utils._marks import MARK, NONCE, PART_LABEL


class Making:
    """The attack of a step: its id, and the marks of the objects that it creates."""

    def __init__(self, attack_id, nonce, labels, owner=None):
        self.id = attack_id
        self.nonce = nonce
        self.labels = labels
        self.owner = owner  # the ownerReference of the dead-man's Job, or None
        self.seal = Seal(attack_id)  # the lifecycle sets that of the journal, as soon as there is one

    def marked(self, metadata, part="object"):
        """Add the marks of the attack to metadata. Existing labels of the same name win: an attack may need a label for itself."""
        meta = copy.deepcopy(metadata)
        meta["labels"] = dict(dict(self.labels, **{PART_LABEL: part}), **(meta.get("labels") or {}))
        meta["annotations"] = dict(meta.get("annotations") or {}, **{NONCE: self.nonce, MARK: self.seal.mark})
        if self.owner is not None:
            meta["ownerReferences"] = [self.owner]
        return meta
