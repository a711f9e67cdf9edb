# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault 12: memory and process slots are at their caps, and the dead-man comes all the same; so does a revert by hand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from tests.faults.support.attacks import BY_NAME
from tests.faults.support.programs import STATE
from tests.faults.support.target import Target, task

pytestmark = pytest.mark.own_kernel  # whose memory and slots are its own
MEMORY = BY_NAME["memory_stress"]
SLOTS = BY_NAME["pid_exhaustion"]
# Starts threads (cheap, and each needs a slot) until none can be started any more, says how many, and ends after so many seconds.
STORM = """
import _thread, sys, threading, time
threading.stack_size(65536)
lock, count = _thread.allocate_lock(), 0
lock.acquire()
try:
    while count < 2000:
        _thread.start_new_thread(lock.acquire, ())
        count += 1
except RuntimeError:
    pass
with open("/run/fltest-storm", "w") as stream:
    stream.write(str(count))
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def few(target: Target) -> Iterator[Target]:
    """A host with few process slots: a lab host needs some ten milliseconds to start a thread."""
    before = target.sh("sysctl -n kernel.threads-max; sysctl -q kernel.threads-max=500").out.strip()
    yield target
    target.sh(f"sysctl -q kernel.threads-max={before}")
    target.wait_left(90)  # recovery itself could not be removed while nothing could be started: the next sweep does it
    target.as_before()


def caps(target: Target, give_way: bool, seconds: float) -> list[dict]:
    """Tasks that take all that the reserves allow: of the slots first, for the memory takes the rest."""
    slots = {"id": SLOTS.module, "count": 300, "reserve": 100, "give_way": give_way, "duration": 2.5 * seconds}
    return [task(SLOTS.name, slots), task(MEMORY.name, {"id": MEMORY.module, "percent": 74, "duration": seconds})]


def test_the_deadman_comes_while_memory_and_slots_are_at_their_caps(few: Target) -> None:
    target = few
    target.watch_id(MEMORY, MEMORY.module)
    play = target.playbook(caps(target, True, target.duration + 6), timeout=180)
    assert [result.get("status") for result in play.results("task")] == ["active", "active"], play
    target.row("12 memory and slots at their caps", MEMORY, target.measured())
    target.wait(f"[ ! -d {STATE}/{SLOTS.module} ]", 120)
    assert [(each["id"], each["by"], each["result"]) for each in target.history()[-2:]] == [
        ("memory_stress", "timer", "reverted"),
        ("pid_exhaustion", "timer", "reverted"),
    ]


def test_the_deadman_comes_when_no_process_can_be_started(few: Target) -> None:
    """Others have used the reserve up: not even systemd can fork, so the attack ends by itself, and the undo follows."""
    target = few
    target.watch_id(SLOTS, SLOTS.module)
    play = target.playbook([task(SLOTS.name, target.options(SLOTS, count=300, reserve=100, give_way=False, duration=target.duration + 25))], timeout=180)
    assert [result.get("status") for result in play.results("task")] == ["active"], play
    # In a service of its own, for ssh's has a limit of its own.
    storm = f"python3 -c {shlex.quote(STORM)} {target.duration + 35}"
    target.sh(f"rm -f /run/fltest-storm; systemd-run --quiet --collect --unit=fltest-storm -p TasksMax=infinity {storm}")
    found = target.measured()
    started = int(target.sh("cat /run/fltest-storm; rm -f /run/fltest-storm").out)
    print(f"another program started {started} threads before it failed; clean {found.late:.2f} s, closed {found.closing:.2f} s after the deadline")
    target.row("12 no process can be started", SLOTS, found)
    assert 50 < started < 250
    assert found.late <= found.allowed, found
    target.wait("! systemctl is-active --quiet fltest-storm", 60)
    assert target.history()[-1]["result"] == "reverted"


def test_a_revert_works_while_memory_and_slots_are_at_their_caps(few: Target) -> None:
    target = few
    play = target.playbook([*caps(target, True, 300), {"name": "revert", "faultline.chaos.revert": {"all": True}}], timeout=300)
    [result] = play.results("revert")
    assert sorted(result["reverted"]) == ["memory_stress", "pid_exhaustion"] and result["clean"], result
