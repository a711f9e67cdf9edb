# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules without a controller: what the tests on real hosts bring there is whole, and a module of it gives the result that it would give Ansible."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.lab.support import direct
from tests.lab.support.lab import Lab, Result
from tests.support import crash
from tests.support.paths import PLUGINS


class Here(Lab):
    """This machine in the place of a host, with its files in a directory of the test."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.installed = 0

    def send(self, host: str, path: Path, line: str) -> None:
        self.installed += 1
        with path.open("rb") as file:
            subprocess.run(["sh", "-c", line], stdin=file, check=True)

    def run(self, host: str, command: str, check: bool = True, timeout: float = 60, stdin: str | None = None, **_other) -> Result:
        return self._call(["sh", "-c", command], check, timeout, stdin=stdin)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lab = Here(tmp_path)
    monkeypatch.setattr(direct, "PLACE", str(tmp_path / "place"))
    monkeypatch.setattr(direct, "PYTHON", sys.executable)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield lab
    lab.close()


def test_it_serves_modules_alone() -> None:
    assert direct.serves("faultline.chaos.netem") and direct.serves("faultline.chaos.revert")
    assert not direct.serves("faultline.chaos.steady_state"), "it runs on the controller"
    assert not direct.serves("ansible.builtin.command") and not direct.serves("faultline.chaos.nothing")


def test_a_module_gives_its_result_and_its_files_are_brought_once(here) -> None:
    for _each in range(2):
        refused = direct.run(here, "n1", "faultline.chaos.cpu_stress", {"duration": "-1s"})
        assert refused["failed"] and "duration" in refused["msg"], refused
    assert here.installed == 1


def test_other_files_in_the_checkout_are_brought_anew(here) -> None:
    direct.install(here, "n1")
    (Path(direct.PLACE) / ".of").write_text("others\n")
    assert direct.run(here, "n1", "faultline.chaos.cpu_stress", {"duration": "-1s"})["failed"]
    assert here.installed == 2


def test_a_module_gets_its_options_its_modes_and_its_crash_point(here, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(here, "run", lambda _host, line, **other: calls.append((line, json.loads(other["stdin"]))) or Result(0, "", "", 0.1, {"changed": True}))
    assert direct.run(here, "n1", "faultline.chaos.netem", {"delay": "20ms"}, check=True, diff=True, crash_at="hang@armed") == {"changed": True}
    [(line, given)] = calls
    assert given == {"ANSIBLE_MODULE_ARGS": {"delay": "20ms", "_ansible_check_mode": True, "_ansible_diff": True}}
    assert f" {crash.VARIABLE}=hang@armed " in line


def test_a_module_that_dies_is_told_from_one_that_breaks(here, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = direct.run(here, "n1", "faultline.chaos.nothing", {})
    assert broken["failed"] and not broken["killed"] and "No module named" in broken["msg"], broken
    monkeypatch.setattr(direct, "PYTHON", "sh -c 'kill -KILL $$' --")
    died = direct.run(here, "n1", "faultline.chaos.netem", {})
    assert died["failed"] and died["killed"] and died["rc"] == 137, died


def test_every_file_is_there_with_crash_points(here) -> None:
    path, _known = direct._packed(here)
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
        replaced = archive.extractfile("ansible_collections/faultline/chaos/plugins/module_utils/_crash.py").read().decode()
    wanted = {
        f"ansible_collections/faultline/chaos/plugins/{file.relative_to(PLUGINS)}"
        for kind in ("modules", "module_utils")
        for file in (PLUGINS / kind).rglob("*.py")
    }
    assert wanted <= names and "ansible/module_utils/basic.py" in names
    assert crash.VARIABLE in replaced


def test_a_lost_host_is_unreachable(here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "run", lambda *_args, **_other: Result(255, "", "Connection refused", 0.1))
    assert direct.run(here, "n1", "faultline.chaos.revert", {})["unreachable"] is True
