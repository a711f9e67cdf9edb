# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Judges a run record. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils import _record
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import listed


def judge(record: _record.Record) -> tuple[str, str]:
    """(verdict, reason in one sentence)."""
    troubled = _record.troubled_hosts(record)
    if troubled:
        return _record.NOT_REVERTED, _not_reverted(troubled)
    stop = record.get("stop")
    if stop and stop["verdict"] in (_record.FAILED, _record.REFUSED):
        return stop["verdict"], stop["reason"]
    deviation, doubts = _deviation(record), listed(doubts_of(record), 3, "; ")
    if stop and stop["verdict"] == _record.ABORTED:
        return _record.ABORTED, stop["reason"] + (f" Before that: {deviation}" if deviation else "")
    if deviation:
        return _record.DEVIATED, deviation + (f" Besides: {doubts}." if doubts else "")
    if stop and stop["verdict"] == _record.INCONCLUSIVE:
        return _record.INCONCLUSIVE, stop["reason"]
    after = [phase for phase in record["phases"] if phase["kind"] == _record.AFTER]
    if not after or not after[-1].get("steady_state"):
        return _record.FAILED, "The recovery was not measured, so nothing is known about the steady state after the attacks."
    if doubts:
        return _record.INCONCLUSIVE, f"No verdict on the hypothesis: {doubts}."
    count = len([phase for phase in record["phases"] if phase["kind"] == _record.ATTACK])
    attacks = "1 attack" if count == 1 else f"{count} attacks"
    return _record.HELD, f"The steady state held before, during and after {attacks}."


def _not_reverted(troubled: dict[str, Mapping[str, Any]]) -> str:
    stuck = [host for host, entry in troubled.items() if entry["outcome"] == _record.STUCK]
    left = [f"{host} (until {entry['deadline']})" for host, entry in troubled.items() if entry["outcome"] != _record.STUCK]
    parts = [f"the undo is stuck on {listed(stuck)}"] if stuck else []
    parts += [f"left to their timers: {listed(left)}"] if left else []
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _deviation(record: _record.Record) -> str:
    for phase in record["phases"]:
        if phase["kind"] == _record.BEFORE or not _record.broken(phase):
            continue
        reason = str(phase["steady_state"].get("reason") or "a tolerance was broken").rstrip(".")
        if phase["kind"] == _record.AFTER:
            return f"The steady state did not come back after the attacks: {reason}."
        return f"The steady state was broken during {_label(phase)}: {reason}."
    return ""


def doubts_of(record: _record.Record) -> list[str]:
    """Why phases of this run prove nothing, each with the phase."""
    return [f"{_label(phase)}: {reason.rstrip('.')}" for phase in record["phases"] for reason in _record.inconclusive(phase)]


def _label(phase: Mapping[str, Any]) -> str:
    return str(phase["name"]) + (f" ({phase['magnitude']})" if phase.get("magnitude") else "")
