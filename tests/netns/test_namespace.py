# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo finds its network namespace while anything leads to it, in every shell, and never takes another one for it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import NetworkNamespace
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Gone, OutputHas, Run, Undo, When

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
NAME = "fltest-ns"


@pytest.fixture(params=[name for name, argv in SHELLS.items() if shutil.which(argv[0])])
def shell(request) -> list[str]:
    return SHELLS[request.param]


class Processes:
    def __init__(self) -> None:
        self.children: list[subprocess.Popen] = []

    def start(self, *argv: str) -> int:
        """A process that sleeps in a network namespace of its own, or in that of nsenter's arguments."""
        self.children.append(subprocess.Popen([*argv, "sleep", "300"]))
        pid = self.children[-1].pid
        for _each in range(100):
            if Path(f"/proc/{pid}/comm").read_text() == "sleep\n":
                return pid
            time.sleep(0.05)
        raise AssertionError(f"{argv} did not start; the tests need root")

    def end(self, pid: int) -> None:
        child = next(each for each in self.children if each.pid == pid)
        child.kill()
        child.wait()

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.close()


def enter(shell: list[str], number: str, door: str, tmp_path: Path) -> str:
    """The number of the namespace that the guard opens, or "gone"."""
    script = tmp_path / "guard.sh"
    use = f"nsenter --net={NetworkNamespace.OPEN} stat -L -c %d:%i /proc/self/ns/net"
    script.write_text(f"same_boot() {{ :; }}\n{NetworkNamespace.functions}\nif {NetworkNamespace(number, door).condition()}; then {use}; else echo gone; fi\n")
    done = subprocess.run([*shell, str(script)], capture_output=True, text=True, check=False)
    assert not done.stderr, done
    return done.stdout.strip()


def test_the_guard(shell: list[str], processes: Processes, tmp_path: Path) -> None:
    first, other = processes.start("unshare", "--net"), processes.start("unshare", "--net")
    door = f"/proc/{first}/ns/net"
    number = namespace.number(door)
    assert enter(shell, number, door, tmp_path) == number
    second = processes.start("nsenter", f"--net={door}")
    processes.end(first)
    assert enter(shell, number, door, tmp_path) == number, "the namespace lives on without its first process"
    assert enter(shell, number, f"/proc/{other}/ns/net", tmp_path) == number, "the door leads to a stranger by now"
    processes.end(second)
    time.sleep(0.3)
    assert enter(shell, number, door, tmp_path) == "gone"
    assert enter(shell, number, f"/proc/{other}/ns/net", tmp_path) == "gone"


def test_a_name_keeps_a_namespace_in_reach(shell: list[str], tmp_path: Path) -> None:
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        number = namespace.number(f"/run/netns/{NAME}")
        assert enter(shell, number, "/proc/999999999/ns/net", tmp_path) == number
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)
    assert enter(shell, number, f"/run/netns/{NAME}", tmp_path) == "gone"


def test_an_undo_in_a_namespace(host, undoing, processes: Processes) -> None:
    pid = processes.start("unshare", "--net")
    place = namespace.find(host, {"netns": str(pid), "container": None})
    there = OutputHas(place.undo_argv(["ip", "rule", "show"]), "lookup 4711")
    steps = [When(place.guards, [Run("remove it", place.undo_argv(["ip", "rule", "del", "lookup", "4711"]), [there])])]
    undo = Undo(steps, [When(place.guards, [Gone("the rule", [there])])])
    host.run(place.argv(["ip", "rule", "add", "lookup", "4711"]))
    undoing.publish(undo)
    assert undoing.run().returncode == 0
    assert "4711" not in host.run(place.argv(["ip", "rule", "show"]))[1]
    undoing.publish(undo)
    processes.end(pid)
    done = undoing.run()
    assert done.returncode == 0 and "reverted" in done.stdout, done


def test_after_a_reboot_nothing_is_looked_for(host, undoing, processes: Processes) -> None:
    place = namespace.find(host, {"netns": str(processes.start("unshare", "--net")), "container": None})
    undoing.publish(Undo([When(place.guards, [Run("never", ["false"])])], []), boot_id="another boot")
    assert undoing.run().returncode == 0


def test_every_namespace_has_one_door(processes: Processes) -> None:
    pids = [processes.start("unshare", "--net")]
    pids.append(processes.start("nsenter", f"--net=/proc/{pids[0]}/ns/net"))
    numbers = [namespace.number(door) for door in namespace.doors()]
    assert numbers.count(namespace.number(f"/proc/{pids[0]}/ns/net")) == 1
    assert namespace.number(namespace.OWN) not in numbers
