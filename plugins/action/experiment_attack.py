# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """Runs the module of an attack, whose name is known only at run time.

    A task whose action is a template does the same, but ansible-core 2.16 warns about it on every run.
    """

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self.validate_argument_spec({"attack": {"type": "str", "required": True}, "options": {"type": "dict", "required": True}})[1]
        result.update(self._execute_module(module_name=given["attack"], module_args=given["options"], task_vars=task_vars))
        return result

    def cleanup(self, force: bool = False) -> None:
        """Removes temporary files on the host. If its connection is lost, the result of the module must be kept:
        ansible-core before 2.19 would replace it by the error of the cleanup, as if the module had failed.
        """
        try:
            super().cleanup(force)
        except AnsibleConnectionFailure as error:
            Display().warning(f"temporary files could not be removed: {error}")
