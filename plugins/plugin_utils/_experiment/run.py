# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""One run of an experiment: its state, the decisions of each step, and its record on disk after every step.

The record is the state. During the run it also holds `directory`, `schedule` (the rounds) and `stop` (why no further round
begins). The state file is in the private temporary directory of this ansible-playbook and is removed with it. A copy without
secrets is in the report directory. The copy of a run that was killed says so and lists every attacked host as left to its timer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._units import human
from ansible_collections.faultline.chaos.plugins.plugin_utils import _record
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import outcomes, windows as experiment_windows
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.deadlines import latest, watch_begins, watch_ended
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import planned_seconds
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.readings import doubts
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import CLUSTER, HOST, kind_of
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.verdict import judge
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.write import ReportError, write_atomically, write_reports
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import listed

NOTHING_TO_UNDO = "nothing to undo"  # the undo_text of attacks on clusters that only delete or evict
_SHORTEST_WINDOW = 1.0
_INTERNAL = ("directory", "schedule", "stop")
_KILLED = "The run ended before its end: ansible-playbook was stopped or killed. The timers on the hosts revert what was injected."


def now() -> datetime:
    return datetime.now(timezone.utc)


def iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


class Run:
    """A run. Its methods take the time and the results of the tasks, and update the record."""

    def __init__(self, record: _record.Record) -> None:
        self.record = record

    # --- on disk --------------------------------------------------------------------------------

    @classmethod
    def begin(
        cls,
        directory: str | None,
        *,
        run_id: str,
        plan: dict[str, Any],
        checks: list[dict[str, Any]],
        schedule: list[dict[str, Any]],
        controller: Mapping[str, Any],
        when: datetime,
    ) -> Run:
        """A new run. Without a directory (in check mode) no copy is published."""
        record = {
            "version": 1,
            "run_id": run_id,
            **{name: plan[name] for name in ("title", "description", "hypothesis", "tags")},
            "verdict": _record.FAILED,
            "verdict_reason": _KILLED,
            "started": iso(when),
            "ended": None,
            "controller": dict(controller),
            "seed": run_id,
            "plan": plan,
            "checks": checks,
            "phases": [],
            "left_to_timer": [],
            "directory": directory,
            "schedule": schedule,
            "stop": None,
        }
        refused = [check["detail"] for check in checks if not check["ok"]]
        run = cls(record)
        if refused:
            run.stop(_record.REFUSED, "; ".join(refused).rstrip(".") + ".")
        return run

    @classmethod
    def load(cls, state: Path) -> Run:
        return cls(json.loads(state.read_text(encoding="utf-8")))

    def save(self, state: Path) -> None:
        """Writes the state to a file that only this user can read."""
        troubled = _record.troubled_hosts(self.record)
        self.record["left_to_timer"] = [{"host": host, "deadline": entry["deadline"]} for host, entry in sorted(troubled.items())]
        write_atomically(state, json.dumps(self.record))

    def publish(self, formats: Iterable[str] = ()) -> tuple[dict[str, str], str | None]:
        """Writes the copy and the reports; returns (paths, warning). An error is only a warning, so that a full disk prevents no revert."""
        if not self.record["directory"]:
            return {}, None
        try:
            return write_reports(self.final(), self.record["directory"], formats), None
        except ReportError as error:
            return error.paths, str(error)
        except OSError as error:
            return {}, f"The record of this run cannot be written to {self.record['directory']}: {error}"

    def final(self) -> dict[str, Any]:
        """The record without the internal keys of the run."""
        return {key: value for key, value in self.record.items() if key not in _INTERNAL}

    # --- what the steps decide ------------------------------------------------------------------

    @property
    def plan(self) -> dict[str, Any]:
        plan: dict[str, Any] = self.record["plan"]
        return plan

    @property
    def stopped(self) -> bool:
        return self.record["stop"] is not None

    @property
    def attacks(self) -> list[dict[str, Any]]:
        return [phase for phase in self.record["phases"] if phase["kind"] == _record.ATTACK]

    def stop(self, verdict: str, reason: str) -> None:
        """Begins no further round. The first verdict and reason are kept."""
        if not self.stopped:
            self.record["stop"] = {"verdict": verdict, "reason": reason}

    def baseline(self, steady: Mapping[str, Any], when: datetime) -> None:
        self._append(_record.BEFORE, "Baseline", steady, when)
        if not _measured(steady):
            self.stop(_record.FAILED, f"The steady state could not be measured: {outcomes.problem(steady)}")
        elif steady.get("inconclusive"):
            self.stop(_record.INCONCLUSIVE, f"Nothing was attacked: the steady state was not measured well enough before. {steady.get('reason') or ''}".strip())
        elif not steady["met"]:
            self.stop(_record.REFUSED, f"Nothing was attacked: the steady state did not hold before. {steady.get('reason') or ''}".strip())

    def recovery(self, steady: Mapping[str, Any], when: datetime) -> list[dict[str, Any]]:
        """Records the last measurement. Returns what a second revert must reach: one {round, hosts, tasks} for each set of revert options."""
        if not steady.get("skipped"):
            self._append(_record.AFTER, "Recovery", steady, when)
            if not _measured(steady):
                self.stop(_record.FAILED, f"The recovery could not be measured: {outcomes.problem(steady)}")
        found: list[dict[str, Any]] = []
        for phase in self.attacks:
            hosts = {one["host"] for one in phase["hosts"] if _record.in_trouble(one)}
            entry = self.entry(phase)
            known = next((each for each in found if self.entry_of(each["round"])["revert"] == entry["revert"]), None)
            if known:
                known["hosts"] = sorted({*known["hosts"], *hosts})
            elif hosts:
                found.append({"round": self.record["schedule"].index(entry) + 1, "hosts": sorted(hosts), "tasks": entry["sweep"]})
        return found

    def _append(self, kind: str, name: str, steady: Mapping[str, Any], when: datetime) -> None:
        result = dict(steady) if _measured(steady) else None
        began = steady.get("started") or iso(when)
        phase: dict[str, Any] = {
            "kind": kind,
            "name": name,
            "started": began,
            "ended": steady.get("ended") or iso(when),
            "steady_state": result,
            "inconclusive": [],
        }
        _record.make_inconclusive(phase, *(result or {}).get("inconclusive") or [])
        self.record["phases"].append(phase)

    def check_progress(self) -> None:
        """Ends the run when the record of a step is missing because its task failed."""
        if not self.record["phases"]:
            self.stop(_record.FAILED, "The baseline was not recorded.")
        elif self.attacks and not self.attacks[-1]["ended"]:
            self.stop(_record.FAILED, f"The end of {_label(self.attacks[-1])} was not recorded.")

    def pause(self, number: int, when: datetime) -> float:
        """Seconds to wait before a round: the rest of the pause after the previous one."""
        if self.stopped or number < 2 or not self.attacks:
            return 0.0
        wanted = float(self.record["schedule"][number - 2]["pause_s"])
        since = parse(self.attacks[-1]["reverted"] or self.attacks[-1]["started"])
        return max(0.0, wanted - (when - since).total_seconds())

    def begin_round(self, number: int, when: datetime) -> dict[str, Any] | None:
        """Begins a round and returns its entry of the schedule, or None when no further round may begin."""
        entry = self.entry_of(number)
        self._time_left(entry, when)
        if self.stopped:
            return None
        deadline = iso(when + timedelta(seconds=entry["deadman_s"]))
        phase = {key: entry[key] for key in ("step", "round", "rounds", "name", "magnitude", "attack", "options", "duration_s", "blast_radius")}
        phase["attack"] = entry["attack"].removeprefix("faultline.chaos.")
        phase["revert"] = entry["revert"]["module"].removeprefix("faultline.chaos.")
        phase.update(kind=_record.ATTACK, started=iso(when), ended=None, injected=None, reverted=None, steady_state=None, inconclusive=[])
        # Until a host answers, it may be under attack.
        phase["hosts"] = [outcomes.host_entry(host, {}, entry["id"], deadline) for host in entry["blast_radius"]["selected"]]
        self.record["phases"].append(phase)
        return entry

    def _time_left(self, entry: Mapping[str, Any], when: datetime) -> None:
        safety = self.plan["safety"]
        needed = entry["duration_s"] + self.plan["observe"]["window"]
        elapsed = (when - parse(self.record["started"])).total_seconds()
        if elapsed + needed > safety["max_duration"]:
            limit = human(safety["max_duration"])
            self.stop(_record.ABORTED, f"Stopped before {_label(entry)}: it would take the run past safety.max_duration ({limit}).")
            return
        windows = [experiment_windows.parse_window("window", text) for text in safety["window"]]
        forbidden = [experiment_windows.parse_forbidden("forbid", text) for text in safety["forbid"]]
        allowed, detail = experiment_windows.may_run(windows, forbidden, when, needed)
        if not allowed:
            self.stop(_record.ABORTED, f"Stopped before {_label(entry)}: {detail}.")

    def injected(self, results: Mapping[str, Mapping[str, Any]], when: datetime) -> float:
        """Records the results of the attack. Returns the seconds to observe for; 0 when the round must be reverted at once."""
        phase = self.attacks[-1]
        entry = self.entry(phase)
        began = parse(phase["started"])
        selected = entry["blast_radius"]["selected"]
        phase["hosts"] = [outcomes.host_entry(host, _of_this_attack(results.get(host), entry["id"]), entry["id"], latest(entry, when)) for host in selected]
        failed = [f"{one['host']}: {one['error']}" for one in phase["hosts"] if one["error"]]
        if len(failed) < len(selected) or any(one["effect"] for one in phase["hosts"]):
            phase["injected"] = iso(when)
        if failed:
            self.stop(_record.ABORTED, f"{_label(entry)} reached {len(selected) - len(failed)} of {len(selected)} hosts. {listed(failed, 3, '; ')}.")
            return 0.0
        # The first host was attacked shortly after the round began: do not measure beyond its timer.
        spent = (when - began).total_seconds()
        first = entry["told"].get("lease", entry["deadman_s"])
        if spent >= first - _SHORTEST_WINDOW:
            fix = "raise safety.grace (and lease), use more forks, or select fewer hosts"
            self.stop(_record.ABORTED, f"{_label(entry)} took {human(round(spent))} to reach all hosts, as long as the first timer: {fix}.")
            return 0.0
        watch_begins(entry, phase["hosts"], when)
        window: float = min(entry["duration_s"], entry["deadman_s"] - spent)
        return window

    def reverted(self, results: Mapping[str, Mapping[str, Any]], steady: Mapping[str, Any], when: datetime) -> None:
        """Records the results of the revert and of the watch before it."""
        phase = self.attacks[-1]
        over = self._over_before_time(phase, results, when)
        watch_ended(self.entry(phase), phase["hosts"], steady)
        self._take_reverts(phase, results)
        phase["ended"] = iso(when)
        if not any(_record.in_trouble(one) for one in phase["hosts"]):
            phase["reverted"] = phase["ended"] if phase["injected"] else None
        self._take_steady(phase, steady)
        if phase["steady_state"] is None:
            self.stop(_record.FAILED, f"{_label(phase)} was not observed.")
        if over:
            self.stop(
                _record.ABORTED,
                f"{_label(phase)} was over before its time on {', '.join(over)}: somebody reverted it, or it ended by itself.",
            )
        if any(_record.in_trouble(one) for one in phase["hosts"]):
            self.stop(_record.NOT_REVERTED, f"{_label(phase)} could not be reverted everywhere.")

    def _over_before_time(self, phase: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], when: datetime) -> list[str]:
        """Hosts with nothing left to revert before any timer was due: there the attack was missing for all or part of the watch."""
        entry = self.entry(phase)
        due = parse(phase["started"]) + timedelta(seconds=entry["deadman_s"])
        kind = kind_of(entry["attack"])
        if kind not in (HOST, CLUSTER) or "lease" in entry["told"] or when >= due:
            return []
        gone = _nothing_left_on_host if kind is HOST else _nothing_left_in_cluster
        return [one["host"] for one in phase["hosts"] if not one["error"] and gone(one, phase["hosts"], results)]

    def _take_steady(self, phase: dict[str, Any], steady: Mapping[str, Any]) -> None:
        if not steady or steady.get("skipped"):
            return
        if not _measured(steady):
            self.stop(_record.FAILED, f"The steady state could not be measured during {_label(phase)}: {outcomes.problem(steady)}")
            return
        phase["steady_state"] = dict(steady)
        if steady.get("lease_lost"):
            hosts = ", ".join(steady["lease_lost"])
            self.stop(_record.ABORTED, f"The lease was lost on {hosts} during {_label(phase)}: they reverted by themselves.")
        _record.make_inconclusive(phase, *steady.get("inconclusive") or [], *_cut_short(phase, steady))
        if not self.plan["safety"]["abort"]:
            return
        if steady.get("inconclusive"):  # a next round could do harm that the probes do not see
            self.stop(_record.INCONCLUSIVE, f"{_label(phase)} was not measured well enough. {steady.get('reason') or ''}".strip())
        elif not steady["met"]:
            self.stop(_record.DEVIATED, f"{_label(phase)} broke the steady state. {steady.get('reason') or ''}".strip())

    def swept(self, number: int, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Records the results of the second revert, for this round and all rounds with the same revert options."""
        for phase in self.attacks:
            if self.entry(phase)["revert"] != self.entry_of(number)["revert"]:
                continue
            self._take_reverts(phase, {host: result for host, result in results.items() if not result.get("skipped")})
            if phase["injected"] and not phase["reverted"] and not any(_record.in_trouble(one) for one in phase["hosts"]):
                phase["reverted"] = iso(now())

    def _take_reverts(self, phase: dict[str, Any], results: Mapping[str, Mapping[str, Any]]) -> None:
        for one in phase["hosts"]:
            if one["host"] in results:
                outcomes.after_revert(one, results[one["host"]])
        _record.make_inconclusive(phase, *doubts(phase["hosts"]))

    def finish(self, when: datetime) -> None:
        self.record["verdict"], self.record["verdict_reason"] = judge(self.record)
        self.record["ended"] = iso(when)

    def tried(self, number: int, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Records the check-mode results of the attack of a round, from before the first attack."""
        entry = self.entry_of(number)
        for host in entry["blast_radius"]["selected"]:
            result = results.get(host) or {}
            if outcomes.is_planned(result):
                if result.get("journal"):
                    named = entry["revert"]["options"].get("namespaces", [])  # those that the step attacks
                    entry["revert"]["options"]["namespaces"] = sorted({result["journal"].partition("/")[0], *named})
            else:
                where = "" if len(entry["blast_radius"]["selected"]) == 1 else f" on {host}"
                self.stop(_record.REFUSED, f"Nothing was attacked: {_label(entry)} would be refused{where}: {outcomes.problem(result)}.")

    def entry_of(self, number: int) -> dict[str, Any]:
        """A round of the schedule by its number, from 1."""
        found: dict[str, Any] = self.record["schedule"][number - 1]
        return found

    def entry(self, phase: Mapping[str, Any]) -> dict[str, Any]:
        """The entry of the schedule for an attack phase of the record."""
        return next(entry for entry in self.record["schedule"] if (entry["step"], entry["round"]) == (phase["step"], phase["round"]))

    # --- shown to people ------------------------------------------------------------------------

    def headline(self) -> str:
        rounds = len(self.record["schedule"])
        return f"{self.record['title']}: {rounds} {'round' if rounds == 1 else 'rounds'}, at least {human(planned_seconds(self.plan))}"


def _measured(steady: Mapping[str, Any]) -> bool:
    """Whether a steady_state task measured, whatever its result."""
    return "met" in steady and not steady.get("error")


def _cut_short(phase: Mapping[str, Any], steady: Mapping[str, Any]) -> list[str]:
    """That the observation of a round had less than half of its time, because the attack took long to reach all hosts."""
    window = steady.get("window_s") or phase["duration_s"]
    if steady.get("aborted") or 2 * window >= phase["duration_s"]:
        return []
    return [f"observed for {human(round(window))} of {human(phase['duration_s'])}; use more forks, select fewer hosts, or raise safety.grace"]


def _nothing_left_on_host(one: Mapping[str, Any], hosts: Iterable[Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]]) -> bool:
    return outcomes.found_nothing(results.get(one["host"], {}))


def _nothing_left_in_cluster(one: Mapping[str, Any], hosts: Iterable[Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the journal of an attack that has an undo was missing. A revert lists a journal that existed in reverted or already_gone.

    A host without undo_text did not make the attack: another host had already made it. It may also have been the one that reverted it.
    """
    if one["undo_text"] in (None, NOTHING_TO_UNDO):
        return False
    asked = [one["host"], *(each["host"] for each in hosts if each["undo_text"] is None)]
    answers = [results.get(host, {}) for host in asked]
    return outcomes.found_nothing(answers[0]) and not any(answer.get("reverted") or answer.get("already_gone") for answer in answers)


def _of_this_attack(result: Mapping[str, Any] | None, attack_id: str) -> Mapping[str, Any]:
    """The result of a host for this attack. A registered result of an earlier round stays when the task did not run in this one: then empty."""
    return {} if result is None or result.get("skipped") or result.get("id", attack_id) != attack_id else result


def _label(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]) + (f" ({entry['magnitude']})" if entry.get("magnitude") else "")
