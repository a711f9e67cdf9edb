# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Selects the targets of every step of a plan, and makes the schedule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import OPTION, Plan, magnitudes
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import BY_CONTROLLER, kind_of
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import HOUR
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection import blast_radius, inventory as selection_inventory
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import listed

Check = dict[str, Any]
Variables = Callable[[str], Mapping[str, Any]]


def check(name: str, ok: bool, detail: str) -> Check:
    return {"name": name, "ok": ok, "detail": detail}


@dataclass
class Targets:
    """The selected hosts of one step, in the order of the draw."""

    pattern: str
    seed: str
    selection: blast_radius.Selection

    @property
    def selected(self) -> list[str]:
        return self.selection.selected

    def describe(self) -> str:
        names = listed(self.selected) or "nobody"
        return f"{names} ({len(self.selected)} of {self.selection.eligible} hosts of {self.pattern}, seed {self.seed})"

    def to_dict(self) -> dict[str, Any]:
        return {
            "pattern": self.pattern,
            "eligible": self.selection.eligible,
            "selected": list(self.selected),
            "percent": self.selection.percent,
            "seed": self.seed,
        }


@dataclass
class Draw:
    """The targets of all steps, and the checks of the selection."""

    targets: list[Targets] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def hosts(self) -> list[str]:
        return sorted({host for targets in self.targets for host in targets.selected})


def candidates(plan: Plan, inventory: selection_inventory.Inventory, limit: str | None = None) -> set[str]:
    """The hosts that the steps may draw from. Errors: BadOption for a pattern that names nothing, or when limit leaves no host of it."""
    found: set[str] = set()
    for at, step in enumerate(plan["method"]):
        found.update(inventory.match(f"{OPTION}.method[{at}].hosts", step["hosts"], limit))
    return found


def draw(plan: Plan, inventory: selection_inventory.Inventory, in_play: Collection[str], variables: Variables, run_id: str) -> Draw:
    """Selects the targets of every step. Errors: BadOption for a pattern or a group that does not exist."""
    safety = plan["safety"]
    known: dict[str, Mapping[str, Any]] = {}

    def facts(host: str) -> Mapping[str, Any]:
        if host not in known:
            known[host] = variables(host)
        return known[host]

    protected = {selection_inventory.machine_of(host, facts(host)): host for host in _protected(inventory, safety["protected"])}
    groups = _capped_groups(inventory, safety["groups"])
    result = Draw()
    taken: set[str] = set()
    kept_out: dict[str, str] = {}
    outside: set[str] = set()
    for at, step in enumerate(plan["method"]):
        matched = inventory.match(f"{OPTION}.method[{at}].hosts", step["hosts"])
        candidates = [host for host in matched if host in in_play]
        outside.update(set(matched) - set(candidates))
        machines = selection_inventory.machines(candidates, facts)
        surplus = selection_inventory.aliases(machines)
        kept_out.update({host: f"{host} is another name of {stands}" for host, stands in surplus.items()})
        for host, machine in machines.items():
            if machine in protected:
                kept_out[host] = f"{host} is protected"
            elif selection_inventory.is_controller(host, facts(host)):
                kept_out[host] = f"{host} is this machine, reached without connection: local"
        eligible = [host for host in candidates if host not in kept_out]
        limits = _limits(step, safety, inventory, groups, facts, machines)
        seed = step["select"]["seed"] or run_id
        selection = blast_radius.select(
            eligible, seed, count=step["select"]["count"], percent=step["select"]["percent"], limits=limits, taken=taken, machines=machines
        )
        targets = Targets(step["hosts"], seed, selection)
        result.targets.append(targets)
        taken.update(selection.selected)
        result.checks.append(_selected_check(at, step["name"], targets, eligible))
    result.checks += _notices(kept_out, outside)
    return result


def _protected(inventory: selection_inventory.Inventory, names: list[str]) -> list[str]:
    found: list[str] = []
    for at, name in enumerate(names):
        found += inventory.match(f"{OPTION}.safety.protected[{at}]", name)
    return found


def _capped_groups(inventory: selection_inventory.Inventory, names: list[str] | None) -> list[str] | None:
    for at, name in enumerate(names or []):
        if name not in inventory.groups:
            raise BadOption(f"{OPTION}.safety.groups[{at}]", name, "the inventory has no such group")
    return names


def _limits(
    step: dict[str, Any],
    safety: dict[str, Any],
    inventory: selection_inventory.Inventory,
    groups: list[str] | None,
    facts: Variables,
    machines: dict[str, str],
) -> list[blast_radius.Cap]:
    """The caps of the step and of the whole experiment. Adds the machines of the members of the capped groups to `machines`."""
    per_step = step["select"]["max_per_group"]
    count, percent = safety["max_count_per_group"], safety["max_percent_per_group"]
    if per_step is None and count is None and percent is None:
        return []
    names = [name for name in inventory.groups if name not in ("all", "ungrouped")] if groups is None else groups
    names = [name for name in names if not machines.keys().isdisjoint(inventory.groups[name])]
    for name in names:
        machines.update(selection_inventory.machines((host for host in inventory.groups[name] if host not in machines), facts))
    return [
        *blast_radius.caps(inventory.groups, names, max_count=per_step, machines=machines),
        *blast_radius.caps(
            inventory.groups, names, max_count=count, max_percent=percent, whole_experiment=True, machines=machines
        ),
    ]  # fmt: skip


def _selected_check(at: int, name: str, targets: Targets, eligible: list[str]) -> Check:
    selection = targets.selection
    label = f"targets of step {at + 1}, {name}"
    reasons = listed(sorted(set(selection.passed_over.values())))
    if not selection.selected:
        why = f"every host is held back: {reasons}" if eligible else "no host of its pattern may be attacked"
        return check(label, False, f"{OPTION}.method[{at}] ({name}) selects nobody of {targets.pattern}: {why}")
    short = len(selection.selected) < selection.wanted
    missing = f"; {selection.wanted} were asked for" + (f", held back by: {reasons}" if reasons else "") if short else ""
    return check(label, True, targets.describe() + missing)


def _notices(kept_out: dict[str, str], outside: set[str]) -> list[Check]:
    found = []
    if kept_out:
        found.append(check("never selected", True, listed([kept_out[host] for host in sorted(kept_out)])))
    if outside:
        found.append(check("outside of this run", True, f"{listed(sorted(outside))}: not in this play (--limit, a slice, or hosts of the play)"))
    return found


def refuse_lost_leases(plan: Plan, targets: list[Targets], variables: Variables) -> None:
    """Refuses a lease for an attack on a cluster from another host: only the controller can renew it. Errors: BadOption."""
    lease = plan["safety"]["lease"]
    for at, (step, chosen) in enumerate(zip(plan["method"], targets, strict=True)):
        if lease is None or kind_of(step["attack"]).lease != BY_CONTROLLER:
            continue
        for host in chosen.selected:
            if variables(host).get("ansible_connection") != "local":
                why = f"{OPTION}.method[{at}] attacks a cluster from {host}, and only from here can its lease be renewed"
                fix = f"{why}: attack from localhost, or leave lease out"
                raise BadOption(f"{OPTION}.safety.lease", lease, fix)


def schedule(plan: Plan, targets: list[Targets], run_id: str) -> list[dict[str, Any]]:
    """The rounds in order: everything that the tasks of a round need and that does not depend on the results of earlier rounds."""
    safety = plan["safety"]
    rounds = []
    for number, (step, chosen) in enumerate(zip(plan["method"], targets, strict=True), 1):
        values = magnitudes(step)
        deadman = step["duration"] + safety["grace"]
        kind = kind_of(step["attack"])
        for at, (label, options) in enumerate(values, 1):
            attack_id = f"{run_id}-s{number}r{at}"
            told = {**options, "state": "present", "id": attack_id, "run_id": run_id, "duration": deadman}
            if deadman > HOUR:
                told["max_duration"] = deadman
            if safety["lease"] is not None and kind.lease is not None:
                told["lease"] = min(safety["lease"], deadman)
            rounds.append(
                {
                    "step": number, "round": at, "rounds": len(values), "name": step["name"], "magnitude": label,
                    "attack": step["attack"], "options": options, "told": told, "id": attack_id,
                    "duration_s": step["duration"], "deadman_s": deadman, "pause_s": step["pause"],
                    "tasks": kind.tasks, "sweep": kind.sweep, "revert": kind.reverting(run_id, options), "lease": kind.lease, "tried": kind.tried,
                    "blast_radius": chosen.to_dict(),
                }
            )  # fmt: skip
    return rounds
