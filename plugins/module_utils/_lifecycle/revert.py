# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Revert from a module: run the same revert.sh as the dead-man timer, and return its outcome."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.reading import parse

# Exit codes of revert.sh and of control.sh revert, as _undo/machinery.py writes them; any other is stuck.
REVERTED, DAMAGED, DRIFTED = 0, 5, 6


class Outcome:
    """The result of one revert: acted (there was something to undo), clean (nothing is left), drifted, reason when not clean.

    reading: of the effect, before it was undone (see reading.py); None when there is none.
    """

    def __init__(self, acted, clean, drifted=False, reason="", reading=None):
        self.acted = acted
        self.clean = clean
        self.drifted = drifted
        self.reason = reason
        self.reading = reading


def revert_one(host, journal, attack_id, accept_drift=False, locked=False):
    """Undo one attack by its own script. A damaged script is written again from an intact record.

    locked: the caller holds the journal's lock, so the script must not wait for it.
    """
    if not journal.script_intact(attack_id):
        problem = _write_again(journal, attack_id)
        if problem and attack_id in journal.ids():
            return Outcome(acted=False, clean=False, reason=problem)
    if attack_id not in journal.ids():  # also when its timer has just reverted it
        return Outcome(acted=False, clean=True)
    argv = ["/bin/sh", journal.script(attack_id), "module"] + ["accept"] * accept_drift + ["locked"] * locked
    try:
        rc, out, err = host.run(argv, check=False, seconds=0)  # it limits its own steps
    except AttackError as error:
        return Outcome(acted=False, clean=False, reason=str(error))
    reading = parse(attack_id, out)
    if rc == REVERTED:
        acted = any(line.endswith((": reverted", ": drifted")) for line in out.split("\n"))
        if not acted and attack_id in journal.ids():
            return Outcome(acted=False, clean=False, reason=f"its undo ended without a word: read {journal.script(attack_id)}")
        return Outcome(acted=acted, clean=True, drifted=acted and out.rstrip().endswith("drifted"), reading=reading)
    if attack_id not in journal.ids():
        return Outcome(acted=False, clean=True)
    own = f"faultline {attack_id}: "  # who reads a reason knows the id
    lines = [line[len(own) :] if line.startswith(own) else line for line in err.split("\n")]
    said = "; ".join(line.strip() for line in lines if line.strip()) or "rc %d" % rc
    if rc == DRIFTED:
        said = f"undone, but the state is not what it was before (somebody else changed it?): {said}; to close it: revert with accept_drift: true"
        return Outcome(True, False, True, said, reading)
    if rc == DAMAGED:
        said = f"its undo does not match its checksum: read {journal.script(attack_id)}"
    return Outcome(acted=True, clean=False, reason=said, reading=reading)


def _write_again(journal, attack_id):
    """Write revert.sh and the saved state again, as the record has them. Returns the problem, or None."""
    try:
        record = journal.load(attack_id)
    except JournalDamaged as error:
        return f"its journal is damaged in both halves ({error}): undo by hand, then remove {journal.directory(attack_id)}"
    if "script" not in record:  # of release 0.1, which kept no second copy
        return f"{journal.script(attack_id)} is damaged: undo by hand what it shows, then remove {journal.directory(attack_id)}"
    try:
        journal.repair(attack_id, record)
    except AttackError as error:
        return str(error)
    return None
