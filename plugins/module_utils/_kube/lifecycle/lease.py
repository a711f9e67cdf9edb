# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Renew the leases of attacks in a cluster. Used by the module k8s_lease and by experiments that observe their steady state."""

from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.overview import chosen
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import remaining


def renew(cluster, params, seconds, check_mode=False):
    """Set the deadlines of the attacks selected by id, run_id and namespaces to the given number of seconds from now.

    Returns {id: deadline}, in seconds since the epoch by the clock of the API server; in check mode the deadlines are unchanged.
    The watcher of a leased attack reads the deadline from the journal.
    """
    journal = Journal(cluster)
    renewed = {}
    for entry in chosen(journal, params):
        if entry.damage or remaining(cluster, entry) <= 0:
            continue
        if not check_mode:
            journal.renew(entry, cluster.now() + seconds)  # capped at the limit of the entry
        renewed[entry.id] = max(entry.deadline, renewed.get(entry.id, 0.0))  # another namespace may have the same id
    return renewed
