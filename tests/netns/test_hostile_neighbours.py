# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other users of a host, who name things as attacks do, fill what an audit reads, or attack without become: named, bounded, not unclean.

NEIGHBOUR_PROCESSES=5000 python -m pytest -n 0 -s tests/netns/test_hostile_neighbours.py -k costs
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.netns.support.box import Box, until
from tests.support import crash

UID = 5000
NAMESPACES, PROCESSES = 60, int(os.environ.get("NEIGHBOUR_PROCESSES", "500"))
MOST_SECONDS, MOST_MIB = 5, 64
DEVICE, TABLE = "fl0123456789ab", "faultline_0123456789ab"
USER = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]

# Forked without exec, the children share the memory of the arguments, and each has all of them.
CROWD = """
import os, sys, time
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        open("/proc/self/comm", "w").write("faultline-x")
        time.sleep(600)
print("ready", flush=True)
time.sleep(600)
"""
PEAK = """
import atexit, resource, runpy, sys
def told():
    own, of_programs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    open("/mnt/peak", "w").write(f"{own.ru_maxrss} {sum(each.ru_utime + each.ru_stime for each in (own, of_programs))}")
atexit.register(told)
name = sys.argv.pop(1)
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def box() -> Iterator[Box]:
    found = Box()
    try:
        found.sh("mount -t tmpfs -o mode=1777 box /var/tmp; mount -t tmpfs box /home; mount -t tmpfs box /run")
        yield found
    finally:
        found.close()


def neighbour(box: Box, *words: str) -> subprocess.Popen:
    """A program of that user; it says ready."""
    child = subprocess.Popen(box.argv([*USER, *words]), stdout=subprocess.PIPE, text=True, start_new_session=True)
    box.children.append(child)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def namespace(box: Box) -> None:
    neighbour(box, "unshare", "-Urn", "sh", "-c", f"ip link add {DEVICE} type veth peer name peer; echo ready; exec sleep 600")


def test_names_like_ours_are_named_with_their_user_and_are_not_residue(box: Box) -> None:
    box.run([*USER, "touch", "/var/tmp/.faultline-x"])
    neighbour(box, sys.executable, "-c", CROWD, "1")
    namespace(box)
    found = box.module("attack_info")
    assert found["clean"] and found["residue"] == [], found
    (pid,) = box.pids("faultline-x")
    door = next(line for line in found["foreign"] if line.startswith("interface"))
    assert door.startswith(f"interface of uid {UID}: {DEVICE} (in the network namespace of /proc/")
    assert sorted(found["foreign"]) == sorted([door, f"file of uid {UID}: /var/tmp/.faultline-x", f"process of uid {UID}: {pid} faultline-x"])
    box.sh("touch /var/tmp/.faultline-y")
    found = box.module("attack_info")
    assert not found["clean"] and found["residue"] == ["file /var/tmp/.faultline-y of uid 0: rm -r /var/tmp/.faultline-y"]


def test_a_program_of_root_that_a_user_starts_under_such_a_name_is_of_that_user(box: Box) -> None:
    box.sh("cp $(command -v sleep) /mnt/sleep && chmod 4755 /mnt/sleep")
    box.run([*USER, "ln", "-s", "/mnt/sleep", "/var/tmp/faultline-x"])
    box.children.append(subprocess.Popen(box.argv([*USER, "/var/tmp/faultline-x", "600"]), start_new_session=True))
    until(lambda: bool(box.pids("faultline-x")), 10, "it runs")
    (pid,) = box.pids("faultline-x")
    assert box.sh(f"stat -c %u /proc/{pid}").strip() == "0"
    found = box.module("attack_info")
    assert found["residue"] == [] and found["foreign"] == [f"process of uid {UID}: {pid} faultline-x"]


def test_a_process_with_the_name_of_our_workers_can_be_attacked(box: Box) -> None:
    neighbour(box, sys.executable, "-c", CROWD, "1")
    attack = box.module("process_freeze", name="faultline-x", duration="60s", id="f")
    assert attack.get("status") == "active", attack
    assert box.module("revert", id="f")["clean"]


def test_names_that_would_write_on_the_terminal_are_escaped(box: Box) -> None:
    names = ["\x1b]0;owned\x07", "a\nhost: clean", "\u202egnp.exe", "zero\u200bwidth", "\udcff"]
    for name in names:
        box.run([*USER, sys.executable, "-c", "import sys, os; open(os.fsencode('/var/tmp/.faultline-') + bytes.fromhex(sys.argv[1]), 'w')",
                 name.encode("utf-8", "surrogateescape").hex()])  # fmt: skip
    (line,) = box.module("attack_info")["foreign"]
    assert line.isprintable()
    for shown in (r"\x1b]0;owned\x07", r"a\nhost: clean", r"\u202egnp.exe", r"zero\u200bwidth", r"\udcff"):
        assert f"/var/tmp/.faultline-{shown}" in line


def test_attacks_of_other_users_are_named_by_audit_and_halt_and_their_scripts_never_run(box: Box) -> None:
    state = "/home/eve/.local/state/faultline"
    text = "boot=$(cat /proc/sys/kernel/random/boot_id); read -r up _ </proc/uptime; up=${up%.*}00"
    box.sh(f"mkdir -p /home/eve && chown {UID}:{UID} /home/eve")
    lines = [
        text,
        f"mkdir -p {state}/cpu_stress-1 {state}/late {state}/fifo {state}/link {state}/big {state}/.hidden",
        f"echo $boot >{state}/cpu_stress-1/boot; echo $((up + 6000)) >{state}/cpu_stress-1/deadline",
        f"echo $boot >{state}/late/boot; echo 5 >{state}/late/deadline",
        f"mkfifo {state}/fifo/boot {state}/fifo/deadline",
        f"ln -s /dev/zero {state}/link/boot; ln -s /dev/zero {state}/link/deadline",
        f"truncate -s 1T {state}/big/boot 2>/dev/null; echo $boot >{state}/big/deadline",
        f"printf 'touch /var/tmp/ran\\n' | tee {state}/control.sh >{state}/cpu_stress-1/revert.sh",
        f"ln -s /var/lib/faultline {state}/root",
    ]
    box.run([*USER, "sh", "-c", "\n".join(lines)])
    box.sh("mkdir -p /home/mallory/.local/state && ln -s /home/eve/.local/state/faultline /home/mallory/.local/state/faultline")
    for name, options in (("attack_info", {}), ("revert", {"all": True})):
        began = time.monotonic()
        found = box.module(name, **options)
        assert time.monotonic() - began < 10
        assert found["clean"], found
        told = {each["id"]: each for each in found["others"] if each["command"].endswith("/home/eve/.local/state/faultline/control.sh revert-all")}
        assert sorted(told) == ["big", "cpu_stress-1", "fifo", "late", "link"]
        assert all(each["uid"] == UID and each["command"].startswith("sudo -u ") for each in told.values())
        assert [told[each]["status"] for each in sorted(told)] == ["overdue", "active", "overdue", "overdue", "overdue"]
        assert told["cpu_stress-1"]["deadline"] and not told["fifo"]["deadline"]
    assert box.sh("ls /var/tmp").split() == []


def test_an_attack_made_without_become_is_named_to_root(box: Box) -> None:
    """Of a user whose home is in no list: by the dead-man that runs."""
    box.sh(f"mkdir -p /mnt/home && chown {UID}:{UID} /mnt/home")
    path = "/mnt/home/.local/state/faultline/a"
    script = "echo ready; read -r x </var/tmp/wait; :"
    box.run([*USER, "sh", "-c", f"mkdir -p {path}; echo '{script}' >{path}/revert.sh; cat /proc/sys/kernel/random/boot_id >{path}/boot"])
    box.sh("mkfifo -m 666 /var/tmp/wait")
    neighbour(box, "/bin/sh", f"{path}/revert.sh", "timer")
    (found,) = box.module("attack_info")["others"]
    assert (found["id"], found["uid"], found["command"]) == ("a", UID, f"sudo -u '#{UID}' sh /mnt/home/.local/state/faultline/control.sh revert-all")


def test_an_audit_costs_little_beside_hostile_neighbours(box: Box) -> None:
    big = ["x" * 130000] * 8  # a MiB
    neighbour(box, sys.executable, "-c", CROWD, str(PROCESSES), *big)
    inside = f"ip link add {DEVICE} type veth peer name peer; nft add table inet {TABLE}; exec sleep 600"
    box.children += [subprocess.Popen(box.argv([*USER, "unshare", "-Urn", "sh", "-c", inside]), start_new_session=True) for _number in range(NAMESPACES)]
    until(lambda: len(box.pids("sleep")) >= NAMESPACES, 60, "the namespaces are there")
    box.run(["sh", "-c", "cat >/mnt/args"], json.dumps({"ANSIBLE_MODULE_ARGS": {}}))
    words = ["env", f"PYTHONPATH={crash.tree(box.scratch)}", "PYTHONDONTWRITEBYTECODE=1", sys.executable, "-c", PEAK]
    began = time.monotonic()
    found = json.loads(box.run([*words, "ansible_collections.faultline.chaos.plugins.modules.attack_info", "/mnt/args"]))
    wall, (kib, cpu) = time.monotonic() - began, map(float, box.sh("cat /mnt/peak").split())
    peak = kib / 1024
    print(f"\naudit beside {NAMESPACES} namespaces and {PROCESSES} processes with 1 MiB of arguments: {wall:.1f} s ({cpu:.1f} of CPU), {peak:.0f} MiB")
    assert found["clean"] and found["not_looked_at"] == [], found
    assert any(f"{NAMESPACES - 5} more" in line for line in found["foreign"]) and any(f"{PROCESSES - 5} more" in line for line in found["foreign"])
    assert cpu < MOST_SECONDS and peak < MOST_MIB  # it waits for nothing, so that it takes no longer on a machine without other work
