# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_fill: what is refused before anything is touched, and the floor that it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import Space
from ansible_collections.faultline.chaos.plugins.modules import disk_fill, file_fault, io_stress
from tests.unit.support.attacks import make, refused

BAD_PATHS = ["", "var/tmp", "/var/../etc", "/proc/self", "/sys/kernel", "/dev/sda", "/a\nb"]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_that_all_refuse(path: str) -> None:
    refused(disk_fill.DiskFill, "^path: ", path=path, percent=50)
    refused(io_stress.IoStress, "^path: ", path=path)
    refused(file_fault.FileFault, "^path: ", path=path, op="remove")


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
