# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Check whether an attack of this collection can have written an undo step of a journal. Pure.

A journal is a ConfigMap: any user who may create one in some namespace can forge it, and a halt would run it with the rights of the operator.
So a step may only act on objects of the journal's own namespace, or on nodes, that bear the marks of its attack.
"""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CHANGED, JOB, MADE, NODE
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import is_protected
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DeleteCreated, DeleteOwner, RemoveTaint, RestoreFields, StopStress
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX

_PLACES = ("/spec/", "/data/", "/binaryData/")  # where attacks change objects; never their metadata
_ON_NODES = ("/spec/unschedulable",)


def check(step, record, namespace, name):
    """Check a step of the journal namespace/name. Errors: JournalDamaged."""
    why = _CHECKS[type(step)](step, record, namespace, name)
    if why:
        raise JournalDamaged(f"an undo step of the journal {namespace}/{name} is none of an attack's: {why}")


def _created(step, record, namespace, _name, kinds=MADE):
    if tuple(step.kind) not in kinds:
        return "no attack makes a %s" % (step.kind[1:2] or "thing without a kind")
    if not _words(step.name) or not _words(step.nonce) or step.nonce != record["nonce"]:
        return "it would delete what does not bear the nonce of the attack"
    return _elsewhere(step.namespace, namespace)


def _owner(step, record, namespace, name):
    if step.name != name:
        return f"{step.name!r} is not the Job of the attack"
    return _created(step, record, namespace, name, (JOB,))


def _restored(step, record, namespace, _name):
    if tuple(step.kind) not in CHANGED:
        return "no attack changes a %s" % (step.kind[1:2] or "thing without a kind")
    on_node = tuple(step.kind) == NODE
    pointers = [each.get("at") if isinstance(each, dict) else None for each in step.changes] if isinstance(step.changes, list) else [None]
    for at in pointers:
        if not _words(at) or not (at in _ON_NODES if on_node else at.startswith(_PLACES)):
            return f"no attack changes {at!r} there"
    return _unmarked(step, record) or (None if on_node and step.namespace is None else _elsewhere(step.namespace, namespace))


def _tainted(step, record, _namespace, _name):
    if not isinstance(step.taint, dict) or not _words(step.taint.get("key"), step.taint.get("effect")):
        return "it names no taint"
    return _unmarked(step, record)


def _stressed(step, record, namespace, _name):
    """Only these steps may act in several namespaces: those that the record lists."""
    if not _words(step.pod, step.uid, step.container, step.container_id) or step.word != PREFIX + record["nonce"]:
        return "it would end programs that do not bear the nonce of the attack"
    if record["namespaces"] == [step.namespace] or len(record["namespaces"]) < 2:
        return _elsewhere(step.namespace, namespace)
    return _elsewhere(step.namespace, *record["namespaces"])


def _unmarked(step, record):
    if not _words(step.name, step.uid) or step.mark != record["id"]:
        return "it would change what does not bear the mark of the attack"
    return None


def _elsewhere(namespace, *allowed):
    if not _words(namespace) or namespace not in allowed:
        return f"it reaches into the namespace {namespace}"
    return f"the namespace {namespace} is protected" if is_protected(namespace) else None


def _words(*values):
    return all(isinstance(value, str) and value for value in values)


_CHECKS = {DeleteCreated: _created, DeleteOwner: _owner, RestoreFields: _restored, RemoveTaint: _tainted, StopStress: _stressed}
