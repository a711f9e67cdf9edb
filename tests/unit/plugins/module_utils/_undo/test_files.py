# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo steps for files, run for real under every shell: what was ours goes, what was theirs comes back, what others did stays."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._state import file as state_file
from ansible_collections.faultline.chaos.plugins.module_utils._undo.files import InPlace
from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import HUNT
from ansible_collections.faultline.chaos.plugins.module_utils._undo.io_controller import IoController
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import Put
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from tests.unit.support.disks import as_root, disk, mounted
from tests.unit.support.victim_files import AFTER, BEFORE, DRIFTED, STUCK, Victim, accepted, attributes, revert


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "disk") as point:
        yield point


# --- a file of theirs --------------------------------------------------------------------------------


@pytest.fixture(params=["replace", "remove", "in place"])
def victim(bench, tmp_path: Path, request: pytest.FixtureRequest) -> Victim:
    directory = tmp_path / "d"
    directory.mkdir()
    return Victim(bench, directory, None if request.param == "remove" else AFTER, request.param == "in place")


def test_the_same_inode_with_all_it_had(bench, shell, victim: Victim) -> None:
    victim.attack()
    assert (victim.path.read_bytes() if victim.path.exists() else None) == victim.after
    assert revert(bench, shell).returncode == 0
    victim.as_before()


@pytest.mark.parametrize("point", ["inject:0", "inject:1", "inject:2"])
def test_interrupted_anywhere(bench, shell, victim: Victim, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    victim.attack(point, monkeypatch)
    done = revert(bench, shell)
    assert done.returncode == 0, done
    victim.as_before()


def test_a_file_system_without_hard_links(bench, shell, victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_args, **_more: (one for one in ()).throw(OSError(1, "no")))
    victim.attack("inject:2", monkeypatch)
    assert revert(bench, shell).returncode == 0
    victim.as_before()


def test_an_undo_that_was_interrupted_while_it_wrote(bench, shell, tmp_path: Path) -> None:
    victim = Victim(bench, tmp_path, AFTER, in_place=True)
    victim.attack()
    victim.path.write_bytes(b"on")
    (bench.state / "a" / "torn").write_text("saved\n")
    assert revert(bench, shell).returncode == 0
    assert attributes(victim.path) == victim.was


def test_what_somebody_edits_meanwhile_stays_until_that_is_accepted(bench, shell, victim: Victim) -> None:
    victim.attack()
    victim.path.write_bytes(b"edited")
    done = revert(bench, shell)
    assert done.returncode == DRIFTED and "somebody else changed it" in done.stderr
    kept = bench.state / "a" / "saved" if victim.in_place else victim.path.with_name(victim.aside)
    told = str(kept) if victim.in_place else f"{kept.name} beside it"
    assert f"the original is {told}, and accept_drift puts it OVER what they wrote" in done.stderr and kept.read_bytes() == BEFORE
    assert victim.path.read_bytes() == b"edited"
    assert "somebody else changed it" in (bench.state / "a" / "stuck").read_text()
    done = revert(bench, shell, "hand", "accept")
    assert done.returncode == 0 and "drifted" in done.stdout, done
    victim.as_before()


def test_what_somebody_replaces_by_another_file_stays(bench, shell, victim: Victim) -> None:
    victim.attack()
    other = victim.path.with_name("other")
    other.write_bytes(b"edited")
    other.rename(victim.path)
    assert revert(bench, shell).returncode == DRIFTED
    assert victim.path.read_bytes() == b"edited"
    done = revert(bench, shell, "hand", "accept")
    assert done.returncode == 0 and "drifted" in done.stdout, done
    assert attributes(victim.path)[1:] == victim.was[1:] and os.getxattr(victim.path, "user.note") == b"kept"


def test_what_somebody_removes_stays_away_until_that_is_accepted(bench, shell, tmp_path: Path) -> None:
    victim = Victim(bench, tmp_path, AFTER, in_place=True)
    victim.attack()
    victim.path.unlink()
    assert revert(bench, shell).returncode in (DRIFTED, STUCK) and not victim.path.exists()
    done = revert(bench, shell, "hand", "accept")
    assert done.returncode == 0 and "drifted" in done.stdout, done
    assert attributes(victim.path)[1:] == victim.was[1:]


def test_a_directory_that_is_gone_is_given_up_when_that_is_accepted(bench, shell, victim: Victim) -> None:
    victim.attack()
    shutil.rmtree(victim.path.parent)
    done = revert(bench, shell)
    assert done.returncode == STUCK and f"the directory {victim.path.parent} (device" in done.stderr and "not there any more" in done.stderr, done
    assert "any more; if that is right, give it up: revert with accept_drift: true (id a)" in done.stderr and "then run" not in done.stderr
    done = revert(bench, shell, "hand", "accept")
    assert done.returncode == 0 and "drifted" in done.stdout, done


def test_a_link_in_its_place_is_never_written_through(bench, shell, victim: Victim, tmp_path: Path) -> None:
    victim.attack()
    victim.path.unlink(missing_ok=True)
    precious = tmp_path / "precious"
    precious.write_bytes(AFTER)
    victim.path.symlink_to(precious)
    assert revert(bench, shell).returncode in (DRIFTED, STUCK)
    assert precious.read_bytes() == AFTER
    revert(bench, shell, "hand", "accept")
    assert precious.read_bytes() == AFTER


def test_another_directory_in_place_of_its_own(bench, shell, victim: Victim) -> None:
    victim.attack()
    directory = victim.path.parent
    directory.rename(directory.with_name("moved"))
    other = directory.with_name("other")
    other.mkdir()
    (other / victim.path.name).write_bytes(AFTER)
    directory.symlink_to(other)
    done = revert(bench, shell)
    assert done.returncode == DRIFTED and str(directory.with_name("moved")) in done.stderr, done
    assert (other / victim.path.name).read_bytes() == AFTER
    directory.unlink()
    directory.with_name("moved").rename(directory)
    assert revert(bench, shell).returncode == 0
    victim.as_before()


@pytest.mark.parametrize("after", [AFTER, None])
def test_what_was_put_aside_is_gone(bench, shell, tmp_path: Path, after: bytes | None) -> None:
    """The saved copy has all but the inode, and that is said."""
    directory = tmp_path / "d"
    directory.mkdir()
    victim = Victim(bench, directory, after)
    victim.attack()
    (directory / victim.aside).unlink()
    done = revert(bench, shell)
    assert done.returncode == DRIFTED, done
    assert attributes(victim.path)[1:] == victim.was[1:] and os.getxattr(victim.path, "user.note") == b"kept"
    assert revert(bench, shell, "hand", "accept").returncode == 0


def test_a_damaged_copy_is_not_used(bench, shell, tmp_path: Path) -> None:
    victim = Victim(bench, tmp_path, AFTER, in_place=True)
    victim.attack()
    (bench.state / "a" / "saved").write_bytes(b"rotten")
    done = revert(bench, shell)
    assert done.returncode == STUCK and "saved copy" in done.stderr
    assert victim.path.read_bytes() == AFTER


def test_a_file_that_changes_before_the_attack_is_left_alone(bench, tmp_path: Path) -> None:
    victim = Victim(bench, tmp_path, AFTER)
    victim.path.write_bytes(b"newer")
    with pytest.raises(state_file.AttackError, match="being changed by somebody else"):
        victim.file.put_aside(bench.journal, "a", victim.aside, victim.fresh, AFTER, False)
    assert victim.path.read_bytes() == b"newer"


@pytest.mark.parametrize(("now", "code", "end"), [("0", 0, 0o640), ("640", 0, 0o640), ("600", DRIFTED, 0o600)])
def test_a_mode(bench, shell, tmp_path: Path, now: str, code: int, end: int) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0o640)
    file = state_file.File("path", str(path), str(path), 1 << 20)
    told = {"path": file.parent, "parent": file.parent_id, "name": file.name, "file": file.id, "home": file.mount.home(), "content": file.sum}
    bench.publish("a", Undo([InPlace(title="mode", how="mode", before=file.mode, after="0", **told)]))
    path.chmod(int(now, 8))
    assert revert(bench, shell).returncode == code
    assert stat.S_IMODE(path.stat().st_mode) == end


@pytest.mark.parametrize("other", ["file", "fifo", "link", "none"])
def test_a_mode_of_what_is_another_file_by_now(bench, shell, tmp_path: Path, other: str) -> None:
    """A pipe in its place once held the undo for ever."""
    path, precious = tmp_path / "file", tmp_path / "precious"
    for each in (path, precious):
        each.write_text("x")
        each.chmod(0o640)
    file = state_file.File("path", str(path), str(path), 1 << 20)
    told = {"path": file.parent, "parent": file.parent_id, "name": file.name, "file": file.id, "home": file.mount.home(), "content": file.sum}
    bench.publish("a", Undo([InPlace(title="mode", how="mode", before=file.mode, after="0", **told)]))
    precious.chmod(0)
    path.unlink()
    {"file": path.touch, "fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(precious), "none": lambda: None}[other]()
    done = revert(bench, shell)
    assert done.returncode == DRIFTED and "another file now" in done.stderr, done
    assert stat.S_IMODE(precious.stat().st_mode) == 0
    assert revert(bench, shell, "hand", "accept").returncode == 0


# --- moved, linked, mounted over ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["moved", "odd\n= whole", "* [a]"])
def test_its_directory_was_moved(bench, shell, victim: Victim, name: str) -> None:
    """Before: stuck, and given up once that was accepted; the file stayed changed."""
    victim.attack()
    new = victim.path.parent.rename(victim.path.parent.with_name(name))
    for _time in range(2):  # the dead-man tries again
        done = revert(bench, shell)
        assert done.returncode == DRIFTED, done
        victim.path = new / victim.path.name
        victim.as_before()
    accepted(bench, shell)


@pytest.mark.parametrize("after", [AFTER, None])
@pytest.mark.parametrize("name", ["x", "y z\n"])
def test_what_was_put_aside_was_moved(bench, shell, tmp_path: Path, after: bytes | None, name: str) -> None:
    """Before: another inode with the saved bytes came back, and the file itself stayed elsewhere."""
    (tmp_path / "d").mkdir()
    victim = Victim(bench, tmp_path / "d", after)
    victim.attack()
    victim.path.with_name(victim.aside).rename(tmp_path / name)
    done = revert(bench, shell)
    assert done.returncode == 0, done
    victim.as_before()
    assert not (tmp_path / name).exists()


def test_what_was_put_aside_was_moved_and_edited(bench, shell, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    victim = Victim(bench, tmp_path / "d", AFTER)
    victim.attack()
    moved = victim.path.with_name(victim.aside).rename(tmp_path / "x")
    moved.write_bytes(b"edited")
    done = revert(bench, shell)
    assert done.returncode == STUCK and str(moved) in done.stderr, done
    accepted(bench, shell)
    assert victim.path.read_bytes() == BEFORE and moved.read_bytes() == b"edited"


SPREAD: dict[str, Callable[[Path, Path], object]] = {
    "renamed": lambda path, to: path.rename(to),
    "linked": os.link,
    "rotated": lambda path, to: (path.rename(to), path.write_bytes(AFTER)),
}


@pytest.mark.parametrize("how", list(SPREAD))
def test_what_the_attack_made_of_it_is_elsewhere(bench, shell, tmp_path: Path, how: str) -> None:
    """Before: reverted and clean, and the changed bytes stayed under the other name."""
    (tmp_path / "d").mkdir()
    victim = Victim(bench, tmp_path / "d", AFTER)
    victim.attack()
    SPREAD[how](victim.path, tmp_path / "old")
    for _time in range(2):
        done = revert(bench, shell)
        assert done.returncode == DRIFTED and str(tmp_path / "old") in done.stderr, done
        victim.as_before()
    (tmp_path / "old").unlink()
    if how == "renamed":
        assert revert(bench, shell).returncode == 0
    else:  # an extended attribute may have been taken away from it, or it was another file with these bytes
        accepted(bench, shell)


@pytest.mark.parametrize("replaced", [False, True])
def test_bytes_come_back_where_the_file_is_now(bench, shell, tmp_path: Path, replaced: bool) -> None:
    """Before: only "somebody else changed it", and the changed inode stayed."""
    (tmp_path / "d").mkdir()
    victim = Victim(bench, tmp_path / "d", AFTER, in_place=True)
    victim.attack()
    old = victim.path
    victim.path = old.rename(tmp_path / "x")
    if replaced:
        old.write_bytes(b"another one")
    done = revert(bench, shell)
    assert done.returncode == DRIFTED and str(victim.path) in done.stderr, done
    assert attributes(victim.path) == victim.was
    assert not replaced or old.read_bytes() == b"another one"
    accepted(bench, shell)
    assert attributes(victim.path) == victim.was


@pytest.mark.parametrize(("content", "end"), [("x", 0o640), ("another's", 0)])
def test_a_mode_comes_back_where_the_file_is_now(bench, shell, tmp_path: Path, content: str, end: int) -> None:
    """Before: "another file now", and it stayed locked away. A file with other bytes may be another one with its inode number."""
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0o640)
    file = state_file.File("path", str(path), str(path), 1 << 20)
    told = {"path": file.parent, "parent": file.parent_id, "name": file.name, "file": file.id, "home": file.mount.home(), "content": file.sum}
    bench.publish("a", Undo([InPlace(title="mode", how="mode", before=file.mode, after="0", **told)]))
    path.write_text(content)
    path.chmod(0)
    path.rename(tmp_path / "file.1")
    done = revert(bench, shell)
    assert done.returncode == DRIFTED and str(tmp_path / "file.1") in done.stderr, done
    assert stat.S_IMODE((tmp_path / "file.1").stat().st_mode) == end


@as_root
def test_its_directory_is_mounted_over(bench, shell, victim: Victim) -> None:
    victim.attack()
    if not mounted("-t", "tmpfs", "tmpfs", str(victim.path.parent)):
        pytest.skip("no mounts here")
    try:
        assert revert(bench, shell).returncode == DRIFTED
    finally:
        subprocess.run(["umount", str(victim.path.parent)], check=True)
    victim.as_before()
    assert revert(bench, shell).returncode == 0


def test_a_pipe_takes_its_place(bench, shell, victim: Victim) -> None:
    """Before: an undo that opens it waits for ever."""
    victim.attack()
    victim.path.unlink(missing_ok=True)
    os.mkfifo(victim.path)
    began = time.monotonic()
    assert revert(bench, shell).returncode == DRIFTED
    assert time.monotonic() - began < 20


# --- the io controller -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "-io"),
        ({"cgroup.subtree_control": "cpu memory"}, "cpu memory"),
        ({"one/io.max": "8:0 rbps=1 wbps=max riops=max wiops=max"}, "cpu io"),
        ({"one/io.weight": "default 50"}, "cpu io"),
        ({"one/io.weight": "default 100", "one/io.max": ""}, "-io"),
        ({"one/cgroup.subtree_control": "io"}, "cpu io"),
    ],
)
def test_the_io_controller_is_switched_off_unless_somebody_uses_it(bench, shell, tmp_path: Path, files: dict[str, str], text: str) -> None:
    group = tmp_path / "group"
    (group / "one").mkdir(parents=True)
    for name, content in {"cgroup.subtree_control": "cpu io", **files}.items():
        (group / name).write_text(content + "\n" if content else "")
    path = str(group / "cgroup.subtree_control")
    bench.publish("a", Undo([Put("off", path, "-io", [IoController(str(group))])]))
    assert revert(bench, shell).returncode == 0
    assert Path(path).read_text() == text + "\n"


@pytest.mark.parametrize(
    "looked, told",
    [
        ("hidden", "that is not mounted here, or hidden; mount it again, then run: sh /s/control.sh revert a"),
        ("whole", "it is not there any more; if that is right, give it up: revert with accept_drift: true (id a)"),
        ("part", "not all of that could be searched; try again: sh /s/control.sh revert a; when it is gone, give it up: revert with accept_drift: true (id a)"),
    ],
)
def test_what_is_not_found_comes_with_what_helps(bench, shell, tmp_path: Path, looked: str, told: str) -> None:
    """Before: "it is not there any more; then run", after no action."""
    script = tmp_path / "script"
    script.write_text(f"{HUNT}\nproblem() {{ echo \"$1\"; }}\nat=/srv state=/s id=a accept=0 looked={looked}\nunknown 'the file x' 1 2\n")
    done = bench.sh(shell, script)
    assert (done.returncode, done.stdout) == (1, f"the file x (device 1, inode 2) is not found on /srv: {told}\n")
