# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""process_freeze on processes of the tests: who is stopped, who is let go on, and what is refused. The undo really runs."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import process as host_process, victims
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import parent, start_time, state
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import check_selection, choose, protected, refuse_protected
from ansible_collections.faultline.chaos.plugins.module_utils._undo.processes import Continue, Stopped
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Gone, Undo
from ansible_collections.faultline.chaos.plugins.modules.process_freeze import ProcessFreeze
from ansible_collections.faultline.chaos.plugins.modules.process_kill import ProcessKill

NAME = f"flfrz{os.getpid()}"  # another worker of pytest must not find it
PARENT = """
import subprocess, sys, time
open("/proc/self/comm", "w").write(sys.argv[1])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def victim() -> Iterator[subprocess.Popen]:
    child = subprocess.Popen([sys.executable, "-c", PARENT, NAME], stdout=subprocess.PIPE, text=True, start_new_session=True)
    child.stdout.readline()
    yield child
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()


def attack(**params) -> ProcessFreeze:
    none = dict.fromkeys(("command_line", "pid_file", "user", "port", "interval"))
    found = ProcessFreeze({**none, "name": NAME, "count": 1, "order": "oldest", "children": False, **params}, None)
    found.duration = 30.0
    return found


def wait(what) -> None:
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def sleeps(process) -> None:
    """As all of these do when they are not stopped; one that begins, or was let go on, runs for a moment before."""
    wait(lambda: state(process.pid) == "S")


@pytest.mark.parametrize("interval", [0, "99ms", "61m", -1, "", True, math.nan, "1y", "1s; id", [1]])
def test_intervals_that_are_refused(interval) -> None:
    with pytest.raises(BadOption, match="^interval: "):
        attack(interval=interval).validate()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", ""), ("name", " "), ("name", ".*"), ("name", "a/b"), ("name", "sshd"), ("name", "systemd"), ("name", "a\nb"), ("command_line", ""),
        ("user", ""), ("pid_file", "run/x.pid"), ("port", 0), ("port", 65536), ("count", -1), ("count", 10001),
    ],
)  # fmt: skip
@pytest.mark.parametrize("module", [ProcessFreeze, ProcessKill])
def test_selections_that_are_refused(module, option: str, value) -> None:
    found = module({**attack().params, "signal": "TERM", "recover": None, option: value}, None)
    with pytest.raises(BadOption, match=f"^{option}: "):
        found.validate()


@pytest.mark.parametrize("argv", [[], [""], ["./x"], ["-x"], ["A=b", "x"], ["true", "a\0b"], ["fl-no-such-program"], ["/etc/passwd"]])
def test_what_cannot_start_a_process_again_is_refused_before_it_is_killed(bench, argv: list[str]) -> None:
    found = ProcessKill({**attack().params, "signal": "TERM", "recover": argv}, bench.host)
    with pytest.raises(BadOption, match="^recover: "):
        found.validate()
        found.guard()


def test_what_starts_a_process_again_is_kept_by_its_place(bench) -> None:
    found = ProcessKill({**attack().params, "signal": "TERM", "recover": ["sleep", "9"], "interval": None}, bench.host)
    found.validate()
    found.guard()
    found.candidates = [host_process.Process(os.getpid())]
    ((step,),) = [each.steps for each in found.plan(found.candidates).undo.steps]
    assert (step.argv, step.seconds) == ([bench.host.tool("sleep"), "9"], 300)


def test_both_attacks_on_processes_hold_the_same() -> None:
    assert attack(user="www").resources() == [f"process:name={NAME},user=www"]
    assert ProcessKill({**attack(user="www").params, "signal": "TERM"}, None).resources() == attack(user="www").resources()


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(AttackError, match="no process on the target meets name=flnobody"):
        attack(name="flnobody").snapshot()


@pytest.mark.parametrize("text", ["", "one", "\u00b2", "\u0661", "9" * 5000])
def test_a_pid_file_without_a_pid(tmp_path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    with pytest.raises(AttackError, match="holds no process number|longer than 64 bytes"):
        attack(name=None, pid_file=str(tmp_path / "pid")).snapshot()


VPNS = ["openvpn", "wireguard-go", "boringtun", "charon", "charon-systemd", "starter", "tailscaled", "zerotier-one", "nebula", "tincd", "vpnc", "openconnect"]
ADDRESSES = ["NetworkManager", "systemd-networkd", "dhclient", "dhcpcd", "udhcpc"]


@pytest.mark.parametrize("name", ["systemd", "systemd-userdbd", "systemd-oomd", "(sd-pam)", "sshd", *ADDRESSES, *VPNS])
def test_what_keeps_the_host_alive_is_protected(name: str) -> None:
    assert protected(name)
    selection = {"name": name, "command_line": None, "user": None, "pid_file": None, "port": None, "count": 1}
    with pytest.raises(BadOption, match="^name: .*protected"):
        check_selection(selection)


def test_our_parents_are_protected() -> None:
    found = attack(name=None, pid_file="/x")
    with pytest.raises(AttackError, match="parent of this very attack|protected"):
        refuse_protected([host_process.Process(os.getppid())])
    with pytest.raises(AttackError, match="protected"):
        refuse_protected([host_process.Process(1)])
    found.validate()


def test_dead_men_are_protected_and_what_they_wait_for(bench) -> None:
    watcher = bench.start(["sh", bench.publish("a") / "revert.sh", "timer"])
    found = attack(name=None, command_line="sleep 5")
    until = time.monotonic() + 10
    while True:
        mine = [each for each in host_process.processes() if parent(each.pid) == watcher.pid]
        if mine or time.monotonic() > until:
            break
    assert mine, "the watcher sleeps in a child"
    for process in (host_process.Process(watcher.pid), mine[0]):
        with pytest.raises(AttackError, match="dead-man"):
            refuse_protected([process])
    found.validate()


def test_daemons_that_logins_wait_for_are_protected(bench) -> None:
    child = bench.start([sys.executable, "-c", PARENT.replace("subprocess.Popen", "str"), "rsyslogd"])
    child.stdout.readline()
    with pytest.raises(AttackError, match="rsyslogd .pid .* logins would hang"):
        attack(name="rsyslogd").snapshot()


@pytest.mark.parametrize("children", [False, True])
def test_frozen_and_let_go_on(bench, shell, victim, children: bool) -> None:
    found = attack(children=children)
    found.validate()
    plan = found.plan(found.snapshot())
    assert len(plan.victims) == 1 + children
    sleeps(victim)  # planned, not done
    directory = bench.publish("a", plan.undo)
    found.inject(plan)
    effect = found.verify(plan)
    assert effect["asked"] == effect["measured"] == 1 + children and effect["newer_children"] == 0
    assert [state(each.pid) for each in plan.victims] == ["T"] * (1 + children)
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    for each in plan.victims:
        sleeps(each)


def test_what_was_stopped_before_stays_stopped(bench, shell, victim) -> None:
    found = attack(children=True)
    child = found.snapshot()["running"][1]
    os.kill(child.pid, signal.SIGSTOP)
    wait(child.stopped)
    plan = found.plan(found.snapshot())
    assert [each.pid for each in plan.victims] == [victim.pid]
    assert "stopped before" in plan.notes[0]
    directory = bench.publish("a", plan.undo)
    found.inject(plan)
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    sleeps(victim)
    assert state(child.pid) == "T"
    os.kill(victim.pid, signal.SIGSTOP)
    wait(lambda: state(victim.pid) == "T")
    with pytest.raises(AttackError, match="stopped already"):
        found.snapshot()


def test_a_stranger_with_the_number_is_not_continued(bench, shell, victim) -> None:
    os.kill(victim.pid, signal.SIGSTOP)
    wait(lambda: state(victim.pid) == "T")
    other = start_time(victim.pid) - 1
    directory = bench.publish("a", Undo([Continue("x", victim.pid, other)], [Gone("y", [Stopped(victim.pid, other)])]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert state(victim.pid) == "T"


def test_a_process_that_is_stopped_again_by_somebody_is_loud(bench, shell, victim) -> None:
    os.kill(victim.pid, signal.SIGSTOP)
    wait(lambda: state(victim.pid) == "T")
    directory = bench.publish("a", Undo([], [Gone("the victim is stopped", [Stopped(victim.pid, start_time(victim.pid))])]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 4
    assert "the victim is stopped" in (directory / "stuck").read_text()


def test_a_pending_stop_counts_as_stopped(bench, shell, tmp_path: Path) -> None:
    """A process that waits for a disk stops later; the undo must take that back as well."""
    status = tmp_path / "status"
    script = bench.publish("a", Undo([], [Gone("x", [Stopped(1, 1)])])) / "revert.sh"
    text = script.read_text()
    functions = text[text.index("stopped() {") : text.index("go_on() {")].replace('"/proc/$1/status" "/proc/$1"/task/[0-9]*/status', f'"{status}"')
    for line, expected in (
        ("State:\tT (stopped)\n", 0), ("State:\tD (disk sleep)\nShdPnd:\t0000000000040000\n", 0), ("State:\tD (disk sleep)\nShdPnd:\t00000000000c4100\n", 0),
        ("State:\tS (sleeping)\nShdPnd:\t0000000000000000\n", 1), ("State:\tS (sleeping)\nShdPnd:\t0000000000020000\n", 1), ("State:\tt (tracing stop)\n", 1),
    ):  # fmt: skip
        status.write_text("Name:\tx\n" + line)
        done = subprocess.run([*shell, "-c", f"lives() {{ :; }}\n{functions}\nstopped 1 1"], check=False)
        assert done.returncode == expected, line


def test_on_and_off(victim) -> None:
    found = attack(interval="200ms")
    found.validate()
    found.duration = 1.5
    plan = found.plan(found.snapshot())
    worker = plan.workers[0]
    worker.park()
    found.inject(plan)
    assert found.verify(plan)["measured"] == 1
    seen, until = [], time.monotonic() + 1.2
    while time.monotonic() < until:
        seen.append(state(victim.pid) == "T")
        time.sleep(0.01)
    changes = sum(one != two for one, two in zip(seen, seen[1:], strict=False))
    print(f"asked 200 ms: {changes} changes in 1.2 s, stopped {100 * seen.count(True) / len(seen):.0f} % of the time")
    assert 4 <= changes <= 7
    wait(lambda: not worker.alive())
    sleeps(victim)


def test_a_thread_of_the_kernel_is_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    start = "import os, sys; open('/proc/self/comm', 'w').write('fl-kernel'); os.write(1, b'.'); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.read(1)
    monkeypatch.setattr(host_process.Process, "has_no_program", property(lambda process: process.pid == other.pid))
    assert choose(name="fl-kernel") == []
    monkeypatch.setattr(victims, "is_kernel_thread", lambda pid: pid == other.pid)
    with pytest.raises(AttackError, match=rf"fl-kernel \(pid {other.pid}\) is a thread of the kernel, and protected"):
        choose(name="fl-kernel")
    other.communicate()
