# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others do to mode, owner, times and attributes of an attacked file, or mount: it is kept, or named, under every shell."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._state import file as state_file
from tests.unit.support.disks import as_root, disk, mounted
from tests.unit.support.victim_files import AFTER, BEFORE, DRIFTED, Victim, accepted, attributes, revert


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "disk") as point:
        yield point


ATTRIBUTES: dict[str, Callable[[Path], object]] = {
    "chmod": lambda path: path.chmod(0o4600),
    "chown": lambda path: os.chown(path, 5000, 5001),
    "chown to the same": lambda path: os.chown(path, 0, 0),
    "another value": lambda path: os.setxattr(path, "user.note", b"theirs"),
    "a new attribute": lambda path: os.setxattr(path, "user.new", b"theirs"),
    "an attribute less": lambda path: os.removexattr(path, "user.note"),
    "an ACL": lambda path: os.setxattr(path, "system.posix_acl_access", ACL),
    "touch": lambda path: os.utime(path, ns=(7, 1666666666000000007)),
    "touch, now": os.utime,
    "all": lambda path: (ATTRIBUTES["chown"](path), ATTRIBUTES["chmod"](path), ATTRIBUTES["a new attribute"](path), ATTRIBUTES["touch"](path)),
}
NOBODY = 2**32 - 1
# Version 2; user rw-, user 5000 r--, group r--, mask r--, others ---: the mode stays as it is
ACL = b"".join(
    struct.pack("<" + kind, *words)
    for kind, *words in (("I", 2), ("HHI", 1, 6, NOBODY), ("HHI", 2, 4, 5000), ("HHI", 4, 4, NOBODY), ("HHI", 16, 4, NOBODY), ("HHI", 32, 0, NOBODY))
)


def extended(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


@as_root
@pytest.mark.parametrize("how", list(ATTRIBUTES))
@pytest.mark.parametrize("in_place", [False, True], ids=["replace", "in place"])
def test_attributes_that_somebody_else_changed_are_kept(bench, shell, tmp_path: Path, how: str, in_place: bool) -> None:
    """Before: reverted and clean, and what they did was undone as well."""
    directory = tmp_path / "d"
    directory.mkdir()
    victim, twin = Victim(bench, directory, AFTER, in_place), tmp_path / "twin"
    shutil.copy2(victim.path, twin)
    victim.attack()
    for path in (victim.path, twin):
        ATTRIBUTES[how](path)
    looks = attributes(twin)[2:] if how != "touch, now" else (*attributes(twin)[2:5], victim.path.stat().st_mtime_ns, BEFORE)
    lost = how == "an attribute less" and not in_place
    for _time in range(2):  # the dead-man tries again
        done = revert(bench, shell)
        assert done.returncode == (0 if in_place and how not in ("chmod", "chown", "touch", "touch, now", "all") else DRIFTED), done
        assert attributes(victim.path) == (*victim.was[:2], *looks)
        assert extended(victim.path) == ({"user.note": b"kept"} if lost else extended(twin))
        if done.returncode == 0:
            return
    assert "are there again" in done.stderr or in_place, done
    accepted(bench, shell)
    assert attributes(victim.path) == (*victim.was[:2], *looks)


@as_root
@pytest.mark.parametrize("in_place", [False, True], ids=["replace", "in place"])
def test_without_attributes_nothing_can_be_lost(bench, shell, tmp_path: Path, in_place: bool) -> None:
    (tmp_path / "d").mkdir()
    victim = Victim(bench, tmp_path / "d", AFTER, in_place, note=False)
    victim.attack()
    os.chown(victim.path, 0, 0)
    os.setxattr(victim.path, "user.new", b"theirs")
    assert revert(bench, shell).returncode == 0
    assert attributes(victim.path) == victim.was and extended(victim.path) == {"user.new": b"theirs"}


@as_root
@pytest.mark.parametrize("made", [False, True])
def test_what_changes_while_it_is_injected(bench, shell, tmp_path: Path, made: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They change the mode between two steps; the attack dies there, or goes on."""
    victim = Victim(bench, tmp_path, AFTER, in_place=True)

    def change(name: str) -> None:
        if name == "inject:2":
            victim.path.chmod(0o600)
            if not made:
                raise InterruptedError

    monkeypatch.setattr(state_file, "crash_point", change)
    with contextlib.nullcontext() if made else pytest.raises(InterruptedError):
        victim.file.save(bench.journal, "a")
        victim.file.write(bench.journal, "a", AFTER, False)
    assert revert(bench, shell).returncode == DRIFTED
    assert stat.S_IMODE(victim.path.stat().st_mode) == 0o600 and victim.path.stat().st_mtime_ns == victim.was[5]


@as_root
@pytest.mark.parametrize("in_place", [False, True], ids=["replace", "in place"])
def test_attributes_of_an_edited_file_are_overwritten_once_that_is_accepted(bench, shell, tmp_path: Path, in_place: bool) -> None:
    (tmp_path / "d").mkdir()
    victim = Victim(bench, tmp_path / "d", AFTER, in_place)
    victim.attack()
    victim.path.write_bytes(b"edited")
    victim.path.chmod(0o600)
    assert revert(bench, shell).returncode == DRIFTED and victim.path.read_bytes() == b"edited"
    accepted(bench, shell)
    victim.as_before()


def test_a_time_as_stat_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for each in (0, 1, 1580702706123456789, -1, -1500000000, -2000000000):
        os.utime(path, ns=(0, each))
        assert state_file._time(path.stat().st_mtime_ns) == subprocess.check_output(["stat", "-c", "%.9Y", path], text=True).strip()


@as_root
@pytest.mark.parametrize("name", ["mount", "an odd one"])
def test_what_the_attack_made_is_mounted(bench, shell, tmp_path: Path, name: str) -> None:
    """As into a container that started meanwhile. Before: reverted and clean, and the container kept the attack's file. Older mounts are no matter."""
    (tmp_path / "d").mkdir()
    point, other = tmp_path / name, tmp_path / "other"
    victim = Victim(bench, tmp_path / "d", AFTER)
    for each in (point, other):
        each.touch()
    if not mounted("--bind", str(victim.path), str(other)):
        pytest.skip("no mounts here")
    victim.attack()
    subprocess.run(["mount", "--bind", victim.path, point], check=True)
    try:
        for _time in range(2):
            done = revert(bench, shell)
            assert done.returncode == DRIFTED and "still mounted: unmount it, or restart what has it: /proc/" in done.stderr, done
            assert done.stderr.rstrip().endswith(f"/root{point}")
            victim.as_before()
    finally:
        subprocess.run(["umount", point], check=True)
    assert revert(bench, shell).returncode == 0
    subprocess.run(["umount", other], check=True)
