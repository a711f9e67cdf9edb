# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks for clusters that take no survey."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import CHECKOUT

PLAYBOOKS = CHECKOUT / "playbooks"


@pytest.mark.parametrize("name", ["cluster_halt", "cluster_audit"])
def test_halt_and_audit_take_the_same_variables(name: str) -> None:
    text = (PLAYBOOKS / f"{name}.yml").read_text()
    described = re.findall(r"^#   ([a-z][a-z0-9_]+) ", text, re.MULTILINE)
    assert described == ["cluster_kubeconfig", "cluster_context", "cluster_namespaces", "cluster_from"]
    assert all(re.search(rf"\b{word} \|", text) for word in described)
