# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""make new-attack, in a copy of the checkout: what it makes passes lint and the rules, and its tests fail with "write me"."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.paths import CHECKOUT

NAME = "route_fault"
LEFT_OUT = (".git", "dist", "reports", "output", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".ansible", ".import_order")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copy") / "chaos"
    shutil.copytree(CHECKOUT, place, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return place


def run(copy: Path, *argv: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {key: value for key, value in environment.items() if not key.startswith(("PYTEST_", "COV_", "COVERAGE_"))}
    return subprocess.run(argv, cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False)


def snapshot(copy: Path) -> dict[str, bytes]:
    return {str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*") if path.is_file() and ".collections" not in path.parts}


@pytest.fixture(scope="module")
def made(copy: Path) -> dict[str, str]:
    """What there is that was not, or was otherwise: path, text."""
    before = snapshot(copy)
    done = run(copy, sys.executable, "scripts/new_attack.py", NAME)
    assert done.returncode == 0, done.stderr
    after = snapshot(copy)
    found = {path: text.decode() for path, text in after.items() if before.get(path) != text}
    told = {line.split()[0] for line in done.stdout.splitlines()[1:]}
    assert told == set(found), done.stdout
    return found


def test_a_new_attack_is_few_files(made: dict[str, str]) -> None:
    assert sorted(made) == [
        "README.md", "docs/attacks.md", "meta/runtime.yml", f"plugins/modules/{NAME}.py", "tests/faults/support/attacks.py", f"tests/lab/test_{NAME}.py",
        f"tests/netns/test_{NAME}.py", f"tests/unit/plugins/modules/test_{NAME}.py",
    ]  # fmt: skip
    assert NAME in yaml.safe_load(made["meta/runtime.yml"])["action_groups"]["attacks"]
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]
    told = re.search(r"^version_added: (.*)$", made[f"plugins/modules/{NAME}.py"], re.MULTILINE).group(1)
    released = yaml.safe_load((CHECKOUT / "changelogs/changelog.yaml").read_text())["releases"]
    assert told not in released and (told == galaxy or galaxy in released)
    for path, text in made.items():
        assert not path.endswith(f"{NAME}.py") or text.lstrip("#!/usrbinpytho\n ").startswith("Copyright (c)"), path


def test_it_passes_lint(copy: Path, made: dict[str, str]) -> None:
    paths = [path for path in made if path.endswith(".py")]
    ruff = [["ruff", "check", *paths], ["ruff", "format", "--check", *paths]] if shutil.which("ruff") else []  # only beside the tools of `make lint`
    for argv in (*ruff, [sys.executable, "scripts/return_docs.py", "--check"]):
        done = run(copy, *argv)
        assert done.returncode == 0, done.stdout + done.stderr
    shown = run(copy, "ansible-doc", "--json", f"faultline.chaos.{NAME}")
    assert shown.returncode == 0, shown.stderr
    doc = json.loads(shown.stdout)[f"faultline.chaos.{NAME}"]["doc"]
    assert doc["short_description"] == "Write me, in one line" and {"victim", "duration"} <= set(doc["options"])


def test_the_rules_accept_it(copy: Path, made: dict[str, str]) -> None:
    tests = [f"tests/unit/test_{name}.py" for name in ("rules", "docs", "directions", "measured")]
    mine = f"{NAME} or every or action_group or long or guide"
    done = run(copy, sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests, "-k", mine)
    assert done.returncode == 0, done.stdout


def test_nothing_that_was_not_written_passes(copy: Path, made: dict[str, str]) -> None:
    done = run(copy, sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"tests/unit/plugins/modules/test_{NAME}.py")
    assert done.returncode == 1 and " passed" not in done.stdout, done.stdout
    assert len(re.findall(rf"^E +NotImplementedError: write me: validate\(\) of {NAME}", done.stdout, re.MULTILINE)) == 7, done.stdout


@pytest.mark.parametrize("lost", ["README.md", "meta/runtime.yml", "docs/attacks.md", "tests/faults/support/attacks.py", "scripts/return_docs.py"])
def test_after_a_failure_it_can_be_run_again(copy: Path, made: dict[str, str], lost: str) -> None:
    """A file whose place for the new attack is not found, and a step that fails at the end: nothing is left."""
    path, name = copy / lost, "other_fault"
    text = path.read_text()
    path.write_text("raise SystemExit(3)\n")
    try:
        before = snapshot(copy)
        done = run(copy, sys.executable, "scripts/new_attack.py", name)
        assert done.returncode != 0 and lost in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert snapshot(copy) == before
    finally:
        path.write_text(text)


@pytest.mark.parametrize("name", ["", "Route", "route-fault", "../route", "k8s_route", "netem", "1route", "route fault", "x" * 41, "route_", "route;id"])
def test_names_that_are_refused(copy: Path, name: str) -> None:
    before = snapshot(copy)
    done = run(copy, sys.executable, "scripts/new_attack.py", name)
    assert done.returncode == 2 and done.stderr.startswith("NAME: ") and snapshot(copy) == before
