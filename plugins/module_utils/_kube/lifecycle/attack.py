# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The lifecycle of an attack on a cluster, written once: validate, connect, overlap, guard, snapshot, plan, arm, journal, inject, verify, result.

A module subclasses KubeAttack and hands it to run_kube_attack(). Nothing here knows what any attack is.
"""

import hashlib
import json
import os
import socket

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils import _contract
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, Unsure
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_namespace
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman as kube_deadman
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.deadman import CLUSTER, WATCHER
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import VERSION, Journal, labels
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import Outcome, reason_of, remaining, revert_entry, undo_all
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import Making
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import check_exists
from ansible_collections.faultline.chaos.plugins.module_utils._marks import object_name

# Mirrors the doc fragment _kube_attack.
COMMON_OPTIONS = dict(
    _contract.OPTIONS,
    journal_namespace={"type": "str", "default": "default"},
    protected={"type": "list", "elements": "str", "default": []},
)
NAMESPACE_OPTION = {"namespace": {"type": "str", "required": True}}
# Options that do not make it another attack: they say how long, for whom and by which way, or how patiently it is looked at, not what.
_NOT_IDENTITY = set(COMMON_OPTIONS) | set(AUTH_OPTIONS) | {"wait", "recovery_timeout"}


class KubePlan:
    """What will be done and how it is undone. before and after are texts for --diff.

    steps: of _kube/lifecycle/steps.py, applied in order and undone in reverse. undo: more undo steps, run before those.
    secret: the values before may be secret, so the undo is kept in a Secret.
    """

    def __init__(self, before="", after="", steps=(), undo=(), notes=(), secret=False):
        self.before = before
        self.after = after
        self.steps = list(steps)
        self.undo = list(undo)
        self.notes = list(notes)
        self.secret = secret
        self.made = []  # what the steps made or changed, as the server has it, once they were applied


class KubeAttack:
    """One fault. A subclass says what it is; it holds no lifecycle code."""

    name = ""  # the module's name
    options = {}
    constraints = {}  # AnsibleModule's mutually_exclusive, required_one_of, required_together, required_by, required_if
    renaming = None  # a Renaming of _renamed.py, for an attack whose options had other names
    deadman = WATCHER  # CLUSTER: it only creates objects in one namespace, or has nothing to undo

    def __init__(self, params, cluster=None):
        self.params = params
        self.cluster = cluster  # set by the lifecycle after validate()
        self.duration = 0.0  # seconds; likewise
        self.first = 0.0  # seconds until the first deadline: the lease or the duration; inject() and verify() must be done by then
        self.id = ""  # likewise
        self.entry = None  # its journal, from inject() on
        self.making = None  # how the objects that it creates are marked, from inject() on

    def validate(self):
        """Check every option, touching nothing. Errors: BadOption."""

    def namespaces(self):
        """The namespaces that are attacked, from the options alone; none for cluster-scoped objects."""
        if self.params.get("namespaces") is not None:
            return sorted(set(self.params["namespaces"]))
        return [self.params["namespace"]] if self.params.get("namespace") is not None else []

    def resources(self):
        """Names of what this attack holds, from the options alone; two active attacks never share one."""
        return []

    def guard(self):
        """Refuse what cannot be attacked or must not be. Changes nothing. Errors: AttackError."""

    def snapshot(self):
        """What the plan needs to know of the cluster."""
        return {}

    def plan(self, before):
        """A KubePlan from a snapshot. Changes nothing."""
        raise AttackError(f"{self.name} has no plan")

    def inject(self, plan):
        """Apply the plan: by default its steps."""
        for number, step in enumerate(plan.steps):
            plan.made.append(step.apply(self.cluster, self.making))
            crash_point("inject:%d" % number)

    def goes_on(self):
        """For who acts more than once. Errors: AttackError when it was reverted meanwhile, or its deadline has passed."""
        found = Journal(self.cluster).find(self.entry.namespace, self.entry.id)
        if found is None or found.uid != self.entry.uid:
            raise AttackError("it was reverted while it was being applied")
        if remaining(self.cluster, found) <= 0:
            raise AttackError("the deadline passed before the attack was in place: the cluster is slow, give it a longer duration or lease")

    def done(self):
        """What it did so far that its undo does not bring back, for an attack that fails then: {word: names}; {} when that is nothing."""
        return {}

    def verify(self, plan):
        """Read the effect back: a dict of what was asked and measured. Errors: AttackError, and the attack is undone."""
        return {}


def run_kube_attack(attack_class):
    """A module's main(). The only place where an attack's errors become fail_json."""
    renaming = attack_class.renaming
    if renaming:
        renaming.look()
    module = AnsibleModule(
        argument_spec=dict(dict(AUTH_OPTIONS, **COMMON_OPTIONS), **attack_class.options), supports_check_mode=True, **attack_class.constraints
    )
    try:
        if renaming:
            renaming.modernise(module)
        result = Lifecycle(module.params, module.check_mode, module._diff, attack_class).run()
    except AttackError as error:
        module.fail_json(msg=renaming.explain(error, module) if renaming else str(error), **error.details)
    module.exit_json(**result)


class Lifecycle:
    """One call of a module."""

    def __init__(self, params, check_mode, diff, attack_class, cluster=None):
        self.params = params
        self.check_mode = check_mode
        self.diff = diff
        self.attack = attack_class(params)
        self.cluster = cluster
        self.journal = None
        self.passed_over = set()  # uids of the journals that check mode takes for undone

    def run(self):
        _contract.CLUSTER_ID.check("id", self.params["id"])
        _contract.CLUSTER_RUN.check("run_id", self.params["run_id"])
        absent = self.params["state"] == "absent"
        duration, lease = (0.0, None) if absent else _contract.read_times(self.params)
        if not absent:
            for namespace in self.attack.namespaces():
                check_namespace("namespace", namespace, self.params["protected"])
            if len(self.attack.namespaces()) != 1:  # then it is used
                check_namespace("journal_namespace", self.params["journal_namespace"], self.params["protected"])
            self.attack.validate()
        self._connect()
        self.attack.id, self.attack.duration = self._ids()[0], duration
        self.attack.first = min(duration, lease) if lease else duration
        if absent:
            return self._absent()
        notes = self._undo_overdue()
        try:
            result = self._present(duration, lease)
        except AttackError as error:
            if not (self.check_mode and notes):
                raise
            raise AttackError("{} ({})".format(error, "; ".join(notes)), **error.details)  # it may be in the way only until then
        result["notes"] = notes + result["notes"]
        return result

    def _connect(self):
        self.cluster = self.cluster or Cluster(self.params)
        self.journal = Journal(self.cluster)
        self.attack.cluster = self.cluster

    def _place(self):
        """The namespace of the journal."""
        attacked = self.attack.namespaces()
        return attacked[0] if len(attacked) == 1 else self.params["journal_namespace"]

    def _entries(self):
        return self.journal.entries(sorted(set(self.attack.namespaces() + [self._place()])))

    def _undo_overdue(self):
        """What a stopped watcher left behind is undone by whoever comes by first. Check mode passes over it."""
        notes = []
        for entry in self._entries():
            if entry.damage or remaining(self.cluster, entry) >= -_contract.OVERDUE_IN_CLUSTER:
                continue
            if self.check_mode:
                self.passed_over.add(entry.uid)
                notes.append(f"{entry.id} is overdue, and would be undone first")
            else:
                outcome = revert_entry(self.cluster, self.journal, entry)
                notes.append("{} was overdue: {}".format(entry.id, "undone now" if outcome.clean else "stuck: " + outcome.reason))
        return notes

    # --- identity -------------------------------------------------------------------------------

    def _identities(self):
        """The identity of this attack, and the one that version 0.1 would have given it, so that an attack it left is known again."""
        options = dict((key, self.params[key]) for key in self.attack.options if key not in _NOT_IDENTITY)
        return [_contract.identity(self.attack.name, options), _contract.checksum_of(self.attack.name, options)]

    def _ids(self):
        """The id of this attack, and the one that version 0.1 would have given it when that is another one."""
        name = self.attack.name.replace("k8s_", "").replace("_", "-")
        ids = [self.params["id"] or _contract.default_id(name, identity) for identity in self._identities()]
        return ids[:1] if ids[0] == ids[1] else ids

    # --- present --------------------------------------------------------------------------------

    def _present(self, duration, lease):
        attack = self.attack
        for namespace in attack.namespaces():
            check_exists(self.cluster, "namespace", namespace)
        active = self._overlap()
        if active is not None:
            return active
        attack.guard()
        crash_point("guarded")
        plan = attack.plan(attack.snapshot())
        nonce = "%s-%d-%s" % (socket.gethostname()[:40], os.getpid(), hashlib.sha256(os.urandom(16)).hexdigest()[:12])
        making = Making(attack.id, nonce, labels(attack.id, attack.name, self.params["run_id"]))
        place = {"journal": f"{self._place()}/{object_name(attack.id)}"}
        result = _contract.planned(attack.id, WATCHER if lease else attack.deadman, attack.resources(), plan.notes, place)
        if not self.check_mode:
            for step in plan.steps:
                step.prepare(self.cluster)
        undo = plan.undo + [step.undo(making) for step in reversed(plan.steps)]
        self._show(result, plan, undo)
        return result if self.check_mode else self._commit(plan, undo, making, duration, lease, result)

    def _overlap(self, mine=None):
        """The result when this attack is active already; raises when another one is in the way.

        mine: the entry just made, so that of two who came at the same time the later one gives way.
        """
        wanted = set(self.attack.resources())
        for entry in self._entries():
            if mine is not None and entry.born >= mine.born or entry.damage and entry.id != self.attack.id:
                continue  # k8s_attack_info and k8s_revert are loud about damage; it must not stop this one
            if entry.uid in self.passed_over:
                continue
            if entry.id in self._ids() and mine is None:
                return self._again(entry)
            shared = wanted & set(entry.record.get("resources") or [])
            if shared:
                raise AttackError("{} is held by the active attack {}: revert it first".format(", ".join(sorted(shared)), entry.id))
        return None

    def _again(self, entry):
        entry.check()
        if entry.namespace != self._place() or entry.record["identity"] not in self._identities():
            raise AttackError(f"id: {entry.id} is active with other options in namespace {entry.namespace}: revert it first, or choose another id")
        if entry.stuck or remaining(self.cluster, entry) <= 0:
            raise AttackError(f"{entry.id} is overdue or stuck: revert it first (module faultline.chaos.k8s_revert)")
        if not entry.applied:  # a second injector beside the first could not be told from it, nor what either changed
            told = "%s is being applied by somebody else, or who applied it died: wait, or revert it first (module faultline.chaos.k8s_revert, id: %s)"
            raise AttackError(told % (entry.id, entry.id))
        place = {"journal": f"{entry.namespace}/{entry.name}"}
        return _contract.already_active(entry.record, _contract.iso(entry.deadline), remaining(self.cluster, entry), entry.effect, place)

    def _commit(self, plan, undo, making, duration, lease, result):
        """Every way out of here either leaves a working attack or none."""
        attack, place, entry = self.attack, self._place(), None
        first = attack.first
        job = self._arm_cluster(place, duration, making)
        # A lease is for the watcher, for a Job cannot be given more time; then the Job is there for the end of the duration.
        watched = job is None or lease is not None
        result["deadman"] = WATCHER if watched else CLUSTER
        try:
            crash_point("owned")
            if job is not None:
                undo = undo + [kube_deadman.undo_of_job(place, attack.id, making.nonce)]
            started = self.cluster.now()
            record = {
                "version": VERSION,
                "id": attack.id,
                "module": attack.name,
                "run_id": self.params["run_id"],
                "identity": self._identities()[0],
                "resources": attack.resources(),
                "namespaces": attack.namespaces(),
                "nonce": making.nonce,
                "started": _contract.iso(started),
                "deadman": result["deadman"],
                "injector": "%s pid %d" % (socket.gethostname(), os.getpid()),
                "undo": [step.to_dict() for step in undo],
            }
            entry = self._publish(place, record, started + first, started + duration, result["undo_text"], making.owner, plan.secret)
            crash_point("journalled")
            self._overlap(entry)
            if watched:
                kube_deadman.start_watcher(self.cluster, entry)
            crash_point("armed")
            attack.entry, attack.making = entry, making
            attack.inject(plan)
            crash_point("injected")
            result["effect"] = attack.verify(plan)
            attack.goes_on()  # else what was made since must go, too
            self.journal.note(entry, "effect", json.dumps(result["effect"]))
        except Exception as error:  # whatever it is, the cluster comes first
            self._withdraw(entry, undo, job, error)
        crash_point("verified")
        result.update(status="active", deadline=_contract.iso(entry.deadline), remaining=round(remaining(self.cluster, entry), 2))
        return result

    def _arm_cluster(self, place, duration, making):
        """The owner Job, where the attack can have one and the cluster deletes Jobs after their end."""
        if self.attack.deadman != CLUSTER:
            return None
        try:
            job = kube_deadman.make_job(self.cluster, place, self.attack.id, duration, making)
        except Conflict:
            raise AttackError(f"id: {self.attack.id} is being applied by somebody else, or its last undo is under way: wait, or choose another id")
        if job is not None:
            making.owner = kube_deadman.owner_reference(job)
        return job

    def _publish(self, place, record, deadline, limit, undo_text, owner, secret):
        try:
            return self.journal.publish(place, record, deadline, limit, undo_text, owner, secret)
        except Conflict:
            raise AttackError(f"id: {self.attack.id} is being applied by somebody else: wait, or choose another id")

    def _withdraw(self, entry, undo, job, error):
        """Undo at once after an error, and raise it."""
        details = dict(getattr(error, "details", {}))
        told = reason_of(error)
        if entry is None:
            outcome = Outcome()
            if isinstance(error, Unsure):  # its watcher was never started, but who comes by after the deadline undoes it
                outcome.failed.append("revert it by its id when the cluster answers")
            try:
                if job is not None:
                    kube_deadman.drop_job(self.cluster, job)
            except Exception as again:
                outcome.failed.append(reason_of(again))
        else:
            # From memory, for the journal may be gone while something of ours was still being made.
            outcome = undo_all(self.cluster, undo)
            try:
                found = self.journal.find(entry.namespace, entry.id)
                if found is not None and found.uid == entry.uid:
                    if outcome.clean:
                        outcome = revert_entry(self.cluster, self.journal, found)
                    else:
                        self.journal.note(found, "stuck", outcome.reason)
            except Exception as again:
                outcome.failed.append(reason_of(again))
        done, left = self.attack.done(), "nothing is left"
        if done:
            details.update(effect=done, injected=True)
            left = "but what was done is not brought back: {}".format(
                "; ".join("{}: {}".format(word, ", ".join(names)) for word, names in sorted(done.items()))
            )
        if outcome.clean:
            raise AttackError(f"{told}; undone at once, {left}", **details)
        raise AttackError(f"{told}; and the undo is stuck, the dead-man keeps trying: {outcome.reason}", stuck=[self.attack.id], **details)

    def _show(self, result, plan, undo):
        """The undo as text, and the diff when it was asked for."""
        result["undo_text"] = "\n".join(step.render() for step in undo) if not plan.secret else "put back what the Secret of the journal holds"
        result["undo_text"] = result["undo_text"] or "nothing to undo"
        if self.diff:
            result["diff"] = _contract.diff(self.attack.name, "in the cluster", plan, {"journal": result["journal"]}, result["undo_text"])

    # --- absent ---------------------------------------------------------------------------------

    def _absent(self):
        entries = [self.journal.find(self._place(), attack_id) for attack_id in self._ids()]
        entry = next((each for each in entries if each is not None), None)
        result = {"changed": False, "id": entry.id if entry else self.attack.id, "status": "absent", "notes": []}
        # Only the cluster as dead-man has a Job; others may have no right to look for one.
        may_have_job = entry is None and self.attack.deadman == CLUSTER
        job = kube_deadman.orphan(self.cluster, self._place(), self.attack.id) if may_have_job else None
        if entry is None and job is None:
            return result
        result["changed"] = True
        if self.check_mode:
            return result
        if entry is None:
            kube_deadman.drop_job(self.cluster, job)
            return result
        outcome = revert_entry(self.cluster, self.journal, entry)
        if not outcome.clean:
            raise AttackError(f"{entry.id} is stuck: {outcome.reason}", stuck=[entry.id])
        result.update(status="reverted" if outcome.acted else "absent", notes=outcome.drifted)
        return result
