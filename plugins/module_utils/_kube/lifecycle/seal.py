# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The seal of an attack: the mark on its objects binds them to one journal and its undo. Pure.

A mark is ID:UID:HASH:RUN, with the uid of the journal and a hash of the undo. A journal that was forged, rewritten or replaced does not fit the marks.
Journals of version 1 have no hash, and their objects bear the id alone.
"""

import hashlib
import json

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._marks import MARK

_BOUND = ("id", "module", "namespaces", "nonce")


def mark_on(meta):
    """The mark in the metadata of an object, or None."""
    return (meta.get("annotations") or {}).get(MARK)


def parts(mark):
    """(id, uid of the journal, run) of a mark, which may be any text."""
    words = "".join(letter if letter.isprintable() else "?" for letter in mark[:250]).split(":") + ["", "", ""]
    return words[0], words[1], words[3]


class Seal:
    """What the objects of one attack bear."""

    def __init__(self, attack_id, uid="", checksum="", run_id=None, born="", place=""):
        self.id = attack_id
        self.checksum = checksum  # empty for a journal of version 1
        self.born = born  # when the server stored the journal, as it says so
        self.place = place  # NAMESPACE/NAME of the journal
        self._run = run_id or ""
        self.mark = f"{attack_id}:{uid}:{checksum}:{self._run}" if checksum else attack_id

    def before_journal(self):
        """The seal of an object that is older than the journal."""
        return Seal(self.id, "", self.checksum, self._run, self.born, self.place)

    def borne(self, meta, named):
        """Whether an object bears the mark. Errors: JournalDamaged when it bears the mark of another journal, or of another undo, of this id."""
        mark = mark_on(meta)
        if mark is None or mark == self.mark or parts(mark)[0] != self.id:
            return mark == self.mark
        raise JournalDamaged(
            f"the journal {self.place} does not fit the mark on {named} ({mark!r}): it was forged, rewritten or made anew, and nothing of it is run. "
            f"When that is as it should be, delete it: {self.delete()}"
        )

    def delete(self):
        """The command that deletes the journal."""
        return "kubectl -n {} delete configmap {}".format(*self.place.split("/", 1)) if self.place else "kubectl delete configmap"


def seal_of(record, undo, uid="", born="", place=""):
    """The seal of a record and its undo, as told by Step.to_dict()."""
    told = json.dumps([record[key] for key in _BOUND] + [undo], sort_keys=True)
    return Seal(record["id"], uid, hashlib.sha256(told.encode("utf-8")).hexdigest()[:32], record.get("run_id"), born, place)
