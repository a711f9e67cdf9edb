# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The dead-man timer: it reverts an attack when nothing else does.

The cluster: a Job with a deadline and one pod that can never be scheduled owns the objects that the attack creates. The Job controller
ends the Job, the TTL controller deletes it, the garbage collector deletes the owned objects. This needs no image, no agent, no extra rights.

The deadline of such a Job is never changed: Job controllers of old clusters (seen on 1.20) do not notice a longer deadline.

The watcher, for changes to foreign objects and for leases: a detached process on the machine that ran the module.
"""

import math
import shutil
import socket
import tempfile
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.detached import detach
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import JOB
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.create import create_ours
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import revert_entry
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DeleteOwner
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CLUSTER_WATCHER, ID_LABEL, NEVER, PART_LABEL, object_name

CLUSTER = "cluster"
WATCHER = "watcher"
_START = 20.0  # seconds for the Job controller to notice a Job
_LOOK = 10.0  # seconds between two reads of the journal by the watcher
_AGAIN = 5.0  # seconds until a stuck undo is retried
_GIVE_UP = 86400.0  # seconds after the deadline until the watcher stops retrying
_CERTIFICATES = ("ssl_ca_cert", "cert_file", "key_file")


# --- the cluster --------------------------------------------------------------------------------


def job_body(attack_id, seconds, making, namespace):
    """The owner Job. Its pod selects a node that does not exist, and requests minimal resources so that quotas and admission accept it."""
    resources = {"cpu": "1m", "memory": "4Mi"}
    container = {
        "name": "never-started",
        "image": "registry.k8s.io/pause:3.9",
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True},
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": {NEVER: attack_id},
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    marks = {"labels": dict(making.labels, **{PART_LABEL: "pod"})}
    return {
        "metadata": making.marked({"name": object_name(attack_id), "namespace": namespace}, "owner"),
        "spec": {
            "activeDeadlineSeconds": int(math.ceil(seconds)),
            "ttlSecondsAfterFinished": 0,
            "backoffLimit": 0,
            "template": {"metadata": marks, "spec": pod},
        },
    }


def owner_reference(job):
    return {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}


def make_job(cluster, namespace, attack_id, seconds, making):
    """Create the owner Job and wait until its deadline is running. Returns it, or None where the cluster keeps finished Jobs.

    Errors: AttackError when the Job does not start; Conflict when a Job of that name exists.
    """
    job = create_ours(cluster, JOB, job_body(attack_id, seconds, making, namespace), namespace)
    if job["spec"].get("ttlSecondsAfterFinished") != 0:
        drop_job(cluster, job)
        return None
    until = time.monotonic() + min(_START, max(3.0, seconds / 2.0))
    while time.monotonic() < until:
        seen = cluster.get(JOB, job["metadata"]["name"], namespace)
        told = seen.get("status") or {}
        if told.get("startTime") and told.get("active"):
            return seen
        time.sleep(0.1)
    drop_job(cluster, job)
    raise AttackError(
        "the dead-man could not be armed: the owner Job {}/{} has no pod; a quota, an admission rule or a resting Job controller is in the way".format(
            namespace, job["metadata"]["name"]
        )
    )


def drop_job(cluster, job):
    meta = job["metadata"]
    cluster.delete(JOB, meta["name"], meta["namespace"], meta["uid"], grace=0)


def orphan(cluster, namespace, attack_id):
    """The owner Job of an id without a journal, or None."""
    job = cluster.find(JOB, object_name(attack_id), namespace)
    ours = job is not None and (job["metadata"].get("labels") or {}).get(ID_LABEL) == attack_id
    return job if ours and not job["metadata"].get("deletionTimestamp") else None


def undo_of_job(namespace, attack_id, nonce):
    return DeleteOwner(JOB, namespace, object_name(attack_id), nonce)


# --- the watcher --------------------------------------------------------------------------------


def start_watcher(cluster, entry, undo, seal):
    """Start a detached process that reverts at the deadline, by the steps and the seal that it got. Returns a function: call it before the first change.

    It is a fork of this process, so that no credentials appear in a command line or in the environment of another program.
    """
    here, there = socket.socketpair()
    try:
        detach_with_certificates(cluster.settings, lambda: _watch(cluster, entry, (undo, seal), there), CLUSTER_WATCHER, there.fileno())
    finally:
        there.close()
    told = b""
    while True:
        part = here.recv(4096)
        if not part:
            break
        told += part
    if told != b"armed":
        raise AttackError("the dead-man could not be armed: the watcher %s" % (told.decode("utf-8") or "ended at once"))

    def begin():
        here.sendall(b"b")
        here.close()

    return begin


def detach_with_certificates(settings, function, name, write_end):
    """Run a function in a process that outlives this one, with write_end and its own copies of the certificates. Returns its pid.

    Copies are needed because the client deletes its temporary files when this process ends.
    """
    kept = copy_certificates(settings)

    def life():
        for attribute, copy in kept.items():
            setattr(settings, attribute, "/proc/self/fd/%d" % copy.fileno())
        function()

    try:
        return detach(life, name=name, keep=[write_end] + [copy.fileno() for copy in kept.values()])
    finally:
        for copy in kept.values():
            copy.close()


def copy_certificates(settings):
    """Copy the certificates and the key to unnamed open files, so that nothing remains on disk however the process ends."""
    kept = {}
    for attribute in _CERTIFICATES:
        if getattr(settings, attribute):
            kept[attribute] = tempfile.TemporaryFile()
            with open(getattr(settings, attribute), "rb") as source:
                shutil.copyfileobj(source, kept[attribute])
            kept[attribute].flush()
    return kept


def _watch(cluster, entry, own, parent):
    """Main function of the watcher process."""
    mine = Cluster(cluster.params, cluster.settings)  # the connections of the parent must not be shared
    journal = Journal(mine)
    try:
        found = journal.find(entry.namespace, entry.id)
        told = "armed" if found is not None and found.uid == entry.uid else "finds no journal"
    except AttackError as error:
        told = str(error)
    parent.sendall(told.encode("utf-8"))
    parent.shutdown(socket.SHUT_WR)
    if told == "armed":
        _wait_and_revert(mine, journal, entry, own, parent)


def _wait_and_revert(cluster, journal, entry, own, parent):
    """Revert at the deadline, by what this process knows itself. The journal is read only because a renewed lease moves the deadline, up to our limit.

    Where the journal is gone, the attack was reverted, or nobody else can revert it any more: so it is reverted at once.
    """
    deadline = entry.deadline
    while deadline - cluster.now() > -_GIVE_UP:
        time.sleep(max(0.0, min(deadline - cluster.now() + 0.05, _LOOK)))
        gone = False
        try:
            found = journal.find(entry.namespace, entry.id)
            gone = found is None or found.uid != entry.uid
            if not gone and not found.damage:
                deadline = min(found.deadline, entry.limit)
        except AttackError:
            time.sleep(0.5)  # the API is unreachable; the last deadline stays valid
        if gone or deadline - cluster.now() <= 0:
            _remember(own[0], parent)
            if revert_entry(cluster, journal, entry, own=own).clean:
                return
            time.sleep(_AGAIN)


def _remember(undo, parent):
    """Mark the steps as applied, once the parent has begun with them. A later call finds the end of the stream, and changes nothing."""
    parent.setblocking(False)
    try:
        begun = parent.recv(1) == b"b"
    except OSError:  # nothing was sent yet
        begun = False
    for step in undo if begun else ():
        step.mine = True
