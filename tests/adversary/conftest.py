# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adversary tests: is what the product calls clean also clean when neighbours interfere? See README.md.

At the end a table has the outcomes of the generated cases by attack; tests/output/adversary.json has each of them.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from tests.adversary.support.judge import NAMED, OUTCOMES, Judge, Verdict
from tests.adversary.support.namespaces import Machine, possible
from tests.support.paths import CHECKOUT

RECORD = CHECKOUT / "tests/output/adversary.json"


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    if not possible():
        pytest.skip("needs root and loop devices, for hosts made of namespaces")
    machine = Machine.begin()
    yield machine
    machine.close()


@pytest.fixture
def judge(machine: Machine) -> Iterator[Judge]:
    """Two new hosts, made of namespaces."""
    hosts = [machine.host(), machine.host()]
    yield Judge(*hosts)
    for host in hosts:
        host.close()


@pytest.fixture
def told(request: pytest.FixtureRequest):
    """Called with the verdict of a generated case: it counts, and fails the test when it is bad."""

    def tell(attack: object, interference: object, moment: str, verdict: Verdict) -> None:
        row = {"attack": str(attack), "interference": str(interference), "moment": moment, "outcome": verdict.outcome}
        request.node.user_properties.append(("adversary", {**row, "told": verdict.told[:2000], "differs": verdict.differs[:2000]}))
        if verdict.bad:
            pytest.fail(str(verdict), pytrace=False)

    return tell


def pytest_terminal_summary(terminalreporter) -> None:
    rows = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                rows += [row for name, row in report.user_properties if name == "adversary"]
    if not rows:
        return
    table: dict[str, Counter] = defaultdict(Counter)
    for row in rows:
        for name in (row["attack"], "all"):
            table[name][row["outcome"]] += 1
    terminalreporter.section("attacks with a neighbour: how it ended")
    terminalreporter.line(f"{'attack':24} {'cases':>6}" + "".join(f" {name:>{max(6, len(name))}}" for name in OUTCOMES))
    for name, found in sorted(table.items(), key=lambda pair: (pair[0] == "all", pair[0])):
        terminalreporter.line(f"{name:24} {sum(found.values()):6}" + "".join(f" {found[each]:>{max(6, len(each))}}" for each in OUTCOMES))
    if os.environ.get("PYTEST_XDIST_WORKER") is None:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        counts = {name: {each: found[each] for each in OUTCOMES} for name, found in table.items()}
        RECORD.write_text(json.dumps({"counts": counts, "cases": sorted(rows, key=lambda row: (row["outcome"] == NAMED, *map(str, row.values())))}, indent=1))
