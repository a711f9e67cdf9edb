# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from ansible.template import Templar

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import (
    controller as experiment_controller,
    summary,
    targets,
    windows as experiment_windows,
)
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.attack_docs import check_attacks
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.host_values import refuse_host_values
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import OPTION, Plan, normalise, planned_seconds
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.run import Run, now
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.targets import Check, check
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import REFUSED
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD, PLAIN


class ActionModule(experiment_controller.ControllerAction):
    """Checks a plan and makes the schedule, or returns why it is refused. Connects to no host."""

    arguments = {
        "plan": {"type": "raw"},
        # The candidates for the steps: the hosts of this play, or of the inventory within --limit.
        "candidates": {"type": "str", "choices": ["play", "inventory"], "default": "play"},
    }

    def work(self, given: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        try:
            plan = normalise(given["plan"])
            check_attacks(plan)
            run = self._prepare(plan, given["candidates"], task_vars)
        except AttackError as error:
            return {"go": False, "verdict": REFUSED, "reason": str(error), "reports": {}}
        reports = self._publish(run)
        if run.stopped:
            for line, bad in summary.experiment(run.record, reports):
                self.say(line, BAD if bad else PLAIN)
            return {"go": False, "verdict": run.record["verdict"], "reason": run.record["verdict_reason"], "reports": reports}
        state = experiment_controller.temporary_directory() / f"{run.record['run_id']}.json"
        run.save(state)
        numbered = list(enumerate(run.record["schedule"], 1))
        hosts = sorted({host for entry in run.record["schedule"] for host in entry["blast_radius"]["selected"]})
        # One string instead of a list: Ansible would walk through the list for every host that reads this variable.
        return {
            "go": True,
            "state": str(state),
            "run_id": run.record["run_id"],
            "rounds": [{"number": number, "tasks": entry["tasks"]} for number, entry in numbered],
            "tries": [number for number, entry in numbered if entry["tried"]],
            "hosts": "\n".join(hosts),
            "observe": plan["observe"],
        }

    def _prepare(self, plan: Plan, candidates: str, task_vars: Mapping[str, Any]) -> Run:
        when = now()
        run_id = f"{when:%Y%m%dt%H%M%Sz}-{secrets.token_hex(3)}"
        local = self._task.connection == "local"
        inventory = Inventory(task_vars["groups"])
        in_play = set(task_vars["ansible_play_hosts"])
        if candidates == "inventory":
            in_play = targets.candidates(plan, inventory, task_vars.get("ansible_limit")) - experiment_controller.lost_hosts(self._task)
        found = targets.draw(
            plan,
            inventory,
            in_play,
            lambda host: experiment_controller.connection_variables(task_vars, host, local),
            run_id,
        )
        refuse_host_values(task_vars, found.hosts, lambda value, variables: Templar(loader=self._loader, variables=variables).template(value))
        targets.refuse_lost_leases(plan, found.targets, lambda host: experiment_controller.connection_variables(task_vars, host, local))
        windows = [experiment_windows.parse_window("window", text) for text in plan["safety"]["window"]]
        forbidden = [experiment_windows.parse_forbidden("forbid", text) for text in plan["safety"]["forbid"]]
        allowed, detail = experiment_windows.may_run(windows, forbidden, when, planned_seconds(plan))
        directory = None if self.check_mode else experiment_controller.report_directory(plan["report"]["dir"])
        checks = [
            *found.checks,
            check("change window", allowed, detail),
            _one_batch(task_vars),
            *([_reports_can_be_written(directory)] if directory else []),
        ]
        schedule = targets.schedule(plan, found.targets, run_id)
        controller = experiment_controller.who_runs_this(task_vars)
        run = Run.begin(
            str(directory) if directory else None,
            run_id=run_id, plan=plan, checks=checks, schedule=schedule, controller=controller, when=when,
        )  # fmt: skip
        self.say(run.headline())
        for each in checks:
            self.say(f"  {'ok' if each['ok'] else 'NO-GO'}: {each['name']}: {each['detail']}", GOOD if each["ok"] else BAD)
        return run

    def _publish(self, run: Run) -> dict[str, str]:
        if run.stopped:
            run.finish(now())
        paths, warning = run.publish(run.plan["report"]["formats"] if run.stopped else ())
        self.warn(warning)
        return paths


def _one_batch(task_vars: Mapping[str, Any]) -> Check:
    whole = set(task_vars["ansible_play_batch"]) == set(task_vars["ansible_play_hosts"])
    return check("one batch", whole, "all hosts of the play at once" if whole else "the play has serial: an experiment needs all its hosts at once")


def _reports_can_be_written(directory: Any) -> Check:
    """Checks before any attack that the record can be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        usable, why = os.access(directory, os.W_OK | os.X_OK), "it is not writable"
    except OSError as error:
        usable, why = False, str(error)
    return check("reports", usable, str(directory) if usable else f"{OPTION}.report.dir: {str(directory)!r} is refused: {why}")
