# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role power on this machine, which answers and never goes down; programs of drivers are stand-ins that write down their words.

The driver lab, and real power, are in tests/lab/test_host_power.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

SCRIPT = CHECKOUT / "roles/power/files/wake_on_lan.py"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
CARD = "02:00:00:00:77:01"


class Role:
    """Runs an entry point of the role on this machine, with stand-ins for programs first in the PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"

    def program(self, name: str, prints: str, rc: int = 0) -> str:
        path = self.directory / name
        path.write_text(f'#!/bin/sh\necho "$0 $* $IPMI_PASSWORD" >>{self.log}\ncat <<E\n{prints}\nE\nexit {rc}\n')
        path.chmod(0o755)
        return str(path)

    def run(self, tasks_from: str, *args: str, **variables) -> subprocess.CompletedProcess:
        tasks = [{"ansible.builtin.include_role": {"name": "faultline.chaos.power", "tasks_from": tasks_from}}]
        play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
        path = self.directory / "play.yml"
        path.write_text(json.dumps(play))
        settings = {"ansible_become": False, "ansible_python_interpreter": sys.executable, "power_interval": 2, **variables}
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps(settings), *args, str(path)]
        env = {**os.environ, "PATH": f"{self.directory}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False)

    def works(self, *args, **kw) -> str:
        result = self.run(*args, **kw)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def fails(self, *args, **kw) -> str:
        result = self.run(*args, **kw)
        assert result.returncode == 2, result.stdout + result.stderr
        return " ".join((result.stdout + result.stderr).split())

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def role(tmp_path: Path) -> Role:
    return Role(tmp_path)


def test_a_host_without_a_way_back_fails_the_test(role: Role) -> None:
    assert "set faultline_power in the inventory" in role.fails("test")
    role.works("test", power_action="reboot")


def test_the_inventory_names_the_driver_and_unknown_ones_are_refused(role: Role) -> None:
    assert "value of power_driver must be one of" in role.fails("test", faultline_power="telepathy")


def test_cloud_is_proven_in_check_mode_too_and_by_its_own_words(role: Role) -> None:
    words = {"power_driver": "cloud", "power_cloud_start": ["false"]}
    role.works("test", "--check", power_cloud_status=[role.program("status", "State: RUNNING"), "--id", "a b; touch x"], **words)
    assert role.calls()[0].endswith("/status --id a b; touch x ")
    assert "stopped" in role.fails("test", power_cloud_status=[role.program("status", "State: stopped")], **words)
    role.works("test", power_cloud_status=[role.program("status", "PowerState/on")], power_cloud_running="powerstate/ON", **words)
    assert "needs power_cloud_status" in role.fails("test", power_driver="cloud")


def test_cloud_is_started_until_another_boot_answers(role: Role) -> None:
    start = [role.program("start", "ok")]
    out = role.works("restore", power_driver="cloud", power_cloud_status=["true"], power_cloud_start=start, power_boot_id="another")
    assert "localhost is back after" in out
    assert len(role.calls()) == 1


def test_restore_ends_when_the_host_does_not_go_down(role: Role) -> None:
    start = [role.program("start", "no", rc=1)]
    out = role.fails("restore", power_driver="cloud", power_cloud_status=["true"], power_cloud_start=start, power_boot_id=BOOT, power_timeout=15)
    assert "did not come back within 15 seconds" in out and "has not gone down" in out
    assert len(role.calls()) >= 2


def test_a_reboot_is_only_waited_for(role: Role) -> None:
    start = [role.program("start", "ok")]
    role.works("restore", power_driver="cloud", power_action="reboot", power_cloud_status=["true"], power_cloud_start=start, power_boot_id="another")
    assert role.calls() == []


def test_restore_does_nothing_in_check_mode(role: Role) -> None:
    start = [role.program("start", "ok")]
    role.works("restore", "--check", power_driver="cloud", power_cloud_status=["true"], power_cloud_start=start, power_boot_id=BOOT)
    assert role.calls() == []


def test_a_driver_of_the_users_own(role: Role) -> None:
    driver = role.directory / "driver.yml"
    program = role.program("button", "")
    driver.write_text(json.dumps([{"name": "Press", "ansible.builtin.command": {"argv": [program, "{{ power_verb }}"]}, "check_mode": False}]))
    role.works("test", power_driver="custom", power_driver_file=str(driver))
    role.works("restore", power_driver="custom", power_driver_file=str(driver), power_boot_id="another")
    assert [line.split()[1] for line in role.calls()] == ["test", "on"]
    assert "give its task file" in role.fails("test", power_driver="custom")


def test_ipmi_keeps_the_password_out_of_the_command_line(role: Role) -> None:
    words = {"power_driver": "ipmi", "power_ipmi_host": "192.0.2.9", "power_ipmi_user": "ops", "power_ipmi_password": "s3cret"}
    role.program("ipmitool", "Chassis Power is on")
    role.works("test", **words)
    role.works("restore", power_boot_id="another", **words)
    told = [line.split("/")[-1] for line in role.calls()]
    assert told == [f"ipmitool -I lanplus -H 192.0.2.9 -U ops -E chassis power {verb} s3cret" for verb in ("status", "on")]
    role.program("ipmitool", "Chassis Power is off")
    assert "Chassis Power is off" in role.fails("test", **words)


@pytest.mark.parametrize(("state", "proven"), [("running", True), ("shut off", False), ("not running", False)])
def test_libvirt(role: Role, state: str, proven: bool) -> None:
    role.program("virsh", state + "\n")
    (role.works if proven else role.fails)("test", power_driver="libvirt", power_libvirt_domain="web 1")
    assert role.calls()[0].endswith("virsh --connect qemu:///system domstate web 1 ")


@pytest.mark.parametrize(("setting", "proven"), [("pumbg", True), ("d", False)])
def test_wake_on_lan_asks_the_card_with_that_address(role: Role, setting: str, proven: bool) -> None:
    role.program("ip", f"1: lo: <UP> link/loopback 00:00:00:00:00:00 brd 0\n2: eth7@if9: <UP> mtu 1500 link/ether {CARD} brd ff:ff:ff:ff:ff:ff")
    role.program("ethtool", f"Settings for eth7:\n\tSupports Wake-on: pumbg\n\tWake-on: {setting}")
    (role.works if proven else role.fails)("test", power_driver="wake_on_lan", power_wake_mac=CARD.upper())
    assert role.calls()[1].endswith("/ethtool eth7 ")


def test_rtcwake_needs_a_clock_with_a_free_alarm(role: Role) -> None:
    alarm = Path("/sys/class/rtc/rtc0/wakealarm")
    run = role.works if alarm.exists() and not alarm.read_text().strip() else role.fails
    run("test", power_driver="rtcwake")


# --- the magic packet ------------------------------------------------------------------------------


def script():
    spec = importlib.util.spec_from_file_location("wake_on_lan", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_packet() -> None:
    assert script().packet("02:00:00:00:77:0A") == b"\xff" * 6 + bytes.fromhex("02000000770a") * 16
    assert len(script().packet("02-00-00-00-77-0a")) == 102


@pytest.mark.parametrize("mac", ["", "02:00", "02:00:00:00:77:zz", "02:00:00:00:77:01:02"])
def test_macs_that_are_none(mac: str) -> None:
    with pytest.raises(ValueError):
        script().packet(mac)


def test_wake_on_lan_sends_it(role: Role) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        words = {"power_wake_mac": CARD, "power_wake_broadcast": "127.0.0.1", "power_wake_port": receiver.getsockname()[1]}
        role.works("restore", power_driver="wake_on_lan", power_boot_id="another", **words)
        assert receiver.recv(2000) == script().packet(CARD)
