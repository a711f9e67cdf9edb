# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a file system is in memory: 1 goes with its mount, 2 (an overlay that writes to one) is there until a reboot, 0 stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import mounts

MOUNTS = """22 1 8:2 / / rw - ext4 /dev/sda2 rw
30 22 0:40 / {place}/memory rw - tmpfs tmpfs rw
31 22 0:41 / {place}/overmemory rw - overlay overlay rw,lowerdir=/a,upperdir={place}/memory/the\\040upper,workdir={place}/memory/work
32 22 0:42 / {place}/overdisk rw - overlay overlay rw,lowerdir=/a,upperdir={place}/disk,workdir=/w
33 22 0:43 / {place}/container rw - overlay overlay rw,lowerdir=/a,upperdir={place}/memory/elsewhere,workdir=/w
34 22 0:44 / {place}/readonly rw - overlay overlay ro,lowerdir={place}/memory:/b
"""


@pytest.mark.parametrize(
    ("point", "memory"),
    # The upper directory of a container is a path of the host, which leads nowhere in the container.
    [("", 0), ("memory", 1), ("overmemory", 2), ("overdisk", 0), ("container", 0), ("readonly", 0)],
)
def test_in_memory(tmp_path: Path, point: str, memory: int) -> None:
    for name in ("memory/the upper", "disk", "overmemory/a", "overdisk/a", "container/a", "readonly/a"):
        (tmp_path / name).mkdir(parents=True)
    found = mounts.mount_of(str(tmp_path / point / "a" / "file"), MOUNTS.format(place=tmp_path))
    assert found.point == (str(tmp_path / point) if point else "/")
    assert (found.home()[4], found.in_memory) == (memory, memory > 0)
