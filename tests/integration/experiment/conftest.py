# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.experiment.support.fleet import Fleet, build_tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collections")
    build_tree(root)
    return root


@pytest.fixture
def fleet(tmp_path: Path, tree: Path) -> Fleet:
    return Fleet(tmp_path, tree)
