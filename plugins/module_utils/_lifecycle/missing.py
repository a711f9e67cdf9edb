# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Attacks that a halt cannot reach, because their journal is not where it was: deleted, moved, or hidden by what is mounted over it."""

import os
import time

from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.others import deadman_place, names
from ansible_collections.faultline.chaos.plugins.module_utils._marks import RECOVERY


def missing(host, journal, seconds=3):
    """[(id, why it is not clean)]. seconds: to wait for dead-men that are just ending."""
    found = [(each["id"], lost_line(journal, each)) for each in lost(journal)]
    known = set(attack_id for attack_id, _why in found)
    until = time.monotonic() + seconds
    running = _deadmen_without_journal(journal) - known
    while running and time.monotonic() < until:
        time.sleep(0.1)
        running &= _deadmen_without_journal(journal)
    hidden = "its journal is not in %s: was that moved, or is something mounted over it? Look with ls -a and findmnt, and put it back: %s"
    found += [(each, hidden % (journal.path, "its dead-man still waits")) for each in sorted(running)]
    units = [path for path in RECOVERY if os.path.exists(path)] if host.is_root and not found and not journal.ids() else []
    return found + [("an attack", hidden % (journal.path, "%s is still there" % path)) for path in units]


def _deadmen_without_journal(journal):
    places = [deadman_place(pid, name) for pid, name in names()]
    found = set(os.path.basename(place) for place in places if place and os.path.dirname(place) == journal.path) - set(journal.ids())
    return set(each for each in found if not os.path.isdir(os.path.join(journal.path, ".gone-" + each)))  # those were undone


def lost_line(journal, attack):
    """What is told of a lost() attack; an operator checks the target and removes the line."""
    where = ", ".join(attack.get("resources") or []) or "the host"
    told = "attack %s (%s) began at %s, its journal is gone: look at %s, then remove its line from %s/history.jsonl"
    return told % (attack["id"], attack.get("module"), attack.get("started"), where, journal.path)


def lost(journal):
    """The unended() attacks that have no journal either, because it was deleted."""
    missing = [each for each in journal.unended() if not any(os.path.isdir(os.path.join(journal.path, prefix + each["id"])) for prefix in ("", ".gone-"))]
    still = journal.unended() if missing else []  # without attacks that ended meanwhile
    return [each for each in missing if each in still]
