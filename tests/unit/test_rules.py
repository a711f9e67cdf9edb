# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the collection that a program can check."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.faults.support.attacks import ATTACKS
from tests.support.paths import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
LONGEST_FILE = 450
LONGEST_TWICE = 350  # characters of the syntax tree: about two statements
ATTACK_GROUP = "faultline.chaos._attributes.actiongroup_attacks"
KUBE_GROUP = "faultline.chaos._attributes.actiongroup_k8s_attacks"

# Python on the targets, oldest first; a pyenv shim of an absent version exists and does not run.
OLD_PYTHONS = [*Path.home().glob(".pyenv/versions/3.6*/bin/python"), Path("/usr/bin/python3.6"), Path("/usr/libexec/platform-python")]


def python_files(*directories: str) -> list[Path]:
    return sorted(path for directory in directories for path in (PLUGINS / directory).rglob("*.py"))


TARGET_CODE = [*python_files("modules", "module_utils"), CHECKOUT / "tests/support/crash_point.py"]
MODULES = python_files("modules")
ALL_PLUGINS = python_files(".")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(CHECKOUT)) for path in paths]


def constant(path: Path, name: str) -> str:
    """The text of a module level constant, such as DOCUMENTATION."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return ast.literal_eval(node.value)
    return ""


def documentation(path: Path) -> dict:
    return yaml.safe_load(constant(path, "DOCUMENTATION")) or {}


def fragments(path: Path) -> list[str]:
    listed = documentation(path).get("extends_documentation_fragment", [])
    return [listed] if isinstance(listed, str) else listed


@pytest.mark.parametrize("path", TARGET_CODE, ids=names(TARGET_CODE))
def test_target_code_is_python_3_6(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    # A feature_version does not know the future imports, and compiles them all.
    assert "annotations" not in {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not modules & {"dataclasses", "subprocess", "importlib.resources", "contextvars", "zoneinfo"}


@pytest.mark.parametrize("python", [path for path in OLD_PYTHONS if path.exists()], ids=str)
def test_target_code_compiles_on_an_old_python(python: Path) -> None:
    program = "import sys\nfor path in sys.argv[1:]:\n    with open(path, encoding='utf-8') as file:\n        compile(file.read(), path, 'exec')"
    result = subprocess.run([python, "-c", program, *map(str, TARGET_CODE)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", ALL_PLUGINS, ids=names(ALL_PLUGINS))
def test_no_shell_from_python(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}, f"line {node.lineno}"
            shells = [word.arg for word in node.keywords if word.arg in {"shell", "use_unsafe_shell"} and ast.unparse(word.value) != "False"]
            assert not shells, f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_module_documents_its_attributes(path: Path) -> None:
    assert "faultline.chaos._attributes" in fragments(path)
    own = set(documentation(path).get("attributes", {}))
    borrowed = {"attack", "kube_attack", "info_module"} & {name.rpartition(".")[2] for name in fragments(path)}
    assert borrowed or {"check_mode", "diff_mode", "idempotent", "platform"} <= own


def described_choices(options: dict) -> list[str]:
    """The options, at any depth, whose choices are a dictionary with descriptions."""
    found = [name for name, option in options.items() if isinstance(option.get("choices"), dict)]
    return found + [f"{name}.{inner}" for name, option in options.items() for inner in described_choices(option.get("suboptions", {}))]


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_choices_are_a_list_as_ansible_core_2_16_wants_them(path: Path) -> None:
    assert described_choices(documentation(path).get("options", {})) == []


def test_action_group_is_the_modules_that_say_so() -> None:
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())
    members = {path.stem for path in MODULES if ATTACK_GROUP in fragments(path)}
    assert set(runtime["action_groups"]["attacks"]) == members
    assert members == {path.stem for path in MODULES if "faultline.chaos._attack" in fragments(path)}
    in_clusters = {path.stem for path in MODULES if KUBE_GROUP in fragments(path)}
    assert set(runtime["action_groups"].get("k8s_attacks", [])) == in_clusters
    assert in_clusters == {path.stem for path in MODULES if "faultline.chaos._kube_attack" in fragments(path)}


def test_every_attack_is_tried_by_the_fault_tests() -> None:
    """host_power ends the host that the fault tests look at; its lab test has faults of its own."""
    tried = {attack.module for attack in ATTACKS} | {"host_power"}
    assert {path.stem for path in MODULES if ATTACK_GROUP in fragments(path)} == tried, "give it an entry in tests/faults/support/attacks.py"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("get_close_matches(", "_hints.py"),  # the nearest of known words
        ('"--net", *', "_host/trial.py"),  # unshare: a network namespace in which something is tried
        ('.tool("unshare")', "_host/trial.py"),
    ],
)
def test_what_is_written_once(words: str, place: str) -> None:
    found = [str(path.relative_to(PLUGINS)) for path in ALL_PLUGINS if words in path.read_text()]
    assert found == [f"module_utils/{place}"]


def test_controller_requirements_are_the_ones_used() -> None:
    """meta/ee-requirements.txt names each third party library that a plugin imports, and no other."""
    distributions = {"jmespath": "jmespath", "dns": "dnspython", "netaddr": "netaddr", "kubernetes": "kubernetes", "zoneinfo": "tzdata"}
    imported = set()
    for path in ALL_PLUGINS:
        for node in ast.walk(ast.parse(path.read_text())):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            imported |= {name.partition(".")[0] for name in found}
    lines = (CHECKOUT / "meta/ee-requirements.txt").read_text().splitlines()
    required = {re.split(r"[<>=~ ]", line)[0] for line in lines if line and not line.startswith("#")}
    assert required == {distributions[name] for name in imported if name in distributions}


def test_no_file_is_long() -> None:
    patterns = ["plugins/**/*.py", "roles/**/*.yml", "roles/**/*.sh", "playbooks/**/*.yml", "tests/**/*.py", "tests/**/*.sh", "scripts/*", "meta/*", "*.md"]
    lengths = {path: len(path.read_text().splitlines()) for pattern in patterns for path in CHECKOUT.glob(pattern) if path.is_file()}
    assert {str(path.relative_to(CHECKOUT)): n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_written_twice() -> None:
    """Under the same name in two files; what is shorter than a few statements is not looked at."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in ALL_PLUGINS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                text = "".join(ast.dump(each) for each in (node.body[1:] if ast.get_docstring(node) else node.body))
                if len(text) > LONGEST_TWICE:
                    found.setdefault((node.name, ast.dump(node.args) + text), set()).add(path.name)
    assert {name: paths for (name, _text), paths in found.items() if len(paths) > 1} == {}


def test_only_the_room_of_the_undo_quotes_words_for_a_shell() -> None:
    """On the targets and for clusters; everything else passes words as argv."""
    quoting = [path for path in TARGET_CODE if re.search(r"^\s*(from|import) shlex\b", path.read_text(), re.MULTILINE)]
    assert {path.parent.name for path in quoting} == {"_undo"}


def test_a_room_is_a_directory_and_nothing_else() -> None:
    """docs/ARCHITECTURE.md calls a directory of utils so. No class or function has that name for something else."""
    named = [f"{path.name}: {name}" for path in ALL_PLUGINS for name in re.findall(r"^ *(?:class|def) (\w+)", path.read_text(), re.MULTILINE)]
    assert [name for name in named if name.split()[-1].lower() in ("room", "rooms")] == []


def test_no_sanity_test_is_ignored() -> None:
    assert list((CHECKOUT / "tests/sanity").glob("ignore-*.txt")) == []


SPLITTING = python_files("modules", "module_utils")


@pytest.mark.parametrize("path", SPLITTING, ids=names(SPLITTING))
def test_foreign_text_has_lines_at_line_feeds_alone(path: Path) -> None:
    """str.splitlines() also splits at \\x1c, \\x85 or \\u2028, and that of bytes at \\r: names of interfaces, users, files and processes may hold these."""
    found = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute) and node.attr == "splitlines"]
    assert found == [], 'use lines() of _host/host.py, or split("\\n")'
