# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when a timer runs: the end of the lease of 10 s, that of the duration of 45 s, and the renewals between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import summary
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.run import Run
from tests.unit.plugins.plugin_utils._experiment.test_run import BROKE_DOWN, CUT, HOSTS, MET, REFUSED, START, a_run, active, everywhere, later

SAID = "2026-03-02T10:00:12Z"  # by the targets, at second 2
END = "2026-03-02T10:00:47Z"  # of the duration
RENEWED = "2026-03-02T10:00:39Z"
WATCHED = {**MET, "lease_deadlines": {"n1": {"run-s1r1": RENEWED}, "n2": {"run-s1r1": RENEWED, "run-s1r0": END}}}


def leased(attacks: dict[str, Any], **step: Any) -> Run:
    run = a_run(step=step, lease="10s")
    run.baseline(MET, START)
    run.begin_round(1, START)
    run.injected(attacks, later(2))
    return run


def until(run: Run) -> list[str | None]:
    return [one["deadline"] for one in run.attacks[-1]["hosts"]]


@pytest.mark.parametrize(
    ("steady", "expected"),
    [
        (WATCHED, [RENEWED, RENEWED, SAID]),  # n3 was never renewed
        ({**MET, "lease_deadlines": {}}, [SAID] * 3),
        ({**BROKE_DOWN, "lease_deadlines": {}}, [SAID] * 3),  # before its first renewal
        ({"skipped": True}, [SAID] * 3),
        ({"failed": True, "msg": "A worker was found in a dead state"}, [END] * 3),  # nobody knows
        ({}, [END] * 3),
    ],
)
def test_the_deadline_is_that_of_the_last_renewal(steady: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    run = leased(everywhere(active(deadline=SAID, id="run-s1r1")))
    run.reverted(everywhere(CUT), steady, later(30))
    assert until(run) == expected
    run.save(tmp_path / "state.json")
    assert run.record["left_to_timer"] == [{"host": host, "deadline": deadline} for host, deadline in zip(HOSTS, expected, strict=True)]
    run.finish(later(40))
    assert f"n2 (until {expected[1]})" in run.record["verdict_reason"]
    lines = [line for line, _bad in summary.experiment(run.record, {})]
    assert [line for line in lines if f"left to its timer: n2, until {expected[1]} (" in line]
    assert "deadlines_said" not in json.dumps(run.record)


def test_what_a_killed_run_says_is_not_past_before_the_timers_run_out(tmp_path: Path) -> None:
    """While leases are renewed nobody writes down how far; no renewal passes the end of the duration."""
    run = leased(everywhere(active(deadline=SAID, id="run-s1r1")))
    run.record["directory"] = str(tmp_path)
    run.save(tmp_path / "state.json")
    record = json.loads(Path(run.publish()[0]["record"]).read_text())
    assert record["left_to_timer"] == [{"host": host, "deadline": END} for host in HOSTS]
    assert [one["deadline"] for one in record["phases"][-1]["hosts"]] == [END] * 3
    run = Run.load(tmp_path / "state.json")
    run.reverted(everywhere(CUT), WATCHED, later(30))
    assert until(run) == [RENEWED, RENEWED, SAID], "the state of the run knows it all the same"


def test_a_lease_that_nobody_renews_keeps_its_deadline() -> None:
    run = leased(everywhere(active(deadline=SAID), n2=CUT, n3=REFUSED))
    assert run.stopped and until(run) == [SAID, SAID, None], "n2 gave no answer: at the latest its lease began when the last answer came"


def test_a_renewed_cluster_moves_the_deadline_of_each_who_attacked_it() -> None:
    run = leased(everywhere(active(deadline=SAID, id="run-s1r1")), attack="k8s_scale")
    run.reverted(everywhere(CUT), {**MET, "lease_deadlines": {"the cluster": {"run-s1r1": RENEWED}}}, later(30))
    assert until(run) == [RENEWED] * 3


def test_without_a_lease_the_deadline_is_what_the_targets_said() -> None:
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    run.injected(everywhere(active(deadline=SAID)), later(2))
    assert until(run) == [SAID] * 3
    run.reverted(everywhere(CUT), {}, later(30))
    assert until(run) == [SAID] * 3
