# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The journal of attacks in a cluster: one ConfigMap per attack, written before anything is changed.

Creating the ConfigMap is atomic, so it is also the lock of the id. All journals can be listed by label. Reverting an attack
deletes its journal, so the cluster keeps no record; the result is returned to the caller that reverts.
"""

import base64
import json
import math

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, KubeError, Unsure
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CONFIG_MAP, SECRET
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import trust
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.create import create_ours
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import Seal, seal_of
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import from_dict
from ansible_collections.faultline.chaos.plugins.module_utils._marks import (
    ATTACK_LABEL,
    ID_LABEL,
    MANAGED_BY,
    NONCE,
    OF_OURS,
    OURS,
    PART_LABEL,
    RUN_LABEL,
    object_name,
)

VERSION = 2  # 1: its objects bear the id alone, see seal.py; such attacks may be active during an upgrade
LARGEST = 900000  # bytes; the API server refuses objects of 1 MiB and more
_NEEDED = ("version", "id", "module", "run_id", "identity", "resources", "namespaces", "nonce", "started", "deadman", "undo")


def labels(attack_id, attack, run_id):
    """The labels of every object that an attack creates."""
    told = {MANAGED_BY: OURS, ID_LABEL: attack_id, ATTACK_LABEL: attack}
    if run_id:
        told[RUN_LABEL] = run_id
    return told


class Entry:
    """The journal of one attack, as read from the cluster."""

    def __init__(self, config_map):
        meta, data = config_map["metadata"], config_map.get("data") or {}
        self.name = meta["name"]
        self.namespace = meta["namespace"]
        self.uid = meta["uid"]
        self.version = meta.get("resourceVersion")
        self.born = (meta.get("creationTimestamp") or "", meta["uid"])
        told = meta.get("labels") or {}
        self.id = told.get(ID_LABEL) or self.name
        self.run_id = told.get(RUN_LABEL)
        self.stuck = data.get("stuck") or ""
        self.applied = "effect" in data  # False while the attack is being injected, or when its injector died
        self.damage = ""
        self.record, self.effect, self.deadline, self.limit = {}, {}, 0.0, 0.0
        try:
            self.record = _record(data)
            self.effect = json.loads(data.get("effect") or "{}")
            deadline, self.limit = float(data["deadline"]), float(data["limit"])
            if not math.isfinite(deadline) or not math.isfinite(self.limit):
                raise ValueError("its deadline {} with the limit {} is no time".format(data["deadline"], data["limit"]))
            self.deadline = min(deadline, self.limit)
        except (KeyError, TypeError, ValueError) as error:
            self.damage = f"its journal {self.namespace}/{self.name} cannot be read: {error}"

    def check(self):
        """Errors: JournalDamaged."""
        if self.damage:
            raise JournalDamaged(f"{self.id}: {self.damage}")


def _record(data):
    record = json.loads(data["record.json"])
    lacks = [key for key in _NEEDED if key not in record]
    if lacks:
        raise ValueError("it lacks {}".format(", ".join(lacks)))
    if record["version"] not in (1, VERSION):
        raise ValueError("it is of version {!r}, made by another version of faultline.chaos".format(record["version"]))
    for key in ("id", "nonce", "module"):
        if not isinstance(record[key], str) or not record[key]:
            raise ValueError(f"its {key} is {record[key]!r}")
    for key in ("resources", "namespaces"):
        if not isinstance(record[key], list) or not all(isinstance(each, str) for each in record[key]):
            raise ValueError(f"its {key} are no list of names")
    if not isinstance(record["undo"], (list, dict)):
        raise ValueError("its undo is no list of steps")
    return record


class Journal:
    """The journals of one cluster."""

    def __init__(self, cluster):
        self.cluster = cluster

    def publish(self, namespace, record, deadline, limit, undo_text, owner=None, secret=False):
        """Write a journal. Errors: Conflict when the id is taken; AttackError when it is too large or refused."""
        record = dict(record)
        name = object_name(record["id"])
        meta = {"name": name, "namespace": namespace, "labels": labels(record["id"], record["module"], record["run_id"])}
        meta["annotations"] = {NONCE: record["nonce"]}
        if owner is not None:
            meta["ownerReferences"] = [owner]
        if secret:
            # The name holds the nonce, so that a Secret left by an interrupted publish() blocks nothing, and no attack deletes that of another.
            name = "{}-{}".format(name, record["nonce"].rpartition("-")[2])
            self._keep_secret(dict(meta, name=name), record)
            record["undo"] = {"secret": name}
        data = {
            "record.json": json.dumps(record, sort_keys=True),
            "deadline": f"{deadline:.3f}",
            "limit": f"{limit:.3f}",
            "undo.txt": f"see the Secret {name}" if secret else undo_text,
        }
        _check_size(data)
        try:
            made = create_ours(self.cluster, CONFIG_MAP, {"metadata": _part(meta, "journal"), "data": data}, namespace)
        except Unsure:
            raise  # keep the Secret: a journal without its Secret has lost its undo, a Secret without a journal is harmless
        except AttackError:
            if secret:
                self._forget_secret(namespace, record)
            raise
        return Entry(made)

    def _keep_secret(self, meta, record):
        text = json.dumps(record["undo"])
        _check_size({"undo.json": text})
        data = {"undo.json": base64.b64encode(text.encode("utf-8")).decode("ascii")}
        create_ours(self.cluster, SECRET, {"metadata": _part(meta, "undo"), "type": "Opaque", "data": data}, meta["namespace"])

    def _forget_secret(self, namespace, record):
        found = self.cluster.find(SECRET, record["undo"]["secret"], namespace)
        if found is not None and (found["metadata"].get("annotations") or {}).get(NONCE) == record["nonce"]:
            self.cluster.delete(SECRET, found["metadata"]["name"], namespace, found["metadata"]["uid"])

    def find(self, namespace, attack_id):
        """The entry of an id, or None."""
        found = self.cluster.find(CONFIG_MAP, object_name(attack_id), namespace)
        return Entry(found) if found is not None else None

    def entries(self, namespaces=(), run_id=None, attack_id=None):
        """All entries of the cluster; only those of the namespaces when the credentials may not list cluster-wide."""
        selector = f"{OF_OURS},{PART_LABEL}=journal"
        selector += f",{RUN_LABEL}={run_id}" if run_id else ""
        selector += f",{ID_LABEL}={attack_id}" if attack_id else ""
        try:
            found = self.cluster.whole(CONFIG_MAP, None, selector)
        except KubeError as error:
            if error.status != 403 or not namespaces:
                raise
            found = [each for namespace in namespaces for each in self.cluster.whole(CONFIG_MAP, namespace, selector)]
        return sorted((Entry(each) for each in found), key=lambda entry: entry.born)

    def undo(self, entry, named=()):
        """(undo steps, seal) of an entry; the steps are checked by trust.check(), the seal is for the caller to compare. Errors: JournalDamaged."""
        entry.check()
        record, place = entry.record, (entry.namespace, entry.name)
        if record["id"] != entry.id or entry.name != object_name(entry.id):
            raise JournalDamaged("{}: its journal {}/{} is that of {}".format(entry.id, entry.namespace, entry.name, record["id"]))
        told = record["undo"]
        if isinstance(told, dict):
            told = self._from_secret(entry, told.get("secret"))
        steps = [from_dict(each) for each in told]
        for step in steps:
            trust.check(step, record, place, named)
        where = "/".join(place)
        return steps, seal_of(record, told, entry.uid, entry.born[0], where) if record["version"] > 1 else Seal(entry.id, born=entry.born[0], place=where)

    def _from_secret(self, entry, name):
        try:
            if not name.startswith(entry.name + "-"):
                raise ValueError(name)
            secret = self.cluster.find(SECRET, name, entry.namespace)
            told = json.loads(base64.b64decode(secret["data"]["undo.json"]).decode("utf-8"))
            if not isinstance(told, list):
                raise ValueError(name)
        except (AttributeError, TypeError, KeyError, ValueError):
            raise JournalDamaged(f"{entry.id}: the Secret {entry.namespace}/{name} with its undo is gone or damaged")
        return told

    def note(self, entry, key, text):
        """Store one value beside the record."""
        self._merge(entry, {key: text})

    def renew(self, entry, deadline):
        """Move the deadline forward, at most to the limit. Returns the new deadline."""
        moved = max(entry.deadline, min(entry.limit, deadline))
        self._merge(entry, {"deadline": f"{moved:.3f}"})
        entry.deadline = moved
        return moved

    def _merge(self, entry, data):
        # The uid makes the patch fail for another object of the same name.
        self.cluster.merge(CONFIG_MAP, entry.name, entry.namespace, {"metadata": {"uid": entry.uid}, "data": data})

    def close(self, entry):
        """Delete the entry of an undone attack, then its Secret. In this order, because an entry without its Secret has lost its undo."""
        try:
            self.cluster.delete(CONFIG_MAP, entry.name, entry.namespace, entry.uid)
        except Conflict:
            pass  # the name now belongs to another object
        if isinstance(entry.record.get("undo"), dict):
            self._forget_secret(entry.namespace, entry.record)

    def holds(self, entry):
        """Whether exactly this entry (same uid) still exists."""
        found = self.cluster.find(CONFIG_MAP, entry.name, entry.namespace)
        return found is not None and found["metadata"]["uid"] == entry.uid


def _part(meta, part):
    return dict(meta, labels=dict(meta["labels"], **{PART_LABEL: part}))


def _check_size(data):
    size = sum(len(key) + len(value.encode("utf-8")) for key, value in data.items())
    if size > LARGEST:
        raise AttackError("the journal would have %d bytes, and a cluster takes %d: attack fewer or smaller objects at once" % (size, LARGEST))
