# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack as kube_attack
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import outcomes as experiment_outcomes, summary
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.run import NOTHING_TO_UNDO, Run
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.targets import check, draw, schedule
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import passed, troubled_hosts
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory

START = datetime(2026, 3, 2, 10, 0, tzinfo=timezone.utc)
MET = {"met": True, "error": None, "lease_lost": [], "probes": [], "started": "2026-03-02T10:00:00Z", "ended": "2026-03-02T10:00:10Z"}
BROKEN = {**MET, "met": False, "aborted": True, "reason": "shop answers: 3 of 10 samples"}
BROKE_DOWN = {"met": False, "error": "no such host", "msg": "no such host", "failed": True}
UNREACHABLE = {"unreachable": True, "msg": "Failed to connect to the host via ssh: ssh: connect to host 10.0.0.2 port 22: Connection refused"}
CUT = {"unreachable": True, "msg": "Failed to connect to the host via ssh: Shared connection to 10.0.0.2 closed."}
REFUSED = {"failed": True, "msg": "netem needs root on the target: set become: true"}
CRASHED = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Killed"}
HALF = {"failed": True, "msg": "1 of 10 pods could not be deleted", "injected": True, "effect": {"deleted": ["shop/web-1"]}}
CLEAN = {"reverted": ["x"], "already_gone": [], "stuck": [], "clean": True}
NOTHING = {"reverted": [], "already_gone": [], "stuck": [], "clean": True}
STUCK = {"reverted": [], "stuck": [{"id": "x", "reason": "rc 2"}], "clean": False, "failed": True, "msg": "not reverted: x: rc 2"}
HOSTS = ["n1", "n2", "n3"]


def active(**more: Any) -> dict[str, Any]:
    return {"status": "active", "deadline": "2026-03-02T10:01:00Z", "deadman": "systemd", "undo": "/u", "effect": {"a": 1}, **more}


def a_run(*, ramp: list[int] | None = None, step: dict[str, Any] | None = None, checks: list[dict[str, Any]] | None = None, **safety: Any) -> Run:
    one = {"attack": "netem", "hosts": "web", "select": {"percent": 100}, "duration": "30s", **(step or {})}
    if ramp:
        one["ramp"] = {"delay": ramp}
    plan = normalise({"title": "t", "steady_state": [{"name": "up", "type": "tcp", "host": "h", "port": 1}], "method": [one], "safety": safety})
    found = draw(plan, Inventory({"all": HOSTS, "web": HOSTS}), HOSTS, lambda host: {}, "run")
    return Run.begin(None, run_id="run", plan=plan, checks=checks or [], schedule=schedule(plan, found.targets, "run"), controller={}, when=START)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def play(
    run: Run,
    attacks: dict[str, Any],
    reverts: dict[str, Any],
    during: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    swept: dict[str, Any] | None = None,
) -> Run:
    """What the role does; the steady state is met unless told otherwise."""
    during, after = during or MET, after or MET
    run.baseline(MET, later(10))
    for number in range(1, len(run.record["schedule"]) + 1):
        run.check_progress()
        if run.begin_round(number, later(10 + 40 * number)) is None:
            continue
        seconds = run.injected(attacks, later(12 + 40 * number))
        run.reverted(reverts, during if seconds else {"skipped": True}, later(45 + 40 * number))
    for left in run.recovery(after, later(200)):
        run.swept(left["round"], swept or {})
    run.finish(later(210))
    return run


def outcomes(run: Run) -> dict[str, str]:
    return {entry["host"]: entry["outcome"] for entry in run.attacks[-1]["hosts"]}


def everywhere(result: dict[str, Any], **others: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {host: others.get(host, result) for host in HOSTS}


def reading(run: Run, **found: Any) -> dict[str, Any]:
    """A revert that read the effect again."""
    return {**CLEAN, "readings": {run.record["schedule"][0]["id"]: found, "another": {"in_place": False}}}


@pytest.mark.parametrize(
    "found, during, verdict, reason",
    [
        ({"in_place": True, "met": 4}, MET, "held", "The steady state held"),
        ({"in_place": True, "met": 0}, MET, "inconclusive", "netem: the attack met nothing"),
        ({"in_place": False, "lost": "netem on eth0"}, MET, "inconclusive", "not there any more when it was undone: netem on eth0 (on n1, n2, n3)"),
        ({"in_place": None}, BROKEN, "deviated", "Besides: netem: whether the attack was in place all the time could not be read"),
    ],
)
def test_an_attack_without_its_effect_proves_nothing(found: dict[str, Any], during: dict[str, Any], verdict: str, reason: str) -> None:
    run = a_run()
    play(run, everywhere(active()), everywhere(reading(run, **found)), during)
    assert run.record["verdict"] == verdict and reason in run.record["verdict_reason"]
    assert run.attacks[0]["hosts"][1]["reading"] == found


def test_held() -> None:
    run = play(a_run(ramp=[1, 2]), everywhere(active()), everywhere(CLEAN))
    assert (run.record["verdict"], run.record["verdict_reason"]) == ("held", "The steady state held before, during and after 2 attacks.")
    assert [phase["kind"] for phase in run.record["phases"]] == ["before", "attack", "attack", "after"]
    assert outcomes(run) == dict.fromkeys(HOSTS, "reverted")
    attack = run.attacks[0]
    assert (attack["attack"], attack["magnitude"], attack["step"], attack["round"], attack["rounds"]) == ("netem", "delay 1", 1, 1, 2)
    assert attack["injected"] == "2026-03-02T10:00:52Z"
    assert attack["reverted"] == "2026-03-02T10:01:25Z"
    assert passed(run.record["verdict"])


FEW = {**MET, "met": False, "inconclusive": ["up: only 2 of 10 samples could be taken"], "reason": "up: only 2 of 10 samples could be taken"}

CASES = [
    # attacks, reverts, during, after: verdict, outcome of n2, words of the reason
    (active(), CLEAN, BROKEN, MET, "deviated", "reverted", "broken during netem: shop answers: 3 of 10 samples"),
    (active(), CLEAN, MET, BROKEN, "deviated", "reverted", "did not come back after the attacks"),
    (active(), CLEAN, BROKE_DOWN, MET, "failed", "reverted", "could not be measured during netem: no such host"),
    (active(), CLEAN, {"skipped": True}, MET, "failed", "reverted", "netem was not observed"),
    (active(), CLEAN, MET, BROKE_DOWN, "failed", "reverted", "recovery could not be measured: no such host"),
    (active(), CLEAN, {**MET, "lease_lost": ["n2"]}, MET, "aborted", "reverted", "The lease was lost on n2 during netem"),
    (active(), CLEAN, FEW, MET, "inconclusive", "reverted", "netem was not measured well enough. up: only 2 of 10 samples"),
    (active(), CLEAN, MET, FEW, "inconclusive", "reverted", "No verdict on the hypothesis: Recovery: up: only 2 of 10 samples"),
    (active(), CLEAN, FEW, BROKEN, "deviated", "reverted", "did not come back after the attacks: shop answers: 3 of 10 samples. Besides: netem: up: only"),
    (active(), STUCK, FEW, MET, "not_reverted", "stuck", "The undo is stuck on n2"),
    (active(), CLEAN, {**MET, "window_s": 12.0}, MET, "inconclusive", "reverted", "netem: observed for 12s of 30s; use more forks"),
    (active(), CLEAN, {**MET, "window_s": 15.0}, MET, "held", "reverted", "The steady state held"),
    (active(), STUCK, MET, MET, "not_reverted", "stuck", "The undo is stuck on n2"),
    (active(), CUT, MET, MET, "not_reverted", "left_to_timer", "Left to their timers: n2 (until 2026-03-02T10:01:00Z)"),
    (active(), CRASHED, MET, MET, "not_reverted", "left_to_timer", "Left to their timers: n2"),
    (active(), NOTHING, MET, MET, "aborted", "reverted", "netem was over before its time on n2: somebody reverted it"),
    (REFUSED, NOTHING, MET, MET, "aborted", "not_injected", "netem reached 2 of 3 hosts. n2: netem needs root"),
    (UNREACHABLE, UNREACHABLE, MET, MET, "aborted", "not_injected", "n2: unreachable: Failed to connect"),
    (CUT, CUT, MET, MET, "not_reverted", "left_to_timer", "Left to their timers: n2"),  # nobody knows: it may have got there
    (CUT, CLEAN, MET, MET, "aborted", "reverted", "n2: unreachable"),
    (CUT, NOTHING, MET, MET, "aborted", "not_injected", "n2: unreachable"),
    (CRASHED, CUT, MET, MET, "not_reverted", "left_to_timer", "Left to their timers: n2"),
    (CRASHED, NOTHING, MET, MET, "aborted", "not_injected", "n2: MODULE FAILURE"),
    # Nine of ten pods were deleted, and the tenth not: there is nothing to undo, but it was attacked.
    (HALF, NOTHING, MET, MET, "aborted", "reverted", "n2: 1 of 10 pods could not be deleted"),
    (HALF, CUT, MET, MET, "not_reverted", "left_to_timer", "Left to their timers: n2"),
    ({**REFUSED, "stuck": ["x"]}, STUCK, MET, MET, "not_reverted", "stuck", "The undo is stuck on n2"),
    ({}, {}, MET, MET, "not_reverted", "left_to_timer", "Left to their timers: n2"),  # the tasks gave no answer at all
]


@pytest.mark.parametrize("attack, revert, during, after, verdict, outcome, words", CASES)
def test_verdicts_when_one_of_three_hosts_differs(
    attack: dict[str, Any], revert: dict[str, Any], during: dict[str, Any], after: dict[str, Any], verdict: str, outcome: str, words: str
) -> None:
    run = play(a_run(), everywhere(active(), n2=attack), everywhere(CLEAN, n2=revert), during, after)
    assert outcomes(run) == {"n1": "reverted", "n2": outcome, "n3": "reverted"}
    assert run.record["verdict"] == verdict
    assert words in run.record["verdict_reason"]
    assert "\n" not in run.record["verdict_reason"]
    assert passed(verdict) is (verdict == "held")
    # The lines for people name the host that is in trouble.
    text = "\n".join(line for line, _bad in summary.experiment(run.record, {"html": "r.html"}))
    assert ("n2" in text) is (outcome in ("stuck", "left_to_timer") or "n2" in words)
    assert "Report: r.html" in text


SCALED = active(undo_text="Deployment shop/web /spec/replicas: back to 2")
GONE = {**NOTHING, "already_gone": ["x"]}


@pytest.mark.parametrize(
    "attack, reverts, wanted",
    [
        (everywhere(SCALED), everywhere(CLEAN), "held"),
        (everywhere(SCALED), everywhere(CLEAN, n2=NOTHING), "aborted"),  # somebody reverted it: the journal was gone
        (everywhere(SCALED), everywhere(CLEAN, n2=GONE), "held"),  # the journal was there
        (everywhere(active(undo_text="nothing to undo")), everywhere(NOTHING), "held"),  # deleted pods
        (everywhere(SCALED, n2=active()), everywhere(CLEAN, n2=NOTHING), "held"),  # n2 found the attack of another one
        (everywhere(active(), n2=SCALED), everywhere(CLEAN, n2=NOTHING), "held"),  # the other one was faster with the revert
        (everywhere(active(), n2=SCALED), everywhere(NOTHING), "aborted"),
    ],
)
def test_an_attack_on_a_cluster_that_somebody_else_reverted(attack: dict[str, Any], reverts: dict[str, Any], wanted: str) -> None:
    run = play(a_run(step={"attack": "k8s_scale"}), attack, reverts)
    assert run.record["verdict"] == wanted
    assert ("k8s_scale was over before its time on n2: somebody reverted it" in run.record["verdict_reason"]) is (wanted == "aborted")
    assert outcomes(run) == dict.fromkeys(HOSTS, "reverted")


@pytest.mark.parametrize("seconds, safety", [(200, {}), (45, {"lease": "20s"})])
def test_an_attack_on_a_cluster_that_ended_at_its_time_or_had_a_lease(seconds: float, safety: dict[str, Any]) -> None:
    run = a_run(step={"attack": "k8s_scale"}, **safety)
    run.baseline(MET, START)
    run.begin_round(1, START)
    run.injected(everywhere(SCALED), later(1))
    run.reverted(everywhere(NOTHING), MET, later(seconds))
    assert not run.stopped


def test_nothing_to_undo_is_what_attacks_on_clusters_say() -> None:
    source = Path(kube_attack.__file__).read_text(encoding="utf-8")
    assert f'"{NOTHING_TO_UNDO}"' in source


def test_a_host_that_is_not_back_ends_the_run_and_outweighs_everything() -> None:
    run = play(a_run(ramp=[1, 2, 3]), everywhere(active()), everywhere(CLEAN, n2=CUT), BROKEN)
    assert len(run.attacks) == 1
    assert run.record["verdict"] == "not_reverted"


def test_a_second_revert_mends_the_verdict() -> None:
    run = play(a_run(), everywhere(active()), everywhere(CLEAN, n2=CUT), swept={"n2": CLEAN, "n1": {"skipped": True}})
    assert outcomes(run) == dict.fromkeys(HOSTS, "reverted")
    assert run.record["verdict"] == "held"
    assert run.attacks[0]["reverted"] is not None
    [mended] = [entry for entry in run.attacks[0]["hosts"] if entry["host"] == "n2"]
    assert mended["error"] is None and mended["notes"][0].startswith("reverted at the second attempt; at the first: not reverted from here: unreachable")


def test_each_way_of_reverting_is_swept_by_itself() -> None:
    run = a_run(ramp=[1, 2, 3])
    for number, module in enumerate(("revert", "k8s_revert", "revert"), 1):
        run.entry_of(number)["revert"] = {"module": module, "options": {}}
    run.baseline(MET, later(10))
    for number in (1, 2, 3):
        run.record["stop"] = None
        run.begin_round(number, later(40 * number))
        run.injected(everywhere(active()), later(40 * number + 2))
        run.reverted(everywhere(CLEAN, n2=CUT) if number < 3 else everywhere(CUT), MET, later(40 * number + 35))
    left = run.recovery(MET, later(200))
    assert [(each["round"], each["hosts"]) for each in left] == [(1, ["n1", "n2", "n3"]), (2, ["n2"])]
    run.swept(1, everywhere(CLEAN))
    assert list(troubled_hosts(run.record)) == ["n2"]
    run.swept(2, {"n2": {**CLEAN, "drifted": ["Deployment shop/web: replicas"]}})
    assert troubled_hosts(run.record) == {}
    kept = next(one for one in run.attacks[1]["hosts"] if one["host"] == "n2")
    assert kept["notes"][0] == "kept as somebody else left it: Deployment shop/web: replicas"


def test_what_would_be_refused_ends_the_run_before_it_begins() -> None:
    run = a_run()
    run.tried(1, everywhere({"status": "planned", "journal": "shop/faultline-x"}))
    assert not run.stopped and run.entry_of(1)["revert"]["options"] == {"run_id": "run", "namespaces": ["shop"]}
    run.tried(1, everywhere({"status": "planned"}, n2={"failed": True, "msg": "kubeconfig: '/k' is refused: there is no such file"}))
    run.baseline(MET, later(10))
    assert run.begin_round(1, later(20)) is None
    run.finish(later(30))
    assert run.record["verdict"] == "refused"
    assert run.record["verdict_reason"] == "Nothing was attacked: netem would be refused on n2: kubeconfig: '/k' is refused: there is no such file."


def test_a_breach_ends_the_ramp_unless_told_otherwise() -> None:
    assert len(play(a_run(ramp=[1, 2, 3]), everywhere(active()), everywhere(CLEAN), BROKEN).attacks) == 1
    run = play(a_run(ramp=[1, 2, 3], abort=False), everywhere(active()), everywhere(CLEAN), BROKEN)
    assert len(run.attacks) == 3
    assert run.record["verdict"] == "deviated"


@pytest.mark.parametrize("left_over", [active(id="run-s1r0"), {"skipped": True}])
def test_the_answer_of_an_earlier_round_does_not_count(left_over: dict[str, Any]) -> None:
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    assert run.injected(everywhere(active(id="run-s1r1"), n2=left_over), later(1)) == 0.0
    assert outcomes(run)["n2"] == "left_to_timer"
    assert "n2: no answer" in run.record["stop"]["reason"]


def test_a_failed_injection_is_not_observed() -> None:
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    assert run.injected(everywhere(active(), n2=REFUSED), later(1)) == 0.0
    assert run.attacks[0]["injected"] is not None
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    assert run.injected(everywhere(REFUSED), later(1)) == 0.0
    assert run.attacks[0]["injected"] is None
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    assert run.injected(everywhere(REFUSED, n2=HALF), later(1)) == 0.0
    assert run.attacks[0]["injected"] is not None


def test_nothing_is_attacked_when_the_steady_state_does_not_hold_before() -> None:
    run = a_run()
    run.baseline(BROKEN, START)
    assert run.begin_round(1, START) is None
    assert run.recovery({"skipped": True}, START) == []
    run.finish(START)
    assert run.record["verdict"] == "refused"
    assert run.record["verdict_reason"].startswith("Nothing was attacked: the steady state did not hold before. shop answers")
    run = a_run()
    run.baseline(BROKE_DOWN, START)
    run.finish(START)
    assert run.record["verdict"] == "failed"


def test_a_no_go_is_refused() -> None:
    run = a_run(checks=[check("a", True, "fine"), check("b", False, "outside of the window."), check("c", False, "too late")])
    assert run.stopped
    run.finish(START)
    assert (run.record["verdict"], run.record["verdict_reason"]) == ("refused", "outside of the window.; too late.")


def test_the_observation_ends_before_the_first_timer() -> None:
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    assert run.injected(everywhere(active()), later(2)) == 30.0
    run = a_run()
    run.baseline(MET, START)
    run.begin_round(1, START)
    assert run.injected(everywhere(active()), later(25)) == 20.0  # 45 s of timer, 25 s spent on other hosts
    for slow, lease in ((44, None), (9, "10s")):
        run = a_run(lease=lease) if lease else a_run()
        run.baseline(MET, START)
        run.begin_round(1, START)
        assert run.injected(everywhere(active()), later(slow)) == 0.0
        assert "took" in run.record["stop"]["reason"] and "more forks" in run.record["stop"]["reason"]


def test_no_round_begins_beyond_the_time_of_the_experiment_or_its_window() -> None:
    run = a_run(ramp=[1, 2], max_duration="2m")
    run.baseline(MET, START)
    assert run.begin_round(1, later(79)) is not None
    assert run.begin_round(2, later(81)) is None
    run.reverted(everywhere(CLEAN), MET, later(82))
    run.recovery(MET, later(90))
    run.finish(later(90))
    assert run.record["verdict"] == "aborted"
    assert "Stopped before netem (delay 2): it would take the run past safety.max_duration (2m)." in run.record["verdict_reason"]
    run = a_run(window="Mon 09:00-10:05 UTC")
    run.baseline(MET, START)
    assert run.begin_round(1, later(5 * 60 - 39)) is None
    assert "closes at Mon 2026-03-02 10:05 UTC" in run.record["stop"]["reason"]


def test_pause() -> None:
    run = a_run(ramp=[1, 2], step={"pause": "20s"})
    run.baseline(MET, START)
    assert run.pause(1, START) == 0.0
    run.begin_round(1, START)
    run.injected(everywhere(active()), START)
    run.reverted(everywhere(CLEAN), MET, later(30))
    assert run.pause(2, later(35)) == 15.0
    assert run.pause(2, later(60)) == 0.0


def test_a_missing_step_ends_the_run() -> None:
    run = a_run(ramp=[1, 2])
    run.check_progress()
    assert run.record["stop"] == {"verdict": "failed", "reason": "The baseline was not recorded."}
    run = a_run(ramp=[1, 2])
    run.baseline(MET, START)
    run.begin_round(1, START)
    run.check_progress()
    assert run.record["stop"]["reason"] == "The end of netem (delay 1) was not recorded."


def test_a_killed_run_leaves_a_record_that_says_so(tmp_path: Path) -> None:
    run = a_run()
    run.record["directory"] = str(tmp_path)
    run.baseline(MET, START)
    run.begin_round(1, START)
    run.save(tmp_path / "state.json")
    paths, warning = run.publish()
    assert warning is None
    record = json.loads(Path(paths["record"]).read_text())
    assert record["verdict"] == "failed" and "stopped or killed" in record["verdict_reason"]
    assert record["left_to_timer"] == [{"host": host, "deadline": "2026-03-02T10:00:45Z"} for host in HOSTS]
    assert not {"schedule", "stop", "directory"} & record.keys()
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
    assert Run.load(tmp_path / "state.json").record == run.record


def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    run = a_run()
    (tmp_path / "file").write_text("")
    run.record["directory"] = str(tmp_path / "file")
    paths, warning = run.publish()
    assert paths == {}
    assert warning is not None and "cannot be written" in warning
    run.record["directory"] = None
    assert run.publish() == ({}, None)


def test_secrets_stay_in_the_state(tmp_path: Path) -> None:
    run = a_run(step={"with": {"password": "hunter2"}})
    run.record["directory"] = str(tmp_path)
    assert run.record["schedule"][0]["told"]["password"] == "hunter2"
    assert "hunter2" not in Path(run.publish()[0]["record"]).read_text()


def test_problem_is_one_short_line() -> None:
    assert experiment_outcomes.problem({"msg": "a\n  b" + "c" * 900}) == ("a b" + "c" * 900)[:500]
    assert experiment_outcomes.problem({"unreachable": True, "msg": "Task failed: no route"}) == "unreachable: no route"
    assert experiment_outcomes.problem({}) == "no answer"


def test_planned_in_check_mode() -> None:
    assert experiment_outcomes.is_planned({"status": "planned"}) and experiment_outcomes.is_planned({"status": "active"})
    assert not experiment_outcomes.is_planned(REFUSED)


def test_headline() -> None:
    assert a_run(ramp=[1, 2]).headline() == "t: 2 rounds, at least 80s"
    assert a_run().headline() == "t: 1 round, at least 50s"


def test_a_baseline_of_too_few_samples_attacks_nothing() -> None:
    run = a_run()
    run.baseline(FEW, later(10))
    assert run.begin_round(1, later(20)) is None
    run.finish(later(30))
    assert run.record["verdict"] == "inconclusive"
    assert run.record["verdict_reason"].startswith("Nothing was attacked: the steady state was not measured well enough before. up: only 2 of 10")


@pytest.mark.parametrize("abort, rounds", [(True, 1), (False, 2)])
def test_no_round_follows_one_whose_harm_could_not_be_seen(abort: bool, rounds: int) -> None:
    run = play(a_run(ramp=[1, 2], abort=abort), everywhere(active()), everywhere(CLEAN), FEW)
    assert (run.record["verdict"], len(run.attacks)) == ("inconclusive", rounds)
    assert all(phase["inconclusive"] == FEW["inconclusive"] for phase in run.attacks)
