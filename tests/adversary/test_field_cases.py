# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Complaints from the field on hosts, by their numbers, tried with this product. Those that need netem or systemd are in test_lab.py."""

from __future__ import annotations

import shutil

import pytest

from tests.adversary.support.attacks import BOX, SPARE
from tests.adversary.support.judge import ATTACK_ID, DURATION, NAMED, Judge, told_of

pytestmark = pytest.mark.named

CONTROL = "/var/lib/faultline/control.sh"


def active(judge: Judge, module: str, **options: object) -> dict:
    told = judge.attacked.module(module, {**options, "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    return told


def test_1_renamed_while_a_sysctl_of_it_is_changed(judge: Judge) -> None:
    """An interface that is renamed keeps what was done to it: the undo finds it by its number, not by its name (chaos-mesh#3257)."""
    active(judge, "sysctl_fault", sysctls={"net.ipv6.conf.inner0.hop_limit": 7}, netns=BOX)
    assert judge.interfere(f"ip netns exec {BOX} sh -c 'ip link set inner0 down; ip link set inner0 name renamed0'")
    verdict = judge.verdict(judge.revert())
    assert not verdict.bad, str(verdict)


@pytest.mark.parametrize("by", ["revert", "control.sh"])
@pytest.mark.parametrize(
    "script",
    [f"ip link set {SPARE} name renamed0", f"ip link set {SPARE} netns {BOX}"],
    ids=["renamed", "moved to a namespace"],
)
def test_2_an_interface_that_is_down_gets_another_name(judge: Judge, script: str, by: str) -> None:
    """interface_down, renamed, revert-all: the list was empty, and the interface stayed DOWN without its routes (moby#43592)."""
    active(judge, "interface_down", interface=SPARE)
    assert judge.attacked.sh(script).ok
    judge.other.sh(script)
    if by == "revert":
        reverted = judge.revert()
    else:
        done = judge.attacked.sh(f"sh {CONTROL} revert-all", check=False)
        reverted = {"clean": done.ok, "msg": done.out + done.err, "reverted": [ATTACK_ID] if done.ok else []}
    verdict = judge.verdict(reverted)
    assert not verdict.bad, str(verdict)


LOST = {
    "cpu_stress": ({"load": "5", "cpus": ["0"]}, "kill -KILL $(grep -lx faultline-cpu /proc/[0-9]*/comm | cut -d/ -f3)"),
    "port_occupy": ({"ports": ["47990"]}, "kill -KILL $(grep -lx faultline-port /proc/[0-9]*/comm | cut -d/ -f3)"),
    "process_freeze": ({"name": "flvictim"}, "kill -CONT $(grep -lx flvictim /proc/[0-9]*/comm | cut -d/ -f3)"),
    "sysctl_fault": ({"sysctls": {"net.ipv4.tcp_fin_timeout": 7}}, "echo 60 >/proc/sys/net/ipv4/tcp_fin_timeout"),
    "interface_down": ({"interface": SPARE}, f"ip link set {SPARE} up"),
    "blackhole": ({"peers": ["198.18.0.2"], "ports": ["8000"], "direction": "egress"}, "nft flush ruleset"),
    "disk_fill": ({"path": "/srv/store", "size": "8MiB", "floor": "0"}, "rm -rf /srv/store/.faultline-*/data"),
    # With self_heal a service that is started again is what one wants to learn about.
    "service_stop": ({"services": ["flvictim"], "self_heal": False, "interval": "1h"}, "/etc/init.d/flvictim start"),
}


@pytest.mark.parametrize("module", LOST)
def test_3_an_effect_that_is_gone_is_not_active(judge: Judge, module: str) -> None:
    """A stressor that somebody had killed was still active: the repeated task changed nothing and told the old effect (chaos-mesh PR#2623)."""
    options, script = LOST[module]
    active(judge, module, **options)
    judge.attacked.sh(script)
    (found,) = judge.attacked.module("attack_info")["attacks"]
    assert found.get("status") != "active" or (found.get("reading") or {}).get("in_place") is False, found
    again = judge.attacked.module(module, {**options, "id": ATTACK_ID, "duration": DURATION})
    assert again.get("failed") or again["changed"], again


SERVICE = """#!/usr/bin/python3
import time
time.sleep(1000000)
"""


def test_4_another_process_of_the_interpreter_is_not_the_service(judge: Judge) -> None:
    """Of two python services one was killed by its command line; the other one counted as `runs again`, and recover was skipped (chaosd PR#122)."""
    for host in (judge.attacked, judge.other):
        for name in ("one", "two"):
            host.put(f"/srv/bin/{name}.py", SERVICE, "755")
            start = f"#!/bin/sh\nsetsid /usr/bin/python3 /srv/bin/{name}.py </dev/null >/dev/null 2>&1 &\n"
            host.put(f"/srv/bin/start-{name}", start, "755")
            host.sh(f"/srv/bin/start-{name}; until grep -qs /srv/bin/{name}.py /proc/[0-9]*/cmdline; do sleep 0.05; done")
    active(judge, "process_kill", command_line="/usr/bin/python3 /srv/bin/one.py", signal="KILL", recover=["/srv/bin/start-one"])
    verdict = judge.verdict(judge.revert())
    assert verdict.outcome == "clean", str(verdict)


def test_9_numbers_of_cpus_that_do_not_match(judge: Judge) -> None:
    """With a cpuset of {1} and a /proc/stat that shows cpu0, cpu_stress said `measured is 0 %: is there a CPU quota?` (lxcfs#628)."""
    host = judge.attacked
    host.sh("sed -n 's/^cpu /cpu  /p;s/^cpu1 /cpu0 /p;/^[^c]/p' /proc/stat >/tmp/stat; mount --bind /tmp/stat /proc/stat; taskset -cp 1 1")
    told = host.module("cpu_stress", {"load": "20", "id": ATTACK_ID, "duration": "60s"})
    assert not told.get("failed") or "CPU quota" not in told["msg"], told
    wrong = host.module("cpu_stress", {"load": "20", "cpus": ["0"], "id": "other", "duration": "60s"})
    assert not wrong.get("failed") or not wrong["msg"].rstrip().endswith("it may use"), wrong


@pytest.mark.skipif(not shutil.which("mkfs.btrfs"), reason="needs mkfs.btrfs")
def test_18_space_is_free_when_the_revert_is_over(judge: Judge) -> None:
    """On btrfs df showed 93 % for 12 s more after a clean revert (openzfs#1548)."""
    judge.both("truncate -s 200M /mnt/b.img; mkfs.btrfs -q /mnt/b.img; mkdir /srv/b; mount -o loop /mnt/b.img /srv/b")
    before = int(judge.attacked.sh("df --output=avail /srv/b | tail -n 1").out)
    active(judge, "disk_fill", path="/srv/b", percent=85, floor="0")
    reverted = judge.revert()
    free = int(judge.attacked.sh("df --output=avail /srv/b | tail -n 1").out)
    assert reverted["clean"] and free > before * 0.95, f"{free} of {before} KiB are free"


def test_a_stuck_attack_says_what_helps(judge: Judge) -> None:
    """What cannot be found again is stuck, and is named with a command or a place."""
    active(judge, "file_fault", path="/srv/app/app.conf", op="replace", content="x\n")
    assert judge.interfere("mv -T /srv/app /tmp/app 2>/dev/null || { cp -a /srv/app /tmp/app && rm -rf /srv/app; }")
    reverted = judge.revert()
    verdict = judge.verdict(reverted)
    assert verdict.outcome == NAMED and "/srv/app" in told_of(reverted, {"clean": True}), str(verdict)
