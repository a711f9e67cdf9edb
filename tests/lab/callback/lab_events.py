# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what happens in a playbook as JSON lines into the file FAULTLINE_LAB_EVENTS, next to the usual output.

Every line is written at once, so that a test can watch a playbook that it is going to kill.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: lab_events
type: notification
short_description: Events of a playbook as JSON lines
description:
  - For the tests of the collection.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lab_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = os.environ.get("FAULTLINE_LAB_EVENTS")
        self._play = ""
        if not self._path:
            self.disabled = True

    def _write(self, event: str, **data: Any) -> None:
        with open(str(self._path), "a", encoding="utf-8") as f:
            f.write(json.dumps({"event": event, "time": time.time(), **data}, default=str) + "\n")

    def _result(self, event: str, result: Any) -> None:
        # ansible-core 2.19 renamed these; the old names go away in 2.23
        new = hasattr(result, "result")
        data, task, host = (result.result, result.task, result.host) if new else (result._result, result._task, result._host)
        if event in ("failed", "unreachable"):
            data = {**data, event: True}  # which not every ansible-core leaves in the result
        self._write(event, play=self._play, task=task.get_name(), action=task.action, host=host.get_name(), result=data)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name()
        self._write("play", play=self._play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._write("task", play=self._play, task=task.get_name(), action=task.action)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._write("start", play=self._play, task=task.get_name(), host=host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write("stats", stats={h: stats.summarize(h) for h in stats.processed}, custom=stats.custom)
