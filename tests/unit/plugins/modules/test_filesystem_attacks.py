# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that the attacks on file systems refuse before they touch anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import Space
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._state import file
from ansible_collections.faultline.chaos.plugins.modules import disk_fill, file_fault, io_stress, io_throttle


def make(cls, state_dir: Path | None = None, **params):
    defaults = {name: spec.get("default") for name, spec in cls.options.items()}
    found = cls({**defaults, **params}, None)
    found.journal = Journal(str(state_dir or "/var/lib/faultline"))
    found.id, found.duration = "a", 60.0
    return found


def refused(cls, match: str, **params) -> None:
    with pytest.raises(BadOption, match=match):
        make(cls, **params).validate()


BAD_PATHS = ["", "var/tmp", "/var/../etc", "/proc/self", "/sys/kernel", "/dev/sda", "/a\nb"]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_that_all_refuse(path: str) -> None:
    refused(disk_fill.DiskFill, "^path: ", path=path, percent=50)
    refused(io_stress.IoStress, "^path: ", path=path)
    refused(file_fault.FileFault, "^path: ", path=path, op="remove")


# --- disk_fill ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("percent", 0), ("percent", 101), ("percent", "all"), ("size", "10XB"), ("size", 0), ("size", True), ("leave_free", "-1"), ("leave_free", ""),
        ("floor", "5 %"),
    ],
)  # fmt: skip
def test_amounts_that_are_refused(option: str, value) -> None:
    params = {"percent": 50, option: value} if option == "floor" else {option: value}
    refused(disk_fill.DiskFill, f"^{option}: ", path="/srv", **params)


@pytest.mark.parametrize(("option", "value"), [("size", "1MiB"), ("size", 0), ("leave_free", "1.5"), ("floor", "1k")])
def test_numbers_of_inodes_that_are_refused(option: str, value) -> None:
    params = {"percent": 50, option: value} if option == "floor" else {option: value}
    refused(disk_fill.DiskFill, f"^{option}: ", path="/srv", inodes=True, **params)


def test_what_would_go_below_the_floor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_fill.filesystem, "space", lambda _place, _inodes=False: Space(100 << 20, 900 << 20, 1000 << 20))
    monkeypatch.setattr(disk_fill.filesystem, "hard_floor", lambda *_more: 16 << 20)
    for params in ({"percent": 96}, {"size": "860MiB"}, {"leave_free": "40MiB"}):
        attack = make(disk_fill.DiskFill, path=str(tmp_path), **params)
        attack.validate()
        with pytest.raises(BadOption, match=f"^{next(iter(params))}: .* the floor is 50 MiB: at the most 850 MiB can be added"):
            attack.guard()
    attack = make(disk_fill.DiskFill, path=str(tmp_path), percent=99, floor=0)
    attack.validate()
    with pytest.raises(BadOption, match="the floor is 16 MiB.*not below 16 MiB here"):
        attack.guard()
    attack = make(disk_fill.DiskFill, path=str(tmp_path), percent=96, floor="20MiB")
    attack.validate()
    attack.guard()
    assert attack.add == 860 << 20


def test_what_is_there_already_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_fill.filesystem, "space", lambda _place, _inodes=False: Space(600 << 20, 400 << 20, 1000 << 20))
    attack = make(disk_fill.DiskFill, path=str(tmp_path), percent=50)
    attack.validate()
    with pytest.raises(BadOption, match="^percent: .*there already: .* 60.0 % used"):
        attack.guard()


def test_without_a_fixed_number_of_inodes_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_fill.filesystem, "space", lambda _place, _inodes=False: Space(0, 0, 0))
    attack = make(disk_fill.DiskFill, path=str(tmp_path), percent=50, inodes=True)
    attack.validate()
    with pytest.raises(BadOption, match="^inodes: .*does not tell how many"):
        attack.guard()


def test_blocks_and_inodes_of_one_file_system_are_two_resources(tmp_path: Path) -> None:
    names = []
    for inodes in (False, True):
        attack = make(disk_fill.DiskFill, path=str(tmp_path), percent=50, inodes=inodes)
        attack.validate()
        names.append(attack.resources())
    assert not set(names[0]) & set(names[1]) and names[0][1] == f"disk_fill:{tmp_path}"


# --- io_stress ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("workers", 0), ("workers", 65), ("block_size", "1k"), ("block_size", 5000), ("block_size", "32MiB"), ("block_size", "4XB"),
        ("file_size", "4KiB"), ("file_size", 0), ("rate", 0), ("rate", "fast"), ("rate", "1mbit"),
    ],
)  # fmt: skip
def test_stress_that_is_refused(option: str, value) -> None:
    refused(io_stress.IoStress, f"^{option}: ", **{option: value})


def test_files_are_whole_blocks(tmp_path: Path) -> None:
    attack = make(io_stress.IoStress, path=str(tmp_path), block_size="12KiB", file_size="100KiB")
    attack.validate()
    assert attack.file_size == 96 << 10
    attack.guard()
    plan = attack.plan({})
    assert [worker.pid for worker in plan.workers] == [None] and os.listdir(tmp_path) == []  # nothing is there yet


def test_the_files_of_all_workers_leave_a_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_stress.filesystem, "space", lambda _place: Space(0, 1000 << 20, 1000 << 20))
    monkeypatch.setattr(io_stress.filesystem, "refuse_memory", lambda *_args: None)
    for workers, size in ((1, "950MiB"), (2, "475MiB")):
        attack = make(io_stress.IoStress, path=str(tmp_path), file_size=size, workers=workers)
        attack.validate()
        attack.guard()
    attack = make(io_stress.IoStress, path=str(tmp_path), file_size="476MiB", workers=2)
    attack.validate()
    with pytest.raises(BadOption, match="^file_size: .*2 files of it leave 48.* of .* available, and the floor is 50"):
        attack.guard()


# --- io_throttle -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("service", "a b"), ("service", ""), ("service", "-x"), ("service", "a;b"), ("service", "a/b"), ("service", "a\n"), ("cgroup", "relative"),
        ("cgroup", "/a/../b"), ("device", "sda"), ("device", "/sys/block/sda"), ("read_bps", "1k"), ("read_bps", "1mbit"), ("write_bps", 0), ("read_iops", 0),
        ("write_iops", -1),
    ],
)  # fmt: skip
def test_limits_that_are_refused(option: str, value) -> None:
    params = {"service": "x", "read_bps": "1MiB", option: value}
    if option == "cgroup":
        params["service"] = None
    refused(io_throttle.IoThrottle, f"^{option}: ", **params)


@pytest.mark.parametrize("service", ["postgresql", "app@1.service", "my-app.slice", "dev-disk\\x2dby.scope"])
def test_units(service: str) -> None:
    make(io_throttle.IoThrottle, service=service, read_iops=1).validate()


def test_the_top_and_what_holds_the_dead_men_are_refused(tmp_path: Path) -> None:
    throttle = io_throttle.io_limits
    (tmp_path / "system.slice").mkdir()
    for name, words in (("", "top of all"), ("nothing", "no control group"), ("system.slice", "dead-man")):
        with pytest.raises(BadOption, match=f"^cgroup: .*{words}"):
            throttle.refuse_group("cgroup", name, os.path.normpath(tmp_path / name), str(tmp_path))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "cgroup.procs").write_text(f"{os.getpid()}\n")
    with pytest.raises(BadOption, match="^cgroup: .*control path"):
        throttle.refuse_group("cgroup", "app", str(tmp_path / "app"), str(tmp_path))


def test_a_group_with_an_ssh_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app" / "below").mkdir(parents=True)
    program = "open('/proc/self/comm', 'w').write('sshd'); print(1, flush=True); import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        (tmp_path / "app" / "below" / "cgroup.procs").write_text(f"{child.pid}\n")
        with pytest.raises(BadOption, match=f"^service: .*sshd .pid {child.pid}"):
            io_throttle.io_limits.refuse_group("service", "app", str(tmp_path / "app"), str(tmp_path))
        child.kill()


def test_lines_of_io_max() -> None:
    other = "8:16 rbps=max wbps=1 riops=max wiops=max\n"
    text = {"": other, "8:0": other + "8:0 rbps=max wbps=2097152 riops=max wiops=120\n"}
    (none,) = io_throttle.io_limits.changes("/g", 2, "8:0", {"rbps": 1048576}, lambda _path: text[""])
    assert (none.path, none.before, none.write) == ("/g/io.max", None, "8:0 rbps=1048576")
    assert (none.after, none.restore) == ("8:0 rbps=1048576 wbps=max riops=max wiops=max", "8:0 rbps=max wbps=max riops=max wiops=max")
    (some,) = io_throttle.io_limits.changes("/g", 2, "8:0", {"rbps": 1, "wiops": 2}, lambda _path: text["8:0"])
    assert some.after == "8:0 rbps=1 wbps=2097152 riops=max wiops=2" and some.restore == some.before == "8:0 rbps=max wbps=2097152 riops=max wiops=120"


def test_lines_of_version_1() -> None:
    files = {"/g/blkio.throttle.read_bps_device": "8:0 5\n", "/g/blkio.throttle.write_iops_device": "18:0 7\n"}
    read, write = io_throttle.io_limits.changes("/g", 1, "8:0", {"rbps": 9, "wiops": 3}, files.__getitem__)
    assert (read.before, read.write, read.restore) == ("8:0 5", "8:0 9", "8:0 5")
    assert (write.before, write.write, write.restore) == (None, "8:0 3", "8:0 0")


@pytest.mark.parametrize(
    ("groups", "words"),
    [({}, "in 0 control groups of blkio .none."), ({4: "/a", 5: "/b"}, "in 2 control groups of blkio"), ({4: "/faultline-other"}, "another attack has ")],
)
def test_a_unit_whose_processes_cannot_be_limited_together_is_refused(groups, words, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"/proc/self/mountinfo": f"36 24 0:31 / {tmp_path} rw - cgroup cgroup rw,blkio\n"}
    for pid, group in groups.items():
        (tmp_path / group.strip("/")).mkdir()
        files[f"/proc/{pid}/cgroup"] = f"9:name=systemd:/system.slice/app.service/below\n7:blkio:{group}\n0::/\n"
    files["/proc/6/cgroup"] = "9:name=systemd:/system.slice/app.service2\n7:blkio:/\n"
    throttle = io_throttle.io_limits
    monkeypatch.setattr(throttle.Host, "read", staticmethod(lambda path, default="": files.get(path, default)))
    monkeypatch.setattr(throttle.host_process, "processes", lambda: [SimpleNamespace(pid=pid) for pid in (4, 5, 6)])
    own = throttle.OwnGroup("a", "/system.slice/app.service", str(tmp_path))
    assert own.processes() == {pid: str(tmp_path / group.strip("/")) for pid, group in groups.items()}
    with pytest.raises(AttackError, match=words):
        own.back()


def test_hierarchies() -> None:
    new = "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    old = "36 24 0:31 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
    assert io_throttle.io_limits.hierarchy(new) == ("/sys/fs/cgroup", 2)
    assert io_throttle.io_limits.hierarchy(new + old) == ("/sys/fs/cgroup/blkio", 1)
    with pytest.raises(AttackError, match="not mounted"):
        io_throttle.io_limits.hierarchy("nonsense")


# --- file_fault --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "params"),
    [
        ("^content: .*needs it", {"op": "replace"}),
        ("^content: .*needs it", {"op": "append"}),
        ("^content: .*one character", {"op": "append", "content": ""}),
        ("^content: .*only op replace and append", {"op": "remove", "content": "x"}),
        ("^content: .*the most is", {"op": "replace", "content": "xxx", "max_size": 2}),
        ("^size: .*only op truncate", {"op": "chmod", "mode": "0600", "size": 1}),
        ("^size: ", {"op": "truncate", "size": "10XB"}),
        ("^mode: .*needs it", {"op": "chmod"}),
        ("^mode: .*octal", {"op": "chmod", "mode": "rw"}),
        ("^mode: .*octal", {"op": "chmod", "mode": "888"}),
        ("^mode: .*octal", {"op": "chmod", "mode": "0o644"}),
        ("^count: ", {"op": "bit_flip", "count": 0}),
        ("^seed: .*only op bit_flip", {"op": "remove", "seed": 3}),
        ("^seed: ", {"op": "bit_flip", "seed": -1}),
        ("^seed: ", {"op": "bit_flip", "seed": 2**63}),
        ("^method: .*by its name", {"op": "remove", "method": "in_place"}),
        ("^method: .*in place", {"op": "chmod", "mode": "0600", "method": "aside"}),
        ("^max_size: ", {"op": "remove", "max_size": "1GiB"}),
    ],
)
def test_faults_that_are_refused(match: str, params: dict) -> None:
    refused(file_fault.FileFault, match, path="/srv/file", **params)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/shadow", "/etc//ssh/sshd_config", "/bin/sh", "/usr/bin/env", "/lib/x", "/root/.ssh/authorized_keys", "/boot/x", "/run/systemd/x",
     "/var/lib/faultline/control.sh", "/etc/systemd/system/faultline-recover.service", "/srv/.faultline-x.1"],
)  # fmt: skip
def test_files_that_are_protected(path: str) -> None:
    refused(file_fault.FileFault, "^path: ", path=path, op="remove")


def guarded(tmp_path: Path, **params):
    attack = make(file_fault.FileFault, tmp_path, **params)
    attack.validate()
    attack.guard()
    return attack


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("link", "symbolic link"), ("pipe", "a pipe"), ("", "directory"), ("nothing", "no such file")):
        with pytest.raises(BadOption, match=f"^path: .*{words}"):
            guarded(tmp_path, path=f"{tmp_path}/{name}", op="remove")


@pytest.mark.parametrize(
    ("match", "params"),
    [
        ("^count: .*only 24 bits", {"op": "bit_flip", "count": 25}),
        ("^path: .*can be saved is 2 B", {"op": "remove", "max_size": 2}),
        ("^op: .*like that already", {"op": "replace", "content": "abc"}),
        ("^op: .*like that already", {"op": "truncate", "size": 3}),
    ],
)
def test_what_does_not_fit_the_file_is_refused(tmp_path: Path, match: str, params: dict) -> None:
    (tmp_path / "file").write_text("abc")
    with pytest.raises(BadOption, match=match):
        guarded(tmp_path, path=str(tmp_path / "file"), **params)


def test_the_method_follows_the_names_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_fault.FileFault, "host", None, raising=False)
    path = tmp_path / "file"
    path.write_text("abc")
    attack = guarded(tmp_path, path=str(path), op="replace", content="x")
    assert attack.method == "aside" and attack.resources() == [f"file:{path}"]
    assert guarded(tmp_path, path=str(path), op="chmod", mode="000").method == "in_place"
    os.link(path, tmp_path / "second")
    assert guarded(tmp_path, path=str(path), op="remove").method == "aside"
    attack = make(file_fault.FileFault, tmp_path, path=str(path), op="replace", content="x")
    attack.validate()
    attack.file = file.File("path", str(path), str(path), 100)
    assert attack._method() == ("in_place", "it has 2 names, and all of them are hit")
    attack.file.is_mount = True
    attack.op = "remove"
    with pytest.raises(NotRestorable, match="mount of its own"):
        attack._method()


def test_bits_flip_by_their_seed() -> None:
    content = bytes(range(64))
    told = {"count": 5, "seed": 7}
    flipped = file.change("bit_flip", content, told)
    assert flipped == file.change("bit_flip", content, told) != file.change("bit_flip", content, {**told, "seed": 8})
    assert sum(bin(one ^ other).count("1") for one, other in zip(content, flipped, strict=True)) == 5


@pytest.mark.parametrize(("size", "content"), [(0, b""), (2, b"ab"), (5, b"abc\0\0")])
def test_truncated_to(size: int, content: bytes) -> None:
    assert file.change("truncate", b"abc", {"size": size}) == content
