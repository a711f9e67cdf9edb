# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_fill on real kernels: df says what was asked for, nothing of it outlives its end, and a full disk is not in the way of the undo."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

PLACE = "/srv/flfs"
STATE = "/var/lib/faultline"
# A small file system; with "state" the journals are on it as well.
MAKE = f"""
mkdir -p {PLACE} && mount -t tmpfs -o size=32m,nr_inodes=8000 fltest {PLACE} && chmod 755 {PLACE}
[ "$1" != state ] || {{ mkdir -p -m 700 {STATE} {PLACE}/state && mount --bind {PLACE}/state {STATE}; }}
"""
UNMAKE = f"""
[ ! -e {STATE}/control.sh ] || {{ mount -o remount,rw {PLACE}; rm -f {PLACE}/other; sh {STATE}/control.sh revert-all; }}
umount {STATE}; umount {PLACE}; rmdir {PLACE}
"""


def df(lab: Lab, host: str, path: str, inodes: bool = False) -> tuple[float, int, int]:
    """Used in percent, available, used: bytes, or inodes."""
    columns = "--output=iavail,iused" if inodes else "--output=avail,used"
    available, used = (int(word) for word in lab.run(host, ["df", "-B1", columns, path]).out.split()[2:] if word.isdigit())
    return 100.0 * used / (used + available), available, used


@pytest.fixture
def place(lab: Lab, n1: str) -> Iterator[str]:
    """A small file system at PLACE."""
    lab.run(n1, UNMAKE, check=False)
    lab.run(n1, f"set -- none; {MAKE}")
    yield PLACE
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    left = lab.run(n1, f"ls -A {PLACE}").out
    lab.run(n1, UNMAKE, check=False)
    assert not left


@pytest.fixture
def full(lab: Lab, n1: str) -> Iterator[str]:
    """The same, with the journals on it."""
    lab.run(n1, UNMAKE, check=False)
    lab.run(n1, f"set -- state; {MAKE}")
    yield PLACE
    lab.run(n1, UNMAKE, check=False)


@pytest.mark.parametrize(
    ("options", "inodes"),
    [
        ({"percent": 50}, False),
        ({"percent": "90%"}, False),
        ({"size": "10MiB"}, False),
        ({"leave_free": "8MiB"}, False),
        ({"percent": 80, "inodes": True}, True),
    ],
    ids=str,
)
@pytest.mark.smoke
def test_steps_and_df(lab: Lab, n1: str, place: str, options: dict, inodes: bool, tell) -> None:
    columns = "--output=iavail,iused" if inodes else "--output=avail,used"
    before, available_before, used_before = df(lab, n1, place, inodes)
    found = steps(lab, n1, "disk_fill", {"path": place, "duration": "10m", **options}, measure=["df", "-B1", columns, place])
    available, used = (int(word) for word in found["measured"].split()[-2:])
    percent, effect = 100.0 * used / (used + available), found["real"]["effect"]
    print(f"asked {options}, module measured {effect['percent']} %, df {percent:.2f} %, {available} available, {used - used_before} added")
    if "percent" in options:
        tell("disk_fill", "inodes in use" if inodes else "space in use", float(str(options["percent"]).rstrip("%")), percent, "%")
        assert abs(percent - float(str(options["percent"]).rstrip("%"))) <= 0.5
    elif "size" in options:
        tell("disk_fill", "space taken, on tmpfs", 10, (used - used_before) / 2**20, "MiB")
        assert abs(used - used_before - (10 << 20)) <= 65536
    else:
        tell("disk_fill", "space left", 8, available / 2**20, "MiB")
        assert abs(available - (8 << 20)) <= 65536
    assert effect["complete"] and effect["method"] == ("files" if inodes else "fallocate") and abs(effect["percent"] - percent) < 0.1
    assert df(lab, n1, place, inodes) == (before, available_before, used_before)


def test_on_the_disk(lab: Lab, n1: str, tell) -> None:
    """The root file system, ext4 with reserved blocks."""
    before = df(lab, n1, "/")
    found = steps(lab, n1, "disk_fill", {"path": "/var/tmp", "size": "100MiB", "duration": "10m"}, measure=["df", "-B1", "--output=avail,used", "/"])
    available, used = (int(word) for word in found["measured"].split()[-2:])
    tell("disk_fill", "space taken, on the root file system", 100, (used - before[2]) / 2**20, "MiB")
    assert abs(used - before[2] - (100 << 20)) < 2 << 20
    assert abs(df(lab, n1, "/")[2] - before[2]) < 2 << 20
    assert not lab.run(n1, "ls -dA /var/tmp/.faultline*", check=False).ok


@pytest.mark.parametrize("how", ["blocks", "inodes", "blocks by others"])
def test_a_full_disk_with_the_journals_on_it(lab: Lab, n1: str, full: str, how: str) -> None:
    """Fault 11: not a byte or not an inode is left, and the undo works, by the timer and by hand."""
    options: dict = {"path": full, "duration": "60s", "percent": 99, "floor": 0, "inodes": how == "inodes"}
    if how == "inodes":
        options["percent"] = 90
    elif how == "blocks by others":
        options.update(percent=30)
    refused = lab.module(n1, "faultline.chaos.disk_fill", {**options, "percent": 100})
    assert refused["failed"] and "floor" in refused["msg"], refused
    if how == "blocks":
        options["percent"] = 45  # what 16 MiB for the journals let it have
    result = lab.module(n1, "faultline.chaos.disk_fill", options)
    assert not result.get("failed"), result
    if how == "inodes":
        lab.run(n1, f"mkdir {full}/other.d; cd {full}/other.d; i=0; while : >f$i; do i=$((i+1)); done 2>/dev/null; true")
    else:
        lab.run(n1, f"dd if=/dev/zero of={full}/other bs=1M 2>/dev/null; true")
    left = df(lab, n1, full, how == "inodes")[1]
    print(f"{how}: {left} left")
    assert left <= (0 if how == "inodes" else 4096)
    done = lab.run(n1, f"sh {STATE}/{result['id']}/revert.sh")
    assert "reverted" in done.out, done
    assert not lab.run(n1, f"ls -dA {full}/.faultline*", check=False).ok
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})
    assert history["clean"] and history["history"][-1]["result"] == "reverted", history


def test_the_timer_reverts_on_a_full_disk(lab: Lab, n1: str, full: str) -> None:
    result = lab.module(n1, "faultline.chaos.disk_fill", {"path": full, "duration": "25s", "percent": 40, "floor": 0})
    assert not result.get("failed"), result
    lab.run(n1, f"dd if=/dev/zero of={full}/other bs=1M 2>/dev/null; true")
    wait_until(lambda: not lab.run(n1, f"ls -dA {full}/.faultline*", check=False).ok, 90, "the timer removes it")
    lab.run(n1, f"rm -f {full}/other")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")


def test_a_read_only_remount_is_loud_and_ends(lab: Lab, n1: str, place: str) -> None:
    """Nothing can be removed from a read-only file system: the undo says so, keeps its record and succeeds later."""
    result = lab.module(n1, "faultline.chaos.disk_fill", {"path": place, "duration": "10m", "percent": 40})
    lab.run(n1, f"mount -o remount,ro {place}")
    stuck = lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert stuck["failed"] and stuck["stuck"][0]["id"] == result["id"], stuck
    lab.run(n1, f"mount -o remount,rw {place}")
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]


def test_what_is_not_ours_stays(lab: Lab, n1: str, place: str) -> None:
    """A directory in the place of ours has another inode: it is left alone, and said. Ours is removed where it is now."""
    result = lab.module(n1, "faultline.chaos.disk_fill", {"path": place, "duration": "10m", "percent": 40})
    ours = lab.run(n1, f"ls -dA {place}/.faultline*").out.strip()
    lab.run(n1, f"mv {ours} {place}/moved; mkdir -p {ours}/data; echo precious >{ours}/data/file")
    stuck = lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert stuck["failed"] and "not what was made" in str(stuck["stuck"]), stuck
    assert lab.run(n1, f"cat {ours}/data/file").out == "precious\n"
    lab.run(n1, f"test ! -e {place}/moved && rm -r {ours}")
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]


def test_residue_without_a_journal(lab: Lab, n1: str, place: str) -> None:
    result = lab.module(n1, "faultline.chaos.disk_fill", {"path": place, "duration": "10m", "percent": 40})
    lab.run(n1, f"mv {STATE}/{result['id']} /root/kept")
    info = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})
    lab.run(n1, f"mv /root/kept {STATE}/{result['id']}")
    assert not info["clean"] and any(f"file {place}/.faultline-disk_fill" in each for each in info["residue"]), info


def test_bad_input_is_refused(lab: Lab, n1: str) -> None:
    lab.run(n1, "su ops -c 'ln -s /srv /tmp/fl-planted'")
    try:
        for path, told in (
            ("/tmp/fl-planted", "symbolic link"),
            ("/srv/nothing", "no such directory"),
            ("/etc/passwd", "not a directory"),
            ("/var/run", "/run"),
        ):
            refused = lab.module(n1, "faultline.chaos.disk_fill", {"path": path, "percent": 90, "duration": "60s"})
            assert refused["failed"] and refused["msg"].startswith("path: ") and told in refused["msg"], refused
    finally:
        lab.run(n1, "rm -f /tmp/fl-planted")


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.disk_fill").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active", "planned"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
