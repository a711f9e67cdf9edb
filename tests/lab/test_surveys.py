# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready playbooks network_fault, disk_fault and dependency_down with what their surveys pass: flat texts, empty ones, and the defaults.

A program on the attacked host looks all the time: what it says shows the attack in effect, and that it was not there before and afterwards.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.support.lab import REPO, Lab, address

SAMPLES = "/run/flsamples"
PLACE = "/srv/flfs"
UNIT = "mydatabase"
# Make and unmake what disks and files need: a small file system with a file, and a service.
MAKE = f"""
mkdir -p {PLACE} && mount -t tmpfs -o size=32m,nr_inodes=8000 fltest {PLACE} && chmod 755 {PLACE} && echo text >{PLACE}/app.conf
cat >/etc/systemd/system/{UNIT}.service
systemctl daemon-reload; systemctl start {UNIT}
"""
SERVICE = "[Unit]\nDescription=A service for the tests of disk_fault\n[Service]\nExecStart=/bin/sleep 1000000\n"
UNMAKE = f"umount {PLACE}; rmdir {PLACE}; systemctl stop {UNIT}; rm -f /etc/systemd/system/{UNIT}.service; systemctl daemon-reload"

CONNECT = """
import socket
try:
    socket.create_connection(("n1", 80), 1).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silent")
"""
PING = "ping -c 1 -W 1 n1 >/dev/null && echo answered || echo lost"
SLOW = """ping -c 1 -W 2 n1 | awk -F time= '/time=/ {print ($2 + 0 >= 80) ? "slow" : "quick"}'"""
OPEN = f"python3 -c {shlex.quote(CONNECT)}"
NETWORK, DISK, DEPENDENCY = "network_fault", "disk_fault", "dependency_down"

# Playbook, answers, attack, what looks, what it says without the attack and with it.
CASES = [
    (NETWORK, {"fault_mode": "delay", "fault_magnitude": "40ms"}, "netem", SLOW, "quick", "slow"),
    (NETWORK, {"fault_mode": "loss", "fault_magnitude": "60%", "fault_peers": "n1", "fault_direction": "out"}, "netem", PING, "answered", "lost"),
    (NETWORK, {"fault_mode": "drop", "fault_peers": f"{address('n1')}/32, fd77::11"}, "blackhole", PING, "answered", "lost"),
    (NETWORK, {"fault_mode": "reject", "fault_ports": "80", "fault_direction": "out"}, "blackhole", OPEN, "open", "refused"),
    (DISK, {"fault_kind": "fill", "fault_path": PLACE, "fault_amount": "60%"}, "disk_fill", f"df --output=pcent {PLACE} | tail -n 1", "1%", "60%"),
    (DISK, {"fault_kind": "inodes", "fault_path": PLACE}, "disk_fill", f"df --output=ipcent {PLACE} | tail -n 1", "1%", "80%"),
    (DISK, {"fault_kind": "io", "fault_amount": "1MiB"}, "io_stress", "pgrep -x faultline-io >/dev/null && echo busy || echo idle", "idle", "busy"),
    (
        DISK,
        {"fault_kind": "throttle", "fault_service": UNIT},
        "io_throttle",
        f"grep -o rbps=1048576 /sys/fs/cgroup/system.slice/{UNIT}.service/io.max || echo free",
        "free",
        "rbps=1048576",
    ),
    (
        DISK,
        {"fault_kind": "file", "fault_path": f"{PLACE}/app.conf"},
        "file_fault",
        f"[ -e {PLACE}/app.conf ] && echo there || echo gone",
        "there",
        "gone",
    ),
    (DEPENDENCY, {"dependency_host": "n1", "dependency_port": "80"}, "blackhole", OPEN, "open", "silent"),
    (DEPENDENCY, {"dependency_port": "80, 8000-8100", "dependency_action": "reject"}, "blackhole", OPEN, "open", "refused"),
]

IDS = [f"{playbook}-{given.get('fault_mode') or given.get('fault_kind') or given.get('dependency_action', 'drop')}" for playbook, given, *_rest in CASES]


def answers(playbook: str, **given: str) -> dict:
    """Every variable that the survey asks for: the answers given, and its defaults, which are empty texts where it has none."""
    spec = json.loads((REPO / "docs" / "surveys" / f"{playbook}.json").read_text())["spec"]
    unknown = set(given) - {question["variable"] for question in spec} - {"fault_report_dir"}
    assert not unknown, f"not asked for: {unknown}"
    return {**{question["variable"]: question.get("default", "") for question in spec}, **given}


@pytest.fixture
def prepared(lab: Lab, n1: str, n2: str) -> Iterator[str]:
    """The host that is attacked; n1 is what it depends on."""
    lab.run(n2, MAKE, stdin=SERVICE, timeout=120)
    lab.run(n1, "systemctl start nginx", timeout=120)
    yield n2
    lab.module(n2, "faultline.chaos.revert", {"all": True})
    lab.run(n2, UNMAKE, check=False, timeout=120)
    lab.run(n1, "systemctl stop nginx", timeout=120)


@pytest.fixture
def look(lab: Lab, n2: str) -> Iterator:
    """look(LINE) begins to run a line again and again; what it returns ends that and gives the words."""
    stop = f"[ ! -e {SAMPLES}.pid ] || kill -KILL -- -$(cat {SAMPLES}.pid); rm -f {SAMPLES}.pid"

    def begin(line: str):
        loop = f"echo $$ >{SAMPLES}.pid; while :; do {{ {line}; }} 2>/dev/null; sleep 0.3; done"
        lab.run(n2, f"setsid sh -c {shlex.quote(loop)} </dev/null >{SAMPLES} 2>/dev/null & sleep 1")

        def words() -> list[str]:
            return lab.run(n2, f"sleep 3; {stop}; cat {SAMPLES}").out.split()

        return words

    yield begin
    lab.run(n2, f"{stop}; rm -f {SAMPLES}", check=False)


@pytest.mark.parametrize(("playbook", "given", "attack", "line", "well", "attacked"), CASES, ids=IDS)
def test_a_survey_runs_an_experiment(
    lab: Lab, prepared: str, look, tmp_path: Path, playbook: str, given: dict, attack: str, line: str, well: str, attacked: str
) -> None:
    told = answers(
        playbook, fault_hosts=prepared, fault_tcp=f"{address('n3')}:22", fault_seed="7", fault_duration="10s", fault_report_dir=str(tmp_path), **given
    )
    end = look(line)
    done = lab.playbook(f"faultline.chaos.{playbook}", told, timeout=300)
    words = end()
    print(f"{playbook} {given}: {len(words)} looks, {words.count(attacked)} times {attacked}, first {words[:1]}, last {words[-1:]}")
    assert done.rc == 0, done
    [verdict] = [result["msg"] for result in done.results("End | Verdict")]
    assert verdict.startswith("held"), verdict
    assert f"{attack} on {prepared}" in done.out and list(tmp_path.glob("*/report.html"))
    assert words[0] == words[-1] == well and words.count(attacked) >= 3, words
    last = lab.module(prepared, "faultline.chaos.attack_info", {"history": 1})
    assert last["clean"] and (last["history"][-1]["module"], last["history"][-1]["result"]) == (attack, "reverted"), last


@pytest.mark.parametrize(
    ("playbook", "given", "words"),
    [
        (NETWORK, {"fault_mode": "drop"}, "for drop and reject at least one of fault_peers, fault_ports and fault_interface"),
        (DISK, {"fault_kind": "throttle"}, "with throttle fault_service"),
        (DISK, {"fault_kind": "file"}, "with file fault_path"),
        (DEPENDENCY, {}, "dependency_host or dependency_port or both are required"),
    ],
)
def test_what_a_survey_cannot_require_is_said(lab: Lab, playbook: str, given: dict, words: str) -> None:
    done = lab.playbook(f"faultline.chaos.{playbook}", answers(playbook, fault_hosts="n2", fault_tcp="n3:22", **given))
    assert done.rc != 0 and words in " ".join(done.out.split()), done
