# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What is active, overdue or stuck on this host: the view that attack_info, revert and lease share."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_ON_HOST, iso_later


def remaining(journal, attack_id):
    """Seconds until the dead-man timer acts; negative when it is late. An invalid deadline counts as overdue."""
    due, limit = journal.number(attack_id, "deadline"), journal.number(attack_id, "limit")
    if due is None or limit is None or due > limit:
        return -OVERDUE_ON_HOST - 1
    return due / 100.0 - uptime()


def deadline(journal, record):
    """When the dead-man timer acts, renewals of the lease included: UTC by the target's clock as it was when the attack began.

    For an invalid deadline the planned one is returned; remaining() counts it as overdue.
    """
    due, limit = journal.number(record["id"], "deadline"), journal.number(record["id"], "limit")
    moved = 0 if due is None or limit is None or due > limit else due - record["deadline_cs"]
    return iso_later(record["deadline"], moved / 100.0) if moved else record["deadline"]


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
    stuck = journal.noted(attack_id, "stuck").strip()
    if not journal.script_intact(attack_id):
        found.update(status="damaged", reason="its revert.sh does not match its checksum; the revert module writes it again")
    elif stuck:
        found.update(status="stuck", reason=stuck)
    elif record["boot_id"] != boot_id or found["remaining"] < -OVERDUE_ON_HOST:
        found["status"] = "overdue"
    else:
        found["status"] = "active"
    return found
