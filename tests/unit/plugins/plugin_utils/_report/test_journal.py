# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._report import journal as report_journal
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean
from tests.unit.support import report_records

STORIES = sorted(report_records.ALL)


def journal(story: str) -> dict[str, Any]:
    return json.loads(report_journal.render(clean(report_records.ALL[story]())))


def all_runs(written: dict[str, Any]) -> list[dict[str, Any]]:
    states = written["steady_states"]
    probes = [run for state in [states["before"], *states["during"], states["after"]] if state for run in state["probes"]]
    return [*written["run"], *written["rollbacks"], *probes]


@pytest.mark.parametrize("story", STORIES)
def test_the_journal_has_what_the_format_requires(story: str) -> None:
    written = journal(story)
    assert {"chaoslib-version", "platform", "node", "experiment", "start", "end", "duration", "status", "deviated"} <= set(written)
    assert set(written["steady_states"]) == {"before", "after", "during"}
    assert written["status"] in ("completed", "failed", "aborted", "interrupted")
    began, ended = datetime.fromisoformat(written["start"]), datetime.fromisoformat(written["end"])
    assert written["duration"] == pytest.approx((ended - began).total_seconds(), abs=0.001)
    for run in all_runs(written):
        assert {"activity", "output", "status", "start", "end", "duration"} <= set(run)
        assert run["status"] in ("succeeded", "failed") and (run["status"] == "failed") == ("exception" in run)
        assert datetime.fromisoformat(run["start"]).utcoffset() is not None
        assert run["duration"] >= 0


@pytest.mark.parametrize(
    ("story", "status", "deviated"),
    [
        ("held", "completed", False),
        ("lost_writes", "completed", True),
        ("ramp", "completed", True),
        ("aborted", "aborted", True),
        ("aborted_in_baseline", "aborted", False),
        ("not_reverted", "failed", False),
        ("refused", "interrupted", False),
        ("failed", "failed", False),
    ],
)
def test_verdicts_in_the_words_of_the_toolkit(story: str, status: str, deviated: bool) -> None:
    written = journal(story)
    assert (written["status"], written["deviated"]) == (status, deviated)
    assert written["experiment"]["extensions"][0]["verdict"] == report_records.ALL[story]()["verdict"]


def test_steady_states_before_during_and_after() -> None:
    states = journal("ramp")["steady_states"]
    assert states["before"]["steady_state_met"] is True and states["after"]["steady_state_met"] is True
    assert [state["steady_state_met"] for state in states["during"]] == [True, True, False]
    (probe,) = states["during"][2]["probes"]
    assert probe["tolerance_met"] is False and probe["output"]["latency_ms"]["p95"] > 300 and "series" not in probe["output"]
    assert journal("refused")["steady_states"] == {"before": None, "after": None, "during": []}


def test_each_round_is_a_run_and_has_its_rollback() -> None:
    written = journal("ramp")
    assert [run["activity"]["name"] for run in written["run"]] == [
        "slow links delay 50ms",
        "slow links delay 100ms",
        "slow links delay 500ms",
    ]
    assert written["experiment"]["method"] == [run["activity"] for run in written["run"]]
    assert [run["status"] for run in written["rollbacks"]] == ["succeeded"] * 3
    assert written["run"][0]["activity"]["provider"]["arguments"][:3] == ["web2,web5,web7", "-m", "faultline.chaos.netem"]


def test_a_target_that_is_not_back_fails_the_rollback() -> None:
    (rollback,) = journal("not_reverted")["rollbacks"]
    assert rollback["status"] == "failed"
    assert "n3: stuck" in rollback["exception"][0] and "n2: left_to_timer" in rollback["exception"][0]


def test_probes_are_native_where_the_toolkit_has_them() -> None:
    probes = {probe["name"]: probe for probe in journal("lost_writes")["experiment"]["steady-state-hypothesis"]["probes"]}
    shop, writes, primary = probes["shop answers"], probes["no acknowledged write is lost"], probes["a primary is elected"]
    assert shop["provider"] == {"type": "http", "url": "http://shop.example/health", "method": "GET", "timeout": 2.0} and shop["tolerance"] == 200
    assert writes["provider"] == {"type": "process", "path": "check_writes", "arguments": ["--lost"]} and writes["tolerance"] == 0
    assert primary["provider"]["arguments"][2] == "faultline.chaos.steady_state", "it runs on a host"


@pytest.mark.parametrize("story", STORIES)
def test_the_toolkit_itself_accepts_the_experiment(story: str, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = pytest.importorskip("chaoslib.experiment")
    monkeypatch.setattr("chaoslib.provider.process.shutil.which", lambda path: "/bin/sh")
    experiment.ensure_experiment_is_valid(journal(story)["experiment"])
