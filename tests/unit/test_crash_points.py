# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Crash points are for tests: what is shipped has none, and the tree of the tests has all of them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import crash
from tests.support.paths import CHECKOUT, COLLECTIONS

SHIPPED = ["plugins", "roles", "playbooks", "meta", "docs", "inventories", "extensions"]


def play(tmp_path: Path, collections: dict[str, str]) -> subprocess.CompletedProcess:
    """An attack in check mode on this machine, whose environment asks for a failure after the guards."""
    attack = {"faultline.chaos.cpu_stress": {"duration": "10s"}, "environment": {crash.VARIABLE: "fail@guarded"}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [attack]}]))
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", "--check", str(tmp_path / "play.yml")]
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_PYTHON_INTERPRETER": sys.executable, "HOME": str(tmp_path), **collections}
    return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_module_from_the_tree_fails_where_it_is_asked_to(tmp_path: Path) -> None:
    done = play(tmp_path, crash.environment(tmp_path))
    assert done.returncode == 2 and "refused by the test at guarded" in done.stdout, done


def test_a_module_as_it_is_shipped_does_not(tmp_path: Path) -> None:
    done = play(tmp_path, {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)})
    assert done.returncode == 0, done


def test_the_tree_is_the_checkout_but_for_one_file(tmp_path: Path) -> None:
    root = crash.tree(tmp_path) / "ansible_collections/faultline/chaos"
    assert crash.tree(tmp_path) == root.parents[2]
    here = {path.relative_to(CHECKOUT / "plugins") for path in (CHECKOUT / "plugins").rglob("*.py")}
    there = {Path(directory, name).relative_to(root / "plugins") for directory, _names, files in os.walk(root / "plugins", followlinks=True) for name in files}
    assert here <= there
    different = {path for path in here if (root / "plugins" / path).read_bytes() != (CHECKOUT / "plugins" / path).read_bytes()}
    assert different == {Path("module_utils/_crash.py")}
    assert all((root / name).exists() for name in ("galaxy.yml", "meta/runtime.yml", "roles", "playbooks"))
    assert not (root / "tests").exists()


def test_nothing_that_is_shipped_asks_the_environment_for_a_crash() -> None:
    (point,) = [node for node in ast.parse((CHECKOUT / "plugins/module_utils/_crash.py").read_text()).body if not isinstance(node, ast.Expr)]
    assert isinstance(point, ast.FunctionDef) and len(point.body) == 1 and ast.get_docstring(point), "the shipped crash_point does something"
    paths = [path for name in SHIPPED for path in (CHECKOUT / name).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert [str(path) for path in paths if b"FAULTLINE_TEST" in path.read_bytes()] == []


def test_every_file_with_crash_points_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.faultline.chaos.plugins.module_utils._host import durable
    from ansible_collections.faultline.chaos.plugins.modules import custom

    before = custom.crash_point
    crash.install(monkeypatch)
    assert custom.crash_point is durable.crash_point is crash.crash_point.crash_point
    monkeypatch.undo()
    assert custom.crash_point is before
