# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The vocabulary of a run record: verdicts, outcomes of targets, kinds of phases; which targets are in trouble; what a phase proved. Pure.

These words are stored in record.json, so they never change. An old or damaged record may have other ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Record = dict[str, Any]

# The verdicts, the worst first: a host that was not reverted outweighs every other result.
NOT_REVERTED, FAILED, REFUSED, ABORTED, DEVIATED = "not_reverted", "failed", "refused", "aborted", "deviated"
INCONCLUSIVE, HELD = "inconclusive", "held"
VERDICTS = (NOT_REVERTED, FAILED, REFUSED, ABORTED, DEVIATED, INCONCLUSIVE, HELD)

# The outcomes of an attack on one target, with their text for people; the worst first.
STUCK, LEFT_TO_TIMER, NOT_INJECTED, REVERTED = "stuck", "left_to_timer", "not_injected", "reverted"
OUTCOMES = {STUCK: "stuck", LEFT_TO_TIMER: "left to its timer", NOT_INJECTED: "not injected", REVERTED: "reverted"}

# The kinds of phases, in order.
BEFORE, ATTACK, AFTER = "before", "attack", "after"

# The formats of a report besides record.json.
FORMATS = ("html", "json", "junit")


def passed(verdict: str) -> bool:
    """Whether the exit status is 0: only for a hypothesis that held."""
    return verdict == HELD


def make_inconclusive(phase: dict[str, Any], *reasons: str) -> None:
    """Notes why a phase proves nothing. Each reason is a sentence without a full stop; a reason is kept once."""
    known = phase.setdefault("inconclusive", [])
    known += [reason for reason in dict.fromkeys(reasons) if reason not in known]


def inconclusive(phase: Mapping[str, Any]) -> list[str]:
    """Why a phase proves nothing; empty when it proves something, and in a record of 0.1."""
    return [str(reason) for reason in phase.get("inconclusive") or []]


def broken(phase: Mapping[str, Any]) -> bool:
    """Whether the samples of a phase prove that the steady state did not hold."""
    steady = phase.get("steady_state") or {}
    return bool(steady) and not steady.get("met", True) and not steady.get("inconclusive")


def proved(phase: Mapping[str, Any]) -> str | None:
    """What a phase proved about the steady state: ABORTED or DEVIATED when it was broken, INCONCLUSIVE, HELD; None when it was not measured."""
    if broken(phase):
        return ABORTED if phase["steady_state"].get("aborted") else DEVIATED
    if inconclusive(phase):
        return INCONCLUSIVE
    return HELD if phase.get("steady_state") else None


def in_trouble(target: Mapping[str, Any]) -> bool:
    """Whether this run did not revert a target."""
    return target.get("outcome") in (LEFT_TO_TIMER, STUCK)


def troubled(record: Record) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Every (phase, target) that this run did not revert. A host that was attacked in several rounds may appear several times."""
    for phase in record.get("phases") or []:
        for target in phase.get("hosts") or []:
            if in_trouble(target):
                yield phase, target


def troubled_hosts(record: Record) -> dict[str, Mapping[str, Any]]:
    """The hosts that this run did not revert, with the worst entry of each: a stuck undo, else the latest deadline."""
    found: dict[str, Mapping[str, Any]] = {}
    for _phase, target in troubled(record):
        name = str(target["host"])
        if name not in found or _gravity(target) > _gravity(found[name]):
            found[name] = target
    return found


def _gravity(target: Mapping[str, Any]) -> tuple[bool, str]:
    return target["outcome"] == STUCK, str(target.get("deadline") or "")
