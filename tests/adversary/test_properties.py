# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every attack with every interference that applies to it: the end is as before, or stuck and named, and never clean when it is not."""

from __future__ import annotations

import os

import pytest

from tests.adversary.support.attacks import ATTACKS, Attack
from tests.adversary.support.interference import ALL, Interference, cases
from tests.adversary.support.judge import CLEAN, Judge
from tests.support import sample

SEED = os.environ.get(sample.SEED, "").strip() or "1"
CASES = cases(SEED, ATTACKS, ALL)


@pytest.mark.parametrize(("attack", "interference", "moment"), CASES, ids=[f"{attack}-{each}-{moment}" for attack, each, moment in CASES])
def test_clean_is_true(judge: Judge, attack: Attack, interference: Interference, moment: str, told) -> None:
    told(attack, interference, moment, judge.case(attack, interference, moment))


@pytest.mark.named
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nobody_interferes(judge: Judge, attack: Attack) -> None:
    """Without a neighbour the hosts are alike, by the same look: else the other cases say nothing."""
    nothing = Interference("nothing", "", "exit 0")
    verdict = judge.case(attack, nothing, "after")
    assert verdict.outcome == CLEAN, str(verdict)
