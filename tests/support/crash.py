# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection with crash points: a tree of links to the checkout, in which crash_point.py replaces _crash.py.

The built collection has no crash points, so no environment variable can crash an attack. Tests that need them run ansible-playbook
with environment(), put tree() on the PYTHONPATH of a module, or call install() for code that runs in the process of the test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support import crash_point
from tests.support.paths import CHECKOUT

VARIABLE = "FAULTLINE_TEST_CRASH"
_REPLACED = Path("plugins/module_utils/_crash.py")
_ELSEWHERE = ("~/.ansible/collections", "/usr/share/ansible/collections")  # as in ansible.cfg
_NOT_SHIPPED = {"collections", "dist", "reports", "tests"}


def tree(directory: Path) -> Path:
    """Create the tree in a directory. Returns the entry for a collections path or PYTHONPATH; a second call changes nothing."""
    root = directory / "collections-with-crash-points"
    if root.is_dir():
        return root
    place, source = root / "ansible_collections/faultline/chaos", CHECKOUT
    place.mkdir(parents=True)
    for name in _REPLACED.parts:
        for entry in source.iterdir():
            if entry.name != name and not entry.name.startswith(".") and entry.name != "__pycache__" and (source != CHECKOUT or entry.name not in _NOT_SHIPPED):
                (place / entry.name).symlink_to(entry)
        place, source = place / name, source / name
        if source.is_dir():
            place.mkdir()
    place.symlink_to(crash_point.__file__)
    return root


def environment(directory: Path) -> dict[str, str]:
    """Environment variables that make ansible-playbook use the collection of the tree."""
    return {"ANSIBLE_COLLECTIONS_PATH": ":".join([str(tree(directory)), *_ELSEWHERE])}


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable crash points, for the duration of a test, in every file of the collection that is loaded in this process."""
    shipped = sys.modules["ansible_collections.faultline.chaos.plugins.module_utils._crash"].crash_point
    for name, module in list(sys.modules.items()):
        if name.startswith("ansible_collections.faultline.chaos.") and getattr(module, "crash_point", None) is shipped:
            monkeypatch.setattr(module, "crash_point", crash_point.crash_point)
