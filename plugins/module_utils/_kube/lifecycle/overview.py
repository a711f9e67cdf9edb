# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What a control module (k8s_attack_info, k8s_revert, k8s_lease) sees in a cluster, and which attacks its options choose."""

from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import remaining
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_IN_CLUSTER, iso


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
