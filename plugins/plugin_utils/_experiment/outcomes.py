# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The outcome of each target, from the results of the attack and of the revert. Pure.

When in doubt a target counts as attacked: a host that answered neither task is left to its timer, which is armed before
the injection. Only an SSH connection that failed to open proves that nothing reached the host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._record import LEFT_TO_TIMER, NOT_INJECTED, REVERTED, STUCK

_NEVER_CONNECTED = re.compile(r"connect to host \S+ port \d+:|Could not resolve hostname|Permission denied|Host key verification failed")
_LONGEST = 500

TaskResult = Mapping[str, Any]


def is_active(result: TaskResult) -> bool:
    return result.get("status") == "active"


def is_planned(result: TaskResult) -> bool:
    """Whether an attack succeeded in check mode."""
    return result.get("status") in ("planned", "active")


def problem(result: TaskResult) -> str:
    """Why a task failed, in one line."""
    text = str(result.get("msg") or result.get("module_stderr") or result.get("exception") or "no answer")
    line = " ".join(text.split())
    line = line.removeprefix("Task failed: ")
    prefix = "unreachable: " if result.get("unreachable") and not line.lower().startswith("unreachable") else ""
    return (prefix + line)[:_LONGEST].rstrip(" .:")


def may_be_injected(attack: TaskResult) -> bool:
    """Whether the attack may have reached the host."""
    if is_active(attack):
        return True
    if attack.get("unreachable"):
        return not _NEVER_CONNECTED.search(str(attack.get("msg")))
    # injected: an attack on pods failed half-way. Its undo does not restore what it already removed.
    return bool(attack.get("stuck")) or attack.get("injected") is True or "module_stderr" in attack or "exception" in attack or not attack


def host_entry(host: str, attack: TaskResult, attack_id: str, deadline: str) -> dict[str, Any]:
    """The entry of a target after the attack and before the revert. deadline: the latest possible one, for an attack that returned none."""
    active = is_active(attack)
    diff = attack.get("diff")
    return {
        "host": host,
        "outcome": LEFT_TO_TIMER if may_be_injected(attack) else NOT_INJECTED,
        "id": attack.get("id") or attack_id,
        "deadline": (attack.get("deadline") or deadline) if may_be_injected(attack) else None,
        "deadman": attack.get("deadman"),
        "effect": attack.get("effect") or {},
        "reading": None,
        "undo": attack.get("undo"),
        "undo_text": attack.get("undo_text"),
        "diff": {"before": diff.get("before", ""), "after": diff.get("after", "")} if isinstance(diff, Mapping) else None,
        "error": None if active else problem(attack),
        "notes": list(attack.get("notes") or []),
    }


def after_revert(entry: dict[str, Any], revert: TaskResult) -> None:
    """Updates the outcome from the result of the revert."""
    if revert.get("skipped"):
        return
    readings = revert.get("readings")
    if isinstance(readings, Mapping) and readings.get(entry["id"]):
        entry["reading"] = readings[entry["id"]]
    entry["notes"] += [f"kept as somebody else left it: {each}" for each in revert.get("drifted") or []]
    stuck = revert.get("stuck") or []
    if stuck:
        entry["outcome"] = STUCK
        entry["error"] = "; ".join(f"{one.get('id')}: {one.get('reason')}" for one in stuck if isinstance(one, Mapping)) or problem(revert)
    elif revert.get("clean") is True and not revert.get("failed"):
        # A revert that has nothing to undo after an active attack: it expired, or another process reverted it. Only an active attack
        # returns its deadman, and only one that failed half-way returns an effect without it.
        entry["outcome"] = REVERTED if revert.get("reverted") or entry["deadman"] or entry["effect"] else NOT_INJECTED
        if entry["deadman"] and entry["error"]:
            entry["notes"].append(f"reverted at the second attempt; at the first: {entry['error']}")
            entry["error"] = None
    elif entry["outcome"] != NOT_INJECTED:
        entry["outcome"] = LEFT_TO_TIMER
        entry["error"] = f"not reverted from here: {problem(revert)}"


def found_nothing(revert: TaskResult) -> bool:
    """Whether a revert succeeded and had nothing to undo."""
    return revert.get("clean") is True and not any(revert.get(word) for word in ("failed", "reverted", "drifted", "skipped"))
