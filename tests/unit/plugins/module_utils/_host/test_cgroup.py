# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control group of an attack: where it goes, what caps it, and which limits are around us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue
from ansible_collections.faultline.chaos.plugins.module_utils._resources.attack_cgroup import AttackCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

NEW = "30 23 0:27 / {0} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
OLD = """31 23 0:28 / {0} rw - tmpfs tmpfs rw,mode=755
35 31 0:32 / {0}/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / {0}/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / {0}/unified rw,relatime - cgroup2 cgroup2 rw
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pretend that a directory is the tree of control groups, and that we are in one of its groups, as root."""
    files: dict[str, str] = {}
    read = cgroup.Host.read
    monkeypatch.setattr(cgroup.Host, "read", staticmethod(lambda path, default="": files[path] if path in files else read(path, default)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def make(mountinfo: str, membership: str, content: dict[str, str]) -> Path:
        files["/proc/self/mountinfo"] = mountinfo.format(tmp_path)
        files["/proc/self/cgroup"] = membership
        for name, text in content.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


class Notes(dict):
    """As much of a journal as a group needs."""

    def noted(self, attack_id: str, name: str) -> str:
        return self.get((attack_id, name), "")

    def note(self, attack_id: str, name: str, text: str) -> None:
        self[(attack_id, name)] = text


def attack_cgroup(attack_id: str = "a") -> AttackCgroup:
    return AttackCgroup(attack_id, memory=1000, tasks=5)


def test_version_2(tree) -> None:
    top = tree(NEW, "0::/user.slice/session.scope\n", {"cgroup.subtree_control": "cpu memory pids\n", "user.slice/session.scope/cgroup.procs": ""})
    found = attack_cgroup()
    assert found.directories == [f"{top}/faultline-a"] and found.notes() == []
    assert found.enter(Notes(), 77)
    caps = {path.name: path.read_text() for path in (top / "faultline-a").iterdir()}
    assert caps == {"memory.swap.max": "0", "memory.max": "1000", "pids.max": "5", "cgroup.procs": "77"}


def test_version_1(tree) -> None:
    top = tree(OLD, "8:pids:/\n4:memory:/x\n0::/\n", {"memory/cgroup.procs": "", "pids/cgroup.procs": "", "unified/cgroup.procs": ""})
    found = attack_cgroup()
    assert found.directories == [f"{top}/memory/faultline-a", f"{top}/pids/faultline-a"]
    notes = Notes()
    assert found.enter(notes, 77)
    made = [(top / kind / "faultline-a") for kind in ("memory", "pids")]
    assert notes == {("a", "groups"): "".join(f"{path.stat().st_ino} {path}\n" for path in made)}
    assert (top / "memory/faultline-a/memory.limit_in_bytes").read_text() == "1000"
    assert (top / "pids/faultline-a/pids.max").read_text() == "5"
    assert (top / "pids/faultline-a/cgroup.procs").read_text() == "77"


def test_a_controller_that_is_not_switched_on_is_left_so(tree) -> None:
    top = tree(NEW, "0::/\n", {"cgroup.subtree_control": "pids\n"})
    attack_cgroup().enter(Notes(), 77)
    assert sorted(path.name for path in (top / "faultline-a").iterdir()) == ["cgroup.procs", "pids.max"]
    assert (top / "cgroup.subtree_control").read_text() == "pids\n"


@pytest.mark.parametrize(
    ("mountinfo", "content"), [("", {}), (NEW, {"cgroup.subtree_control": "cpu\n"}), (NEW, {})], ids=["no cgroups", "no controller", "nothing switched on"]
)
def test_without_control_groups_there_is_no_room(tree, mountinfo: str, content: dict) -> None:
    tree(mountinfo, "0::/\n", content)
    found, undo = attack_cgroup(), Undo()
    found.undo(undo)
    assert found.directories == [] and not found.enter(Notes(), 77) and undo.steps == [] and "process group" in found.notes()[0]


def test_a_user_has_no_room(tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(NEW, "0::/\n", {"cgroup.subtree_control": "memory pids\n"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert attack_cgroup().directories == []


def test_the_memory_limit_of_a_container_is_not_left(tree) -> None:
    content = {"cgroup.subtree_control": "memory pids", "c/memory.max": "5000\n", "c/memory.current": "3000\n", "c/memory.stat": "anon 9\ninactive_file 500\n"}
    tree(NEW, "0::/c/d\n", {**content, "c/d/memory.max": "max\n", "c/d/memory.current": "1\n"})
    assert cgroup.memory_limits() == [(5000, 2500)]
    assert attack_cgroup().directories == []


def test_memory_limits_of_version_1(tree) -> None:
    content = {"memory/x/memory.limit_in_bytes": "5000", "memory/x/memory.usage_in_bytes": "3000", "memory/x/memory.stat": "total_inactive_file 1000\n"}
    tree(OLD, "4:memory:/x\n", {**content, "memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "7"})
    assert cgroup.memory_limits() == [(5000, 2000)]


def test_task_limits_of_all_groups_around_us_or_of_the_top(tree) -> None:
    content = {"u/pids.max": "300", "u/pids.current": "30", "u/s/pids.max": "max", "u/s/pids.current": "3", "pids.max": "900", "pids.current": "90"}
    tree(NEW, "0::/u/s\n", content)
    assert cgroup.task_limits() == [(300, 30), (900, 90)]
    assert cgroup.task_limits(from_top=True) == [(900, 90)]


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [("/", "/a", "/a"), ("/docker/1", "/docker/1/a", "/a"), ("/docker/1", "/other", ""), ("/", "/gone", ""), ("/", "/../..", "")],
)
def test_directory_of_a_group(tmp_path: Path, root: str, path: str, expected: str) -> None:
    (tmp_path / "a").mkdir()
    assert cgroup.Hierarchy(str(tmp_path), root, 2).directory(path) == f"{tmp_path}{expected}"


def test_the_undo_names_the_room_and_asks_whether_it_is_there(tree) -> None:
    top = tree(NEW, "0::/\n", {"cgroup.subtree_control": "memory pids\n"})
    undo = Undo()
    attack_cgroup().undo(undo)
    assert undo.steps[0].render()[1] == f'if find_group {top}/faultline-a {top}; then remove_cgroup "$link"; fi'
    assert undo.checks[0].render() == [f"if find_group {top}/faultline-a {top}; then left 'there: the control group {top}/faultline-a'; fi"]


def test_residue_is_a_room_that_no_record_names(tree, bench) -> None:
    top = tree(NEW, "0::/\n", {"faultline-a/cgroup.procs": "", "faultline-b/cgroup.procs": "", "system.slice/cgroup.procs": ""})
    (bench.publish("a") / "record.json").write_text(f'"path": "{top}/faultline-a"')
    found = residue.Search(bench.host, bench.journal)
    residue._control_groups(found)
    assert found.residue == [f"control group {top}/faultline-b: rmdir {top}/faultline-b"]
