# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption, visible
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation import steady_state
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.host_shell import HostShells
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD

display = Display()


class ActionModule(ActionBase):
    """Connects steady_state to Ansible; plugin_utils/_observation/steady_state.py does the work."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        result["changed"] = False
        args, check_mode = self._task.args, bool(self._task.check_mode)
        shells = HostShells(task_vars or {}, self._task, self._play_context, self._loader)
        try:
            settings = steady_state.read_settings(args)
            renewals = steady_state.bind(settings, shells, check_mode)
            result.update(steady_state.observe(settings, renewals, self._show, check_mode))
        except (BadOption, AnsibleError) as error:
            result.update(steady_state.frame(args.get("phase", "before"), str(error)), failed=True, msg=visible(str(error)))
            return result
        except steady_state.Orphaned:
            os._exit(1)  # sending a result would block forever without a reader
        if not result["met"]:
            words = "was measured too rarely for a verdict" if result["inconclusive"] else "is not met"
            result.update(failed=True, msg=visible(f"The steady state {words} {settings.phase} the attack. {result['reason']}"))
        return result

    def _show(self, line: str, mood: str) -> None:
        if not self._task.no_log:
            display.display(visible(line), color={GOOD: C.COLOR_OK, BAD: C.COLOR_ERROR}.get(mood))
