# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What a control module (attack_info, revert, lease) sees on this host, and which attacks its options choose."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.control import describe
from ansible_collections.faultline.chaos.plugins.module_utils._marks import RECOVERY


def attacks(journal, boot_id):
    """All attacks, as attack_info returns them."""
    found = [describe(journal, boot_id, each) for each in journal.ids()]
    return [each for each in found if os.path.isdir(os.path.dirname(each["undo"]))]  # without attacks undone meanwhile


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
