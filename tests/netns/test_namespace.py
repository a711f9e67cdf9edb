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

from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace, placed
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


def enter(shell: list[str], number: str, door: str, tmp_path: Path, born: str = "") -> str:
    """The number of the namespace that the guard opens, "gone", or with "stuck" before it what is stuck."""
    script = tmp_path / "guard.sh"
    use = f"nsenter --net={NetworkNamespace.OPEN} stat -L -c %d:%i /proc/self/ns/net"
    functions = ["same_boot() { :; }", "problem() { echo stuck: $*; }", 'ask() { said=$("$@"); }', *NetworkNamespace.functions]
    script.write_text("\n".join([*functions, f"if {NetworkNamespace(number, door, born).condition()}; then {use}; else echo gone; fi\n"]))
    done = subprocess.run([*shell, str(script)], capture_output=True, text=True, check=False)
    assert not done.stderr, done
    return done.stdout.strip()


def ends(*given) -> bool:
    """Whether it is gone; somebody else may look into every namespace of this machine just now, and hold it."""
    return any(enter(*given) == "gone" or time.sleep(0.5) for _each in range(20))


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
    assert ends(shell, number, door, tmp_path)
    assert ends(shell, number, f"/proc/{other}/ns/net", tmp_path)


def test_a_name_keeps_a_namespace_in_reach(shell: list[str], tmp_path: Path) -> None:
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        number = namespace.number(f"/run/netns/{NAME}")
        assert enter(shell, number, "/proc/999999999/ns/net", tmp_path) == number
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)
    assert ends(shell, number, f"/run/netns/{NAME}", tmp_path)


def test_an_undo_in_a_namespace(host, undoing, processes: Processes) -> None:
    pid = processes.start("unshare", "--net")
    place = placed.find(host, {"netns": str(pid), "container": None})
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
    place = placed.find(host, {"netns": str(processes.start("unshare", "--net")), "container": None})
    undoing.publish(Undo([When(place.guards, [Run("never", ["false"])])], []), boot_id="another boot")
    assert undoing.run().returncode == 0


def test_every_namespace_has_one_door(processes: Processes) -> None:
    pids = [processes.start("unshare", "--net")]
    pids.append(processes.start("nsenter", f"--net=/proc/{pids[0]}/ns/net"))
    numbers = [namespace.number(door) for door in namespace.doors()]
    assert numbers.count(namespace.number(f"/proc/{pids[0]}/ns/net")) == 1
    assert namespace.number(namespace.OWN) not in numbers


def test_a_namespace_that_only_an_open_file_holds(shell: list[str], processes: Processes, tmp_path: Path) -> None:
    first = processes.start("unshare", "--net")
    door = f"/proc/{first}/ns/net"
    number = namespace.number(door)
    holder = processes.start("sh", "-c", 'exec 7<"$0" && exec sleep 300', door)
    processes.end(first)
    assert enter(shell, number, door, tmp_path) == number
    assert f"/proc/{holder}/fd/7" in namespace.doors()
    processes.end(holder)
    assert ends(shell, number, door, tmp_path)


@pytest.mark.parametrize("name", ["plain", "a b\\c%d"])
def test_a_namespace_that_only_a_mount_holds(shell: list[str], processes: Processes, tmp_path: Path, name: str) -> None:
    """In a mount namespace of somebody else, as engines of containers keep them."""
    first = processes.start("unshare", "--net")
    door, point = f"/proc/{first}/ns/net", tmp_path / name
    number = namespace.number(door)
    point.touch()
    holder = processes.start("unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" "$1" && exec sleep 300', door, str(point))
    processes.end(first)
    assert enter(shell, number, door, tmp_path) == number
    processes.end(holder)
    assert ends(shell, number, door, tmp_path)


def test_a_later_namespace_with_the_same_number_is_another(host, shell: list[str], processes: Processes, tmp_path: Path) -> None:
    """The kernel gives a number again at once; here the one that is looked for has another birth."""
    door = f"/proc/{processes.start('unshare', '--net')}/ns/net"
    place = placed.AttackedNamespace(host, door, "x")
    born = place.guards[0].born
    other = placed.AttackedNamespace(host, f"/proc/{processes.start('unshare', '--net')}/ns/net", "y").guards[0].born
    assert born.isdigit() and other.isdigit() and born != other
    assert enter(shell, place.number, door, tmp_path, born) == place.number
    assert ends(shell, place.number, door, tmp_path, other)


def test_a_namespace_that_cannot_be_entered_is_stuck(shell: list[str], processes: Processes, tmp_path: Path) -> None:
    """It is mounted below a place that another mount hides by now."""
    first = processes.start("unshare", "--net")
    door, point = f"/proc/{first}/ns/net", tmp_path / "below" / "net"
    number = namespace.number(door)
    point.parent.mkdir()
    point.touch()
    hide = 'mount --bind "$0" "$1" && mount -t tmpfs x "$2" && exec sleep 300'
    processes.start("unshare", "--mount", "--propagation", "private", "sh", "-c", hide, door, str(point), str(point.parent))
    processes.end(first)
    told = enter(shell, number, door, tmp_path)
    assert told.startswith(f"stuck: the network namespace net:[{number.partition(':')[2]}] is still there"), told
