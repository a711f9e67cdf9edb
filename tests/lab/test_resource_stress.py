# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready playbook resource_stress, with variables as a survey of AWX passes them: texts, and empty ones. These are the names of version 0.1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.support.lab import Lab

PLAYBOOK = "faultline.chaos.resource_stress"
ASKED = {
    "cpu": ({"resource_stress_percent": "40"}, "measured_percent", 40),
    "memory": ({"resource_stress_percent": "55", "resource_stress_rate": ""}, "measured_percent", 55),
    "pid": ({"resource_stress_percent": "", "resource_stress_reserve": "250"}, "asked", None),
}


@pytest.mark.parametrize("kind", sorted(ASKED))
def test_a_survey_runs_an_experiment(lab: Lab, n1: str, n2: str, tmp_path: Path, kind: str) -> None:
    values, measured, asked = ASKED[kind]
    answers = {
        "resource_stress_hosts": "n1:n2",
        "resource_stress_kind": kind,
        "resource_stress_duration": "8s",
        "resource_stress_host_percent": "50",
        "resource_stress_seed": "7",
        "resource_stress_url": "",
        "resource_stress_lease": "",
        "resource_stress_report_dir": str(tmp_path),
        **values,
    }
    play = lab.playbook(PLAYBOOK, answers, timeout=300)
    assert play.rc == 0, play
    [verdict] = [result["msg"] for result in play.results("End | Verdict")]
    effects = [result["effect"] for result in play.results("Round | Inject") if "effect" in result]
    assert verdict.startswith("held") and len(effects) == 1, verdict
    print(f"{kind}: {effects[0]}")
    if asked is not None:
        assert abs(effects[0][measured] - asked) <= 3
    assert json.loads(next(tmp_path.glob("*/journal.json")).read_text())["status"] == "completed"


def test_an_unknown_kind_is_refused(lab: Lab, n1: str) -> None:
    play = lab.playbook(PLAYBOOK, {"resource_stress_hosts": "n1", "resource_stress_kind": "network"})
    assert play.rc != 0 and "is refused: choose from cpu, memory, io, pid, fd" in " ".join(play.out.split()), play
