# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue, residue_net


def test_a_namespace_that_ends_while_it_is_looked_for_is_no_error(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "doors", lambda: [str(tmp_path / "ended")])
    found = residue.Search(bench.host, bench.journal)
    residue_net.elsewhere(found)
    assert (found.residue, found.foreign, found.unseen) == ([], [], [])


def test_a_namespace_of_root_that_cannot_be_looked_into_is_not_clean(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "doors", lambda: [str(tmp_path)])
    found = residue.Search(bench.host, bench.journal)
    residue_net.elsewhere(found)
    assert len(found.residue) == 1 and found.residue[0].startswith(f"the network namespace of {tmp_path} could not be looked into: ")
