# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The return keys that the documentation of an attack promises."""

from __future__ import annotations

from typing import Any

import yaml

from tests.support.paths import CHECKOUT

# Documented by Ansible itself.
OF_ANSIBLE = {"changed", "diff"}


def promised(section: str, result: dict[str, Any]) -> set[str]:
    """The keys that scripts/return_docs.yml and the modules promise for a result of this status. section: host or cluster."""
    source = yaml.safe_load((CHECKOUT / "scripts/return_docs.yml").read_text())[section]
    newly = result["changed"]
    conditions = {
        "planned": {"success", "when active or planned", "when planned or newly active"},
        "active": {"success", "when active", "when active or planned"} | ({"when planned or newly active"} if newly else set()),
    }.get(result["status"], {"success"})
    effect = {"effect"} if "when active" in conditions else set()
    return {key for key, words in source.items() if words["returned"] in conditions} | effect


def check_returned(section: str, result: dict[str, Any]) -> None:
    assert set(result) - OF_ANSIBLE == promised(section, result), result["status"]
