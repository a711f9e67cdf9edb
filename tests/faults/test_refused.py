# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults 4, 6 and 8: a step is refused or hangs, the dead-man cannot be armed, the undo fails.

Real tools, broken by a bind mount; attacks that do without tools fail by themselves at each of their steps.
"""

from __future__ import annotations

import pytest

from tests.faults.support.attacks import ATTACKS, BY_NAME, Attack, Broken, every
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target
from tests.lab.support.lab import wait_until

NETEM = BY_NAME["netem"]
KILL = BY_NAME["process_kill"]


def replace(target: Target, path: str, script: str) -> None:
    """Another program in the place of a tool, which itself stays reachable as $real."""
    real = target.sh(f"readlink -f {path}").out.strip()
    name = path.rsplit("/", 1)[1]
    body = f'#!/bin/sh\nreal=/run/fltest-{name}\n{script}\nexec $real "$@"\n'
    kept = f"/run/fltest-{name}"
    target.sh(f"cp {real} {kept}; cat >{kept}.sh; chmod 755 {kept} {kept}.sh; mount --bind {kept}.sh {real}", stdin=body)


def restore(target: Target, path: str) -> None:
    target.sh(f"umount -l $(readlink -f {path}); rm -rf /run/fltest-*")


def break_(target: Target, all_of: tuple[Broken, ...]) -> None:
    for broken in all_of:
        if broken.script:
            replace(target, broken.path, broken.script)
        else:
            target.sh(f"mount --bind {broken.path} {broken.path} && mount -o remount,bind,ro {broken.path}")


def mend(target: Target, all_of: tuple[Broken, ...]) -> None:
    for broken in all_of:
        restore(target, broken.path)


own_kernel = pytest.mark.own_kernel
STEPS = [(attack, point) for attack, point in every() if point.startswith("inject")]


@pytest.mark.parametrize(("attack", "point"), STEPS, ids=str)
def test_a_failure_at_a_step_is_undone_at_once(target: Target, attack: Attack, point: str) -> None:
    result = target.attack(attack, crash=f"fail@{point}", duration="5m")
    assert result.get("failed") and "undone at once, nothing is left" in result["msg"], result
    assert f"refused by the test at {point}" in result["msg"], result
    target.nothing_happened(attack)
    assert (target.history()[-1]["id"], target.history()[-1]["by"]) == (attack.module, "module")


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.refused], ids=str)
def test_a_program_that_refuses_is_an_attack_undone_at_once(target: Target, attack: Attack) -> None:
    break_(target, attack.refused)
    result = target.attack(attack, duration="5m")
    mend(target, attack.refused)
    assert result.get("failed") and "undone at once, nothing is left" in result["msg"], result
    assert "refused" in result["msg"] or "not permitted" in result["msg"]
    target.nothing_happened(attack)
    assert (target.history()[-1]["id"], target.history()[-1]["by"]) == (attack.module, "module")


REFUSED = {
    "first": ("/sbin/ip", '[ "$1 $2" != "link add" ] || { echo "RTNETLINK answers: Operation not permitted" >&2; exit 2; }'),
    "second": ("/sbin/ip", '[ "$1 $2" != "link set" ] || { echo "RTNETLINK answers: Operation not permitted" >&2; exit 2; }'),
    "third": ("/sbin/tc", '[ "$1" != -batch ] || { echo "Error: refused" >&2; exit 2; }'),
    "third, half done": (
        "/sbin/tc",
        'if [ "$1" = -batch ]; then head -n 4 >/run/fltest-half; $real -batch /run/fltest-half; echo "Error: refused" >&2; exit 2; fi',
    ),
}


@own_kernel
@pytest.mark.parametrize("step", REFUSED)
def test_a_refused_step_is_undone_with_those_before_it(target: Target, step: str) -> None:
    tool, script = REFUSED[step]
    # The module tries its tools in a network namespace first; that must work.
    script = f'[ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/1/ns/net)" ] || {{ {script}; }}'
    replace(target, tool, script)
    result = target.attack(NETEM)
    restore(target, tool)
    assert result.get("failed") and "undone at once, nothing is left" in result["msg"], result
    assert "refused" in result["msg"] or "not permitted" in result["msg"]
    target.nothing_happened(NETEM)
    assert target.history()[-1]["by"] == "module"


@own_kernel
def test_a_tool_that_hangs_is_ended_with_the_module(target: Target) -> None:
    """The dead-man comes while the tool hangs; it must not finish its work afterwards."""
    replace(target, "/sbin/tc", '[ "$1" != -batch ] || [ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/1/ns/net)" ] || sleep 20')
    target.watch(NETEM)
    result = target.attack(NETEM)
    assert result.get("failed"), result
    found = target.measured()
    target.row("4 tool hangs", NETEM, found)
    assert found.late <= found.allowed + 1, found
    target.wait("! pgrep -f '[f]ltest-tc|[s]leep 20'", 30)
    restore(target, "/sbin/tc")
    target.as_before()


# --- the dead-man cannot be armed ------------------------------------------------------------------------------------

UNARMED = {
    "systemd-run fails": "echo 'Failed to start transient timer unit: refused' >&2; exit 1",
    "only its own timer fails": 'case "$*" in *--unit=faultline-sweep*) ;; *) echo "Failed to start transient timer unit: refused" >&2; exit 1 ;; esac',
    "systemd-run does nothing": 'case "$*" in *--unit=faultline-sweep*) ;; *) exit 0 ;; esac',
}


@pytest.mark.parametrize("how", UNARMED)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_without_a_dead_man_nothing_is_injected(target: Target, attack: Attack, how: str) -> None:
    replace(target, "/usr/bin/systemd-run", UNARMED[how])
    target.watch(attack)
    result = target.attack(attack)
    restore(target, "/usr/bin/systemd-run")
    assert result.get("failed") and "nothing was injected" in result["msg"], result
    target.never_in_effect()
    target.nothing_happened(attack)


def test_a_unit_of_that_name_exists(target: Target) -> None:
    target.sh(f"systemd-run --quiet --unit=faultline-{KILL.module} --on-active=1000 true")
    target.watch(KILL)
    result = target.attack(KILL)
    assert result.get("failed") and "nothing was injected" in result["msg"], result
    target.never_in_effect()
    target.nothing_happened(KILL)
    again = target.attack(KILL)
    assert again.get("status") == "active", again


def test_a_dead_man_that_failed_once_does_not_keep_the_name(target: Target) -> None:
    target.sh(f"systemd-run --quiet --unit=faultline-{KILL.module} false; sleep 1; systemctl is-failed faultline-{KILL.module}")
    assert target.attack(KILL).get("status") == "active"


@pytest.mark.parametrize("path", ["/etc/systemd/system", STATE])
def test_a_directory_that_cannot_be_written(target: Target, path: str) -> None:
    target.sh(f"mkdir -p -m 700 {path}; mount --bind {path} {path} && mount -o remount,bind,ro {path}")
    result = target.attack(KILL)
    target.sh(f"umount {path}")
    assert result.get("failed"), result
    assert "nothing was injected" in result["msg"] or "cannot be written" in result["msg"], result
    assert "Traceback" not in str(result), result
    target.nothing_happened(KILL)


# --- the undo fails ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_undo_that_fails_is_loud_and_retried_until_it_works(target: Target, attack: Attack) -> None:
    """A program that fails must never look like nothing to undo."""
    target.watch(attack, 150)
    assert target.attack(attack).get("status") == "active"
    break_(target, attack.stuck)
    target.wait(f"[ -s {STATE}/{attack.module}/stuck ]", 60)

    def told() -> bool:
        """Not in the moment in which it is tried again."""
        info = target.module("faultline.chaos.attack_info", {"history": 1})
        assert [each["id"] for each in info["attacks"]] == [attack.module] and not info["clean"], info
        return info["attacks"][0]["status"] == "stuck"

    wait_until(told, 60, "it is told as stuck")
    halted = target.module("faultline.chaos.revert", {"all": True})
    assert halted.get("failed") and [each["id"] for each in halted["stuck"]] == [attack.module], halted
    assert halted["stuck"][0]["reason"] and not halted["clean"], halted
    mend(target, attack.stuck)
    found = target.measured(180)
    assert found.clean and found.closed, found
    target.row("8 undo fails until the tool works", attack, found)
    target.as_before()
    last = target.history()[-1]
    assert (last["id"], last["result"]) == (attack.module, "reverted") and last["by"] in ("timer", "sweep"), last
