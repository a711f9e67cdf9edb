# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack as lifecycle_attack
from tests.unit.support.lifecycle import Module, Touch


@pytest.fixture
def attack(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs an attack in the bench's state directory, with watchers. The file that it makes is tmp_path/mark."""
    monkeypatch.setattr(lifecycle_attack, "OpenJournal", lambda: bench.journal)
    monkeypatch.setattr(lifecycle_attack.Host, "has_systemd", False)

    def run(kind=Touch, check_mode: bool = False, **params) -> dict:
        module = Module(bench, check_mode, **{"path": str(tmp_path / "mark"), **params})
        try:
            return lifecycle_attack._Lifecycle(module, kind).run()
        finally:
            bench.journal.let_go()

    yield run
    bench.sh(["sh"], bench.state / "control.sh", "revert-all")
