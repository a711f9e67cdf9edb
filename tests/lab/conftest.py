# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests that need real hosts. `lab` brings the lab up; `n1`, `n2`, `n3` are its hosts, switched on;
`n4` is one without systemd."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).resolve().parents[2] / ".collections"))  # the examples of the modules

from _lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab, up with three hosts. It stays up after the tests: the next run takes seconds."""
    lab = Lab()
    lab.up(3)
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def plain(lab: Lab) -> str:
    """n4, a host with sysvinit and cron instead of systemd. Its image is built when it is asked for the first time."""
    lab.up(4, FAULTLINE_LAB_PLAIN="4")
    return "n4"


@pytest.fixture
def n1(lab: Lab) -> str:
    return lab.ready("n1")


@pytest.fixture
def n2(lab: Lab) -> str:
    return lab.ready("n2")


@pytest.fixture
def n3(lab: Lab) -> str:
    return lab.ready("n3")


@pytest.fixture
def n4(lab: Lab, plain: str) -> str:
    return lab.ready(plain)
