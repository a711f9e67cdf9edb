# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fd_exhaustion on real kernels: a program that can open so many more files and not one beyond, and a host with few left."""

from __future__ import annotations

import importlib
import shlex

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

VICTIM = "flfiles"
# A program that opens files whenever it is told, and says how many it could open; its name is told first.
PROGRAM = """
import os, sys
open("/proc/self/comm", "w").write(sys.argv[1])
os.mkfifo("/srv/flfiles.in")
while True:
    with open("/srv/flfiles.in") as pipe:
        wanted = int(pipe.read())
        held = []
        try:
            while len(held) < wanted:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        for each in held:
            os.close(each)
    with open("/srv/flfiles.tmp", "w") as stream:
        stream.write(str(len(held)))
    os.rename("/srv/flfiles.tmp", "/srv/flfiles.out")
"""
ASK = "rm -f /srv/flfiles.out; echo 200 >/srv/flfiles.in; until [ -e /srv/flfiles.out ]; do sleep 0.1; done; cat /srv/flfiles.out"
# How many files a user who is not root can open.
OPEN = """
import os, resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
try:
    while len(held) < 3000:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(len(held), error.errno)
else:
    print(len(held), 0)
"""
ENFILE = 23
MODERN = 2**63 - 1


@pytest.fixture
def victim(lab: Lab, n1: str):
    lab.run(n1, f"setsid python3 -c {shlex.quote(PROGRAM)} {VICTIM} </dev/null >/dev/null 2>&1 & until [ -p /srv/flfiles.in ]; do sleep 0.1; done")
    yield VICTIM
    lab.run(n1, f"pkill -x {VICTIM}; rm -f /srv/flfiles.*")


@pytest.fixture
def few(lab: Lab, n1: str):
    """A host whose limit means something."""
    lab.run(n1, "sysctl -q fs.file-max=6000")
    yield 6000
    lab.run(n1, f"sysctl -q fs.file-max={MODERN}")


@pytest.fixture
def attack(lab: Lab, n1: str):
    """Apply fd_exhaustion on n1 for a test's length; reverted whatever happens."""

    def apply(**options) -> dict:
        return lab.module(n1, "faultline.chaos.fd_exhaustion", {"duration": "10m", **options})

    yield apply
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert lab.run(n1, "cat /proc/[0-9]*/comm 2>/dev/null | grep -cx faultline-fd", check=False).out.strip() == "0"


@pytest.mark.parametrize("leave", [3, 20])
@pytest.mark.smoke
def test_steps_and_what_a_program_can_open(lab: Lab, n1: str, victim: str, leave: int, tell) -> None:
    before = lab.run(n1, f"grep 'open files' /proc/$(pgrep -x {victim})/limits").out
    found = steps(lab, n1, "fd_exhaustion", {"process": victim, "leave": leave, "duration": "10m"}, measure=["sh", "-c", ASK])
    measured = int(found["measured"])
    tell("fd_exhaustion", "files that a program can still open, its pipe among them or not", leave, measured, "files")
    # At the moment of asking it has its pipe open, or not: one descriptor more or less.
    assert found["real"]["effect"]["measured"] == leave and leave - 1 <= measured <= leave
    assert lab.run(n1, f"grep 'open files' /proc/$(pgrep -x {victim})/limits").out == before
    assert lab.run(n1, ASK).out.strip() == "200"


def test_a_limit_that_somebody_else_set_meanwhile_is_kept(lab: Lab, n1: str, victim: str, attack) -> None:
    result = attack(process=victim, leave=3)
    assert not result.get("failed"), result
    lab.run(n1, f"prlimit --pid $(pgrep -x {victim}) --nofile=300:400")
    assert attack(process=victim, leave=3, state="absent")["status"] == "reverted"
    assert lab.run(n1, f"prlimit --pid $(pgrep -x {victim}) --nofile --output SOFT,HARD --noheadings --raw").out.split() == ["300", "400"]


def test_a_program_that_ended_meanwhile_needs_no_undo(lab: Lab, n1: str, victim: str, attack) -> None:
    assert attack(process=victim, leave=3)["status"] == "active"
    lab.run(n1, f"pkill -KILL -x {victim}")
    assert attack(process=victim, leave=3, state="absent")["status"] == "reverted"


def test_what_the_program_started_meanwhile_gets_its_limit_back(lab: Lab, n1: str, attack) -> None:
    """A shell that starts a child of its own whenever it is told, and that child one."""
    begin = "printf flheirs >/proc/$$/comm; mkfifo /srv/flheirs.in; exec <>/srv/flheirs.in; while read -r _; do sh -c 'sleep 9999 & wait' & done"
    lab.run(n1, f"setsid sh -c {shlex.quote(begin)} </dev/null >/dev/null 2>&1 & until [ -p /srv/flheirs.in ]; do sleep 0.1; done")
    look = "for pid in $(pgrep -x flheirs) $(pgrep -fx 'sleep 9999') $(pgrep -f '^sh -c sleep 9999'); do grep 'open files' /proc/$pid/limits; done"
    try:
        (before,) = lab.run(n1, look).out.splitlines()
        result = attack(process="flheirs", leave=2)
        assert result["status"] == "active", result
        lab.run(n1, "echo >/srv/flheirs.in; sleep 1; echo >/srv/flheirs.in; sleep 1")
        lowered = lab.run(n1, look).out.splitlines()
        assert len(lowered) == 5 and len(set(lowered)) == 1 and before not in lowered, lowered
        assert attack(process="flheirs", leave=2, state="absent")["status"] == "reverted"
        assert lab.run(n1, look).out.splitlines() == [before] * 5
    finally:
        lab.run(n1, "pkill -x flheirs; pkill -fx 'sleep 9999'; rm -f /srv/flheirs.*", check=False)


@pytest.mark.parametrize("percent", [10, 70])
def test_steps_and_files_of_the_host(lab: Lab, n1: str, few: int, percent: int, tell) -> None:
    found = steps(lab, n1, "fd_exhaustion", {"percent": percent, "duration": "10m"}, measure=["cat", "/proc/sys/fs/file-nr"])
    effect, used = found["real"]["effect"], int(found["measured"].split()[0])
    now = few - effect["free_before"] + effect["asked"]
    print(f"asked {percent} % of {effect['free_before']} = {effect['asked']} files, module measured {effect['measured']}, kernel {used} of {few} in use")
    tell("fd_exhaustion", f"files in use on the host, as the kernel counts them, at {percent} %", now, used, "files")
    assert effect["asked"] == int(effect["free_before"] * percent / 100) == effect["measured"]
    assert effect["limit"] == few and effect["reserve"] == 600 and abs(used - now) <= 128


def test_a_user_gets_no_more_than_what_is_left(lab: Lab, n1: str, few: int, attack) -> None:
    result = attack(percent=80, give_way=False)
    opened, error = (int(word) for word in lab.run(n1, ["python3", "-c", OPEN], user="ops").out.split())
    print(f"{result['effect']['free']} files were left, a user wanted 3000 and opened {opened}, error {error}")
    assert error == ENFILE and abs(opened - result["effect"]["free"]) <= 128
    assert lab.run(n1, "true", shared=False).ok
    assert attack(percent=80, give_way=False, state="absent")["status"] == "reverted"
    assert lab.run(n1, ["python3", "-c", OPEN], user="ops").out.split() == ["3000", "0"]


def test_a_host_without_a_real_limit_is_refused(lab: Lab, n1: str) -> None:
    refused = lab.module(n1, "faultline.chaos.fd_exhaustion", {"percent": 10, "duration": "60s"})
    assert refused["failed"] and refused["msg"].startswith(f"fs.file-max of the target is {MODERN}") and "use the option process" in refused["msg"], refused


def test_the_timer_ends_it(lab: Lab, n1: str, victim: str, attack) -> None:
    result = attack(process=victim, leave=1, duration="20s")  # with one, the victim can still answer
    assert not result.get("failed"), result
    assert int(lab.run(n1, ASK.replace("200", "50")).out) <= 1
    wait_until(lambda: lab.run(n1, ASK).out.strip() == "200", 60, "the dead-man gives the limit back")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")


def test_protected_programs_are_refused(lab: Lab, n1: str) -> None:
    refused = lab.module(n1, "faultline.chaos.fd_exhaustion", {"process": "sshd", "duration": "60s"})
    assert refused["failed"] and refused["msg"].startswith("process: 'sshd' is refused"), refused


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.fd_exhaustion").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    # The lab has no system log of that name.
    lab.run(n1, "cp /bin/sleep /usr/local/bin/rsyslogd; setsid /usr/local/bin/rsyslogd 600 </dev/null >/dev/null 2>&1 &")
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
        lab.run(n1, "pkill -x rsyslogd; rm -f /usr/local/bin/rsyslogd")
