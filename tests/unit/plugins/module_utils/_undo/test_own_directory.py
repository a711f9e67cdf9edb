# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of the attacks' own directory, run for real under every shell: it goes wherever it was moved to, or it is stuck and named."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import OwnDirectory
from ansible_collections.faultline.chaos.plugins.module_utils._undo.own_directory import RemoveOwn
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Undo
from tests.unit.support.disks import as_root, disk, mounted

STUCK = 4
ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


class Own:
    """A directory as an attack makes and fills it, and its undo."""

    def __init__(self, bench, parent: Path, **record) -> None:
        self.bench, self.directory = bench, OwnDirectory(str(parent), "a")
        self.path, self.data, self.keep = Path(self.directory.path), Path(self.directory.data), Path(self.directory.keep)
        self.home = mounts.mount_of(os.path.realpath(parent)).home()
        remove = RemoveOwn("ours", self.directory.path, self.home)
        bench.publish("a", Undo([remove], [Gone("ours", [Exists(self.directory.path)])]), **record)

    def make(self) -> None:
        self.directory.make(self.bench.journal, "a")

    def fill(self, inodes: bool = False) -> Own:
        self.make()
        here = os.getcwd()
        try:
            self.directory.enter()
            for number in range(3):
                if inodes:
                    os.mkdir(f"d{number:06d}")
                    self.directory.mark_too(f"d{number:06d}")
                    for each in range(3):
                        Path(f"d{number:06d}/f{each:03d}").touch(0o600)
                else:
                    Path(f"fill.{number}").write_bytes(b"x" * 70000)
                    self.directory.keep_too(f"fill.{number}")
        finally:
            os.chdir(here)
        return self

    def revert(self, shell: list[str], *words: str) -> subprocess.CompletedProcess:
        return self.bench.sh(shell, self.bench.state / "a" / "revert.sh", *words)

    def stuck(self) -> str:
        return (self.bench.state / "a" / "stuck").read_text()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "it's a disk") as point:
        (point / "app").mkdir()
        yield point


@pytest.fixture
def own(bench, place: Path) -> Own:
    return Own(bench, place / "app")


def left(place: Path) -> list[str]:
    return sorted(str(each.relative_to(place)) for each in place.rglob("*"))


def test_removing_much_may_take_longer() -> None:
    home = ["1:2", "", "/", "disk", 0, 0]
    assert [RemoveOwn("", "/x", home, **holds).seconds for holds in ({}, {"size": 50 << 30}, {"files": 100000}, {"size": 1 << 50}, {"seconds": 5})] == [
        60, 2620, 560, 3600, 5,
    ]  # fmt: skip
    assert RemoveOwn("", "/x", home, size=50 << 30).render()[2] == "remove_own /x 2620"


@pytest.mark.parametrize("inodes", [False, True])
def test_it_goes_with_all_in_it(own: Own, shell, inodes: bool, place: Path) -> None:
    own.fill(inodes)
    assert stat.S_IMODE(own.path.stat().st_mode) == 0o700 and (own.bench.state / "a" / "reserve").stat().st_size == 256 << 10
    done = own.revert(shell)
    assert done.returncode == 0 and not done.stderr, done
    assert left(place) == ["app"] and not (own.bench.state / "a").exists()


def test_there_is_nothing_to_remove_yet(own: Own, shell) -> None:
    assert own.revert(shell).returncode == 0


def test_it_was_made_but_not_noted(own: Own, shell) -> None:
    own.path.mkdir(0o700)
    assert own.revert(shell).returncode == 0
    assert not own.path.exists()


def test_it_was_noted_but_not_filled(own: Own, shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnDirectory, "keep", property(lambda _self: "/nowhere/keep", lambda _self, _value: None), raising=False)
    with pytest.raises(Exception, match="cannot be made"):
        own.make()
    assert own.revert(shell).returncode == 0
    assert not own.path.exists()


# --- moved -----------------------------------------------------------------------------------------

MOVES: dict[str, Callable[[Own, Path], object]] = {
    "its name": lambda own, place: own.path.rename(own.path.with_name("other")),
    "an odd name": lambda own, place: own.path.rename(own.path.with_name("-rf x\n= whole\n1 2/".replace("/", "\n"))),
    "a name of a pattern": lambda own, place: own.path.rename(own.path.with_name("* ? [a] $(id) 'x'")),
    "another directory": lambda own, place: own.path.rename(place / "up"),
    "its parent": lambda own, place: own.path.parent.rename(place / "deployed"),
    "a link is where it was": lambda own, place: (own.path.rename(place / "up"), own.path.symlink_to(place / "up")),
}


@pytest.mark.parametrize("inodes", [False, True])
@pytest.mark.parametrize("move", list(MOVES))
def test_it_goes_wherever_it_was_moved(own: Own, shell, place: Path, move: str, inodes: bool) -> None:
    """Before: reverted and clean, and all its files stayed."""
    own.fill(inodes)
    MOVES[move](own, place)
    done = own.revert(shell)
    assert "moved it to" in done.stderr, done
    if own.path.is_symlink():  # which leads nowhere by now; it is not ours, and has our name
        assert done.returncode == STUCK and f"{own.path} stays: it is not what was made" in done.stderr
        own.path.unlink()
        done = own.revert(shell)
    assert done.returncode == 0, done
    assert [each for each in left(place) if each not in ("app", "deployed") and not (place / each).is_symlink()] == []


@pytest.mark.parametrize("noted", [True, False])
def test_another_directory_of_that_name_stays(own: Own, shell, place: Path, noted: bool) -> None:
    if noted:
        own.fill()
        own.path.rename(place / "moved")
    own.data.mkdir(parents=True)
    (own.data / "file").write_text("precious")
    done = own.revert(shell)
    assert done.returncode == STUCK and "not what was made" in done.stderr
    assert (own.data / "file").read_text() == "precious" and not (place / "moved").exists()


def test_a_link_in_its_place_is_not_followed(own: Own, shell, place: Path) -> None:
    own.fill()
    own.path.rename(place / "moved")
    (place / "theirs" / "data").mkdir(parents=True)
    (place / "theirs" / "data" / "file").write_text("precious")
    own.path.symlink_to(place / "theirs")
    assert own.revert(shell).returncode == STUCK
    assert (place / "theirs" / "data" / "file").read_text() == "precious" and not (place / "moved").exists()


def test_it_was_emptied_and_moved(own: Own, bench, shell, place: Path) -> None:
    """The undo was interrupted between two steps."""
    own.fill()
    for each in (own.data, own.keep):
        shutil.rmtree(each)
    bench.journal.note("a", "emptied", "")
    own.path.rename(place / "moved")
    assert own.revert(shell).returncode == 0
    assert left(place) == ["app"]


def test_another_directory_with_its_inode_number_stays(own: Own, shell, place: Path) -> None:
    """An inode number is given again once its file is gone."""
    own.fill()
    shutil.rmtree(own.path)
    theirs = place / "theirs"
    for name in ("data", "keep"):
        (theirs / name).mkdir(parents=True)
    (theirs / "data" / "file").write_text("precious")
    own.bench.journal.note("a", "made", f"{theirs.stat().st_dev} {theirs.stat().st_ino} {theirs.parent.stat().st_ino} 5\n")
    own.revert(shell)
    assert (theirs / "data" / "file").read_text() == "precious"


@as_root
def test_it_was_removed_by_hand(own: Own, shell, place: Path) -> None:
    """All of the file system was searched: so it is gone."""
    own.fill()
    shutil.rmtree(own.path)
    done = own.revert(shell)
    assert done.returncode == 0, done


def test_a_search_that_fails_proves_nothing(own: Own, shell, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.fill()
    own.path.rename(place / "moved")
    script = own.bench.state / "a" / "revert.sh"
    broken = script.read_text().replace("find . -xdev", "false . -xdev")
    (tmp_path / "broken.sh").write_text(broken.replace('intact "$dir"', "true"))
    done = own.bench.sh(shell, tmp_path / "broken.sh")
    assert done.returncode == STUCK and "control.sh revert a" in done.stderr and f"inode {(place / 'moved').stat().st_ino}" in done.stderr, done
    assert own.revert(shell).returncode == 0 and left(place) == ["app"]


# --- its files -------------------------------------------------------------------------------------

TAKEN: dict[str, Callable[[Own, Path], object]] = {
    "a file moved": lambda own, place: (own.data / "fill.1").rename(place / "x"),
    "all files moved": lambda own, place: [each.rename(place / "app" / each.name) for each in own.data.iterdir()],
    "a file linked": lambda own, place: os.link(own.data / "fill.1", place / "x"),
    "all linked": lambda own, place: [os.link(each, place / each.name) for each in own.data.iterdir()],
    "data moved": lambda own, place: own.data.rename(place / "data"),
    "a file linked, and all moved": lambda own, place: (os.link(own.data / "fill.0", place / "x\n"), own.path.rename(place / "up")),
    "a file moved, one put in": lambda own, place: ((own.data / "fill.1").rename(place / "x"), (own.data / "fill.1").write_text("x")),
}


@pytest.mark.parametrize("how", list(TAKEN))
def test_files_that_were_taken_out_go_too(own: Own, shell, place: Path, how: str) -> None:
    """Before: reverted and clean, and what they hold stayed."""
    own.fill()
    TAKEN[how](own, place)
    (place / "precious").write_text("theirs")
    done = own.revert(shell)
    assert done.returncode == 0 and "moved" in done.stderr, done
    assert left(place) == ["app", "precious"]


def test_directories_with_empty_files_that_were_taken_out_go_too(own: Own, shell, place: Path) -> None:
    own.fill(inodes=True)
    (own.data / "d000001").rename(place / "x")
    (place / "x" / "f002").write_text("not ours")
    done = own.revert(shell)
    assert done.returncode == 0, done
    assert left(place) == ["app", "x", "x/f002"]


def test_the_space_is_free_whoever_has_a_file_open(own: Own, shell, place: Path) -> None:
    """Before: as long as a backup reads it, the space is used, and the undo says clean."""
    own.fill()
    with open(own.data / "fill.0", "rb") as stream:
        assert own.revert(shell).returncode == 0
        assert os.fstat(stream.fileno()).st_blocks == 0


# --- mounts ----------------------------------------------------------------------------------------


@as_root
def test_it_is_not_mounted_at_the_undo(own: Own, bench, shell, tmp_path: Path) -> None:
    """Before: reverted and clean, and once it is mounted again all is there."""
    image, point = tmp_path / "image", tmp_path / "point"
    point.mkdir()
    with open(image, "wb") as stream:
        stream.truncate(8 << 20)
    shutil.rmtree(bench.state / "a")
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    if not mounted("-o", "loop", str(image), str(point)):
        pytest.skip("no loop devices here")
    try:
        own = Own(bench, point).fill()
        subprocess.run(["umount", str(point)], check=True)
        done = own.revert(shell)
        assert done.returncode == STUCK and "not mounted" in done.stderr and str(point) in done.stderr and "control.sh revert a" in own.stuck()
        (tmp_path / "point2").mkdir()
        assert mounted("-o", "loop", str(image), str(tmp_path / "point2"))
        done = own.revert(shell)
        assert done.returncode == 0, done
        assert os.listdir(tmp_path / "point2") == ["lost+found"]
    finally:
        for each in ("point", "point2"):
            subprocess.run(["umount", str(tmp_path / each)], capture_output=True, check=False)


@as_root
@pytest.mark.parametrize("over", ["", "app"])
def test_it_is_mounted_over(own: Own, shell, place: Path, over: str) -> None:
    """Before: reverted and clean, and it is there again when the other file system is unmounted."""
    own.fill()
    if not mounted("-t", "tmpfs", "tmpfs", str(place / over)):
        pytest.skip("no mounts here")
    done = own.revert(shell)
    assert done.returncode == 0, done
    subprocess.run(["umount", str(place / over)], check=True)
    assert left(place) == ["app"]


@as_root
def test_another_file_system_in_it_is_not_emptied(own: Own, shell, place: Path) -> None:
    own.fill()
    (own.data / "disk").mkdir()
    if not mounted("-t", "tmpfs", "tmpfs", str(own.data / "disk")):
        pytest.skip("no mounts here")
    (own.data / "disk" / "file").write_text("precious")
    try:
        done = own.revert(shell)
        assert done.returncode == STUCK and "mounted in what has to be removed" in done.stderr
        assert (own.data / "disk" / "file").read_text() == "precious"
    finally:
        subprocess.run(["umount", str(own.data / "disk")], check=True)
    assert own.revert(shell).returncode == 0 and left(place) == ["app"]


def unmount(place: Path) -> int:
    """The number of its device. Mount namespaces of other tests may have had a copy."""
    number = os.stat(place).st_dev
    shown = f" {os.major(number)}:{os.minor(number)} "
    subprocess.run(["umount", str(place)], check=True)
    until = time.monotonic() + 30
    while time.monotonic() < until and any(shown in text for text in texts("/proc/[0-9]*/mountinfo")):
        time.sleep(0.1)
    return number


def texts(pattern: str) -> Iterator[str]:
    for each in glob.glob(pattern):
        with contextlib.suppress(OSError):
            yield Path(each).read_text()


@as_root
def test_what_was_in_memory_is_gone_with_it(own: Own, shell, place: Path) -> None:
    own.fill()
    unmount(place)
    assert own.revert(shell).returncode == 0


@as_root
def test_what_was_in_memory_is_gone_though_a_later_one_has_its_number(own: Own, shell, place: Path) -> None:
    own.fill()
    number = unmount(place)
    later: list[Path] = []
    try:
        while len(later) < 50 and not any(os.stat(each).st_dev == number for each in later):
            later.append(place.parent / f"later{len(later)}")
            later[-1].mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "later", later[-1]], check=True)
        if not any(os.stat(each).st_dev == number for each in later):
            pytest.skip("the kernel gave the number to nobody else")
        done = own.revert(shell)
        assert done.returncode == (0 if own.home[1] else STUCK), done
    finally:
        for each in later:
            subprocess.run(["umount", each], check=False)


def test_after_a_reboot_its_device_may_have_another_number(bench, shell, tmp_path: Path) -> None:
    own = Own(bench, tmp_path, boot_id=ANOTHER_BOOT).fill()
    found, data = own.path.stat(), own.data.stat()
    bench.journal.note("a", "made", f"{found.st_dev + 1} {found.st_ino} {tmp_path.stat().st_ino} {data.st_ino}\n")
    assert own.revert(shell).returncode == 0
    assert not own.path.exists()


def test_what_is_not_found_can_be_given_up(own: Own, bench, shell, place: Path) -> None:
    own.fill()
    shutil.rmtree(own.path)
    own.path.parent.rename(place / "moved")
    text = (bench.state / "a" / "revert.sh").read_text()
    (place.parent / "gone.sh").write_text(
        text.replace(f"home {own.home[0]} {own.home[1] or quote('')} ", "home 9:99 '' ").replace('intact "$dir"', "true").replace(" 1 0\n", " 0 0\n")
    )
    done = bench.sh(shell, place.parent / "gone.sh")
    assert done.returncode == STUCK and "not mounted" in done.stderr, done
    done = bench.sh(shell, place.parent / "gone.sh", "hand", "accept")
    assert done.returncode == 0 and "drifted" in done.stdout, done
