# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import controller, summary
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD, PLAIN


class ActionModule(controller.ControllerAction):
    """Reads the results of a halt or an audit on all hosts of the play, and prints one summary."""

    arguments = {
        "subject": {"type": "str", "required": True, "choices": ["halt", "audit"]},
        "results": {"type": "str", "required": True},
    }

    def work(self, given: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        hosts = list(task_vars["ansible_play_hosts_all"])
        results = controller.registered(task_vars, hosts, given["results"])
        fleet = summary.audit(hosts, results) if given["subject"] == "audit" else summary.halt(hosts, results, self.check_mode)
        lines = summary.fleet_lines(given["subject"].capitalize(), fleet, len(hosts))
        for line, bad in lines:
            self.say(line, BAD if bad else PLAIN if line is not lines[-1][0] else GOOD)
        return {"ok": fleet.ok, "lists": fleet.lists, "summary": lines[-1][0]}
