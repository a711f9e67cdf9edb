# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Converts a run record to a Chaos Toolkit journal, for tools that read those journals.

The experiment in it is valid for chaostoolkit-lib; its activities are the equivalent ad hoc ``ansible`` commands.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._record import (
    ABORTED,
    AFTER,
    ATTACK,
    BEFORE,
    DEVIATED,
    FAILED,
    HELD,
    INCONCLUSIVE,
    NOT_INJECTED,
    NOT_REVERTED,
    REFUSED,
    REVERTED,
    Record,
    broken,
    inconclusive,
)
from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import as_json
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.series import epoch

_OF_A_HOST = ("host", "outcome", "id", "deadline", "deadman", "effect", "reading", "notes")
# The version of chaostoolkit whose journal format this is. Report templates are chosen by it.
_FORMAT = "1.44.0"

# The meaning in the toolkit: completed, it ran to its end; interrupted, it was refused; aborted, it was stopped; failed, it had an error
# or proved nothing.
VERDICT_STATUS = {
    HELD: "completed",
    DEVIATED: "completed",
    ABORTED: "aborted",
    NOT_REVERTED: "failed",
    REFUSED: "interrupted",
    FAILED: "failed",
    INCONCLUSIVE: "failed",
}


def _iso(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, timezone.utc).isoformat()


def _words(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _ansible(hosts: list[str], module: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The provider of an activity: the equivalent ad hoc command."""
    name = module if "." in module else f"faultline.chaos.{module}"
    return {"type": "process", "path": "ansible", "arguments": [",".join(hosts) or "localhost", "-m", name, "-a", _words(arguments)]}


def _runs_on(probe: dict[str, Any]) -> str:
    """The host that runs a command. The short form of the option is "on", which YAML reads as true when it is not quoted."""
    return str(next((probe[key] for key in ("run_on", "on", "True") if probe.get(key)), "controller"))


def _probe_activity(probe: dict[str, Any]) -> dict[str, Any]:
    """The activity of a steady-state probe. Its tolerance is that of one call; the tolerance over all samples is in the output of the run."""
    activity: dict[str, Any] = {"type": "probe", "name": str(probe.get("name") or "probe")}
    expect = probe.get("expect") or {}
    if probe.get("type") == "http" and probe.get("url"):
        activity["tolerance"] = expect.get("status", 200)
        activity["provider"] = {"type": "http", "url": probe["url"], "method": probe.get("method") or "GET"}
        if isinstance(probe.get("headers"), dict):
            activity["provider"]["headers"] = probe["headers"]
        timeout = facts.seconds_of(probe.get("timeout"))
        if timeout:
            activity["provider"]["timeout"] = timeout
    elif probe.get("type") == "command" and probe.get("argv") and _runs_on(probe) == "controller":
        activity["tolerance"] = expect.get("rc", 0)
        activity["provider"] = {"type": "process", "path": str(probe["argv"][0]), "arguments": [str(word) for word in probe["argv"][1:]]}
    else:
        activity["tolerance"] = 0
        activity["provider"] = _ansible(["localhost"], "steady_state", {"probes": [probe]})
    return activity


def _activities(record: Record) -> dict[str, dict[str, Any]]:
    """The probes of the plan by name, and those that only the results contain."""
    found = {}
    for probe in (record.get("plan") or {}).get("steady_state") or []:
        if isinstance(probe, dict):
            found[str(probe.get("name") or "probe")] = _probe_activity(probe)
    for track in facts.tracks(record):
        found.setdefault(track.name, _probe_activity({"name": track.name, "type": track.type, "tolerance": track.tolerance.texts()}))
    return found


def _run(activity: dict[str, Any], begin: float, end: float, output: Any, error: str = "") -> dict[str, Any]:
    run = {
        "activity": activity,
        "output": output,
        "start": _iso(begin),
        "status": "failed" if error else "succeeded",
        "end": _iso(end),
        "duration": round(max(end - begin, 0.0), 6),
    }
    if error:
        run["exception"] = [error + "\n"]
    return run


def _state(phase: dict[str, Any], activities: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """A steady state of the journal, or None when it was not sampled."""
    state = phase.get("steady_state")
    if state is None:
        return None
    between = facts.bounds(phase) or (0.0, 0.0)
    begin = epoch(state.get("started"))
    end = epoch(state.get("ended"))
    begin, end = between[0] if begin is None else begin, between[1] if end is None else end
    probes = []
    for result in facts.results(phase):
        output = {key: value for key, value in result.items() if key not in ("series", "name", "met")}
        run = _run(activities[str(result.get("name") or "unnamed probe")], begin, end, output)
        run["tolerance_met"] = bool(result.get("met"))
        probes.append(run)
    return {"steady_state_met": bool(state.get("met")), "probes": probes, **({"inconclusive": inconclusive(phase)} if inconclusive(phase) else {})}


def _hosts(phase: dict[str, Any]) -> list[str]:
    return [str(host.get("host")) for host in phase.get("hosts") or []] or [str(host) for host in (phase.get("blast_radius") or {}).get("selected") or []]


def _attack(phase: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attack of one round: its activity and its run."""
    label = " ".join(str(part) for part in (phase.get("name") or "attack", phase.get("magnitude")) if part)
    arguments = {**(phase.get("options") or {}), "duration": phase.get("duration_s")}
    activity = {"type": "action", "name": label, "provider": _ansible(_hosts(phase), str(phase.get("attack") or "attack"), arguments)}
    between = facts.bounds(phase) or (0.0, 0.0)
    output = {
        "blast_radius": phase.get("blast_radius"),
        "hosts": [{key: host.get(key) for key in _OF_A_HOST} for host in phase.get("hosts") or []],
    }
    missed = [f"{host.get('host')}: {host.get('error') or 'not injected'}" for host in phase.get("hosts") or [] if host.get("outcome") == NOT_INJECTED]
    error = "; ".join(missed) or ("" if phase.get("injected") else "the attack was not injected")
    return activity, _run(activity, between[0], between[1], output, error)


def _rollback(phase: dict[str, Any], run_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The revert of one round on every target that was attacked: its activity and its run."""
    touched = [host for host in phase.get("hosts") or [] if host.get("outcome") != NOT_INJECTED]
    activity = {
        "type": "action",
        "name": f"revert {phase.get('name') or 'attack'}" + (f" {phase['magnitude']}" if phase.get("magnitude") else ""),
        "provider": _ansible([str(host.get("host")) for host in touched], str(phase.get("revert") or "revert"), {"run_id": run_id}),
    }
    end = epoch(phase.get("reverted")) or (facts.bounds(phase) or (0.0, 0.0))[1]
    left = [f"{host.get('host')}: {host.get('outcome')}, {host.get('error') or 'no error was given'}" for host in touched if host.get("outcome") != REVERTED]
    output = [{key: host.get(key) for key in ("host", "outcome", "id", "deadline")} for host in touched]
    return activity, _run(activity, end, end, output, "; ".join(left))


def journal(record: Record) -> dict[str, Any]:
    """The journal as plain data."""
    verdict = str(record.get("verdict") or FAILED)
    begin, end = facts.span(record)
    activities = _activities(record)
    phases = facts.phases(record)
    attacks = [_attack(phase) for phase in phases if phase.get("kind") == ATTACK]
    rollbacks = [_rollback(phase, str(record.get("run_id") or "")) for phase in phases if phase.get("kind") == ATTACK and phase.get("injected")]
    states: dict[str, Any] = {BEFORE: None, AFTER: None, "during": []}
    for phase in phases:
        state = _state(phase, activities)
        if phase.get("kind") in (BEFORE, AFTER):
            states[phase["kind"]] = state
        elif state is not None:
            states["during"].append(state)
    title = str(record.get("title") or "Experiment without a title")
    controller = record.get("controller") or {}
    experiment = {
        "version": "1.0.0",
        "title": title,
        "description": str(record.get("description") or record.get("hypothesis") or title),
        "tags": [str(tag) for tag in record.get("tags") or [] if tag],
        "steady-state-hypothesis": {"title": str(record.get("hypothesis") or title), "probes": list(activities.values())},
        "method": [activity for activity, _run_of_it in attacks],
        "rollbacks": [activity for activity, _run_of_it in rollbacks],
        "extensions": [
            {
                "name": "faultline.chaos",
                "verdict": verdict,
                "plan": record.get("plan") or {},
                "run_id": record.get("run_id"),
                "seed": record.get("seed"),
            }
        ],
    }
    return {
        "chaoslib-version": _FORMAT,
        "platform": f"faultline.chaos {controller.get('collection_version') or ''}, ansible-core {controller.get('ansible_version') or ''}",
        "node": str(controller.get("host") or ""),
        "experiment": experiment,
        "start": _iso(begin),
        "status": VERDICT_STATUS.get(verdict, VERDICT_STATUS[FAILED]),
        "deviated": verdict == DEVIATED or any(broken(phase) for phase in phases if phase.get("kind") != BEFORE),
        "steady_states": states,
        "run": [run for _activity, run in attacks],
        "rollbacks": [run for _activity, run in rollbacks],
        "end": _iso(end),
        "duration": round(end - begin, 6),
    }


def render(record: Record) -> str:
    return as_json(journal(record), 2)
