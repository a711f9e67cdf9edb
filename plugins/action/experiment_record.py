# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import controller, outcomes, summary
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import ON_HOST
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.run import Run, now
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import LEFT_TO_TIMER, NOT_INJECTED, REFUSED, STUCK, passed, troubled_hosts
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD, PLAIN, listed

Result = dict[str, Any]


class ActionModule(controller.ControllerAction):
    """Adds the results of a task to the record of the run and decides what comes next. Each moment of a run has a method."""

    arguments = {
        "state": {"type": "path", "required": True},
        "moment": {"type": "str", "required": True, "choices": ["asking", "tried", "baseline", "begin", "injected", "reverted", "recovery", "swept", "end"]},
        "round": {"type": "int", "default": 0},
        "results": {"type": "str"},
        "steady_state": {"type": "dict", "default": {}},
    }

    def work(self, given: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Result:
        state = Path(given["state"])
        self.given = given
        self.task_vars = task_vars
        self.run_of = Run.load(state)
        self.steady = clean(given["steady_state"])
        result: Result = getattr(self, f"_{given['moment']}")()
        self.run_of.save(state)
        if given["moment"] != "end":
            self.warn(self.run_of.publish()[1])
        return result

    def _results(self, hosts: list[str]) -> dict[str, Result]:
        return controller.registered(self.task_vars, hosts, self.given["results"])

    # --- the moments, in order ------------------------------------------------------------------

    def _asking(self) -> Result:
        entry = self.run_of.entry_of(self.given["round"])
        return {"hosts": entry["blast_radius"]["selected"], "attack": entry["attack"], "options": entry["told"]}

    def _tried(self) -> Result:
        number = self.given["round"]
        self.run_of.tried(number, self._results(list(self.run_of.entry_of(number)["blast_radius"]["selected"])))
        return {"go": not self.run_of.stopped}

    def _baseline(self) -> Result:
        if not self.steady.get("skipped"):
            self.run_of.baseline(self.steady, now())
        self._say_stop()
        return {"go": not self.run_of.stopped}

    def _begin(self) -> Result:
        number = self.given["round"]
        run = self.run_of
        if not self.check_mode:
            run.check_progress()
            seconds = run.pause(number, now())
            if seconds:
                self.say(f"Pause of {seconds:.0f}s")
                time.sleep(seconds)
        before = run.stopped
        entry = run.begin_round(number, now())
        if entry is None:
            if not before:
                self._say_stop()
            return {"go": False, "hosts": []}
        hosts = entry["blast_radius"]["selected"]
        title = entry["name"] + (f", {entry['magnitude']}" if entry["magnitude"] else "")
        self.say(f"Round {number} of {len(run.record['schedule'])}: {title} on {listed(hosts)}")
        return {
            "go": True,
            "hosts": hosts,
            "attack": entry["attack"],
            "options": entry["told"],
            "revert": entry["revert"],
            "title": title,
        }

    def _injected(self) -> Result:
        run = self.run_of
        if run.stopped or not run.attacks:
            return {"observe": False}
        hosts = self._selected()
        results = self._results(hosts)
        if self.check_mode:
            return self._planned(hosts, results)
        seconds = run.injected(results, now())
        for one in run.attacks[-1]["hosts"]:
            if one["error"]:
                what = "not attacked" if one["outcome"] == NOT_INJECTED else "perhaps attacked"
                self.say(f"  {one['host']}: {what}: {one['error']}", BAD)
        if not seconds:
            self._say_stop()
            return {"observe": False}
        result = {"observe": True, "window": seconds, "abort": run.plan["safety"]["abort"]}
        entry = run.entry(run.attacks[-1])
        if entry["told"].get("lease"):
            of_whom = {"hosts": hosts} if entry["lease"] == ON_HOST else {"cluster": entry["revert"]["options"]}
            result["renew"] = {"run_id": run.record["run_id"], "lease": entry["told"]["lease"], **of_whom}
        return result

    def _planned(self, hosts: list[str], results: Mapping[str, Result]) -> Result:
        for host in hosts:
            result = results.get(host) or {}
            if not outcomes.is_planned(result):
                self.run_of.stop(REFUSED, f"{host} would refuse the attack: {outcomes.problem(result)}")
                self.say(f"  {host}: would be refused: {outcomes.problem(result)}", BAD)
        return {"observe": False}

    def _reverted(self) -> Result:
        run = self.run_of
        if self.check_mode or not run.attacks or run.attacks[-1]["ended"]:
            return {}
        already = run.stopped
        run.reverted(self._results(self._selected()), self.steady, now())
        for one in run.attacks[-1]["hosts"]:
            if one["outcome"] == STUCK:
                self.say(f"  {one['host']}: the undo is STUCK: {one['error']}", BAD)
            elif one["outcome"] == LEFT_TO_TIMER:
                self.say(f"  {one['host']}: left to its timer, until {one['deadline']}: {one['error']}", BAD)
        if not already:
            self._say_stop()
        return {"go": not run.stopped}

    def _recovery(self) -> Result:
        run = self.run_of
        if self.check_mode:
            return {"left": []}
        run.check_progress()
        found = run.recovery(self.steady, now())
        return {"left": [{**each, "revert": run.entry_of(each["round"])["revert"]} for each in found]}

    def _swept(self) -> Result:
        self.run_of.swept(self.given["round"], self._results(sorted(troubled_hosts(self.run_of.record))))
        return {}

    def _end(self) -> Result:
        run = self.run_of
        if self.check_mode:
            return self._end_of_check_mode()
        run.finish(now())
        paths, warning = run.publish(run.plan["report"]["formats"])
        self.warn(warning)
        for line, bad in summary.experiment(run.record, paths):
            self.say(line, BAD if bad else (GOOD if line.endswith("HELD") else PLAIN))
        return {
            "passed": passed(run.record["verdict"]),
            "verdict": run.record["verdict"],
            "reason": run.record["verdict_reason"],
            "run_id": run.record["run_id"],
            "report": paths.get("html") or paths.get("record") or "",
            "reports": paths,
            "left_to_timer": [entry["host"] for entry in run.record["left_to_timer"]],
        }

    def _end_of_check_mode(self) -> Result:
        stop = self.run_of.record["stop"]
        verdict, reason = (stop["verdict"], stop["reason"]) if stop else ("planned", "Check mode: everything was checked, nothing was done.")
        self.say(reason, BAD if stop else GOOD)
        return {"passed": not stop, "verdict": verdict, "reason": reason, "report": "", "reports": {}, "left_to_timer": []}

    # --- helpers --------------------------------------------------------------------------------

    def _selected(self) -> list[str]:
        return list(self.run_of.attacks[-1]["blast_radius"]["selected"])

    def _say_stop(self) -> None:
        stop = self.run_of.record["stop"]
        if stop:
            self.say(f"Stop: {stop['reason']}", BAD)
