# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the fuzzing goes on: the profile ci takes the same few examples every time, long takes FAULTLINE_FUZZ_EXAMPLES new ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.support.paths import CHECKOUT
from tests.unit.support.bench import SHELLS, Bench

# Examples start shells, and a fixture lasts for all examples of a test: each example overwrites what it finds.
COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
FAILED = DirectoryBasedExampleDatabase(str(CHECKOUT / "tests/output/fuzz"))  # tried again first

settings.register_profile("ci", derandomize=True, max_examples=25, database=None, **COMMON)
settings.register_profile("long", max_examples=int(os.environ.get("FAULTLINE_FUZZ_EXAMPLES") or 2000), database=FAILED, **COMMON)
settings.load_profile("long" if os.environ.get("FAULTLINE_FUZZ_EXAMPLES") else "ci")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture(params=[name for name, argv in SHELLS.items() if shutil.which(argv[0])])
def shell(request: pytest.FixtureRequest) -> list[str]:
    return SHELLS[request.param]
