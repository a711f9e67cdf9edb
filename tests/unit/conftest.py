# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes ``ansible_collections.faultline.chaos`` importable for a plain ``pytest tests/unit``."""

from __future__ import annotations

import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def _collections_root() -> Path:
    """Where ``ansible_collections`` is: above us in a real tree (ansible-test), else the link that the checkout carries."""
    for parent in REPO.parents:
        if parent.name == "ansible_collections":
            return parent.parent
    return REPO / ".collections"


if str(_collections_root()) not in sys.path:
    sys.path.insert(0, str(_collections_root()))
