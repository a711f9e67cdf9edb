# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Revert attacks in a cluster and describe active ones. Shared by the lifecycle, the watcher and the control modules."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import KubeError, NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DONE, DRIFTED
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_IN_CLUSTER, iso


class Outcome:
    """The result of an undo."""

    def __init__(self):
        self.acted = False
        self.drifted = []
        self.told = []
        self.failed = []

    @property
    def clean(self):
        return not self.failed

    @property
    def reason(self):
        return "; ".join(self.failed)


def reason_of(error):
    """Any exception in one sentence."""
    return str(error) if isinstance(error, AttackError) else f"{type(error).__name__}: {error}"


def undo_all(cluster, steps):
    """Run undo steps. After a failure the remaining steps still run, except one that would delete the journal, too."""
    outcome = Outcome()
    for step in steps:
        if outcome.failed and not step.after_failure:
            continue
        try:
            verdict, told = step.run(cluster)
        except Exception as error:  # any error: run the remaining steps first
            outcome.failed.append(reason_of(error))
            continue
        outcome.told.append(told)
        if verdict == DONE:
            outcome.acted = True
        elif verdict == DRIFTED:
            outcome.drifted.append(told)
    return outcome


def revert_entry(cluster, journal, entry):
    """Undo one attack and close its journal. Never raises: failures are in the outcome, so that the undo of other attacks can go on.

    A journal that is gone afterwards was closed by a concurrent revert of the same attack, so this is no failure.
    """
    try:
        outcome = undo_all(cluster, journal.steps(entry))
    except Exception as error:
        outcome = Outcome()
        outcome.failed.append(reason_of(error))
    try:
        if outcome.clean:
            journal.close(entry)
        elif journal.holds(entry):
            journal.note(entry, "stuck", outcome.reason)
        else:
            outcome.failed = []
    except NotFound:
        outcome.failed = []
    except Exception as error:
        outcome.failed.append(reason_of(error))
    return outcome


def remaining(cluster, entry):
    """Seconds until the deadline; negative after it."""
    return entry.deadline - cluster.now()


def status(cluster, entry):
    if entry.damage:
        return "damaged"
    if entry.stuck:
        return "stuck"
    return "overdue" if remaining(cluster, entry) < -OVERDUE_IN_CLUSTER else "active"


def describe(cluster, entry):
    """One attack as k8s_attack_info returns it."""
    told = {"id": entry.id, "status": status(cluster, entry), "run_id": entry.run_id, "journal": f"{entry.namespace}/{entry.name}"}
    if entry.damage or entry.stuck:
        told["reason"] = entry.damage or entry.stuck
    if not entry.damage:
        for key in ("module", "run_id", "started", "deadman", "resources"):
            told[key] = entry.record[key]
        told.update(deadline=iso(entry.deadline), remaining=round(remaining(cluster, entry), 2), effect=entry.effect)
    return told


def chosen(journal, params):
    """The entries that the options id, run_id and namespaces of a control module select."""
    namespaces = params["namespaces"]
    entries = journal.entries(namespaces, params["run_id"], params["id"])
    return [entry for entry in entries if not namespaces or entry.namespace in namespaces]


def is_forbidden(error):
    return isinstance(error, KubeError) and error.status == 403
