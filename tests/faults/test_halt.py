# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults 2, 13, 20, 24 and 26: the link is cut, journals are damaged or planted, and halt comes from another checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.support.attacks import BY_NAME
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target
from tests.lab.support.lab import REPO

KILL = BY_NAME["process_kill"]
NETEM = BY_NAME["netem"]
CPU = BY_NAME["cpu_stress"]


def plan(target: Target) -> dict:
    probe = {"name": "controller is fine", "type": "command", "argv": ["true"], "on": "controller"}
    return {
        "experiment_plan": {
            "title": "Fault test",
            "steady_state": [probe],
            "observe": {"window": "2s", "interval": "1s", "settle": "2s"},
            "method": [{"name": "attack", "attack": "process_kill", "hosts": target.name, "with": KILL.options, "duration": "12s"}],
            "safety": {"grace": "2s", "max_percent_per_group": 100},
            "report": {"dir": str(target.lab.scratch), "formats": ["json"]},
        }
    }


@pytest.mark.parametrize("how", ["cable", "sshd stopped"])
def test_the_link_is_cut(target: Target, how: str) -> None:
    """The target reverts by itself; the play ends, is not 0, and names the host that it could not reach."""
    controller = target.lab.popen(target.lab.playbook_argv("faultline.chaos.experiment", plan(target), hosts=target.known))
    try:
        target.wait(f"ls {STATE}/*/effect", 100)
        [attack_id] = [Path(effect).parent.name for effect in target.sh(f"ls {STATE}/*/effect").out.split()]
        target.watch_id(KILL, attack_id)
        if how == "cable":
            target.lab.net_cut(target.name)
        else:  # the listener and every connection's process; they go on when the play is over
            target.sh("(sleep 0.5; pkill -STOP -f '^sshd: '; sleep 60; pkill -CONT -f '^sshd: ') </dev/null >/dev/null 2>&1 &", check=False)
        out = controller.communicate(timeout=150)[0]
    finally:
        controller.kill()
        target.lab.net_heal(target.name)
        target.lab.wait_ssh(target.name, 90)
    assert controller.returncode != 0, out
    assert target.name in out and "timer" in out, out
    found = target.measured()
    target.row(f"2 link cut: {how}", KILL, found)
    assert found.late <= found.allowed, found
    target.as_before()


@pytest.mark.own_kernel
def test_damaged_journals_do_not_keep_the_others_from_being_undone(target: Target) -> None:
    for attack in (KILL, CPU, NETEM):
        assert target.attack(attack, duration="5m").get("status") == "active"
    target.sh(f"cd {STATE}; truncate -s 100 {CPU.module}/record.json; truncate -s 200 {CPU.module}/revert.sh; printf x >>{NETEM.module}/revert.sh")
    halted = target.sh(f"sh {STATE}/control.sh revert-all", check=False)
    assert halted.rc == 5 and "cpu_stress: damaged" in halted.err and "netem: damaged" in halted.err
    assert set(target.sh(f"ls {STATE}").out.split()) == {CPU.module, "control.sh", "history.jsonl", "lock", NETEM.module}
    result = target.module("faultline.chaos.revert", {"all": True})
    assert result.get("failed"), result
    assert result["reverted"] == [NETEM.module], "rendered again from its record"
    assert [each["id"] for each in result["stuck"]] == [CPU.module] and "damaged in both halves" in result["stuck"][0]["reason"]
    target.sh(f"pkill -KILL faultline-cpu; rm -r {STATE}/{CPU.module}; systemctl stop faultline-{CPU.module}.timer; sh {STATE}/control.sh sweep")
    (lost,) = target.module("faultline.chaos.attack_info", {"history": 1})["residue"]
    assert lost.startswith(f"attack {CPU.module} (cpu_stress) began at "), lost
    target.sh(f"sed -i /began/d {STATE}/history.jsonl")
    target.as_before()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "file", "0777", "owner"])
def test_a_planted_state_directory_is_refused(target: Target, kind: str) -> None:
    make = {
        "symlink": "mkdir -m 700 /root/fltest && ln -s /root/fltest $s",
        "fifo": "mkfifo $s",
        "file": "touch $s",
        "0777": "mkdir $s; chmod 0777 $s",
        "owner": "mkdir -m 700 $s; chown ops $s",
    }[kind]
    target.sh(f"s={STATE}; [ ! -e $s ] || mv $s $s.kept; {make}")
    try:
        results = [target.attack(KILL), target.module("faultline.chaos.attack_info", {"history": 1}), target.module("faultline.chaos.revert", {"all": True})]
    finally:
        target.sh(f"s={STATE}; rm -rf $s /root/fltest; [ ! -e $s.kept ] || mv $s.kept $s")
    for result in results:
        assert result.get("failed") and "must be a directory of uid 0 that nobody else can write to" in result["msg"], result
    target.nothing_happened(KILL)


def test_a_user_without_root_has_a_place_of_his_own(target: Target) -> None:
    target.sh("install -d -m 755 -o ops -g ops /home/ops/.local /home/ops/.local/state && ln -s /etc /home/ops/.local/state/faultline")
    try:
        result = target.lab.module(target.name, CPU.name, target.options(CPU), user="ops")
    finally:
        target.sh("rm -rf /home/ops/.local /home/ops/.ansible")
    assert result.get("failed") and "must be a directory of uid" in result["msg"], result
    target.as_before()


@pytest.mark.own_kernel
def test_halt_from_another_checkout(target: Target, tmp_path: Path) -> None:
    """Nothing of the controller that made the attacks is needed: only the journals on the target."""
    for attack in (KILL, NETEM):
        assert target.attack(attack, duration="5m").get("status") == "active"
    other = tmp_path / "ansible_collections" / "faultline" / "chaos"
    shutil.copytree(REPO / "plugins", other / "plugins")
    shutil.copytree(REPO / "meta", other / "meta")
    shutil.copy(REPO / "galaxy.yml", other)
    play = target.playbook([task_revert()], env={"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert play.rc == 0, play
    assert sorted(play.results("revert")[0]["reverted"]) == [NETEM.module, KILL.module]
    target.as_before()


def task_revert() -> dict:
    return {"name": "revert", "faultline.chaos.revert": {"all": True}}
