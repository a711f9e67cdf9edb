# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Check whether the attack of a journal can have written an undo step. Pure.

A journal is a ConfigMap: any user who may create one in some namespace can forge it, and a halt would run it with the rights of the operator.
So a step may only act in the journal's own namespace, or on nodes, on objects that bear the marks of its attack (see seal.py), and there only on what
the module changes. Every module with an undo is in these tables.
"""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import (
    AUTOSCALER,
    AUTOSCALERS_V2,
    CHANGED,
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
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import is_protected
from ansible_collections.faultline.chaos.plugins.module_utils._marks import NOBODY, PREFIX

# What each module makes.
_MADE = {"k8s_network_partition": NETWORK_POLICY, "k8s_resource_quota": RESOURCE_QUOTA, "k8s_capacity": POD}
_CONTAINER = (
    "containers/name=[^/]+/(?:readinessProbe|livenessProbe|image|command|env|env/name=[^/]+/value(?:From)?"
    "|resources(?:/(?:requests|limits)(?:/(?:cpu|memory))?)?)"
)
_TEMPLATE = (
    f"/spec/template/spec/(?:{_CONTAINER}|initContainers|volumes/name=[^/]+/persistentVolumeClaim/claimName"
    "|nodeSelector(?:/kubernetes\\.io~1hostname)?|affinity(?:/podAntiAffinity)?|dnsPolicy|dnsConfig)"
)
_REPLICAS = "/spec/replicas"
# Where each module changes an object of a kind: patterns for whole pointers.
_PLACES = {
    "k8s_scale": {DEPLOYMENT: _REPLICAS, STATEFUL_SET: _REPLICAS},
    "k8s_node_drain": {NODE: "/spec/unschedulable"},
    "k8s_config_fault": {
        CONFIG_MAP: "/(?:data|binaryData)/[^/]+",
        SECRET: "/data/[^/]+",
        SERVICE: f"/spec/selector/{re.escape(NOBODY.replace('/', '~1'))}|/spec/ports/(?:name|port)=[^/]+/targetPort",
        DEPLOYMENT: f"{_REPLICAS}|{_TEMPLATE}",
        STATEFUL_SET: f"{_REPLICAS}|{_TEMPLATE}",
        DAEMON_SET: _TEMPLATE,
        AUTOSCALER: "/spec/(?:targetCPUUtilizationPercentage|maxReplicas|minReplicas|scaleTargetRef/name)",
        AUTOSCALERS_V2[0]: "/spec/behavior(?:/scaleDown)?",
        AUTOSCALERS_V2[1]: "/spec/behavior(?:/scaleDown)?",
    },
}
# The controllers of these taints remove foreign ones, or treat them as their own, so no attack sets them.
MANAGED_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "node-role.kubernetes.io/")


def check(step, record, place, named=()):
    """Check a step of the journal at place (namespace, name). named: more namespaces that the caller itself names. Errors: JournalDamaged."""
    why = _CHECKS[type(step).__name__](step, record, place, named)
    if why:
        raise JournalDamaged(f"an undo step of the journal {place[0]}/{place[1]} is none of an attack's: {why}")


def _created(step, record, place, _named):
    if tuple(step.kind) != _MADE.get(record["module"]):
        return "{} makes no {}".format(record["module"], step.kind[1:2] or "thing without a kind")
    return _ours(step, record, place)


def _owner(step, record, place, _named):
    if step.name != place[1] or tuple(step.kind) != JOB:
        return f"{step.name!r} is not the Job of the attack"
    return _ours(step, record, place)


def _ours(step, record, place):
    if not _words(step.name) or not _words(step.nonce) or step.nonce != record["nonce"]:
        return "it would delete what does not bear the nonce of the attack"
    return _elsewhere(step.namespace, place[0])


def _restored(step, record, place, _named):
    if tuple(step.kind) not in CHANGED:
        return "no attack changes a %s" % (step.kind[1:2] or "thing without a kind")
    kind = tuple(step.kind)
    allowed = _PLACES.get(record["module"], {}).get(kind)
    changes = step.changes if isinstance(step.changes, list) and step.changes else [None]
    for at in [each.get("at") if isinstance(each, dict) else None for each in changes]:
        if not allowed or not _words(at) or not re.match(f"(?:{allowed})\\Z", at):
            return "{} does not change {!r} of a {}".format(record["module"], at, kind[1])
    return _unmarked(step, record) or (None if kind == NODE and step.namespace is None else _elsewhere(step.namespace, place[0]))


def _tainted(step, record, _place, _named):
    taint = step.taint
    if record["module"] != "k8s_node_taint" or not isinstance(taint, dict) or not _words(taint.get("key"), taint.get("effect")):
        return "it names no taint of k8s_node_taint"
    if taint["key"].startswith(MANAGED_TAINTS):
        return "the cluster manages the taint {} itself".format(taint["key"])
    return _unmarked(step, record)


def _stressed(step, record, place, named):
    """A journal speaks for its own namespace only: in others programs are run only where the caller names them."""
    if record["module"] != "k8s_pod_stress" or not _words(step.pod, step.uid, step.container, step.container_id) or step.word != PREFIX + record["nonce"]:
        return "it would end programs that do not bear the nonce of the attack"
    why = _elsewhere(step.namespace, place[0], *(set(named) & set(record["namespaces"])))
    if why and step.namespace in record["namespaces"] and not is_protected(step.namespace):
        return f"{why}, and a journal speaks for its own only. If you stressed pods there, name both in namespaces; else their programs end with the duration"
    return why


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


_CHECKS = {"DeleteCreated": _created, "DeleteOwner": _owner, "RestoreFields": _restored, "RemoveTaint": _tainted, "StopStress": _stressed}
