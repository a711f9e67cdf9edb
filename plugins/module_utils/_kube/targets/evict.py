# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Evict pods and wait until they are gone; and how pods are named in results."""

import math
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import many
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Refused, may_be_done
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD

_LOOK = 0.25  # seconds between two polls for terminating pods
_AGAIN = (1.0, 5.0)  # seconds until an eviction that a disruption budget refused is retried: first and longest


def grace_seconds(value):
    """The grace period in whole seconds; None for the value in the spec of each pod.

    At least 1, because with 0 the API deletes a pod without confirmation of its node that it ended. Errors: BadOption.
    """
    return None if value is None else max(1, int(math.ceil(_units.duration("grace", value, 0.0, 3600.0))))


def named(row):
    return "{}/{}".format(row["metadata"]["namespace"], row["metadata"]["name"])


def lost(word, rows, uncertain):
    """The irreversible effects on pods, for the result of a failed attack; {} when there are none."""
    told = {word: sorted(set(named(row) for row in rows)), "uncertain": sorted(set(named(row) for row in uncertain))}
    return dict((key, names) for key, names in told.items() if names)


class Eviction:
    """The result of evicting pods, as lists of rows."""

    def __init__(self):
        self.evicted = []
        self.already_gone = []
        self.refused = []  # (row, the message of the server)
        self.uncertain = []  # evictions with an unknown result

    def done(self):
        return lost("evicted", self.evicted, self.uncertain)


def evict(cluster, rows, grace, until, goes_on=None, told=None):
    """Evict pods; retry evictions that a disruption budget refuses, until a monotonic time. Fills and returns told, or a new Eviction.

    goes_on() is called before each retry; it raises to stop. Errors: AttackError for any refusal other than a budget.
    """
    told, pending, wait = told or Eviction(), list(rows), _AGAIN[0]
    while True:
        told.refused, failed = [], []
        told.uncertain = list(pending)
        outcomes = many.evict_all(cluster, pending, grace)
        told.uncertain = [row for row, outcome in outcomes if isinstance(outcome, AttackError) and may_be_done(outcome)]
        for row, outcome in outcomes:
            if isinstance(outcome, Refused):
                told.refused.append((row, outcome.said or str(outcome)))
            elif isinstance(outcome, AttackError):
                failed.append(outcome)
            else:
                (told.evicted if outcome == "evicted" else told.already_gone).append(row)
        if failed:
            raise failed[0]
        pending = [row for row, _why in told.refused]
        if not pending or time.monotonic() + wait > until:
            return told
        time.sleep(wait)
        wait = min(2 * wait, _AGAIN[1])
        if goes_on is not None:
            goes_on()


def wait_gone(cluster, rows, nodes, until):
    """Wait until pods (compared by uid) are gone from the nodes. Returns those still there at the end."""
    left = list(rows)
    while True:
        here = set(row["metadata"]["uid"] for node in nodes for row in cluster.rows(POD, None, fields=f"spec.nodeName={node}"))
        left = [row for row in left if row["metadata"]["uid"] in here]
        if not left or time.monotonic() >= until:
            return left
        time.sleep(_LOOK)
