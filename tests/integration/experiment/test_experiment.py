# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role experiment, its playbook, and what they do when hosts, tasks and the controller fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._times import iso
from tests.integration.experiment.support.fleet import Fleet

ALL_REVERTED = dict.fromkeys(("n1", "n2", "n3", "n4"), "reverted")


def test_held(fleet: Fleet) -> None:
    result = fleet.experiment(fleet.plan(step={"ramp": {"magnitude": [1, 2]}}))
    assert result.rc == 0, result.output
    assert result.record["verdict"] == "held"
    assert [phase["kind"] for phase in result.record["phases"]] == ["before", "attack", "attack", "after"]
    assert result.outcomes(0) == result.outcomes(1) == ALL_REVERTED
    # Two module tasks on a host in a round, and not one more.
    run_id = result.record["run_id"]
    for host in ALL_REVERTED:
        assert fleet.log(host) == [
            f"attack {run_id}-s1r1 magnitude 1 lease None", f"revert {run_id}-s1r1",
            f"attack {run_id}-s1r2 magnitude 2 lease None", f"revert {run_id}-s1r2",
        ]  # fmt: skip
    for path in ("report.html", "journal.json", "junit.xml", "record.json"):
        assert (fleet.reports / run_id / path).exists()
    assert "The shop stays open: HELD" in result.output
    assert f"experiment_run_id: {run_id}" in result.output or f'"experiment_run_id": "{run_id}"' in result.output
    assert "experiment_verdict" in result.output
    assert "WARNING" not in result.output


def test_hosts_that_are_not_selected_cost_nothing(fleet: Fleet) -> None:
    result = fleet.experiment(fleet.plan(step={"select": {"count": 1, "seed": 42}}))
    assert result.rc == 0, result.output
    [selected] = result.attacks[0]["blast_radius"]["selected"]
    assert {host for host in ALL_REVERTED if fleet.log(host)} == {selected}
    assert result.attacks[0]["blast_radius"] == {"pattern": "web", "eligible": 4, "selected": [selected], "percent": 25.0, "seed": "42"}
    # Only the selected host is in the play that attacks.
    assert not any(f"[{host}]" in result.output.split("PLAY [Run the experiment]")[1] for host in set(ALL_REVERTED) - {selected})


def test_one_fails_and_one_is_unreachable_at_the_attack(fleet: Fleet) -> None:
    fleet.behave("n2", "refuse")
    result = fleet.experiment(fleet.plan(step={"hosts": "all", "ramp": {"magnitude": [1, 2]}}))
    assert result.rc != 0
    assert result.record["verdict"] == "aborted"
    assert "reached 3 of 5 hosts" in result.record["verdict_reason"]
    assert "n2: pretend needs root" in result.record["verdict_reason"] and "gone: unreachable" in result.record["verdict_reason"]
    assert result.outcomes() == {**ALL_REVERTED, "n2": "not_injected", "gone": "not_injected"}
    assert len(result.attacks) == 1 and result.attacks[0]["steady_state"] is None
    assert result.record["phases"][-1]["kind"] == "after"
    assert fleet.active() == []
    assert (fleet.reports / result.record["run_id"] / "report.html").exists()


def test_nobody_can_be_attacked(fleet: Fleet) -> None:
    for host in ALL_REVERTED:
        fleet.behave(host, "crash" if host == "n1" else "refuse")
    result = fleet.experiment(fleet.plan())
    assert result.rc != 0
    assert result.record["verdict"] == "aborted"
    assert "reached 0 of 4 hosts" in result.record["verdict_reason"]
    assert fleet.active() == []


def test_a_host_is_lost_under_attack(fleet: Fleet) -> None:
    fleet.behave("n2", "cut")
    result = fleet.experiment(fleet.plan(step={"ramp": {"magnitude": [1, 2]}}))
    assert result.rc != 0
    assert result.record["verdict"] == "not_reverted"
    assert result.outcomes() == {**ALL_REVERTED, "n2": "left_to_timer"}
    assert [left["host"] for left in result.record["left_to_timer"]] == ["n2"]
    assert result.record["left_to_timer"][0]["deadline"] in result.output
    assert len(result.attacks) == 1
    assert fleet.active() == ["n2"]  # which in truth its timer reverts
    assert "left to its timer: n2" in result.output


def test_a_host_comes_back_after_the_round(fleet: Fleet) -> None:
    fleet.behave("n2", "cut_once")
    result = fleet.experiment(fleet.plan())
    assert result.rc == 0, result.output
    assert result.outcomes() == ALL_REVERTED
    assert fleet.active() == []


def test_a_revert_is_stuck(fleet: Fleet) -> None:
    fleet.behave("n3", "stuck")
    result = fleet.experiment(fleet.plan())
    assert result.rc != 0
    assert (result.record["verdict"], result.outcomes()) == ("not_reverted", {**ALL_REVERTED, "n3": "stuck"})
    assert fleet.active() == ["n3"]
    assert "stuck: n3" in result.output


def test_a_breach_stops_the_experiment_early(fleet: Fleet) -> None:
    plan = fleet.plan(step={"ramp": {"magnitude": [1, 2]}, "duration": "20s"})
    plan["steady_state"] = [{"name": "calm", "type": "command", "argv": ["sh", "-c", f"! ls {fleet.root}/n1/active.*"], "run_on": "controller"}]
    result = fleet.experiment(plan)
    assert result.rc != 0
    assert result.record["verdict"] == "deviated"
    assert "broken during pretend (magnitude 1): calm" in result.record["verdict_reason"]
    steady = result.attacks[0]["steady_state"]
    assert steady["aborted"] is True
    assert steady["window_s"] == 20 and steady["probes"][0]["samples"] < 50
    assert len(result.attacks) == 1
    assert result.outcomes() == ALL_REVERTED


def test_the_steady_state_does_not_hold_before(fleet: Fleet) -> None:
    plan = fleet.plan()
    plan["steady_state"][0]["argv"] = ["false"]
    result = fleet.experiment(plan)
    assert result.rc != 0
    assert result.record["verdict"] == "refused"
    assert not any(fleet.log(host) for host in ALL_REVERTED)


@pytest.mark.parametrize("phase, verdict, attacked", [("before", "failed", False), ("during", "failed", True), ("after", "failed", True)])
def test_a_task_of_the_controller_breaks_down(fleet: Fleet, phase: str, verdict: str, attacked: bool) -> None:
    """It fails past failed_when, which takes hosts out of the play; those under attack are reverted all the same."""
    result = fleet.experiment(fleet.plan(step={"hosts": "all" if phase == "during" else "web"}), PRETEND_BREAKDOWN=phase)
    assert result.rc != 0
    assert any(fleet.log(host) for host in ALL_REVERTED) is attacked
    assert fleet.active() == []


def test_lease_is_renewed_and_handed_to_the_attack(fleet: Fleet) -> None:
    result = fleet.experiment(fleet.plan(safety={"lease": "60s"}, step={"select": {"count": 1}}))
    [selected] = result.attacks[0]["blast_radius"]["selected"]
    assert fleet.log(selected)[0].endswith("lease 60")


def test_a_host_that_is_lost_under_a_renewed_lease_is_left_until_the_renewed_deadline(fleet: Fleet) -> None:
    """Its attack said one minute, its duration ends after ten, and the last renewal that got there made it five."""
    renew = f'touch {fleet.root}/n2/cut; echo "$1-s1r1 300"'
    begun = time.time()
    result = fleet.experiment(fleet.plan(safety={"lease": "60s"}, step={"hosts": "n2"}), PRETEND_RENEW=renew)
    [left] = result.record["left_to_timer"]
    assert left["host"] == "n2" and iso(begun + 300) <= left["deadline"] <= iso(time.time() + 300)
    [entry] = result.attacks[0]["hosts"]
    assert (entry["outcome"], entry["deadline"]) == ("left_to_timer", left["deadline"])
    assert result.output.count(f"left to its timer, until {left['deadline']}") == 1
    assert f"left to its timer: n2, until {left['deadline']}" in result.output
    assert f"Left to their timers: n2 (until {left['deadline']})" in result.record["verdict_reason"]
    reports = fleet.reports / result.record["run_id"]
    assert all(left["deadline"][:19] in (reports / name).read_text() for name in ("report.html", "junit.xml", "journal.json"))


def test_a_host_that_is_lost_while_nobody_knows_of_renewals_is_left_until_the_end(fleet: Fleet) -> None:
    begun = time.time()
    result = fleet.experiment(fleet.plan(safety={"lease": "60s"}), PRETEND_BREAKDOWN="during")
    assert min(one["deadline"] for one in result.attacks[0]["hosts"]) > iso(begun + 590)


def test_the_plan_is_evaluated_once_probes_included(fleet: Fleet) -> None:
    """What a template comes to in the plan is what is measured before, during and after; the values are not evaluated again."""
    plan = fleet.plan(step={"ramp": {"magnitude": [1, 2]}})
    number, braces = "{{ 1000000000 | random }}", "{{ '{' ~ '{ 6 * 7 }' ~ '}' }}"
    plan["steady_state"] = [{"name": f"open {braces}", "type": "command", "argv": ["echo", number]}]
    result = fleet.experiment(plan)
    assert result.rc == 0, result.output
    [planned] = result.record["plan"]["steady_state"]
    probes = [phase["steady_state"]["probes"][0] for phase in result.record["phases"]]
    assert {sample["value"] for probe in probes for sample in probe["series"]} == {int(planned["argv"][1])}
    assert {probe["name"] for probe in probes} == {planned["name"]} == {"open {{ 6 * 7 }}"}


REFUSALS: list[tuple[dict[str, Any], list[str], str]] = [
    ({"step": {"hosts": "wbe"}}, [], "experiment_plan.method[0].hosts: 'wbe' is refused: the inventory has no host or group wbe"),
    ({"step": {"hosts": "web:!web"}}, [], "experiment_plan.method[0].hosts: 'web:!web' is refused: it leaves no host"),
    ({"step": {}}, ["--limit", "away"], "--limit away leaves none of its hosts"),
    ({"step": {"duration": "5m; rm -rf /"}}, [], "experiment_plan.method[0].duration: '5m; rm -rf /' is refused"),
    ({"step": {"select": {"percent": 101}}}, [], "experiment_plan.method[0].select.percent: 101 is refused"),
    ({"step": {"attack": "pretendd"}}, [], "experiment_plan.method[0].attack: 'faultline.chaos.pretendd' is refused: there is no such module"),
    ({"step": {"attack": "ansible.builtin.command"}}, [], "experiment_plan.method[0].attack: 'ansible.builtin.command' is refused: it is no attack"),
    ({"step": {"with": {"magnitud": 1}}}, [], "experiment_plan.method[0].with.magnitud: 1 is refused: there is no such option; did you mean magnitude?"),
    ({"step": {"with": {"magnitude": "strong"}}}, [], "experiment_plan.method[0].with: {'magnitude': 'strong'} is refused"),
    ({"step": {"ramp": {"magnitude": [1, "x"]}}}, [], "experiment_plan.method[0].with (with magnitude x)"),
    ({"safety": {"protected": ["web"]}}, [], "selects nobody of web: no host of its pattern may be attacked"),
    ({"safety": {"forbid": ["2000-01-01..2999-01-01"]}}, [], "2000-01-01..2999-01-01 is forbidden"),
    ({"report": {"dir": "/proc/reports"}}, [], "experiment_plan.report.dir: '/proc/reports' is refused"),
    ({"surprise": 1}, [], "experiment_plan.surprise: 1 is refused: there is no such option"),
]


@pytest.mark.parametrize("change, args, words", REFUSALS, ids=[words[-50:] for _change, _args, words in REFUSALS])
def test_refused_before_a_host_is_touched(fleet: Fleet, change: dict[str, Any], args: list[str], words: str) -> None:
    result = fleet.experiment(fleet.plan(**change), *args)
    assert result.rc != 0
    assert words in " ".join(result.output.split()), result.output
    assert "PLAY [Run the experiment]" not in result.output
    assert "Traceback" not in result.output
    assert not any(fleet.log(host) for host in ALL_REVERTED)
    assert all(record["verdict"] == "refused" for record in result.records)


def test_no_plan(fleet: Fleet) -> None:
    result = fleet.play("faultline.chaos.experiment")
    assert result.rc != 0
    assert "experiment_plan is required" in " ".join(result.output.split())


def test_check_mode_does_nothing(fleet: Fleet) -> None:
    result = fleet.experiment(fleet.plan(), "--check", "--diff")
    assert result.rc == 0, result.output
    assert "attacked with 1" in result.output
    assert not any(fleet.log(host) for host in ALL_REVERTED) and fleet.active() == []
    assert not fleet.reports.exists()
    fleet.behave("n2", "refuse")
    result = fleet.experiment(fleet.plan(), "--check")
    assert result.rc != 0
    assert "n2 would refuse the attack: pretend needs root" in " ".join(result.output.split())


def test_limit_narrows_the_selection(fleet: Fleet) -> None:
    result = fleet.experiment(fleet.plan(), "--limit", "n1,n2")
    assert result.rc == 0, result.output
    assert result.outcomes() == {"n1": "reverted", "n2": "reverted"}


PLAY = """
- hosts: all
  gather_facts: false
  vars_files: [plan.yml]
  roles:
    - faultline.chaos.experiment
  tasks:
    - ansible.builtin.debug:
        msg: "after the role {{ inventory_hostname }}"
"""


def test_the_role_in_a_play_of_its_own(fleet: Fleet) -> None:
    fleet.write_plan(fleet.plan(step={"select": {"count": 2, "seed": 1}}))
    (fleet.root / "play.yml").write_text(PLAY)
    result = fleet.play("play.yml")
    assert result.rc == 0, result.output
    assert len(result.attacks[0]["blast_radius"]["selected"]) == 2
    assert all(f"after the role {host}" in result.output for host in (*ALL_REVERTED, "gone"))


def test_serial_is_refused(fleet: Fleet) -> None:
    fleet.write_plan(fleet.plan())
    (fleet.root / "play.yml").write_text(PLAY.replace("gather_facts: false", "gather_facts: false\n  serial: 2"))
    result = fleet.play("play.yml")
    assert result.rc != 0
    assert "the play has serial" in " ".join(result.output.split())
    assert fleet.active() == [] and not any(fleet.log(host) for host in ALL_REVERTED)


def test_a_killed_controller_leaves_a_record(fleet: Fleet) -> None:
    plan = fleet.write_plan(fleet.plan(step={"duration": "60s", "select": {"count": 1, "seed": 7}}))
    command = fleet.command("faultline.chaos.experiment", "-e", f"@{plan}")
    with subprocess.Popen(command, cwd=fleet.root, env=fleet.environment(), stdout=subprocess.DEVNULL, start_new_session=True) as playbook:
        try:
            while not fleet.active() and playbook.poll() is None:
                time.sleep(0.1)
            time.sleep(2)
        finally:
            os.killpg(playbook.pid, signal.SIGKILL)
    [path] = fleet.reports.glob("*/record.json")
    record = json.loads(path.read_text())
    assert record["verdict"] == "failed" and "stopped or killed" in record["verdict_reason"]
    assert [left["host"] for left in record["left_to_timer"]] == fleet.active()
    assert record["left_to_timer"][0]["deadline"]


LOST_BEFORE = """
- hosts: web
  gather_facts: false
  tasks:
    - ansible.builtin.fail:
      when: inventory_hostname in lost
- import_playbook: faultline.chaos.experiment
"""


@pytest.mark.parametrize("lost", ["n1", "n3"])  # the host that would plan, and another one
def test_a_host_that_an_earlier_play_has_lost_is_not_drawn(fleet: Fleet, lost: str) -> None:
    plan = fleet.write_plan(fleet.plan())
    (fleet.root / "two.yml").write_text(LOST_BEFORE)
    result = fleet.play("two.yml", "-e", f"@{plan}", "-e", f"lost={lost}")
    assert result.rc != 0
    assert result.record["verdict"] == "held", result.output
    assert result.outcomes() == {host: "reverted" for host in ALL_REVERTED if host != lost}
    assert f"{lost}: not in this play" in result.output


def test_a_plan_costs_the_same_in_an_inventory_of_many(fleet: Fleet) -> None:
    """One host plans, and tasks without work are looked at on one host."""
    result = fleet.experiment(fleet.plan(step={"select": {"count": 2, "seed": 42}}))
    assert result.rc == 0, result.output
    planning, running = result.output.split("PLAY [Run the experiment]")
    assert sum(f"[{host}]" in planning for host in ALL_REVERTED) == 1
    asked = running.split("Ask before anything is attacked")[1].split("TASK")[0]
    assert asked.count("skipping: [") == 1
