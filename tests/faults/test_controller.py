# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault 1: the controller dies, by each signal, at each step. The target is clean on time without it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.support.attacks import ATTACKS, BY_NAME, NO_JOURNAL, Attack, every
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target, task

SIGNALS = ("INT", "TERM", "HUP", "KILL")
KILL = BY_NAME["process_kill"]
OTHERS = [attack for attack in ATTACKS if attack is not KILL]

# Every signal at every step of one attack; for the others each step with one signal, taken in turn.
CASES = [(attack, point, name) for attack, point in every([KILL]) for name in SIGNALS]
CASES += [(attack, point, SIGNALS[number % 4]) for number, (attack, point) in enumerate(every(OTHERS))]


def end(controller, name: str) -> None:
    """As it happens: AWX sends TERM to ansible-playbook alone, the terminal sends INT and HUP to all, a power cut ends all."""
    number = getattr(signal, f"SIG{name}")
    if name == "TERM":
        controller.send_signal(number)
    else:
        os.killpg(controller.pid, number)
    time.sleep(0.3)


def controller_dies_at(target: Target, attack: Attack, point: str, name: str) -> None:
    target.watch(attack)
    with target.controller([task(attack.name, target.options(attack), f"hang@{point}")]) as controller:
        target.wait_point(attack, point)
        end(controller, name)
    fault = f"1 controller {name} at {point}"
    if point in NO_JOURNAL:
        # The module hangs there until the test ends it; nothing has been changed, and recovery goes by itself.
        assert not target.exists(f"{STATE}/{attack.module}")
        target.sh("true")
        assert target.clean_up()
        target.nothing_happened(attack)
    elif point == "journalled":
        # Nothing is armed and nothing changed: the sweep closes the record.
        target.wait(f"[ ! -e {STATE}/{attack.module} ] || {{ sleep 1; sh {STATE}/control.sh sweep; [ ! -e {STATE}/{attack.module} ]; }}", 60)
        target.as_before()
        assert target.history()[-1]["by"] in ("sweep", "timer")
    elif point == "armed" or point.startswith("inject:") and point != "inject:2":  # not yet what counts as in effect
        found = target.measured()
        assert found.closed and found.clean is not None
        target.row(fault, attack, found)
        assert found.late <= found.allowed, found
        target.as_before()
    else:
        target.in_time(fault, attack)


@pytest.mark.parametrize(("attack", "point", "name"), CASES, ids=str)
def test_controller_dies_at_a_step(target: Target, attack: Attack, point: str, name: str) -> None:
    controller_dies_at(target, attack, point, name)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_controller_dies_between_injection_and_revert(target: Target, attack: Attack, name: str) -> None:
    target.watch(attack)
    with target.controller([task(attack.name, target.options(attack)), {"name": "observe", "ansible.builtin.pause": {"seconds": 600}}]) as controller:
        target.wait(f"[ -e {STATE}/{attack.module}/effect ]")
        end(controller, name)
        target.in_time(f"1 controller {name} while observing", attack)


@pytest.mark.parametrize("name", SIGNALS)
def test_controller_dies_without_systemd(weak: Target, name: str) -> None:
    controller_dies_at(weak, KILL, {"INT": "armed", "TERM": "injected", "HUP": "verified", "KILL": "verified"}[name], name)
