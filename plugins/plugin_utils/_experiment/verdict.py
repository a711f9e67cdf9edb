# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""From a run record to its verdict. Pure.

The verdicts, the gravest first: a host that is not back outweighs everything that was learned.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.outcomes import STUCK, in_trouble
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.targets import listed

NOT_REVERTED, FAILED, REFUSED, ABORTED, DEVIATED, HELD = "not_reverted", "failed", "refused", "aborted", "deviated", "held"


def judge(record: dict[str, Any]) -> tuple[str, str]:
    """(verdict, reason in one sentence)."""
    troubled = troubled_hosts(record)
    if troubled:
        return NOT_REVERTED, _not_reverted(troubled)
    stop = record.get("stop")
    if stop and stop["verdict"] in (FAILED, REFUSED):
        return stop["verdict"], stop["reason"]
    deviation = _deviation(record)
    if stop and stop["verdict"] == ABORTED:
        return ABORTED, stop["reason"] + (f" Before that: {deviation}" if deviation else "")
    if deviation:
        return DEVIATED, deviation
    after = [phase for phase in record["phases"] if phase["kind"] == "after"]
    if not after or not (after[-1].get("steady_state") or {}).get("met"):
        return FAILED, "The recovery was not measured, so nothing is known about the steady state after the attacks."
    count = len([phase for phase in record["phases"] if phase["kind"] == "attack"])
    attacks = "1 attack" if count == 1 else f"{count} attacks"
    return HELD, f"The steady state held before, during and after {attacks}."


def passed(verdict: str) -> bool:
    """Only a hypothesis that held makes the exit status 0."""
    return verdict == HELD


def troubled_hosts(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The targets that this run did not bring back, each with its latest deadline."""
    found: dict[str, dict[str, Any]] = {}
    for phase in record["phases"]:
        for entry in phase.get("hosts") or []:
            known = found.get(entry["host"])
            if in_trouble(entry) and (known is None or entry["outcome"] == STUCK or (entry["deadline"] or "") > (known["deadline"] or "")):
                found[entry["host"]] = entry
    return found


def _not_reverted(troubled: dict[str, dict[str, Any]]) -> str:
    stuck = [host for host, entry in troubled.items() if entry["outcome"] == STUCK]
    left = [f"{host} (until {entry['deadline']})" for host, entry in troubled.items() if entry["outcome"] != STUCK]
    parts = [f"the undo is stuck on {listed(stuck)}"] if stuck else []
    parts += [f"left to their timers: {listed(left)}"] if left else []
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _deviation(record: dict[str, Any]) -> str:
    for phase in record["phases"]:
        steady = phase.get("steady_state") or {}
        if phase["kind"] == "before" or not steady or steady.get("met", True):
            continue
        reason = str(steady.get("reason") or "a tolerance was broken").rstrip(".")
        if phase["kind"] == "after":
            return f"The steady state did not come back after the attacks: {reason}."
        label = phase["name"] + (f" ({phase['magnitude']})" if phase.get("magnitude") else "")
        return f"The steady state was broken during {label}: {reason}."
    return ""
