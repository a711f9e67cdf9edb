# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample of one case in N, drawn by a seed: a plugin of pytest, registered by tests/conftest.py when FAULTLINE_SAMPLE is set.

The draw is stratified: as far as its size allows, it contains every test file, every attack, every interference with one, and every test
function; the other cases are spread evenly over them. Cases marked `named` are in every sample. It depends only on N, the seed and the names
of the cases, so all workers of pytest-xdist draw the same sample.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pytest

SAMPLE = "FAULTLINE_SAMPLE"
SEED = "FAULTLINE_SEED"


class Size(NamedTuple):
    """One case in `one_in`, drawn by `seed`."""

    one_in: int
    seed: int


def asked_for(environ: Mapping[str, str]) -> Size | None:
    """The sample that the environment requests; None for all cases. Errors: ValueError for a size or seed that is not an integer."""
    given = {name: environ.get(name, "").strip() for name in (SAMPLE, SEED)}
    for name, least in ((SAMPLE, 1), (SEED, 0)):
        value = given[name]
        if value and not (value.isascii() and value.isdigit() and int(value) >= least):
            raise ValueError(f"{name}: {value!r} is refused: write a whole number from {least}, such as SAMPLE=6 SEED=1")
    if not given[SAMPLE]:
        if given[SEED]:
            raise ValueError(f"{SEED}: {given[SEED]!r} draws nothing without SAMPLE: write SAMPLE=6 for one case in six")
        return None
    return Size(int(given[SAMPLE]), int(given[SEED] or 1))


def draw(cases: Mapping[str, Iterable[str]], size: Size) -> set[str]:
    """Draw one in N of the cases. cases: {name: strata of the case}."""
    strata = {name: tuple(labels) for name, labels in cases.items()}
    rank = {name: hashlib.sha256(f"{size.seed}:{name}".encode()).digest() for name in strata}
    total = Counter(label for labels in strata.values() for label in labels)
    drawn: Counter[str] = Counter()
    left = sorted(strata, key=rank.__getitem__)
    chosen: set[str] = set()
    while len(chosen) < math.ceil(len(strata) / size.one_in):
        # min() returns the first of equal cases, which are in the order of their ranks.
        name = min(left, key=lambda each: (-sum(not drawn[label] for label in strata[each]), sum(drawn[label] / total[label] for label in strata[each])))
        left.remove(name)
        chosen.add(name)
        drawn.update(strata[name])
    return chosen


def strata_of(item: pytest.Item) -> list[str]:
    """The file, the function and, where it has them as its parameters, the attack of a case and the interference with it."""
    function = item.nodeid.partition("[")[0]
    params = item.callspec.params if hasattr(item, "callspec") else {}
    more = [f"{name} {params[name]}" for name in ("attack", "interference") if params.get(name) is not None]
    return [f"file {function.partition('::')[0]}", f"test {function}", *more]


def pytest_report_header() -> str:
    size = asked_for(os.environ)
    return f"sample: one case in {size.one_in}, drawn by seed {size.seed}; --collect-only -q lists them" if size else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw from the cases that -m and -k selected."""
    try:
        size = asked_for(os.environ)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if size:
        named = {item.nodeid for item in items if item.get_closest_marker("named")}
        chosen = named | draw({item.nodeid: strata_of(item) for item in items if item.nodeid not in named}, size)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
        items[:] = [item for item in items if item.nodeid in chosen]
