# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An attack that makes a file, and the module that the lifecycle gets, to test the lifecycle with."""

from __future__ import annotations

import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Run, Undo


class Touch(Attack):
    """Makes a file; the undo removes it."""

    name = "touch"
    needs_root = False
    options = {"path": {"type": "str"}}
    worker = False
    step: list[str] = []

    def resources(self):
        return ["file:" + self.params["path"]]

    def snapshot(self):
        return None

    def plan(self, before):
        path = self.params["path"]
        undo = Undo([Run("remove", ["rm", "-f", path])], [Gone("the file", [Exists(path)])])
        workers = [Worker("test", lambda: time.sleep(60))] if self.worker else []
        return Plan("", "file", [(["touch", path], None)] + [(self.step, None)] * bool(self.step), undo, workers)

    def fail(self):
        """What a subclass lets go wrong in verify()."""

    def verify(self, plan):
        self.fail()
        return {"asked": self.params["path"]}


class Module:
    """An AnsibleModule of the tests; run_command really runs."""

    def __init__(self, bench, check_mode: bool = False, **params) -> None:
        self.params = {
            "state": "present",
            "id": None,
            "run_id": None,
            "duration": "30s",
            "max_duration": "1h",
            "lease": None,
            "control_addresses": [],
            **params,
        }
        self.check_mode = check_mode
        self._diff = check_mode
        self.get_bin_path = bench.host._module.get_bin_path
        self.run_command = bench.host._module.run_command
