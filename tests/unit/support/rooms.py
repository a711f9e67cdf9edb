# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The allowed imports between rooms, as a table, and the actual imports. docs/ARCHITECTURE.md describes the table.

``python -m tests.unit.support.rooms`` prints the rooms and the edges between them; with ``--shipped`` also what Ansible sends for each module.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import CHECKOUT

PACKAGE = "ansible_collections.faultline.chaos."

# The room of a file is the longest prefix of its path in the table. "module_utils/" itself is the ground of the targets and "plugin_utils/"
# that of the controller: the files directly in them, as "tests/" itself is for tests. "modules/k8s_" are the modules for clusters.
GROUND, HOST_ROOMS = "plugins/module_utils/", ("_undo", "_host", "_network", "_resources", "_state", "_lifecycle")
CONTROL = "plugins/plugin_utils/"
TESTS = "tests/"


def _target(*names: str) -> tuple[str, ...]:
    return (GROUND, *(GROUND + name + "/" for name in names))


def _controller(*names: str) -> tuple[str, ...]:
    return (GROUND, CONTROL, *(CONTROL + name + "/" for name in names))


# room -> the rooms that it may import, beside itself. All other imports are refused.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    # On the targets.
    GROUND: (),
    GROUND + "_undo/": _target(),
    GROUND + "_host/": _target("_undo"),
    GROUND + "_network/": _target("_undo", "_host"),
    GROUND + "_resources/": _target("_undo", "_host"),
    GROUND + "_state/": _target("_undo", "_host"),
    GROUND + "_lifecycle/": _target("_undo", "_host", "_network"),  # residue runs the programs of packet filters
    # For clusters. Of the rooms of a host only the detached processes, because the watcher of an attack is one.
    GROUND + "_kube/api/": _target(),
    GROUND + "_kube/targets/": _target("_kube/api"),
    GROUND + "_kube/lifecycle/": (*_target("_kube/api", "_kube/targets"), GROUND + "_host/detached.py"),
    GROUND + "_kube/faults/": _target("_kube/api", "_kube/targets", "_kube/lifecycle"),
    GROUND + "_host/detached.py": (GROUND, GROUND + "_host/proc.py"),
    GROUND + "_host/proc.py": (GROUND,),
    "plugins/modules/": _target(*HOST_ROOMS),
    "plugins/modules/k8s_": _target("_kube/api", "_kube/targets", "_kube/lifecycle", "_kube/faults"),
    # On the controller. It shares the ground of the targets and the client for clusters.
    CONTROL: (GROUND,),
    CONTROL + "_runners/": _controller(),
    CONTROL + "_probes/": (*_controller("_runners"), GROUND + "_kube/api/"),
    CONTROL + "_observation/": (*_controller("_runners", "_probes"), GROUND + "_kube/api/", GROUND + "_kube/lifecycle/"),
    CONTROL + "_selection/": _controller(),
    CONTROL + "_report/": _controller(),
    CONTROL + "_experiment/": _controller("_probes", "_selection", "_report"),
    "plugins/action/": _controller("_runners", "_probes", "_observation", "_selection", "_report", "_experiment"),
    "plugins/filter/": _controller("_selection", "_experiment"),
    "plugins/doc_fragments/": (),
    # Helpers of tests. Helpers of unit tests may import the tested code; the others use the collection only from outside.
    # Helpers of the lab are used by all suites that run on hosts of the lab, or play with the same events.
    "tests/support/": (),
    "tests/unit/support/": ("tests/support/", "plugins/"),
    "tests/lab/support/": ("tests/support/",),
    "tests/netns/support/": ("tests/support/",),
    "tests/faults/support/": ("tests/support/", "tests/lab/support/"),
    "tests/adversary/support/": ("tests/support/", "tests/lab/support/"),
    "tests/cluster/support/": ("tests/support/", "tests/lab/support/"),
    "tests/integration/experiment/support/": ("tests/support/",),
    # Tests: with conftest.py, and the programs that they run elsewhere. Those in namespaces of this machine may call the tested code, as unit
    # tests do; the others see it from outside.
    TESTS: ("tests/support/",),
    "tests/unit/": ("tests/support/", "tests/unit/support/", "tests/faults/support/", "tests/lab/support/", "plugins/"),
    "tests/fuzz/": ("tests/support/", "tests/unit/support/", "plugins/"),
    "tests/lab/": ("tests/support/", "tests/lab/support/"),
    "tests/netns/": ("tests/support/", "tests/netns/support/", "plugins/"),
    "tests/faults/": ("tests/support/", "tests/faults/support/", "tests/lab/support/"),
    "tests/adversary/": ("tests/support/", "tests/adversary/support/", "tests/lab/support/", CONTROL + "_experiment/"),
    "tests/cluster/": ("tests/support/", "tests/cluster/support/", "tests/lab/support/"),
    "tests/integration/": ("tests/support/", "tests/integration/experiment/support/", GROUND),
    "tests/integration/experiment/standins/": (CONTROL + "_observation/",),
    "tests/bench/": (
        "plugins/plugin_utils/_report/",
        "tests/support/",
        "tests/netns/support/",
        "tests/cluster/support/",
        "tests/integration/experiment/support/",
    ),
}
# Rooms that consist of one file inside another room: the other files of that room may import them, too.
INNER = (GROUND + "_host/detached.py", GROUND + "_host/proc.py")


class Edge(NamedTuple):
    """One import: the file that imports, the line, the file that is imported, and the name (empty for a whole file)."""

    source: str
    line: int
    target: str
    name: str


def files(root: Path = CHECKOUT) -> list[str]:
    """Every Python file to which the table applies: all plugins, and all tests."""
    found = [*root.glob("plugins/**/*.py"), *root.glob("tests/**/*.py")]
    return sorted(str(path.relative_to(root)) for path in found)


@functools.cache
def room(path: str) -> str:
    """The room of a file. Errors: LookupError for one that has none."""
    for name in sorted(MAY_IMPORT, key=len, reverse=True):
        if path == name or name.endswith("/") and path.startswith(name) and _is_in(path, name) or name.endswith("_") and path.startswith(name):
            return name
    raise LookupError(f"{path} is in no room: give it one in {Path(__file__).relative_to(CHECKOUT)}, with what it may import")


def _is_in(path: str, name: str) -> bool:
    """Whether a path is in a room. A ground contains only the files directly in its directory."""
    return name not in (GROUND, CONTROL, TESTS) or "/" not in path[len(name) :]


def allowed(source: str, target: str) -> bool:
    """Whether a file may import another one."""
    mine, theirs = room(source), room(target)
    around = theirs.rpartition("/")[0] + "/" if theirs in INNER else theirs  # files that may import a room, or are in it, may import its inner rooms
    if mine in (theirs, around) or {theirs, around} & set(MAY_IMPORT[mine]):
        return True
    return "plugins/" in MAY_IMPORT[mine] and theirs.startswith("plugins/")


@functools.cache
def edges(root: Path = CHECKOUT) -> list[Edge]:
    """All imports of files of the collection and of tests, including those inside functions."""
    return [edge for path in files(root) for edge in _edges(path, root)]


def _edges(path: str, root: Path) -> Iterator[Edge]:
    for node in ast.walk(ast.parse((root / path).read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if (target := _file(alias.name, root)) is not None:
                    yield Edge(path, node.lineno, target, "")
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # relative to the package of this file
                package = list(Path(path).parent.parts)
                module = ".".join([*package[: len(package) - node.level + 1], *([module] if module else [])])
            for alias in node.names:
                if (target := _file(f"{module}.{alias.name}", root)) is not None:
                    yield Edge(path, node.lineno, target, "")
                elif (target := _file(module, root)) is not None:
                    yield Edge(path, node.lineno, target, alias.name)


def _file(module: str, root: Path) -> str | None:
    """The file of a Python module by its dotted name; None outside of this repository."""
    name = module[len(PACKAGE) :] if module.startswith(PACKAGE) else module
    if name.partition(".")[0] not in ("plugins", "tests"):
        return None
    path = name.replace(".", "/") + ".py"
    return path if (root / path).is_file() else None


def private_uses(path: str, root: Path = CHECKOUT) -> list[str]:
    """Names with a leading underscore that a file uses from another file, by import or as an attribute of an import."""
    tree = ast.parse((root / path).read_text())
    found = [f"{edge.name} of {edge.target}" for edge in _edges(path, root) if edge.name.startswith("_")]
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (target := _file(f"{node.module}.{alias.name}", root)) is not None:
                    modules[alias.asname or alias.name] = target
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            if node.attr.startswith("_") and not node.attr.startswith("__"):
                found.append(f"{node.attr} of {modules[node.value.id]}")
    return found


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The files of an import cycle, in order; empty when there is none."""
    done: set[str] = set()

    def walk(path: str, trail: list[str]) -> list[str]:
        if path in trail:
            return [*trail[trail.index(path) :], path]
        if path in done:
            return []
        for target in sorted(graph.get(path, ())):
            if found := walk(target, [*trail, path]):
                return found
        done.add(path)
        return []

    return next((found for path in sorted(graph) if (found := walk(path, []))), [])


def graph(found: Iterable[Edge]) -> dict[str, set[str]]:
    """{file: the files that it imports}."""
    made: dict[str, set[str]] = defaultdict(set)
    for edge in found:
        made[edge.source].add(edge.target)
    return dict(made)


def shipped(module: str, imports: dict[str, set[str]]) -> set[str]:
    """The files that Ansible sends for a module: the module and all its transitive imports, as the finder of Ansible collects them."""
    found, rest = set(), {module}
    while rest:
        found |= rest
        rest = {target for path in rest for target in imports.get(path, ())} - found
    return found


def size(paths: Iterable[str], root: Path = CHECKOUT) -> int:
    """The size of the source in bytes."""
    return sum((root / path).stat().st_size for path in paths)


def report(with_shipped: bool = False) -> str:
    """Rooms with their files and lines, the edges between rooms with the number of imports, and what modules ship."""
    all_files, found = files(), edges()
    lines = ["rooms: files, lines"]
    rooms = Counter(room(path) for path in all_files)
    for name in MAY_IMPORT:
        length = sum(len((CHECKOUT / path).read_text().splitlines()) for path in all_files if room(path) == name)
        lines.append(f"  {name:42} {rooms[name]:3} {length:6}")
    between = Counter((room(edge.source), room(edge.target)) for edge in found)
    lines.append(f"edges between rooms: {sum(count for (one, other), count in between.items() if one != other)} of {len(found)} imports")
    lines += [f"  {one:42} -> {other:40} {count:3}" for (one, other), count in sorted(between.items()) if one != other]
    if with_shipped:
        imports = graph(found)
        lines.append("source shipped for a module: files, KiB")
        for path in (path for path in all_files if path.startswith("plugins/modules/")):
            sent = shipped(path, imports)
            lines.append(f"  {Path(path).stem:42} {len(sent):3} {size(sent) / 1024:6.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report("--shipped" in sys.argv[1:]))
