# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The lifecycle of an attack on a cluster, written once: validate, connect, overlap, guard, snapshot, plan, arm, journal, inject, verify, result.

A module subclasses KubeAttack and hands it to run_kube_attack(). This file knows no specific attack.
"""

import hashlib
import json
import os
import socket

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils import _contract
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._ids import CLUSTER_ID, CLUSTER_RUN, default_id
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, Unsure
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_namespace
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman as kube_deadman, residue
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.deadman import CLUSTER, WATCHER
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import VERSION, Journal, labels
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.making import Making
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import Outcome, reason_of, remaining, revert_entry
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import seal_of
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import check_exists
from ansible_collections.faultline.chaos.plugins.module_utils._marks import object_name
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_IN_CLUSTER, iso

# Mirrors the doc fragment _kube_attack.
COMMON_OPTIONS = dict(
    _contract.OPTIONS,
    journal_namespace={"type": "str", "default": "default"},
    protected={"type": "list", "elements": "str", "default": []},
)
NAMESPACE_OPTION = {"namespace": {"type": "str", "required": True}}
# Options that do not count for the identity of an attack: duration, run, connection and waiting times do not change what is attacked.
_NOT_IDENTITY = set(COMMON_OPTIONS) | set(AUTH_OPTIONS) | {"wait", "recovery_timeout"}


class KubePlan:
    """What an attack does and how to undo it. before and after are texts for --diff.

    steps: of _kube/lifecycle/steps.py, applied in order and undone in reverse order. undo: more undo steps, run before those.
    secret: the previous values may be secret, so the undo is stored in a Secret.
    """

    def __init__(self, before="", after="", steps=(), undo=(), notes=(), secret=False):
        self.before = before
        self.after = after
        self.steps = list(steps)
        self.undo = list(undo)
        self.notes = list(notes)
        self.secret = secret
        self.made = []  # the objects that the steps created or changed, as the server returned them; filled by inject()


class KubeAttack:
    """One fault. A subclass defines it and holds no lifecycle code."""

    name = ""  # the module's name
    options = {}
    constraints = {}  # AnsibleModule's mutually_exclusive, required_one_of, required_together, required_by, required_if
    renaming = None  # a Renaming of _renamed.py, for an attack whose options had other names
    added = ()  # options that came after version 0.1: at their default they do not change the identity of an attack
    spellings = {}  # {option: function}: a value of that option in one spelling, for the identity
    deadman = WATCHER  # CLUSTER: for an attack that only creates objects in one namespace, or has nothing to undo

    def __init__(self, params, cluster=None):
        self.params = params
        self.cluster = cluster  # set by the lifecycle after validate()
        self.duration = 0.0  # seconds; set by the lifecycle after validate()
        self.first = 0.0  # seconds until the first deadline: the lease or the duration; inject() and verify() must end before it
        self.id = ""  # set by the lifecycle after validate()
        self.entry = None  # its journal entry, set before inject()
        self.making = None  # the marks of the objects that it creates, set before inject()

    def validate(self):
        """Check every option without any side effect. Errors: BadOption."""

    def namespaces(self):
        """The attacked namespaces, computed from the options alone; [] for cluster-scoped objects."""
        if self.params.get("namespaces") is not None:
            return sorted(set(self.params["namespaces"]))
        return [self.params["namespace"]] if self.params.get("namespace") is not None else []

    def resources(self):
        """Names of the resources that this attack locks, computed from the options alone; two active attacks never share one."""
        return []

    def guard(self):
        """Refuse a target that cannot or must not be attacked. Changes nothing. Errors: AttackError."""

    def snapshot(self):
        """Return the state of the cluster that plan() needs."""
        return {}

    def plan(self, before):
        """Return a KubePlan for a snapshot. Changes nothing."""
        raise AttackError(f"{self.name} has no plan")

    def inject(self, plan):
        """Apply the plan. By default this applies its steps in order."""
        for number, step in enumerate(plan.steps):
            plan.made.append(step.apply(self.cluster, self.making))
            crash_point("inject:%d" % number)

    def goes_on(self):
        """Check that the attack is still active, between two actions. Errors: AttackError when it was reverted meanwhile, or its deadline has passed."""
        found = Journal(self.cluster).find(self.entry.namespace, self.entry.id)
        if found is None or found.uid != self.entry.uid:
            raise AttackError("it was reverted while it was being applied")
        if remaining(self.cluster, found) <= 0:
            raise AttackError("the deadline passed before the attack was in place: the cluster is slow, give it a longer duration or lease")

    def done(self):
        """The irreversible effects so far, reported when the attack fails: {word: names}; {} when there are none."""
        return {}

    def verify(self, plan):
        """Read the effect back: a dict of requested and measured values. Errors: AttackError; the attack is then undone."""
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
    module.exit_json(**shown(result))


class Lifecycle:
    """One call of a module."""

    def __init__(self, params, check_mode, diff, attack_class, cluster=None):
        self.params = params
        self.check_mode = check_mode
        self.diff = diff
        self.attack = attack_class(params)
        self.cluster = cluster
        self.journal = None
        self.passed_over = set()  # uids of the journal entries that check mode treats as undone

    def run(self):
        CLUSTER_ID.check("id", self.params["id"])
        CLUSTER_RUN.check("run_id", self.params["run_id"])
        absent = self.params["state"] == "absent"
        duration, lease = (0.0, None) if absent else _contract.read_times(self.params)
        if not absent:
            for namespace in self.attack.namespaces():
                check_namespace("namespace", namespace, self.params["protected"])
            if len(self.attack.namespaces()) != 1:  # only then the option is used
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
            raise AttackError("{} ({})".format(error, "; ".join(notes)), **error.details)  # its cause may be an overdue attack
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
        """Revert overdue attacks whose watcher stopped, before a new attack starts. Check mode only reports them. Returns notes."""
        notes = []
        for entry in self._entries():
            if entry.damage or remaining(self.cluster, entry) >= -OVERDUE_IN_CLUSTER:
                continue
            if self.check_mode:
                self.passed_over.add(entry.uid)
                notes.append(f"{entry.id} is overdue, and would be undone first")
            else:
                outcome = revert_entry(self.cluster, self.journal, entry, self.attack.namespaces())
                notes.append("{} was overdue: {}".format(entry.id, "undone now" if outcome.clean else "stuck: " + outcome.reason))
        return notes

    # --- identity -------------------------------------------------------------------------------

    def _identities(self):
        """The identity of this attack and its identity in version 0.1, so that an attack started by 0.1 is recognised."""
        options = _contract.identity_options(self.attack, _NOT_IDENTITY)
        return [_contract.identity(self.attack.name, options), _contract.checksum_of(self.attack.name, options)]

    def _ids(self):
        """The id of this attack, and its id in version 0.1 when that differs."""
        name = self.attack.name.replace("k8s_", "").replace("_", "-")
        ids = [self.params["id"] or default_id(name, identity) for identity in self._identities()]
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
        """Return the result when this attack is active already, else None. Errors: AttackError when another active attack holds one of its resources.

        mine: the entry just published; of two attacks that start at the same time the later one gives way.
        """
        wanted = set(self.attack.resources())
        for entry in self._entries():
            if mine is not None and entry.born >= mine.born or entry.damage and entry.id != self.attack.id:
                continue  # k8s_attack_info and k8s_revert report damage; a damaged entry must not block this attack
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
        if not entry.applied:  # the changes of two concurrent injectors could not be distinguished
            told = "%s is being applied by somebody else, or who applied it died: wait, or revert it first (module faultline.chaos.k8s_revert, id: %s)"
            raise AttackError(told % (entry.id, entry.id))
        place = {"journal": f"{entry.namespace}/{entry.name}"}
        return _contract.already_active(entry.record, iso(entry.deadline), remaining(self.cluster, entry), entry.effect, place)

    def _commit(self, plan, undo, making, duration, lease, result):
        """Publish, arm, inject and verify. Leaves either a working attack or none."""
        attack, place, entry = self.attack, self._place(), None
        first = attack.first
        bound = {"id": attack.id, "module": attack.name, "namespaces": attack.namespaces(), "nonce": making.nonce, "run_id": self.params["run_id"]}
        job = None
        if attack.deadman == CLUSTER:
            owned = undo + [kube_deadman.undo_of_job(place, attack.id, making.nonce)]
            making.seal = seal_of(bound, _told(owned)).before_journal()
            job = self._arm_cluster(place, duration, making)
            undo = owned if job is not None else undo
        # Only the watcher can serve a lease, because the deadline of a Job cannot be moved. The Job then enforces the end of the duration.
        watched = job is None or lease is not None
        result["deadman"] = WATCHER if watched else CLUSTER
        try:
            crash_point("owned")
            started = self.cluster.now()
            record = dict(
                bound,
                version=VERSION,
                identity=self._identities()[0],
                resources=attack.resources(),
                started=iso(started),
                deadman=result["deadman"],
                injector="%s pid %d" % (socket.gethostname(), os.getpid()),
                undo=_told(undo),
            )
            entry = self._publish(place, record, started + first, started + duration, result["undo_text"], making.owner, plan.secret)
            crash_point("journalled")
            making.seal = seal_of(bound, _told(undo), entry.uid, entry.born[0], f"{entry.namespace}/{entry.name}")
            self._overlap(entry)
            begin = kube_deadman.start_watcher(self.cluster, entry, undo, making.seal) if watched else None
            crash_point("armed")
            attack.entry, attack.making = entry, making
            if begin is not None:
                begin()
            attack.inject(plan)
            crash_point("injected")
            result["effect"] = attack.verify(plan)
            attack.goes_on()  # otherwise objects created after the revert must be removed, too
            self.journal.note(entry, "effect", json.dumps(result["effect"]))
        except Exception as error:  # any error: restore the cluster first
            self._withdraw(entry, (undo, making.seal), job, error)
        crash_point("verified")
        result.update(status="active", deadline=iso(entry.deadline), remaining=round(remaining(self.cluster, entry), 2))
        return result

    def _arm_cluster(self, place, duration, making):
        """Create the owner Job. Returns None when the cluster does not delete finished Jobs."""
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

    def _withdraw(self, entry, own, job, error):
        """Undo at once after an error, then raise it as an AttackError."""
        details = dict(getattr(error, "details", {}))
        told = reason_of(error)
        if entry is None:
            outcome = Outcome()
            if isinstance(error, Unsure):  # no watcher was started; a later module call reverts it after the deadline
                outcome.failed.append("revert it by its id when the cluster answers")
            try:
                if job is not None:
                    kube_deadman.drop_job(self.cluster, job)
            except Exception as again:
                outcome.failed.append(reason_of(again))
        else:
            # From memory, because the journal may have been deleted or rewritten while objects were still being created.
            outcome = revert_entry(self.cluster, self.journal, entry, own=own)
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
        """Add the undo as text to the result, and the diff in diff mode."""
        result["undo_text"] = "\n".join(step.render() for step in undo) if not plan.secret else "put back what the Secret of the journal holds"
        result["undo_text"] = result["undo_text"] or "nothing to undo"
        if self.diff:
            result["diff"] = _contract.diff(self.attack.name, "in the cluster", plan, {"journal": result["journal"]}, result["undo_text"])

    # --- absent ---------------------------------------------------------------------------------

    def _absent(self):
        entries = [self.journal.find(self._place(), attack_id) for attack_id in self._ids()]
        entry = next((each for each in entries if each is not None), None)
        result = {"changed": False, "id": entry.id if entry else self.attack.id, "status": "absent", "notes": []}
        # Only attacks with the cluster as dead-man have a Job; other credentials may not be allowed to read Jobs.
        may_have_job = entry is None and self.attack.deadman == CLUSTER
        job = kube_deadman.orphan(self.cluster, self._place(), self.attack.id) if may_have_job else None
        unseen = []
        left = self._unaccounted(job, unseen) if entry is None else []
        if unseen:
            result["notes"] = ["without its journal nobody knows what is left where the credentials may not list: " + ", ".join(sorted(set(unseen)))]
        if left:
            told = "; ".join(f"{each}. {each.help()}" for each in left)
            raise AttackError(f"{self.attack.id} has no journal any more, and left {told}", stuck=[self.attack.id])
        if entry is None and job is None:
            return result
        result["changed"] = True
        if self.check_mode:
            return result
        if entry is None:
            kube_deadman.drop_job(self.cluster, job)
            return result
        outcome = revert_entry(self.cluster, self.journal, entry, self.attack.namespaces())
        if not outcome.clean:
            raise AttackError(f"{entry.id} is stuck: {outcome.reason}", stuck=[entry.id])
        result.update(status="reverted" if outcome.acted else "absent", notes=outcome.drifted)
        return result

    def _unaccounted(self, job, unseen):
        """What bears the marks of this attack though no journal is that of it. job: its Job, which is dealt with, and what it owns."""
        places = sorted(set(self.attack.namespaces() + [self._place()]))
        found = [each for name in self._ids() for each in residue.find(self.cluster, self.journal, places, unseen, name)]
        uid = job and job["metadata"]["uid"]
        return [each for each in found if uid not in [each.meta["uid"]] + [owner.get("uid") for owner in each.meta.get("ownerReferences") or []]]


def _told(steps):
    return [step.to_dict() for step in steps]
