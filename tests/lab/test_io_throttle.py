# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""io_throttle on real kernels: dd in the group is as slow as was asked for, and the group's limits are what they were."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

UNIT = "mydatabase"
GROUP = f"/sys/fs/cgroup/system.slice/{UNIT}.service"
FILE = "/var/tmp/fl-throttle"
SERVICE = """[Unit]
Description=A service for the tests of io_throttle
[Service]
ExecStart=/bin/sleep 1000000
"""
# dd in the service's group; prints bytes a second.
METER = (
    f"sh -c 'echo $$ >{GROUP}/cgroup.procs; exec dd if=%s of=%s bs=64k count=%d %s 2>&1' | "
    "sed -n 's/^\\([0-9]*\\) bytes.* copied, \\([0-9.e+-]*\\) s.*/\\1 \\2/p'"
)
MIB = 1 << 20
# A young process of the service is where the attack has put its parent.
IN_OURS = f"grep -q blkio:/faultline- /proc/$(tail -n 1 /sys/fs/cgroup/systemd/system.slice/{UNIT}.service/cgroup.procs)/cgroup && echo inside"


def speed(lab: Lab, host: str, read: bool, count: int = 64, block: str = "64k") -> float:
    """Bytes a second that the group gets, past the page cache."""
    words = (FILE, "/dev/null", count, "iflag=direct") if read else ("/dev/zero", FILE, count, "oflag=direct conv=notrunc")
    size, seconds = lab.run(host, (METER % words).replace("bs=64k", f"bs={block}"), timeout=120).out.split()
    return float(size) / float(seconds)


def controllers(lab: Lab, host: str) -> str:
    return lab.run(host, "cat /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/system.slice/cgroup.subtree_control").out


@pytest.fixture
def service(lab: Lab, n1: str) -> Iterator[str]:
    assert "io" in lab.read(n1, "/sys/fs/cgroup/cgroup.controllers").split(), "the lab's kernel has no io controller"
    lab.write(n1, f"/etc/systemd/system/{UNIT}.service", SERVICE)
    lab.run(n1, f"systemctl daemon-reload; systemctl start {UNIT}; dd if=/dev/urandom of={FILE} bs=1M count=8 conv=fsync 2>/dev/null")
    yield UNIT
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"systemctl stop {UNIT}; systemctl revert {UNIT}; rm -f /etc/systemd/system/{UNIT}.service {FILE}; systemctl daemon-reload")


@pytest.mark.smoke
def test_steps_and_speed(lab: Lab, n1: str, service: str, tell) -> None:
    """With the controller switched on for the attack, and off again."""
    before, free = controllers(lab, n1), speed(lab, n1, read=True)
    options = {"service": service, "read_bps": "1MiB", "write_bps": "512KiB", "enable_controller": True, "duration": "10m"}
    found = steps(lab, n1, "io_throttle", options, measure=["sh", "-c", METER % (FILE, "/dev/null", 64, "iflag=direct")])
    size, seconds = found["measured"].split()
    read = float(size) / float(seconds)
    print(f"dd {free / MIB:.0f} MiB/s without; {found['real']['effect']['kernel']}")
    tell("io_throttle", "what dd reads", 1, read / MIB, "MiB/s")
    assert 0.8 < read / MIB < 1.25 < free / MIB
    assert re.search(r"rbps=1048576 wbps=524288 riops=max wiops=max$", found["real"]["effect"]["kernel"][0])
    assert controllers(lab, n1) == before
    assert speed(lab, n1, read=True) > 2 * MIB


def test_limits_that_were_there_come_back(lab: Lab, n1: str, service: str, tell) -> None:
    lab.run(n1, f"systemctl set-property --runtime {UNIT} IOAccounting=yes 'IOReadBandwidthMax=/ 4M' 'IOWriteIOPSMax=/ 900'")
    before = lab.read(n1, f"{GROUP}/io.max")
    assert "rbps=4000000" in before
    result = lab.module(n1, "faultline.chaos.io_throttle", {"service": service, "write_bps": "1MiB", "duration": "10m"})
    assert not result.get("failed"), result
    now = lab.read(n1, f"{GROUP}/io.max")
    wrote = speed(lab, n1, read=False)
    print(f"before {before.strip()}; during {now.strip()}")
    tell("io_throttle", "what dd writes", 1, wrote / MIB, "MiB/s")
    assert now == before.replace("wbps=max", "wbps=1048576") and 0.8 < wrote / MIB < 1.25
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]
    assert lab.read(n1, f"{GROUP}/io.max") == before


def test_operations(lab: Lab, n1: str, service: str, tell) -> None:
    result = lab.module(n1, "faultline.chaos.io_throttle", {"service": service, "read_iops": 20, "enable_controller": True, "duration": "10m"})
    assert not result.get("failed"), result
    operations = speed(lab, n1, read=True, count=100, block="4k") / 4096  # larger blocks are several operations to some disks
    tell("io_throttle", "reads of dd", 20, operations, "operations/s")
    assert 16 < operations < 25


def test_a_service_that_was_started_again_has_no_limit_to_undo(lab: Lab, n1: str, service: str) -> None:
    before = controllers(lab, n1)
    result = lab.module(n1, "faultline.chaos.io_throttle", {"service": service, "read_bps": "1MiB", "enable_controller": True, "duration": "10m"})
    lab.run(n1, f"systemctl restart {UNIT}")
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]
    assert controllers(lab, n1) == before


def test_refused(lab: Lab, n1: str, service: str) -> None:
    # systemd leaves the controller on after the test that had it switched on there.
    lab.run(n1, "echo -io >/sys/fs/cgroup/system.slice/cgroup.subtree_control; echo -io >/sys/fs/cgroup/cgroup.subtree_control", check=False)
    told = {"read_bps": "1MiB", "duration": "60s", "enable_controller": True}
    for options, words in (
        ({"service": "ssh"}, "sshd"),
        ({"service": "nothing-of-the-kind"}, "not running"),
        ({"cgroup": "/system.slice"}, "dead-man"),
        ({"cgroup": "/"}, "the top of all"),
        ({"service": service, "device": "/dev/null"}, "on no block device"),
        ({"service": service, "enable_controller": False}, "IOAccounting=yes"),
    ):
        refused = lab.module(n1, "faultline.chaos.io_throttle", {**told, **options})
        assert refused.get("failed") and words in refused["msg"], (options, refused)


def in_blkio(lab: Lab, host: str) -> list[str]:
    """In which groups of blkio the processes of the service are."""
    line = f"for p in $(cat /sys/fs/cgroup/systemd/system.slice/{UNIT}.service/cgroup.procs); do grep -s blkio /proc/$p/cgroup; done; true"
    return sorted({words.split(":")[2] for words in lab.run(host, line).out.splitlines()})


def test_a_service_without_a_group_in_version_1(lab: Lab, box: str, tell) -> None:
    """As on RHEL 7 and 8: systemd makes no group of blkio unless it is asked to."""
    if not lab.run(box, "[ -d /sys/fs/cgroup/blkio ]", check=False).ok:
        pytest.skip("this machine has control groups of version 2 only, and a box has its kernel")
    lab.write(box, f"/etc/systemd/system/{UNIT}.service", SERVICE.replace("sleep 1000000", "sh -c 'while :; do sleep 0.2; done'"))
    lab.run(box, f"systemctl daemon-reload; systemctl start {UNIT}; dd if=/dev/urandom of={FILE} bs=1M count=8 conv=fsync 2>/dev/null")
    assert in_blkio(lab, box) == ["/"]
    told = {"service": UNIT, "read_bps": "1MiB", "write_bps": "512KiB", "duration": "10m"}
    refused = lab.module(box, "faultline.chaos.io_throttle", told)
    assert refused.get("failed") and "BlockIOAccounting=yes" in refused["msg"] and in_blkio(lab, box) == ["/"], refused
    group = "/sys/fs/cgroup/blkio/faultline-t"
    meter = METER.replace(GROUP, group) % (FILE, "/dev/null", 64, "iflag=direct")
    found = steps(lab, box, "io_throttle", {**told, "enable_controller": True, "id": "t"}, measure=["sh", "-c", f"{meter}; {IN_OURS}"])
    speed_line, inside = found["measured"].splitlines()
    size, seconds = speed_line.split()
    tell("io_throttle, version 1", "what dd reads", 1, float(size) / float(seconds) / MIB, "MiB/s")
    assert 0.8 < float(size) / float(seconds) / MIB < 1.25
    assert inside == "inside", "what the service starts is limited as well"
    assert found["real"]["effect"]["cgroup"] == group and in_blkio(lab, box) == ["/"]


def test_the_timer_puts_the_processes_back_in_version_1(lab: Lab, box: str) -> None:
    if not lab.run(box, "[ -d /sys/fs/cgroup/blkio ]", check=False).ok:
        pytest.skip("this machine has control groups of version 2 only, and a box has its kernel")
    lab.write(box, f"/etc/systemd/system/{UNIT}.service", SERVICE)
    lab.run(box, f"systemctl daemon-reload; systemctl start {UNIT}; mkdir /sys/fs/cgroup/blkio/admins")
    lab.run(box, f"systemctl show -p MainPID --value {UNIT} >/sys/fs/cgroup/blkio/admins/cgroup.procs")
    told = {"service": UNIT, "read_iops": 5, "enable_controller": True, "duration": "4s"}
    assert lab.module(box, "faultline.chaos.io_throttle", told)["status"] == "active"
    assert in_blkio(lab, box)[0].startswith("/faultline-")
    wait_until(lambda: in_blkio(lab, box) == ["/admins"], 15, "they are back where somebody had put them")
    wait_until(lambda: lab.module(box, "faultline.chaos.attack_info", {"history": 1})["clean"], 15, "clean", interval=1)
    assert not lab.run(box, "ls -d /sys/fs/cgroup/blkio/faultline-*", check=False).ok


def test_examples_run_as_printed(lab: Lab, n1: str, service: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.io_throttle").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    done = lab.playbook([play], must_succeed=True)
    assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted"]
