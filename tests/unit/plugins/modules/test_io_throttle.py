# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""io_throttle: groups and limits that are refused, and the lines of the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.modules import io_throttle
from tests.unit.support.attacks import make, refused


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
