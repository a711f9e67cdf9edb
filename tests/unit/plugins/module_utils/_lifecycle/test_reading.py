# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second reading of an effect, as the lifecycle uses it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Part
from tests.unit.support.lifecycle import Touch


class Marked(Touch):
    """Its effect is in place while the file exists, and its worker runs."""

    worker = True

    def plan(self, before):
        plan = super().plan(before)
        plan.undo.readings.append(Part("the mark", [Exists(self.params["path"])]))
        return plan


def test_an_effect_that_was_taken_away_is_not_told_as_active(attack, bench, tmp_path: Path) -> None:
    first = attack(Marked)
    assert attack(Marked)["status"] == "active"
    (tmp_path / "mark").unlink()
    for check_mode in (False, True):
        with pytest.raises(AttackError, match=f"{first['id']} is active, but a part of its effect is gone: the mark; revert it first"):
            attack(Marked, check_mode=check_mode)
    assert attack(Marked, state="absent")["notes"] == ["a part of its effect was gone before: the mark"]


def test_the_revert_tells_what_had_gone(attack, bench, tmp_path: Path) -> None:
    [pid] = workers_of(bench, attack(Marked)["id"])
    os.kill(pid, signal.SIGKILL)
    while start_time(pid):
        time.sleep(0.01)
    outcome = revert_one(bench.host, bench.journal, bench.journal.ids()[0])
    assert outcome.clean and outcome.reading == {"in_place": False, "lost": "the worker test"}


def workers_of(bench, attack_id: str) -> list[int]:
    return [step["pid"] for step in bench.journal.load(attack_id)["undo"]["steps"] if step["type"] == "KillGroup"]
