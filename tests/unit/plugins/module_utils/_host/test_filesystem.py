# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths that may be attacked, mounts, what stays free, sizes; and filling, in a directory where a fraction of the disk is enough."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import filesystem, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import Space
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue
from ansible_collections.faultline.chaos.plugins.module_utils._resources import disk_fill

MOUNTS = r"""22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 8:17 / /srv/with\040space rw - xfs /dev/sdb1 rw,prjquota
31 22 0:40 / /srv/data ro,nosuid - nfs4 server:/export rw
32 31 0:41 / /srv/data rw - tmpfs tmpfs rw,size=10m
"""


# --- paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["", "relative", "./x", "~", "~root/x", "$HOME", "/a/../b", "/..", "/a\nb", "/a\0b", "/a\tb", "/proc", "/proc/1", "/sys/x", "/dev/shm", "/run/x", "/boot"],
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(BadOption, match="^path: "):
        filesystem.path("path", path)


@pytest.mark.parametrize(("path", "normal"), [("/", "/"), ("/srv//a/./b/", "/srv/a/b"), ("/processes", "/processes"), ("/a..b", "/a..b"), ("/ä ö", "/ä ö")])
def test_paths(path: str, normal: str) -> None:
    assert filesystem.path("path", path) == normal


def test_links_that_a_user_planted_are_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o1777)
    (open_to_all / "link").symlink_to("/srv")
    (tmp_path / "link").symlink_to("/srv")
    assert filesystem.real_path("path", str(tmp_path / "link")) == "/srv"
    with pytest.raises(BadOption, match="^path: .*symbolic link that a user could have put there"):
        filesystem.real_path("path", str(open_to_all / "link"))
    with pytest.raises(BadOption, match="symbolic link that a user could"):
        filesystem.directory("path", str(open_to_all / "link" / "below"))


def test_a_link_into_what_is_not_attacked_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/self")
    with pytest.raises(BadOption, match="it leads to /proc/"):
        filesystem.real_path("path", str(tmp_path / "link"))


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOption, match="not a directory"):
        filesystem.directory("path", str(tmp_path / "file"))
    with pytest.raises(BadOption, match="no such directory"):
        filesystem.directory("path", str(tmp_path / "nothing"))


# --- mounts and space --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/etc", "/", "ext4"),
        ("/srv/with space/a", "/srv/with space", "xfs"),
        ("/srv/data/a", "/srv/data", "tmpfs"),
        ("/srv/database", "/", "ext4"),
        ("/", "/", "ext4"),
    ],
)
def test_the_deepest_and_last_mount_counts(path: str, point: str, kind: str) -> None:
    mount = mounts.mount_of(path, MOUNTS)
    assert (mount.point, mount.kind) == (point, kind)


def test_read_only_and_kernel_file_systems_are_refused() -> None:
    found = {(mount.point, mount.kind): mount for mount in mounts.mounts(MOUNTS)}
    with pytest.raises(BadOption, match="of the kernel"):
        found["/proc", "proc"].refuse("path", "/x")
    with pytest.raises(BadOption, match="read-only"):
        found["/srv/data", "nfs4"].refuse("path", "/x")
    found["/", "ext4"].refuse("path", "/")


def test_what_df_calls_percent() -> None:
    """Used over used and available: reserved blocks are neither."""
    figures = Space(used=450, available=500, total=1000)
    assert round(figures.percent, 2) == 47.37
    assert figures.to_add(percent=90.0) == 855 - 450
    assert figures.to_add(size=10) == 10 and figures.to_add(leave_free=100) == 400
    assert figures.to_add(percent=40.0) < 0 and figures.to_add(leave_free=600) < 0


@pytest.mark.parametrize(("total", "inodes", "floor"), [(1 << 30, False, (1 << 30) // 20), (1 << 40, False, 1 << 30), (10000, True, 500), (10**6, True, 1000)])
def test_the_floor_is_5_percent_or_1_gib_whichever_is_less(total: int, inodes: bool, floor: int) -> None:
    assert abs(filesystem.default_floor(Space(0, total, total), inodes) - floor) <= 1


def test_where_the_host_works_16_mib_stay(tmp_path: Path) -> None:
    assert filesystem.hard_floor("/", str(tmp_path)) == 16 << 20
    assert filesystem.hard_floor(str(tmp_path), str(tmp_path / "state"), inodes=True) == 256
    assert filesystem.hard_floor("/proc", str(tmp_path)) == 0


def test_a_file_system_in_memory_leaves_memory() -> None:
    mount = mounts.mount_of("/srv/data", MOUNTS)
    with pytest.raises(BadOption, match="^size: .* in memory"):
        filesystem.refuse_memory("size", "1T", mount, 1 << 50)
    filesystem.refuse_memory("size", "1", mount, 1)
    filesystem.refuse_memory("size", "1T", mounts.mount_of("/", MOUNTS), 1 << 50)


@pytest.mark.parametrize(
    ("text", "number"),
    [(0, 0), ("4096", 4096), ("1k", 1024), ("1K", 1024), ("2KiB", 2048), ("1kB", 1000), ("1.5M", 1572864), ("3 GB", 3 * 10**9), ("1TiB", 1 << 40), ("5B", 5)],
)
def test_sizes(text, number: int) -> None:
    assert _sizes.size("size", text) == number


@pytest.mark.parametrize("text", ["10XB", "", "-1", "1e3", "10 %", "0x10", "KiB", "1kb", True, None, [1], "1M; id", "1M\n", float("nan"), "1.5.2M"])
def test_sizes_that_are_refused(text) -> None:
    with pytest.raises(BadOption, match="^size: "):
        _sizes.size("size", text)


def test_sizes_out_of_range() -> None:
    with pytest.raises(BadOption, match="the least is 4 KiB"):
        _sizes.size("size", "1k", 4096)
    with pytest.raises(BadOption, match="the most is 1 MiB"):
        _sizes.size("size", "2M", 0, 1 << 20)


# --- what is ours ------------------------------------------------------------------------------------


def test_marks_are_found_in_the_places_given(tmp_path: Path) -> None:
    name = filesystem.own_name("disk_fill-x")
    assert name.startswith(".faultline-disk_fill-x.") and name != filesystem.own_name("disk_fill-x")
    (tmp_path / name).mkdir()
    (tmp_path / ".fault").mkdir()
    assert residue._marked([str(tmp_path), str(tmp_path / "nothing")]) == [str(tmp_path / name)]


def test_residue_where_the_attacks_of_the_history_were(bench, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "place"
    place.mkdir(parents=True)
    (tmp_path / "deep" / ".faultline-f.2.old").write_text("")
    bench.publish("a", resources=["space:/", f"disk_fill:{place}", f"file:{tmp_path}/deep/app.conf", "cpu:0"])
    (place / ".faultline-a.1").mkdir()
    bench.sh(["sh"], bench.state / "a" / "revert.sh")
    found = residue.Search(bench.host, bench.journal)
    residue._files(found)
    paths, owner = [f"{tmp_path}/deep/.faultline-f.2.old", f"{place}/.faultline-a.1"], os.geteuid()
    assert [each for each in found.residue if str(tmp_path) in each] == [f"file {path} of uid {owner}: rm -r {path}" for path in paths]
    found = residue.Search(bench.host, bench.journal)
    found.claimed = ".faultline-f.2.old .faultline-a.1"
    residue._files(found)
    assert not [each for each in found.residue if str(tmp_path) in each]


def test_a_worker_only_enters_what_is_for_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = filesystem.OwnDirectory(str(tmp_path), "a")
    os.makedirs(directory.data, 0o700)
    os.chmod(directory.data, 0o777)
    with pytest.raises(OSError, match="not ours"):
        directory.enter()
    os.rmdir(directory.data)
    os.symlink(tmp_path, directory.data)
    with pytest.raises(OSError, match="Not a directory|Too many levels"):
        directory.enter()


# --- filling -----------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> filesystem.OwnDirectory:
    monkeypatch.chdir(tmp_path)  # the worker changes it
    directory = filesystem.OwnDirectory(str(tmp_path), "a")
    os.mkdir(directory.path, 0o700)
    os.mkdir(directory.data, 0o700)
    os.mkdir(directory.keep, 0o700)
    Path(directory.keep, directory.mark).touch()
    return directory


def run(directory, goal, inodes: bool = False, seconds: float = 20) -> disk_fill.Progress:
    progress = disk_fill.Progress()
    disk_fill.fill(directory, goal, inodes, uptime() + seconds, progress)
    return progress.read()


def used(directory) -> int:
    return sum(path.stat().st_blocks * 512 for path in Path(directory.data).iterdir())


def test_a_goal_is_the_smaller_of_what_is_wanted_and_what_the_floor_lets_have() -> None:
    figures = Space(0, 1000, 2000)
    assert disk_fill.Goal(300, 0, 100).left(100, figures) == 200
    assert disk_fill.Goal(3000, 0, 100).left(0, figures) == 900
    assert disk_fill.Goal(None, 400, 100).left(999, figures) == 600
    assert disk_fill.Goal(None, 50, 100).left(0, figures) == 900


def test_so_many_bytes_are_added(directory) -> None:
    progress = run(directory, disk_fill.Goal(5 << 20, 0, 0))
    assert (progress.phase, progress.added) == (disk_fill.REACHED, 5 << 20)
    assert abs(used(directory) - (5 << 20)) <= 65536 and disk_fill.HOW[progress.how] in ("fallocate", "writing")


def test_where_nothing_can_be_allocated_it_is_written(directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_fill, "can_allocate", lambda _handle: False)
    progress = run(directory, disk_fill.Goal(3 << 20, 0, 0))
    assert (progress.phase, disk_fill.HOW[progress.how], progress.added) == (disk_fill.REACHED, "writing", 3 << 20)


def test_so_many_files_are_made(directory) -> None:
    progress = run(directory, disk_fill.Goal(2345, 0, 0), inodes=True)
    assert (progress.phase, progress.added, disk_fill.HOW[progress.how]) == (disk_fill.REACHED, 2345, "files")
    assert sum(len(list(each.glob("f*"))) for each in Path(directory.data).iterdir()) == 2345
    assert Path(directory.keep, directory.mark).stat().st_nlink == 1 + 3  # one for each directory


def test_less_than_the_file_system_says_is_there(directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota: it takes smaller and smaller steps, and says what it got."""
    real, quota = os.posix_fallocate, 3 << 20

    def allocate(handle: int, at: int, size: int) -> None:
        if at + size > quota:
            raise OSError(errno.EDQUOT, "quota")
        real(handle, at, size)

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    monkeypatch.setattr(disk_fill, "can_allocate", lambda _handle: True)
    progress = run(directory, disk_fill.Goal(10 << 20, 0, 0))
    assert (progress.phase, progress.error) == (disk_fill.STOPPED, errno.EDQUOT)
    assert quota - 8192 <= progress.added <= quota and "uota" in disk_fill.reason(progress)


def test_a_file_that_cannot_grow_is_followed_by_another(directory, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.posix_fallocate

    def allocate(handle: int, at: int, size: int) -> None:
        if at:
            raise OSError(errno.EFBIG, "too large")
        real(handle, at, min(size, 1 << 20))

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    monkeypatch.setattr(disk_fill, "can_allocate", lambda _handle: True)
    monkeypatch.setattr(disk_fill, "BIGGEST_STEP", 1 << 20)
    progress = run(directory, disk_fill.Goal(3 << 20, 0, 0))
    assert (progress.phase, progress.added) == (disk_fill.REACHED, 3 << 20) and len(list(Path(directory.data).iterdir())) == 3


def test_its_time_is_over(directory) -> None:
    progress = run(directory, disk_fill.Goal(1 << 40, 0, 0), seconds=-1)
    assert progress.phase == disk_fill.STOPPED and disk_fill.reason(progress) == "its time is over"


def test_a_directory_that_is_gone_is_a_failure(directory) -> None:
    os.rmdir(directory.data)
    assert run(directory, disk_fill.Goal(1, 0, 0)).phase == disk_fill.FAILED


def test_waiting_ends_with_the_worker() -> None:
    begun = time.monotonic()
    assert disk_fill.wait(disk_fill.Progress(), lambda: False, 60).phase == disk_fill.FILLING
    assert time.monotonic() - begun < 5


def test_a_path_without_a_mount_is_an_error() -> None:
    with pytest.raises(AttackError, match="mountinfo"):
        mounts.mount_of("/x", "nonsense")
