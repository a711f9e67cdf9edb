# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Revert attacks in a cluster. Shared by the lifecycle, the watcher and the control modules."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import residue
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DONE, DRIFTED, NotHere


class Outcome:
    """The result of an undo."""

    def __init__(self):
        self.acted = False
        self.drifted = []
        self.told = []
        self.failed = []
        self.reading = None  # of the effect, by what there was to undo: {"in_place", "lost"}

    @property
    def clean(self):
        return not self.failed

    @property
    def reason(self):
        return "; ".join(self.failed)


def reason_of(error):
    """Any exception in one sentence."""
    return str(error) if isinstance(error, AttackError) else f"{type(error).__name__}: {error}"


def undo_all(cluster, steps, seal):
    """Run undo steps. After a failure the remaining steps still run, except one that would delete the journal, too."""
    outcome, lost = Outcome(), []
    for step in steps:
        if outcome.failed and not step.after_failure:
            continue
        try:
            verdict, told = step.run(cluster, seal)
        except Exception as error:  # any error: run the remaining steps first
            outcome.failed.append(reason_of(error))
            continue
        outcome.told.append(told)
        if verdict != DONE and step.after_failure:
            lost.append(told)
        if verdict == DONE:
            outcome.acted = True
        elif verdict == DRIFTED:
            outcome.drifted.append(told)
    if steps and not outcome.failed:
        outcome.reading = {"in_place": False, "lost": "; ".join(lost)} if lost else {"in_place": True}
    return outcome


def revert_entry(cluster, journal, entry, named=(), own=None):
    """Undo one attack and close its journal. Never raises: failures are in the outcome, so that the undo of other attacks can go on.

    named: see trust.check(). own: (steps, seal) of who has the attack in memory, and so believes nothing that is in the cluster.
    """
    steps, proved = [], own is not None
    try:
        steps, seal = own or journal.undo(entry, named)
        proved = proved or _proved(cluster, steps, seal)
        outcome = undo_all(cluster, steps, seal)
        if outcome.clean and not proved:
            outcome.failed = _left(cluster, journal, entry)
    except Exception as error:
        outcome = Outcome()
        outcome.failed.append(reason_of(error))
        if isinstance(error, NotHere):  # another module can
            return outcome
    try:
        if outcome.clean:
            journal.close(entry)
        elif not _noted(journal, entry, outcome) and own is None:
            # Somebody else has reverted it meanwhile, or has only deleted the journal.
            outcome.failed = (undo_all(cluster, steps, seal).failed if steps else []) + ([] if proved else _left(cluster, journal, entry, gone=True))
    except Exception as error:
        outcome.failed.append(reason_of(error))
    return outcome


def _proved(cluster, steps, seal):
    """Whether an object bears the mark, so that the journal is what the attack wrote. Errors: JournalDamaged when one bears that of another."""
    found = False
    for step in steps:
        try:
            found = step.sealed(cluster, seal) or found
        except JournalDamaged:
            raise
        except AttackError:
            pass  # its run() looks again
    return found


def _noted(journal, entry, outcome):
    """Note in the journal why the undo is stuck. False when this journal is gone."""
    try:
        if journal.holds(entry):
            journal.note(entry, "stuck", outcome.reason)
            return True
    except NotFound:
        pass
    return False


def _left(cluster, journal, entry, gone=False):
    """Why an undo without proof is stuck: what bears the marks of the attack, so that its journal was forged or rewritten, and what may not be listed.

    gone: the journal is, as after the undo of a watcher, so that nothing can be kept.
    """
    unseen, place = [], f"{entry.namespace}/{entry.name}"
    left = residue.find(cluster, journal, [entry.namespace], unseen, attack_id=entry.id, but=entry.uid)
    told = [f"{each} is left, and the journal {place} does not say so: it was rewritten or made anew. {each.help()}" for each in left]
    if unseen and not gone:
        told.append(
            "nothing proves that it is undone as its journal {} says, and the credentials may not list {}: grant it (see docs/rbac), or look there for {}, "
            "then delete the journal: kubectl -n {} delete configmap {}".format(place, ", ".join(unseen), entry.id, entry.namespace, entry.name)
        )
    return told


def remaining(cluster, entry):
    """Seconds until the deadline; negative after it."""
    return entry.deadline - cluster.now()
