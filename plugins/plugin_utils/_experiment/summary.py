# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The summary that is printed at the end of an experiment, a halt and an audit. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import visible
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.outcomes import problem
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import CLUSTER
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.verdict import doubts_of
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import STUCK, Record, passed, troubled, troubled_hosts

Lines = list[tuple[str, bool]]  # a line, and whether it is bad news


def experiment(record: Record, reports: Mapping[str, str]) -> Lines:
    good = passed(record["verdict"])
    lines: Lines = [("", False), (f"{record['title']}: {record['verdict'].upper()}", not good), (record["verdict_reason"], not good)]
    lines += [(f"  inconclusive: {doubt}", True) for doubt in doubts_of(record)]
    for host, entry in sorted(troubled_hosts(record).items()):
        if entry["outcome"] == STUCK:
            lines.append((f"  stuck: {host}, {entry['error']}", True))
        else:
            lines.append((f"  left to its timer: {host}, until {entry['deadline']} ({entry['error']})", True))
    for audit_by, halt_by in _buttons(record):
        lines.append((f"  look again with: ansible-playbook faultline.chaos.{audit_by}, or revert with: ansible-playbook faultline.chaos.{halt_by}", True))
    path = reports.get("html") or reports.get("record")
    if path:
        lines.append((f"Report: {path}", False))
    lines.append((f"Run id: {record['run_id']}", False))
    return lines


def _buttons(record: Record) -> list[tuple[str, str]]:
    """The playbooks that help with what is in trouble: hosts and clusters have different ones."""
    reverts = {phase.get("revert") for phase, _target in troubled(record)}
    in_cluster = CLUSTER.revert.rpartition(".")[2]
    hosts, cluster = [("audit", "halt")], [("cluster_audit", "cluster_halt")]
    return (hosts if reverts - {in_cluster} else []) + (cluster if in_cluster in reverts else [])


@dataclass
class Fleet:
    """The hosts of a halt or an audit, by their result."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    ok: bool = True

    def put(self, label: str, text: str, ok: bool) -> None:
        self.lists.setdefault(label, []).append(visible(text))  # the result of the task is shown, too
        self.ok = self.ok and ok


# The lists of a halt and an audit.
KEPT_LIST, REMOVED_LIST = "kept as somebody else left it", "removed, no journal knew of it"
REVERTED_LIST, CLEAN_LIST, GONE_LIST, STUCK_LIST = "reverted", "clean, nothing was there", "already gone", "STUCK"
UNREACHABLE_LIST, FAILED_LIST, WOULD_LIST = "UNREACHABLE, left to their timers", "FAILED", "would be reverted"
OTHERS_LIST, FOREIGN_LIST = "attacks of other users, left to them", "like marks of attacks, but of other users"
ACTIVE_LIST, RESIDUE_LIST, UNKNOWN_LIST = "attacks found", "residue", "UNREACHABLE, nothing is known"
UNSEEN_LIST = "not looked at"
_LONGEST_REASON = 1000  # it can hold all that a command printed, and more follows it
# What helps, where the entries themselves do not say it.
_HELP = {
    ACTIVE_LIST: "revert with: ansible-playbook faultline.chaos.halt, or cluster_halt for clusters",
    STUCK_LIST: "read the reason first and mend what it names, then run halt again; to close one that differs: look first, then faultline.chaos.revert "
    "with id and accept_drift, which overwrites what somebody else wrote to a file of file_fault",
    UNREACHABLE_LIST: "look again with: ansible-playbook faultline.chaos.audit",
}
_BAD_LISTS = (UNSEEN_LIST, OTHERS_LIST, STUCK_LIST, UNREACHABLE_LIST, FAILED_LIST, ACTIVE_LIST, RESIDUE_LIST, UNKNOWN_LIST)


def halt(hosts: Collection[str], results: Mapping[str, Mapping[str, Any]], check_mode: bool) -> Fleet:
    """Reads the results of revert on every host. It is ok only when every host is clean."""
    fleet = Fleet()
    for host in hosts:
        result = results.get(host) or {"msg": "no answer"}
        reverted = ", ".join(result.get("reverted") or [])
        _beside(fleet, host, result)
        for each in result.get("drifted") or []:
            fleet.put(KEPT_LIST, f"{host}: {each}", True)
        for each in result.get("removed") or []:
            fleet.put(WOULD_LIST if check_mode else REMOVED_LIST, f"{host}: {each}", True)
        bad = result.get("unreachable") or result.get("stuck") or result.get("failed")
        if bad and reverted and not check_mode:
            fleet.put(REVERTED_LIST, f"{host}: {reverted}", True)  # whatever else failed there
        if result.get("unreachable"):
            fleet.put(UNREACHABLE_LIST, f"{host} ({problem(result)})", False)
        elif result.get("stuck"):
            fleet.put(STUCK_LIST, host + ": " + "; ".join(f"{one['id']}: {one['reason']}" for one in result["stuck"]), False)
        elif "reverted" not in result or result.get("failed"):
            fleet.put(FAILED_LIST, f"{host}: {problem(result)}", False)
        elif check_mode and reverted:
            fleet.put(WOULD_LIST, f"{host}: {reverted}", True)
        elif reverted:
            fleet.put(REVERTED_LIST, f"{host}: {reverted}", True)
        elif result.get("already_gone"):
            fleet.put(GONE_LIST, f"{host}: {', '.join(result['already_gone'])}", True)
        elif not result.get("removed") and not result.get("others"):
            fleet.put(CLEAN_LIST, host, True)
    return fleet


def audit(hosts: Collection[str], results: Mapping[str, Mapping[str, Any]]) -> Fleet:
    """Reads the results of attack_info or k8s_attack_info on every host. It is ok only when every host answered and nothing is left on any."""
    fleet = Fleet()
    for host in hosts:
        result = results.get(host) or {"msg": "no answer"}
        if result.get("unreachable"):
            fleet.put(UNKNOWN_LIST, f"{host} ({problem(result)})", False)
            continue
        if "clean" not in result or result.get("failed"):
            fleet.put(FAILED_LIST, f"{host}: {problem(result)}", False)
            continue
        for attack in result.get("attacks") or []:
            stuck = attack.get("status") == "stuck"  # for which a halt alone would not help
            fleet.put(STUCK_LIST if stuck else ACTIVE_LIST, f"{host}: {_found(attack)}{_accept(host, attack) if stuck else ''}", False)
        for left in result.get("residue") or []:
            fleet.put(RESIDUE_LIST, f"{host}: {left}", False)
        _beside(fleet, host, result)
        if result["clean"] and not result.get("attacks") and not result.get("residue"):
            if not result.get("others"):
                fleet.put(CLEAN_LIST, host, True)
        elif not result.get("attacks") and not result.get("residue"):
            fleet.put(FAILED_LIST, f"{host}: it says that it is not clean", False)
    return fleet


def _beside(fleet: Fleet, host: str, result: Mapping[str, Any]) -> None:
    """What is named and does not count: anybody on the host can make it."""
    for each in result.get("others") or []:
        text = "{id} of user {user} (uid {uid}) is {status}, deadline {deadline}: {command}".format(**each)
        fleet.put(OTHERS_LIST, f"{host}: {text}", True)
    for each in result.get("foreign") or []:
        fleet.put(FOREIGN_LIST, f"{host}: {each}", True)
    for each in result.get("not_looked_at") or []:
        fleet.put(UNSEEN_LIST, f"{host}: {each}", True)


def _found(attack: Mapping[str, Any]) -> str:
    """An attack in one line. In a cluster its journal has a name; of a damaged journal only the name and the damage are known."""
    made_by = f" ({attack['module']})" if attack.get("module") else ""
    text = f"{attack.get('id')}{made_by} is {attack.get('status')}"
    reason = f": {visible(str(attack['reason']), _LONGEST_REASON)}" if attack.get("reason") else ""
    if "journal" not in attack:
        return f"{text}, deadline {attack.get('deadline')}{reason}"
    if attack.get("remaining") is not None:
        text += f", {attack['remaining']} s left" if attack["remaining"] >= 0 else f", {-attack['remaining']} s past its deadline"
    return f"{text}, journal {attack['journal']}{reason}"


def _accept(host: str, attack: Mapping[str, Any]) -> str:
    """The command that closes a stuck attack of a host, when its reason says that accept_drift does."""
    if "accept_drift" not in str(attack.get("reason")):
        return ""
    words = shlex.quote(f"id={attack['id']} accept_drift=true")
    return f" -- once you have read that: ansible {shlex.quote(host)} -b -m faultline.chaos.revert -a {words}"


def fleet_lines(title: str, fleet: Fleet, total: int) -> Lines:
    """Hosts that are clean share one line; every other host has its own. Bad news comes last, at the bottom of the screen."""
    lines: Lines = [("", False)]
    for label, entries in sorted(fleet.lists.items(), key=lambda item: item[0] in _BAD_LISTS):
        bad = label in _BAD_LISTS
        if label == CLEAN_LIST:
            lines.append((f"{label}: {len(entries)} {'host' if len(entries) == 1 else 'hosts'}", False))
            continue
        lines.append((f"{label}: {len(entries)}", bad))
        lines += [(f"  {entry}", bad) for entry in entries]
        if label in _HELP:
            lines.append((f"  {_HELP[label]}", bad))
    clean = f"all {total} clean" + (", but for attacks of other users" if OTHERS_LIST in fleet.lists else "")
    lines.append((f"{title}: {clean if fleet.ok else 'NOT CLEAN'}", not fleet.ok))
    return lines
