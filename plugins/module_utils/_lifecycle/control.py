# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The deadline of an active attack, renewals of its lease included."""

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
