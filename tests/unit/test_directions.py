# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Knowledge points one way: every import is compared with the table in support/rooms.py. ``python -m tests.unit.support.rooms`` prints both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.support import rooms

LARGEST_FOR_CLUSTERS = 190 * 1024  # bytes of source that Ansible sends for a k8s_ module


def test_every_import_goes_in_its_direction() -> None:
    wrong = [f"{edge.source}:{edge.line} imports {edge.target}" for edge in rooms.edges() if not rooms.allowed(edge.source, edge.target)]
    assert wrong == [], f"against the table in {rooms.__file__}"


def test_no_private_name_is_used_across_files() -> None:
    """Except in tests, which may look behind the public names of what they test."""
    found = {path: used for path in rooms.files() if (path.startswith("plugins/") or "/support/" in path) and (used := rooms.private_uses(path))}
    assert found == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    assert rooms.cycle(rooms.graph(rooms.edges())) == []


def test_every_room_of_the_table_has_files_and_knows_rooms_that_exist() -> None:
    used = {rooms.room(path) for path in rooms.files()}
    assert used == set(rooms.MAY_IMPORT)
    named = {other for others in rooms.MAY_IMPORT.values() for other in others}
    assert named <= used | {"plugins/"}


def test_the_table_itself_has_no_circle() -> None:
    order = {name: {other for other in others if other != name} for name, others in rooms.MAY_IMPORT.items()}
    assert rooms.cycle(order) == []


@pytest.mark.parametrize("module", [path for path in rooms.files() if path.startswith("plugins/modules/k8s_")])
def test_a_module_for_clusters_ships_no_half_for_hosts(module: str) -> None:
    sent = rooms.shipped(module, rooms.graph(rooms.edges()))
    of_hosts = {rooms.room(path) for path in sent} & {rooms.GROUND + name + "/" for name in rooms.HOST_ROOMS}
    assert of_hosts == set() and rooms.size(sent) <= LARGEST_FOR_CLUSTERS


# What other modules for hosts send is in `python -m tests.unit.support.rooms --shipped`; a target compiles all of it before anything runs.
@pytest.mark.parametrize(("module", "most"), [("cpu_stress", 140), ("attack_info", 95), ("revert", 60), ("lease", 45)])
def test_a_module_for_hosts_ships_only_what_it_uses(module: str, most: int) -> None:
    assert rooms.size(rooms.shipped(f"plugins/modules/{module}.py", rooms.graph(rooms.edges()))) <= most * 1024


# --- the reader itself ---------------------------------------------------------------------------------------------------

SOURCES = {
    "plugins/module_utils/_errors.py": "",
    "plugins/module_utils/_undo/steps.py": "_private = 1\n",
    "plugins/module_utils/_host/host.py": "def later():\n    from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack\n",
    "plugins/module_utils/_lifecycle/attack.py": "from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host\nimport os\n",
    "plugins/module_utils/_state/a.py": "from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import _private\n",
    "plugins/module_utils/_state/b.py": "from ansible_collections.faultline.chaos.plugins.module_utils._undo import steps as s\ns._private\ns.__doc__\n",
    "plugins/module_utils/_state/c.py": "from ..._x import y\nfrom .a import z\nimport ansible_collections.faultline.chaos.plugins.modules.k8s_x\n",
    "tests/support/paths.py": "",
    "tests/lab/support/lab.py": "from tests.support import paths\n",
    "tests/netns/support/box.py": "from tests.support.paths import HERE\n",
    "tests/lab/test_a.py": "from tests.lab.support import lab\nfrom tests.netns.support.box import Box\n",
    "tests/netns/conftest.py": "def later():\n    import tests.lab.test_a\n",
    "tests/conftest.py": "from tests.lab.support.lab import Lab\nfrom tests.support import paths\n",
    "plugins/modules/k8s_x.py": "from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_wrong_is_found_wherever_it_stands(root: Path) -> None:
    found = rooms.edges(root)
    wrong = {(edge.source.rpartition("/")[2], edge.target.rpartition("/")[2]) for edge in found if not rooms.allowed(edge.source, edge.target)}
    assert wrong == {
        ("host.py", "attack.py"), ("c.py", "k8s_x.py"), ("k8s_x.py", "attack.py"),
        ("test_a.py", "box.py"), ("conftest.py", "test_a.py"), ("conftest.py", "lab.py"),
    }  # fmt: skip
    assert ("c.py", "a.py") in {(edge.source.rpartition("/")[2], edge.target.rpartition("/")[2]) for edge in found}, "a relative import is read"
    assert rooms.cycle(rooms.graph(found)) == [f"plugins/module_utils/{name}.py" for name in ("_host/host", "_lifecycle/attack", "_host/host")]
    private = {path.rpartition("/")[2]: used for path in rooms.files(root) if (used := rooms.private_uses(path, root))}
    assert private == {name: ["_private of plugins/module_utils/_undo/steps.py"] for name in ("a.py", "b.py")}


def test_what_is_shipped_follows_every_import(root: Path) -> None:
    sent = rooms.shipped("plugins/modules/k8s_x.py", rooms.graph(rooms.edges(root)))
    assert sent == {"plugins/modules/k8s_x.py", "plugins/module_utils/_lifecycle/attack.py", "plugins/module_utils/_host/host.py"}


def test_a_file_without_a_room_is_refused() -> None:
    for path in ("plugins/module_utils/_new/a.py", "plugins/plugin_utils/_new/a.py", "plugins/lookup/a.py", "tests/new/test_a.py"):
        with pytest.raises(LookupError, match="is in no room"):
            rooms.room(path)
