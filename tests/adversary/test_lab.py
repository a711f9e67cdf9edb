# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same on two hosts of the lab: attacks that need netem, systemd or a clock of their own. Brings the lab up; n1 and n2 are used.

What fails here and cannot be undone by LabHost.begin() is undone by a new disk.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Iterator

import pytest

from tests.adversary.support.attacks import BOX, WIRE, Attack
from tests.adversary.support.interference import Interference, cases
from tests.adversary.support.judge import ATTACK_ID, CLEAN, DURATION, Judge
from tests.adversary.support.lab_cases import ATTACKS, INTERFERENCES, PREPARE, UNIT, VICTIM
from tests.adversary.support.lab_host import LabHost
from tests.adversary.support.programs import listener
from tests.lab.support.lab import Lab
from tests.support import crash, sample

pytestmark = pytest.mark.lab

HOSTS = ("n1", "n2")
CASES = cases(os.environ.get(sample.SEED, "").strip() or "1", ATTACKS, INTERFERENCES)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab()
    lab.environment = crash.environment(lab.scratch)
    lab.up(3)
    with (lab.dir / "tests.lock").open("a") as file:  # see tests/lab/conftest.py
        fcntl.flock(file, fcntl.LOCK_EX)
        yield lab
    lab.close()


@pytest.fixture
def pair(lab: Lab) -> Iterator[Judge]:
    """Two lab hosts, with what the attacks of lab_cases.py hold."""
    hosts = [LabHost(lab, name) for name in HOSTS]
    for host in hosts:
        host.begin(PREPARE)
    judge = Judge(*hosts)
    strange = judge.differs(10)
    if strange:
        for host in hosts:
            host.reset()
            host.begin(PREPARE)
    yield judge
    for host in hosts:
        host.close()


@pytest.mark.parametrize(("attack", "interference", "moment"), CASES, ids=[f"{attack}-{each}-{moment}" for attack, each, moment in CASES])
def test_clean_is_true(pair: Judge, attack: Attack, interference: Interference, moment: str, told) -> None:
    told(attack, interference, moment, pair.case(attack, interference, moment))


@pytest.mark.named
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nobody_interferes(pair: Judge, attack: Attack) -> None:
    """Without a neighbour the hosts are alike, by the same look: else the other cases say nothing."""
    verdict = pair.case(attack, Interference("nothing", "", "exit 0"), "after")
    assert verdict.outcome == CLEAN, str(verdict)


def _after(pair: Judge, module: str, options: dict, script: str) -> None:
    told = pair.attacked.module(module, {**options, "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    assert pair.interfere(script)
    verdict = pair.verdict(pair.revert())
    assert not verdict.bad, str(verdict)


@pytest.mark.named
@pytest.mark.parametrize("script", [f"ip netns exec {BOX} sh -c 'ip link set wa down; ip link set wa name renamed0; ip link set renamed0 up'"])
def test_field_1_an_interface_of_a_container_is_renamed(pair: Judge, script: str) -> None:
    """netem in a namespace, renamed: revert and audit were clean while our filters stayed without their ifb, which loses every packet for good."""
    pair.both(f"ip netns exec {BOX} sh -c 'ip link add wa type veth peer name wb; ip link set wa up; ip link set wb up'")
    _after(pair, "netem", {"netns": BOX, "interface": "wa", "delay": "50ms"}, script)


@pytest.mark.named
def test_field_2_netem_on_an_interface_that_is_renamed(pair: Judge) -> None:
    """The undo looked for the old name, found nothing, and left filters on the new one."""
    script = f"ip link set {WIRE} down; ip link set {WIRE} name renamed0; ip link set renamed0 up"
    _after(pair, "netem", {"interface": WIRE, "delay": "50ms"}, script)


@pytest.mark.named
def test_field_5_a_unit_that_was_started_too_often(pair: Judge) -> None:
    """A unit with StartLimitBurst=2 was killed every second: recover failed for ten minutes with "start request repeated too quickly"."""
    host = pair.attacked
    limits = "s/StartLimitIntervalSec=0/StartLimitIntervalSec=600\\nStartLimitBurst=2/;s/\\[Service\\]/[Service]\\nRestart=always/"
    host.sh(f"sed -i '{limits}' {UNIT}; systemctl daemon-reload")
    options = {"name": VICTIM, "signal": "KILL", "interval": "1s", "recover": ["systemctl", "start", VICTIM]}
    told = host.module("process_kill", {**options, "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    host.sh(f"n=0; until [ $(systemctl show -P Result {VICTIM}) = start-limit-hit ] || [ $n = 30 ]; do n=$((n + 1)); sleep 1; done", timeout=90)
    reverted = pair.revert()
    assert not reverted.get("failed"), reverted
    assert host.sh(f"systemctl is-active {VICTIM}", check=False).out.strip() == "active"


@pytest.mark.named
def test_security_6_a_process_named_sshd_exempts_no_port_of_netem(pair: Judge) -> None:
    """uid 5000's process `sshd` on 5432 made Postgres exempt from netem."""
    host = pair.attacked
    host.sh("getent passwd 5000 >/dev/null || useradd -u 5000 -M mallory")
    host.sh(f"setpriv --reuid 5000 --regid 5000 --clear-groups sh -c {shlex.quote(listener('sshd', [5432]))} </dev/null >/dev/null 2>&1 & sleep 2")
    told = host.module("netem", {"interface": WIRE, "delay": "50ms", "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    filters = host.sh(f"tc filter show dev {WIRE} egress").out
    assert "1538" not in filters, filters  # 5432 in hexadecimal
