# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files of the kernel: one write each, and values that are spelled in another way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import kernel_files
from ansible_collections.faultline.chaos.plugins.module_utils._host.namespace import HERE


class Elsewhere:
    """A place whose programs run behind another one, as behind nsenter."""

    key = "@1:2"

    @staticmethod
    def argv(argv: list[str]) -> list[str]:
        return ["nice", *argv]


PLACES = [pytest.param(HERE, id="here"), pytest.param(Elsewhere(), id="elsewhere")]


def test_a_value_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes, write = [], os.write
    monkeypatch.setattr(os, "write", lambda handle, data: writes.append(data) or write(handle, data))
    (tmp_path / "f").write_text("before, and longer\n")
    kernel_files.write(str(tmp_path / "f"), "4096 16384")
    assert writes == [b"4096 16384\n"] and (tmp_path / "f").read_text().startswith("4096 16384\n")


def test_a_refusal_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left.*/dev/full"):
        kernel_files.write("/dev/full", "1")
    with pytest.raises(OSError, match="No such file"):
        kernel_files.write("/nowhere/x", "1")


@pytest.mark.parametrize("place", PLACES)
def test_reading_and_writing_in_a_place(bench, tmp_path: Path, place) -> None:
    file = tmp_path / "it's"
    file.write_text("4\t 5\n")
    assert kernel_files.read_in(bench.host, place, str(file)) == "4 5"
    kernel_files.write_in(bench.host, place, str(file), "$(id) 6")
    assert file.read_text() == "$(id) 6\n"
    assert kernel_files.read_in(bench.host, place, str(tmp_path / "none")) is None
    with pytest.raises(AttackError, match="^/dev/full refuses '7': "):
        kernel_files.write_in(bench.host, place, "/dev/full", "7")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1", True), ("1", "2", False), ("1001", "1004", False), ("0x10", "16", True), ("-5", "-5", True), ("4 5", "4\t5", True), ("4 5", "5 4", False),
        ("4", "4 5", False), ("1,2,3", "1-3", True), ("3,1-2", "1-3", True), ("1,3", "1-3", False), ("cubic", "cubic", True), ("cubic", "reno", False),
        ("a-b", "a-b", True), ("", "", True), ("", "0", False), ("010", "8", False), ("1-99999999999", "1-99999999999", True), ("core.%p", "core.%p", True),
        ("\u00b2", "2", False), ("\u0662", "2", False), ("1_0", "10", False), ("5-3", "5-3", True), ("1,1", "1", True),
        ("0-4294967295", "0-9,10-4294967295", True), ("1-2,2-3", "1-3", True),
    ],
)  # fmt: skip
def test_two_spellings_of_one_value(one: str, other: str, same: bool) -> None:
    assert kernel_files.same_value(one, other) is same
