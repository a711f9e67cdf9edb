# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What host_power refuses, which commands it chooses on which host, and the alarm of the hardware clock."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._state import power
from ansible_collections.faultline.chaos.plugins.modules.host_power import HostPower


class Tools:
    """A host with some programs, as _power asks for them."""

    def __init__(self, *names: str, systemd: bool = False) -> None:
        self.names = names
        self.has_systemd = systemd
        self.boot_id = "boot"

    def has_tool(self, name: str) -> bool:
        return name in self.names

    def tool(self, name: str) -> str:
        return f"/sbin/{name}"


def attack(**params) -> HostPower:
    found = HostPower({"action": "reboot", "delay": "5s", "way_back": "none", "abrupt": False, "duration": "5m", **params}, Tools("shutdown"))
    found.duration = 300.0
    found.id = "host_power-test"
    return found


def valid(**params) -> HostPower:
    found = attack(**params)
    found.validate()
    return found


@pytest.mark.parametrize(
    ("params", "held"),
    [
        ({}, ["power", "clock"]),
        ({"action": "poweroff"}, ["power", "clock"]),
        ({"abrupt": True}, ["power"]),
        ({"action": "crash"}, ["power"]),
    ],
)
def test_a_wrong_clock_is_not_made_to_stay(params: dict, held: list[str]) -> None:
    """An orderly shutdown may write it to the hardware clock, which then also wakes the host at another time."""
    assert attack(**params).resources() == held


@pytest.fixture
def whole_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "refuse_no_host", lambda: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(power, "CLOCK", str(tmp_path))
    (tmp_path / "wakealarm").write_text("")
    (tmp_path / "since_epoch").write_text("1000000\n")
    return tmp_path


@pytest.mark.parametrize("delay", [0, "0s", "0.5s", "999ms", "61m", "2h", -1, "", None, True, math.nan, "1y", "5s; id"])
def test_delays_that_are_refused(delay) -> None:
    with pytest.raises(BadOption, match="^delay: "):
        attack(delay=delay).validate()


@pytest.mark.parametrize("delay", ["1s", 1, "5s", "1h", "60m"])
def test_delays(delay) -> None:
    attack(delay=delay).validate()


def test_poweroff_without_a_way_back_is_refused() -> None:
    with pytest.raises(BadOption, match="^way_back: "):
        attack(action="poweroff").validate()
    attack(action="poweroff", way_back="ipmi").validate()


def test_a_delay_past_the_end_is_refused(whole_host: None) -> None:
    found = valid(delay="5m")
    with pytest.raises(BadOption, match="^delay: "):
        found.guard()


@pytest.mark.parametrize(("first", "namespace"), [("process_api", power._FIRST_PID_NAMESPACE), ("tini", "pid:[1]"), ("", ""), ("sh", "pid:[1]")])
def test_what_is_no_host_is_refused(monkeypatch: pytest.MonkeyPatch, first: str, namespace: str) -> None:
    monkeypatch.setattr(power.Host, "read", staticmethod(lambda path, default="": first))
    monkeypatch.setattr(power, "_namespace", lambda: namespace)
    with pytest.raises(AttackError, match="no init"):
        power.refuse_no_host()


def test_a_container_with_an_init_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power.Host, "read", staticmethod(lambda path, default="": "systemd\n"))
    monkeypatch.setattr(power, "_namespace", lambda: "pid:[4026532207]")
    with pytest.raises(AttackError, match="container"):
        power.refuse_no_host()
    monkeypatch.setattr(power, "_namespace", lambda: power._FIRST_PID_NAMESPACE)
    power.refuse_no_host()


@pytest.mark.parametrize(
    ("host", "action", "expected"),
    [
        (Tools(systemd=True), "reboot", ["/sbin/systemctl", "--no-wall", "reboot"]),
        (Tools("shutdown", systemd=True), "poweroff", ["/sbin/systemctl", "--no-wall", "poweroff"]),
        (Tools("shutdown", "reboot", "systemctl"), "reboot", ["/sbin/shutdown", "-r", "now"]),
        (Tools("shutdown"), "poweroff", ["/sbin/shutdown", "-h", "-P", "now"]),
        (Tools("reboot", "poweroff"), "reboot", ["/sbin/reboot"]),  # busybox
        (Tools("reboot", "poweroff"), "poweroff", ["/sbin/poweroff"]),
        (Tools(), "reboot", None),
        (Tools("shutdown", systemd=True), "crash", None),
    ],
)
def test_command(host: Tools, action: str, expected: list[str] | None) -> None:
    assert power.command(host, action) == expected


@pytest.mark.parametrize("way_back", ["none", "rtcwake", "wake_on_lan"])
def test_a_crash_that_hangs_needs_somebody(monkeypatch: pytest.MonkeyPatch, whole_host: None, way_back: str) -> None:
    found = valid(action="crash", way_back=way_back)
    monkeypatch.setattr(power, "after_crash", lambda: None)
    with pytest.raises(BadOption, match="^way_back: "):
        found.guard()
    monkeypatch.setattr(power, "after_crash", lambda: "it reboots")
    found.guard()


@pytest.mark.parametrize(
    ("panic", "kexec", "expected"),
    [("0", "0", None), ("", "", None), ("10", "0", "kernel.panic"), ("-1", "", "kernel.panic"), ("0", "1", "kdump")],
)
def test_after_crash(monkeypatch: pytest.MonkeyPatch, panic: str, kexec: str, expected: str | None) -> None:
    files = {"/proc/sys/kernel/panic": panic, "/sys/kernel/kexec_crash_loaded": kexec}
    monkeypatch.setattr(power.Host, "read", staticmethod(lambda path, default="": files[path]))
    found = power.after_crash()
    assert found is None if expected is None else expected in found


@pytest.mark.parametrize(("action", "expected"), [("reboot", "sub"), ("poweroff", "suo"), ("crash", "c")])
def test_abrupt_is_by_the_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, whole_host: None, action: str, expected: str) -> None:
    (tmp_path / "trigger").touch()
    monkeypatch.setattr(power, "SYSRQ", str(tmp_path / "trigger"))
    found = valid(action=action, abrupt=True, way_back="ipmi")
    plan = found.plan(found.snapshot())
    assert found.argv is None and found.keys == expected
    assert plan.by == "sysrq " + " ".join(expected)


def test_press_waits_between_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pressed, slept = tmp_path / "trigger", []
    monkeypatch.setattr(power, "SYSRQ", str(pressed))
    monkeypatch.setattr(power.time, "sleep", lambda seconds: slept.append(pressed.read_text()))
    power.press("sub")
    assert slept == ["s", "u"]
    assert pressed.read_text() == "b"


def test_the_alarm_is_set_ahead_of_the_clocks_own_time_and_taken_back(clock: Path, whole_host: None) -> None:
    found = valid(action="poweroff", way_back="rtcwake")
    found.guard()
    plan = found.plan(found.snapshot())
    assert (clock / "wakealarm").read_text() == ""  # planned, not done
    power.set_alarm(plan.alarm)
    assert (clock / "wakealarm").read_text() == "1000300\n"
    lines = plan.undo.steps[0].render()
    assert f"holds {clock}/wakealarm 1000300" in lines[1]
    assert "'echo 0 >\"$1\"'" in lines[1]
    assert plan.undo.checks[0].render()


def test_an_alarm_of_somebody_else_is_refused(clock: Path) -> None:
    (clock / "wakealarm").write_text("1234567\n")
    with pytest.raises(AttackError, match="1234567"):
        valid(action="poweroff", way_back="rtcwake").snapshot()


def test_a_host_without_an_alarm_is_refused(clock: Path) -> None:
    (clock / "wakealarm").unlink()
    with pytest.raises(AttackError, match="missing"):
        valid(action="poweroff", way_back="rtcwake").snapshot()
    (clock / "wakealarm").write_text("")
    (clock / "since_epoch").unlink()
    with pytest.raises(AttackError, match="since_epoch"):
        valid(action="poweroff", way_back="rtcwake").snapshot()


def test_rtcwake_leaves_time_for_shutting_down(clock: Path, whole_host: None) -> None:
    found = valid(action="poweroff", way_back="rtcwake")
    found.duration = 184.0
    with pytest.raises(BadOption, match="^duration: "):
        found.guard()
    found.duration = 185.0
    found.guard()
