# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sample of the tests on real hosts: drawn by its seed alone, and every attack and every test function is in it when there is room."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.faults.support.attacks import ATTACKS
from tests.support.paths import CHECKOUT
from tests.support.sample import SAMPLE, SEED, Size, asked_for, draw

FUNCTIONS = 30
CASES = {
    f"t.py::test_{number % FUNCTIONS}[{attack}-{number}]": (f"test {number % FUNCTIONS}", f"attack {attack}") for attack in range(21) for number in range(31)
}


@pytest.mark.parametrize("one_in", [1, 2, 6, 12])
def test_its_size_is_that_part(one_in: int) -> None:
    assert len(draw(CASES, Size(one_in, 1))) == -(-len(CASES) // one_in)
    assert draw(CASES, Size(one_in, 1)) <= set(CASES)


def test_the_same_seed_draws_the_same_cases_in_whatever_order_they_come() -> None:
    assert draw(CASES, Size(6, 7)) == draw(dict(reversed(CASES.items())), Size(6, 7))
    assert draw(CASES, Size(6, 7)) != draw(CASES, Size(6, 8))


@pytest.mark.parametrize("seed", range(5))
def test_every_stratum_is_in_it_and_none_has_much_more_than_its_share(seed: int) -> None:
    drawn = Counter(label for name in draw(CASES, Size(12, seed)) for label in CASES[name])
    assert set(drawn) == {label for labels in CASES.values() for label in labels}
    assert max(drawn.values()) <= 5, drawn


def test_a_small_sample_covers_as_many_strata_as_it_can() -> None:
    cases = {"a": ("file 1", "test 1"), "b": ("file 1", "test 2"), "c": ("file 2", "test 3"), "d": ("file 2", "test 4")}
    for seed in range(8):
        drawn = draw(cases, Size(2, seed))
        assert {cases[name][0] for name in drawn} == {"file 1", "file 2"}


def test_over_many_seeds_every_case_is_drawn() -> None:
    assert set().union(*(draw(CASES, Size(6, seed)) for seed in range(40))) == set(CASES)


def test_nothing_is_asked_for_by_default() -> None:
    assert asked_for({}) is None and asked_for({SAMPLE: "", SEED: ""}) is None
    assert asked_for({SAMPLE: "6"}) == Size(6, 1) and asked_for({SAMPLE: "6", SEED: "0"}) == Size(6, 0)


@pytest.mark.parametrize(
    ("name", "value"), [(SAMPLE, value) for value in ("0", "-1", "x", "1.5", "1/6", "²")] + [(SEED, value) for value in ("-1", "x", "1.5")]
)
def test_what_is_no_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: '{value}' is refused: write a whole number from [01]"):
        asked_for({SAMPLE: "6", name: value})


def test_a_seed_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="draws nothing without SAMPLE"):
        asked_for({SEED: "3"})


def collected(*argv: str, **environ: str) -> subprocess.CompletedProcess:
    argv = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", *argv)
    return subprocess.run(argv, cwd=CHECKOUT, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True, check=False)


def test_the_fault_tests_draw_over_all_attacks_and_all_functions() -> None:
    def names(**environ: str) -> list[str]:
        return [line for line in collected("tests/faults", **environ).stdout.splitlines() if "::" in line]

    every, some = names(), names(**{SAMPLE: "6", SEED: "3"})
    assert len(some) == -(-len(every) // 6) and set(some) <= set(every)
    assert {name.partition("[")[0] for name in some} == {name.partition("[")[0] for name in every}
    assert not [attack for attack in ATTACKS if not any(f"-{attack}" in name for name in some)]
    assert some == names(**{SAMPLE: "6", SEED: "3"})


def test_named_cases_are_in_every_sample() -> None:
    done = collected("tests/adversary/test_judge.py", "tests/adversary/test_properties.py", **{SAMPLE: "100000"}).stdout
    every = collected("tests/adversary/test_judge.py").stdout
    assert [line for line in every.splitlines() if "::" in line and line not in done] == []
    assert done.count("test_clean_is_true") == 1


def test_a_bad_sample_is_an_error_before_any_test() -> None:
    done = collected("tests/unit/test_sample.py", **{SAMPLE: "some"})
    assert done.returncode == 4 and "FAULTLINE_SAMPLE: 'some' is refused" in done.stderr + done.stdout
