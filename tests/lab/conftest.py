# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests that need real hosts. `lab` brings the lab up; `n1`, `n2`, `n3` are its hosts, on and clean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab, up with three hosts. It stays up after the tests: the next run takes seconds."""
    lab = Lab()
    lab.up(3)
    yield lab
    lab.close()


def _ready(lab: Lab, host: str) -> str:
    """A host as a test wants to find it: on, not frozen, its cable in. What a failed test left is undone by a new disk."""
    lab.net_heal(host)
    state = lab.state(host)
    if state == "frozen":
        lab.thaw(host)
    if state == "off":
        lab.start(host)
    if not lab.answers(host):
        lab.reset(host)
    return host


@pytest.fixture
def n1(lab: Lab) -> str:
    return _ready(lab, "n1")


@pytest.fixture
def n2(lab: Lab) -> str:
    return _ready(lab, "n2")


@pytest.fixture
def n3(lab: Lab) -> str:
    return _ready(lab, "n3")
