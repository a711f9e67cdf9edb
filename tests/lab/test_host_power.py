# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_power and the role power on hosts with real kernels: they go down, they come back, and the journal is closed by the boot."""

from __future__ import annotations

import time

import pytest

from tests.lab.support.fingerprint import compare
from tests.lab.support.lab import Lab, Play, wait_until
from tests.lab.support.steps import IGNORE, examples, steps

INFO = "faultline.chaos.attack_info"
# When the kernel of a host began, by its clock, which is ours.
BEGAN = "import time; print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))"
# A boot makes these anew, and kernels size them by the memory they find, which varies by some pages.
BOOT = ("runtime", "sysctls", "cgroups", "mounts")


def history(lab: Lab, host: str) -> dict:
    """The last line of the history, once the recovery at boot has closed everything."""
    wait_until(lambda: lab.module(host, INFO, {"history": 1}).get("clean"), 120, "the boot closes the journal")
    return lab.module(host, INFO, {"history": 1})["history"][-1]


def restore(lab: Lab, host: str, result: dict, **variables) -> Play:
    """The role's way back."""
    role = {"ansible.builtin.include_role": {"name": "faultline.chaos.power", "tasks_from": "restore"}}
    words = {"power_action": result["effect"]["action"], "power_boot_id": result["effect"]["boot_id"], **variables}
    play = {"name": "restore", "hosts": host, "gather_facts": False, "tasks": [{"name": "restore", "vars": words, **role}]}
    done = lab.playbook([play], timeout=700, hosts=(host,) if host == "n4" else ())
    assert host in done.stats, done
    return done


def power(lab: Lab, host: str, **options) -> dict:
    """Its result, and as "at" when that was here."""
    task = {"name": "power", "faultline.chaos.host_power": {"duration": "10m", "delay": "2s", **options}}
    play = lab.playbook({"name": "power", "hosts": host, "gather_facts": False, "tasks": [task]}, hosts=(host,) if host == "n4" else ())
    [event] = [each for each in play.events if each.get("task") == "power" and "result" in each]
    result = event["result"]
    assert not result.get("failed") and not result.get("unreachable"), result
    return {**result, "at": event["time"]}


@pytest.mark.parametrize("options", [{"action": "reboot"}, {"action": "poweroff", "way_back": "lab"}, {"action": "crash", "way_back": "lab"}])
@pytest.mark.smoke
def test_steps_and_cancel(lab: Lab, n2: str, options: dict) -> None:
    boot = lab.boot_id(n2)
    found = steps(lab, n2, "host_power", {"duration": "30m", "delay": "20m", **options})
    effect = found["real"]["effect"]
    assert effect["boot_id"] == boot == lab.boot_id(n2) and effect["fires_in"] == 1200
    assert effect["by"] == ("sysrq c" if options["action"] == "crash" else f"/usr/bin/systemctl --no-wall {options['action']}")


@pytest.mark.parametrize(
    "options",
    [
        {"action": "reboot"},
        {"action": "reboot", "abrupt": True},
        {"action": "poweroff", "way_back": "lab"},
        {"action": "poweroff", "way_back": "lab", "abrupt": True},
        {"action": "crash", "way_back": "lab"},
    ],
)
@pytest.mark.smoke
def test_down_and_up_again(lab: Lab, n2: str, options: dict, tell) -> None:
    lab.run(n2, "systemctl stop 'system-redis*.slice'", check=False)  # empty, of an earlier test; a boot would take it away
    before = lab.fingerprint(n2)
    result = power(lab, n2, **options)
    if options["action"] != "reboot":
        lab.wait_off(n2, 120)
        down = time.time()
    done = restore(lab, n2, result)
    assert done.rc == 0, done
    assert lab.boot_id(n2) != result["effect"]["boot_id"]
    if options["action"] == "reboot":
        down = float(lab.run(n2, ["python3", "-c", BEGAN]).out)  # the old kernel ends and the new one begins in one moment
    end = "at once" if "abrupt" in options or options["action"] == "crash" else "with the time for shutting down"
    tell("host_power", f"{options['action']} {end}: from the answer to the end", 2, down - result["at"], "s")
    last = history(lab, n2)
    assert (last["id"], last["by"], last["result"]) == (result["id"], "sweep", "reverted")
    left = compare(before, lab.fingerprint(n2), (*IGNORE, *BOOT))
    assert not left, left


@pytest.mark.parametrize("options", [{"action": "reboot"}, {"action": "poweroff", "way_back": "lab"}])
def test_a_host_without_systemd(lab: Lab, n4: str, options: dict) -> None:
    result = power(lab, n4, **options)
    assert result["effect"]["by"].startswith("/sbin/shutdown -") or "/shutdown -" in result["effect"]["by"]
    done = restore(lab, n4, result)
    assert done.rc == 0, done
    last = history(lab, n4)
    assert (last["id"], last["by"]) == (result["id"], "sweep")


def test_other_attacks_end_with_the_boot(lab: Lab, n2: str) -> None:
    stress = lab.module(n2, "faultline.chaos.cpu_stress", {"load": 10, "duration": "10m"})
    result = power(lab, n2, action="reboot")
    assert stress["id"] in result["notes"][0]
    assert restore(lab, n2, result).rc == 0
    history(lab, n2)
    closed = lab.module(n2, INFO, {"history": 2})["history"]
    assert {(each["id"], each["by"]) for each in closed} == {(stress["id"], "sweep"), (result["id"], "sweep")}


def test_a_lease_that_nobody_renews_cancels_it(lab: Lab, n2: str) -> None:
    boot = lab.boot_id(n2)
    result = power(lab, n2, action="reboot", delay="8m", lease="20s")
    assert history(lab, n2)["by"] == "timer"
    assert lab.run(n2, "pgrep -x faultline-power", check=False).rc == 1
    assert lab.boot_id(n2) == boot == result["effect"]["boot_id"]


def test_a_crash_needs_a_way_back_unless_the_kernel_reboots_itself(lab: Lab, n2: str) -> None:
    options = {"action": "crash", "duration": "10m"}
    refused = lab.module(n2, "faultline.chaos.host_power", options, check=True)
    assert refused["failed"] and refused["msg"].startswith("way_back: ")
    lab.run(n2, "sysctl -q kernel.panic=10")
    try:
        planned = lab.module(n2, "faultline.chaos.host_power", options, check=True)
        assert planned["status"] == "planned" and "kernel.panic is 10" in planned["notes"][1]
    finally:
        lab.run(n2, "sysctl -q kernel.panic=0")


def test_refusals(lab: Lab, n2: str) -> None:
    assert "wakealarm is missing" in lab.module(n2, "faultline.chaos.host_power", {"action": "poweroff", "way_back": "rtcwake", "duration": "10m"})["msg"]
    assert "needs root" in lab.module(n2, "faultline.chaos.host_power", {"action": "reboot", "duration": "10m"}, user="ops")["msg"]
    power(lab, n2, action="reboot", delay="9m")
    second = lab.module(n2, "faultline.chaos.host_power", {"action": "poweroff", "way_back": "lab", "duration": "10m"})
    assert lab.module(n2, "faultline.chaos.revert", {"all": True})["clean"]
    assert second["failed"] and second["msg"].startswith("clock, power is held by the active attack ")


def test_a_container_is_refused(lab: Lab, n2: str) -> None:
    try:
        wrapper = '#!/bin/sh\nexec unshare --pid --fork --mount-proc python3 "$@"\n'
        lab.write(n2, "/usr/local/bin/contained", wrapper, "0755")
        options = {"action": "reboot", "duration": "10m"}
        refused = lab.module(n2, "faultline.chaos.host_power", options, task={"vars": {"ansible_python_interpreter": "/usr/local/bin/contained"}})
        assert refused["failed"] and "no init" in refused["msg"], refused
    finally:
        lab.run(n2, "rm -f /usr/local/bin/contained")


def test_examples_run_as_printed(lab: Lab, n2: str) -> None:
    tasks = examples("host_power")
    boot = lab.boot_id(n2)
    play = {"name": "examples", "hosts": n2, "gather_facts": False, "tasks": tasks}
    lab.playbook([play], must_succeed=True)
    assert lab.boot_id(n2) != boot
    assert history(lab, n2)["by"] == "sweep"
