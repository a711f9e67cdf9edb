# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""file_fault: what is refused before anything is touched, and what it does to bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._state import file
from ansible_collections.faultline.chaos.plugins.modules import file_fault
from tests.unit.support.attacks import make, refused


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


def test_a_file_that_is_not_back_is_told_as_missing(tmp_path: Path) -> None:
    """Before: "still there: no FILE", after "the directory is not found"."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    attack = guarded(tmp_path, path=str(path), op="remove")
    checks = [line for check in attack.plan([]).undo.checks for line in check.render()]
    assert any(f"left 'missing: {path}'" in line for line in checks), checks


def test_bits_flip_by_their_seed() -> None:
    content = bytes(range(64))
    told = {"count": 5, "seed": 7}
    flipped = file.change("bit_flip", content, told)
    assert flipped == file.change("bit_flip", content, told) != file.change("bit_flip", content, {**told, "seed": 8})
    assert sum(bin(one ^ other).count("1") for one, other in zip(content, flipped, strict=True)) == 5


@pytest.mark.parametrize(("size", "content"), [(0, b""), (2, b"ab"), (5, b"abc\0\0")])
def test_truncated_to(size: int, content: bytes) -> None:
    assert file.change("truncate", b"abc", {"size": size}) == content
