# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What a control module (attack_info, revert, lease) sees on this host, and which attacks its options choose."""

import os
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.control import deadline, remaining
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import busy
from ansible_collections.faultline.chaos.plugins.module_utils._marks import RECOVERY
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_ON_HOST


def attacks(journal, boot_id):
    """All attacks, as attack_info returns them."""
    found = [describe(journal, boot_id, each) for each in journal.ids()]
    return [each for each in found if os.path.isdir(os.path.dirname(each["undo"]))]  # without attacks undone meanwhile


def describe(journal, boot_id, attack_id):
    """One attack as attack_info returns it."""
    found = {"id": attack_id, "undo": journal.script(attack_id)}
    try:
        record = journal.load(attack_id)
    except JournalDamaged as error:
        found.update(status="damaged", reason=str(error), run_id=journal.noted(attack_id, "run").strip() or None)
        return found
    for key in ("module", "run_id", "started", "deadman", "resources"):
        found[key] = record[key]
    found["deadline"] = deadline(journal, record)
    found["remaining"] = round(remaining(journal, attack_id), 2)
    found["effect"] = journal.effect(attack_id)
    stuck, was = ("; ".join(journal.noted(attack_id, name).split("\n")).strip("; ") for name in ("stuck", "stuck.was"))
    if not journal.script_intact(attack_id, record):
        found.update(status="damaged", reason="its revert.sh does not match its checksum; the revert module writes it again where the record has a copy")
    elif stuck:
        found.update(status="stuck", reason=stuck)
    elif record["boot_id"] != boot_id or found["remaining"] < -OVERDUE_ON_HOST:
        found["status"] = "overdue"
    else:
        found["status"] = "active"
    if was:  # an undo runs now, and has the reason of the one before
        found.setdefault("reason", was)
    return found


def chosen(journal, attack_id=None, run_id=None, everything=False):
    """Ids of the attacks that the options of a control module select."""
    if attack_id is not None:
        return [attack_id] if attack_id in journal.ids() else []
    if everything:
        return journal.ids()
    return [each for each in journal.ids() if run_id in (_run_of(journal, each), journal.noted(each, "run").strip())]


def _run_of(journal, attack_id):
    try:
        return journal.load(attack_id)["run_id"]
    except JournalDamaged:
        return None


def unseen(host):
    """Why this user cannot see all active attacks, or None."""
    if not host.is_root and any(os.path.exists(path) for path in RECOVERY):
        return "attacks of root are active here, which %s cannot see: set become: true" % (os.environ.get("USER") or "this user")
    return None


def await_endings(journal, seconds=10):
    """Wait for undos that have removed their journal, but may not have added their line to the history yet."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and journal.check_place():
        endings = [name for name in os.listdir(journal.path) if name.startswith(".gone-")]
        if not any(busy(os.path.join(journal.path, name)) for name in endings):
            break
        time.sleep(0.1)
