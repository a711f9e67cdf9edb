# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import pointer


@pytest.mark.parametrize("segment", ["2", "-1", "\u00b2", "\u0661", "9" * 5000, "x", ""])
def test_what_is_no_index_of_a_list_leads_nowhere(segment: str) -> None:
    assert pointer.read({"items": [1, 2]}, "/items/1") == 2
    assert pointer.read({"items": [1, 2]}, f"/items/{segment}") is pointer.ABSENT
