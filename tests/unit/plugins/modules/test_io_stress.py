# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""io_stress: what is refused before anything is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import Space
from ansible_collections.faultline.chaos.plugins.modules import io_stress
from tests.unit.support.attacks import make, refused


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
