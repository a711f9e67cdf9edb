# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The deadline of the dead-man timer of each target, as far as the controller knows it. Pure.

Without a lease it is the deadline that the attack returned. A lease is renewed while the steady state is watched:

- Before the watch, and for a target whose lease was never renewed, it is the deadline that the attack returned.
- During the watch it is the end of the duration, which no renewal exceeds. A run that is killed leaves its record in this state,
  and an earlier deadline could have passed while the target is still attacked. The same holds when the watch ends without a result.
- After the watch it is the deadline that the last successful renewal set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._times import iso
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import ON_HOST

_SAID = "deadlines_said"  # key in the entry of the schedule during the watch: the deadlines that the attack returned


def latest(entry: Mapping[str, Any], when: datetime) -> str:
    """The latest deadline of a target that did not answer: it was attacked before `when`, and its lease was never renewed."""
    return _after(when, entry["told"].get("lease", entry["deadman_s"]))


def watch_begins(entry: dict[str, Any], targets: Iterable[dict[str, Any]], when: datetime) -> None:
    """Sets the deadlines during the watch, if it renews leases. All targets of the round were attacked before `when`."""
    if not entry["told"].get("lease"):
        return
    entry[_SAID] = {target["host"]: target["deadline"] for target in targets}
    for target in targets:
        target["deadline"] = _after(when, entry["deadman_s"])


def watch_ended(entry: dict[str, Any], targets: Iterable[dict[str, Any]], steady: Mapping[str, Any]) -> None:
    """Sets the deadlines after the watch, from its result. A skipped watch renewed nothing."""
    said = entry.pop(_SAID, None)
    renewed = {} if steady.get("skipped") else steady.get("lease_deadlines")
    if said is None or renewed is None:
        return
    for target in targets:
        places = [target["host"]] if entry["lease"] == ON_HOST else list(renewed)  # a round on a cluster has one place, the cluster
        answers = [renewed[place][target["id"]] for place in places if target["id"] in renewed.get(place, {})]
        target["deadline"] = max(answers, default=said[target["host"]])


def _after(when: datetime, seconds: float) -> str:
    return iso((when + timedelta(seconds=seconds)).timestamp())
