# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""When the timer of a target reverts it, as far as the controller knows. Pure.

Without a lease the target says it when it is attacked. A lease is renewed while the steady state is watched:

- Before the watch, and for a target whose lease was never renewed, it is what the target said.
- During the watch it is the end of the duration, which no renewal passes. A run that is killed leaves its record as it is then,
  and a time that may be past would call a target safe that is not. The same holds when the watch ends without a result.
- After the watch it is what the last successful renewal set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._contract import iso
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import ON_HOST

_SAID = "deadlines_said"  # in the entry of the schedule, during the watch


def latest(entry: Mapping[str, Any], when: datetime) -> str:
    """For a target that gave no answer: the latest time at which its timer reverts it, if it was attacked before when and never renewed."""
    return _after(when, entry["told"].get("lease", entry["deadman_s"]))


def watch_begins(entry: dict[str, Any], targets: Iterable[dict[str, Any]], when: datetime) -> None:
    """All targets of a round of the schedule were attacked before when. Moves their deadlines if the watch renews leases."""
    if not entry["told"].get("lease"):
        return
    entry[_SAID] = {target["host"]: target["deadline"] for target in targets}
    for target in targets:
        target["deadline"] = _after(when, entry["deadman_s"])


def watch_ended(entry: dict[str, Any], targets: Iterable[dict[str, Any]], steady: Mapping[str, Any]) -> None:
    """Takes the result of the watch. One that was skipped renewed nothing."""
    said = entry.pop(_SAID, None)
    renewed = {} if steady.get("skipped") else steady.get("lease_deadlines")
    if said is None or renewed is None:
        return
    for target in targets:
        places = [target["host"]] if entry["lease"] == ON_HOST else list(renewed)  # a cluster is the only place of its round
        answers = [renewed[place][target["id"]] for place in places if target["id"] in renewed.get(place, {})]
        target["deadline"] = max(answers, default=said[target["host"]])


def _after(when: datetime, seconds: float) -> str:
    return iso((when + timedelta(seconds=seconds)).timestamp())
