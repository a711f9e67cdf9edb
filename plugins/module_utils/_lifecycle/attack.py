# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The lifecycle of an attack, written once: validate, guard, snapshot, plan, journal, arm, inject, verify, result.

A module subclasses Attack and passes it to run_attack(). Nothing here depends on a particular attack.
"""

import json
import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils import _contract
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged, JournalGone, shown
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import alive, start_time, uptime
from ansible_collections.faultline.chaos.plugins.module_utils._ids import HOST_ID, HOST_RUN, default_id
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import deadman
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.control import deadline, remaining
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import VERSION
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.publishing import OpenJournal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.reading import look
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_ON_HOST, iso
from ansible_collections.faultline.chaos.plugins.module_utils._undo.script import render
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Alive, KillGroup, Part, SameBoot, Undo, When

# Mirrors the doc fragment _attack.
COMMON_OPTIONS = dict(_contract.OPTIONS, control_addresses={"type": "list", "elements": "str", "default": []})
_IN_PLACE, _INJECTING, _INTERRUPTED = "in place", "injecting", "interrupted"


class Plan:
    """What will be done and how it is undone. before and after are texts for --diff; steps are (argv, stdin) and run in order.

    workers_last: the undo ends the workers after everything else, because the host depends on them until then.
    """

    def __init__(self, before="", after="", steps=(), undo=None, workers=(), notes=(), workers_last=False):
        self.before = before
        self.after = after
        self.steps = list(steps)
        self.undo = undo or Undo()
        self.workers = list(workers)
        self.workers_last = workers_last
        self.notes = list(notes)


class Attack:
    """One fault. A subclass defines the fault and contains no lifecycle code."""

    name = ""  # the module's name
    options = {}
    constraints = {}  # AnsibleModule's mutually_exclusive, required_one_of, required_together, required_by, required_if
    needs_root = True
    renaming = None  # a Renaming of _renamed.py, for an attack whose options had other names
    added = ()  # options that came after version 0.1: at their default they do not change the identity of an attack
    spellings = {}  # {option: function}: a value of that option in one spelling, for the identity

    def __init__(self, params, host):
        self.params = params
        self.host = host
        self.duration = 0.0  # seconds; set by the lifecycle before plan()
        self.id = ""  # likewise
        self.journal = None  # likewise; inject() notes there what it is about to do

    def validate(self):
        """Check every option, touching nothing. Errors: BadOption."""

    def resources(self):
        """Names of the resources that this attack holds; two active attacks never share one."""
        return []

    def guard(self):
        """Refuse targets where this attack is impossible or forbidden. Changes nothing. Errors: AttackError."""

    def snapshot(self):
        """The exact prior state, as the plan and the undo need it."""
        return {}

    def plan(self, before):
        """A Plan from a snapshot. Changes nothing."""
        raise AttackError(f"{self.name} has no plan")

    def inject(self, plan):
        """Apply the plan: by default its steps, then its workers."""
        for number, (argv, stdin) in enumerate(plan.steps):
            self.host.run(argv, data=stdin, seconds=0)
            crash_point("inject:%d" % number)
        for worker in plan.workers:
            worker.release()

    def verify(self, plan):
        """Measure the effect: a dict of requested and measured values. Errors: AttackError; the attack is then undone."""
        return {}


def run_attack(attack_class):
    """A module's main(). The only place where an attack's errors become fail_json."""
    renaming = attack_class.renaming
    if renaming:
        renaming.look()
    module = AnsibleModule(argument_spec=dict(COMMON_OPTIONS, **attack_class.options), supports_check_mode=True, **attack_class.constraints)
    try:
        if renaming:
            renaming.modernise(module)
        result = _Lifecycle(module, attack_class).run()
    except AttackError as error:
        module.fail_json(msg=renaming.explain(error, module) if renaming else str(error), **error.details)
    module.exit_json(**shown(result))


class _Lifecycle:
    def __init__(self, module, attack_class):
        self.module = module
        self.host = Host(module)
        self.journal = OpenJournal()
        self.attack = attack_class(module.params, self.host)
        self.attack.journal = self.journal

    def run(self):
        params = self.module.params
        if params["state"] == "absent":
            self._need_root()
            HOST_ID.check("id", params["id"])
            return self._absent(self._id())
        duration, lease = _contract.read_times(params)
        HOST_ID.check("id", params["id"])
        HOST_RUN.check("run_id", params["run_id"])
        self.attack.validate()
        self.attack.id = self._id()
        self.attack.duration = duration
        self._need_root()
        if self.module.check_mode:
            return self._present(duration, lease)
        overdue = self._undo_overdue()
        with self.journal.locked():
            self.journal.open_place()
            result = self._present(duration, lease)
        result["notes"] = overdue + result["notes"]
        return result

    def _need_root(self):
        if self.attack.needs_root and not self.host.is_root:
            raise AttackError(f"{self.attack.name} needs root on the target: set become: true")

    def _undo_overdue(self):
        """Undo attacks whose timer did not act, and this attack itself when its earlier injection was interrupted. Returns notes."""
        notes = []
        for other in self.journal.ids():
            try:
                record = self.journal.load(other)
            except JournalDamaged:
                continue
            if record["boot_id"] != self.host.boot_id or remaining(self.journal, record["id"]) < -OVERDUE_ON_HOST:
                notes.append(self._undo_other(other, "was overdue"))
            elif other == self.attack.id and record["identity"] == self._identity() and self._state(record) == _INTERRUPTED:
                notes.append(self._undo_other(other, "was interrupted while it was applied"))
        return notes

    def _undo_other(self, attack_id, why):
        outcome = revert_one(self.host, self.journal, attack_id)
        return "{} {}: {}".format(attack_id, why, "undone now" if outcome.clean else "stuck: " + outcome.reason)

    def _state(self, record):
        """The state of an attack: in place once its measured effect (the last note) is in the journal, else injecting or interrupted."""
        # Look at the injector before the note: an injector that has ended writes no more notes.
        injecting = record["boot_id"] == self.host.boot_id and alive(*record["injector"])
        if self.journal.noted(record["id"], "effect"):
            return _IN_PLACE
        return _INJECTING if injecting else _INTERRUPTED

    def _identity(self):
        """The checksum of the attack's own options. Common options set duration and owner, not the effect, so they are left out."""
        return _contract.identity(self.attack.name, _contract.identity_options(self.attack, COMMON_OPTIONS))

    def _id(self):
        return self.module.params["id"] or default_id(self.attack.name, self._identity())

    # --- present --------------------------------------------------------------------------------

    def _present(self, duration, lease):
        active = self._overlap()
        if active is not None:
            return active
        attack = self.attack
        attack.guard()
        crash_point("guarded")
        before = attack.snapshot()
        plan = attack.plan(before)
        result = _contract.planned(attack.id, deadman.kind(self.host), attack.resources(), plan.notes, self._place(attack.id))
        if self.module.check_mode:
            self._show(result, plan, plan.undo)
            return result
        for worker in plan.workers:
            worker.park()
        try:
            return self._commit(plan, duration, lease, result)
        finally:
            for worker in plan.workers:
                worker.abandon()

    def _overlap(self):
        """The result when this attack is already active, otherwise None. Errors: AttackError when another attack conflicts."""
        attack = self.attack
        wanted = set(attack.resources())
        for other in self.journal.ids():
            try:
                record = self.journal.load(other)
            except JournalDamaged as error:
                if other != attack.id or isinstance(error, JournalGone):
                    continue  # attack_info and revert report it; it must not block this attack
                raise AttackError(f"{error}; choose another id or revert it first")
            if other == attack.id:
                if record["identity"] != self._identity():
                    raise AttackError(f"id: {other} is active with other options: revert it first, or choose another id")
                overdue = record["boot_id"] != self.host.boot_id or remaining(self.journal, other) <= 0
                if overdue or self.journal.noted(other, "stuck"):
                    raise AttackError(f"{other} is overdue or stuck: revert it first (module faultline.chaos.revert)")
                self._refuse_unfinished(record)
                reading = look(self.host, self.journal, other)
                if reading and reading.get("in_place") is False:
                    raise AttackError("{} is active, but a part of its effect is gone: {}; revert it first".format(other, reading.get("lost")))
                due, left, effect = deadline(self.journal, record), remaining(self.journal, other), self.journal.effect(other)
                return _contract.already_active(record, due, left, effect, self._place(other))
            shared = wanted & set(record["resources"])
            if shared:
                raise AttackError("{} is held by the active attack {}: revert it first".format(", ".join(sorted(shared)), other))
        return None

    def _refuse_unfinished(self, record):
        """Errors: AttackError unless the attack is in place, because only a measured effect may be reported."""
        state = self._state(record)
        if state == _INJECTING:
            raise AttackError("%s is being applied by another task (pid %d): wait for that task, or revert it first" % (record["id"], record["injector"][0]))
        if state == _INTERRUPTED:
            raise AttackError("{} was interrupted while it was applied: revert it first (module faultline.chaos.revert)".format(record["id"]))

    def _place(self, attack_id):
        return {"undo": self.journal.script(attack_id)}

    def _commit(self, plan, duration, lease, result):
        """Publish the journal, arm, inject, verify. Every exit leaves a working attack, an undone one, or reports a stuck undo."""
        attack, journal = self.attack, self.journal
        undo = plan.undo
        undo.steps = _with_workers(plan, [(worker.name, worker.pid, worker.start) for worker in plan.workers])
        undo.readings = [Part(f"the worker {each.name}", [Alive(each.pid, each.start)]) for each in plan.workers if each.lasts] + undo.readings
        first = min(duration, lease) if lease else duration
        started = time.time()
        now = uptime()
        record = {
            "version": VERSION,
            "id": attack.id,
            "module": attack.name,
            "run_id": self.module.params["run_id"],
            "identity": self._identity(),
            "resources": attack.resources(),
            "boot_id": self.host.boot_id,
            "init": start_time(1) or 0,  # of a container, whose restart is a reboot
            "injector": [os.getpid(), start_time(os.getpid())],
            "started": iso(started),
            "deadline": iso(started + first),
            "deadline_cs": int((now + first) * 100),
            "limit_cs": int((now + duration) * 100),
            "began_cs": int(now * 100),
            "deadman": result["deadman"],
            "undo": undo.to_dict(),
        }
        record["script"] = render(record, undo, journal.path)
        try:
            result["notes"] = result["notes"] + deadman.prepare(self.host, journal)
            crash_point("prepared")
            journal.publish(record)
        except AttackError:
            journal.release()
            deadman.tidy(self.host, journal)
            raise
        journal.release()  # other attacks, and their undo, need not wait for this one
        crash_point("journalled")
        try:
            deadman.arm(self.host, journal, attack.id, now + first)
            crash_point("armed")
            attack.inject(plan)
            crash_point("injected")
            result["effect"] = attack.verify(plan)
            journal.note(attack.id, "effect", json.dumps(result["effect"]))
            if remaining(journal, attack.id) <= 0:
                raise AttackError("the deadline passed before the attack was in place: the target is slow, give it a longer duration or lease")
        except Exception as error:  # on any error, restore the target first
            details = getattr(error, "details", {})
            told = str(error) if isinstance(error, AttackError) else f"{type(error).__name__}: {error}"
            outcome = revert_one(self.host, journal, attack.id, locked=True)
            if outcome.clean:
                raise AttackError(f"{told}; undone at once, nothing is left", **details)
            raise AttackError(f"{told}; and the undo is stuck, the dead-man keeps trying: {outcome.reason}", stuck=[attack.id], **details)
        crash_point("verified")
        self._show(result, plan, undo)
        result.update(status="active", deadline=deadline(journal, record), remaining=round(remaining(journal, record["id"]), 2))
        return result

    def _show(self, result, plan, undo):
        """Add the undo as text and, with --diff, the diff. In check mode placeholders stand for a worker's identity."""
        steps = _with_workers(plan, [(worker.name, "PID", "START") for worker in plan.workers]) if self.module.check_mode else undo.steps
        lines = [line for step in steps for line in step.render()] or ["nothing to undo"]
        result["undo_text"] = "\n".join(lines)
        if self.module._diff:
            result["diff"] = _contract.diff(self.attack.name, "on the target", plan, self._place(self.attack.id), result["undo_text"])

    # --- absent ---------------------------------------------------------------------------------

    def _absent(self, attack_id):
        result = {"changed": False, "id": attack_id, "status": "absent", "notes": []}
        if attack_id not in self.journal.ids() and not self.module.check_mode:
            self.journal.await_publishing()
        if attack_id not in self.journal.ids():
            result["notes"] = [f"{other} is active here, with other options: nothing was done to it" for other in self._others()]
            return result
        result["changed"] = True
        if self.module.check_mode:
            return result
        outcome = revert_one(self.host, self.journal, attack_id)
        if not outcome.clean:
            raise AttackError(f"{attack_id} is stuck: {outcome.reason}", stuck=[attack_id])
        # Also when a dead-man reverted first: revert.sh ends the workers before it takes the lock, and their watcher may notice that first.
        result["status"] = "reverted"
        if outcome.reading and outcome.reading.get("in_place") is False:
            result["notes"].append("a part of its effect was gone before: {}".format(outcome.reading.get("lost")))
        if outcome.reading and outcome.reading.get("met") == 0:
            result["notes"].append("it met nothing")
        return result

    def _others(self):
        """Ids of attacks of this module."""
        found = []
        for other in self.journal.ids():
            try:
                found += [other] * (self.journal.load(other)["module"] == self.attack.name)
            except JournalDamaged:
                continue
        return found


def _with_workers(plan, workers):
    """The steps of an undo, with those that end its workers (name, pid, start) first, or last when the host depends on the workers."""
    ends = [KillGroup(f"end the worker {name}", pid, start) for name, pid, start in workers]
    if plan.workers_last and ends:
        return plan.undo.steps + [When([SameBoot()], ends)]
    return ends + plan.undo.steps
