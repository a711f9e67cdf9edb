# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue_net


def test_a_namespace_that_ends_while_it_is_looked_for_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = SimpleNamespace(has_tool=lambda _name: True, tool=lambda name: f"/bin/{name}", run=lambda *_argv, **_more: (1, "", ""))
    monkeypatch.setattr(namespace, "doors", lambda: [str(tmp_path / "ended"), str(tmp_path)])
    assert residue_net.elsewhere(host, None, [], "") == []
