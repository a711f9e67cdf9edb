# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests that need real hosts. `lab` brings the lab up; `n1`, `n2`, `n3` are its hosts, switched on;
`n4` is one without systemd.

With `-n 2` or `-n 3` (pytest-xdist) the tests that ask for one host run side by side, each worker on a host of its own;
those that ask for several, or for none by name, or that are marked `alone`, have the lab to themselves. Other sessions, and those of
tests/faults, wait in the same way.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.lab.support import legacy, measured, old_python
from tests.lab.support.lab import Lab

HOSTS = 3
WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # gw0, gw1 ...


def pytest_configure() -> None:
    if not WORKER:
        measured.begin()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Asked and measured, of all workers."""
    rows = measured.end()
    if rows:
        terminalreporter.section("asked and measured on the hosts")
        for line in measured.aligned(rows):
            terminalreporter.line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test with parameters only the first case is part of `-m smoke`. Workers wait least when those that need the whole lab come last."""
    seen = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if item.get_closest_marker("smoke") and test in seen:
            item.own_markers = [mark for mark in item.own_markers if mark.name != "smoke"]
        seen.add(test)
    items.sort(key=lambda item: not _wants_one_host(item))


def _asked_for(item: pytest.Item) -> list[str]:
    return [name for name in ("n1", "n2", "n3", "n4") if name in item.fixturenames]


def _wants_one_host(item: pytest.Item) -> bool:
    return not item.get_closest_marker("alone") and len(_asked_for(item)) == 1


def _given(item: pytest.Item, name: str) -> str:
    """The host that a test gets for the one it asks for: with workers, that of its worker."""
    return f"n{int(WORKER[2:]) % HOSTS + 1}" if WORKER and name != "n4" and _wants_one_host(item) else name


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab, up with three hosts. It stays up after the tests: the next run takes seconds."""
    lab = Lab()
    lab.up(HOSTS)
    yield lab
    lab.close()


@pytest.fixture
def tell() -> Callable[[str, str, float, float, str], None]:
    """tell(attack, what, asked, measured, unit): a line of the table at the end; see measured.py."""
    return measured.tell


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold what a test uses: one host, or the whole lab. The order is the same everywhere: first tests.lock, then one of a host."""
    if "lab" not in request.fixturenames:
        yield
        return
    lab: Lab = request.getfixturevalue("lab")
    one = _wants_one_host(request.node)
    names = [_given(request.node, name) for name in _asked_for(request.node) if one or name == "n4"]
    with ExitStack() as held:
        held.enter_context(_locked(lab.dir / "tests.lock", fcntl.LOCK_SH if one else fcntl.LOCK_EX))
        for name in names:
            held.enter_context(_locked(lab.dir / f"tests-{name}.lock", fcntl.LOCK_EX))
        yield


@pytest.fixture(scope="session")
def plain(lab: Lab) -> str:
    """n4, a host with sysvinit and cron instead of systemd. Its image is built when it is asked for the first time."""
    lab.up(4, FAULTLINE_LAB_PLAIN="4")
    return "n4"


def _host(lab: Lab, name: str, request: pytest.FixtureRequest) -> str:
    return _ready(lab, _given(request.node, name))


def _ready(lab: Lab, name: str) -> str:
    lab.ready(name)
    if legacy.ASKED_FOR:
        old_python.install(lab, name)
    return name


@pytest.fixture
def n1(lab: Lab, request: pytest.FixtureRequest) -> str:
    return _host(lab, "n1", request)


@pytest.fixture
def n2(lab: Lab, request: pytest.FixtureRequest) -> str:
    return _host(lab, "n2", request)


@pytest.fixture
def n3(lab: Lab, request: pytest.FixtureRequest) -> str:
    return _host(lab, "n3", request)


@pytest.fixture
def box(lab: Lab, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """n41, new, and gone after the test: a host that shares the kernel of this machine. Its parameter may be the flavour of its image."""
    if getattr(request, "param", "systemd") == "plain":
        request.getfixturevalue("plain")  # builds the image
        monkeypatch.setenv("FAULTLINE_LAB_PLAIN", "4 41")
    monkeypatch.setenv("FAULTLINE_LAB_BOXES", "41")
    lab.reset("n41")
    yield "n41"
    lab.driver("forget", "41")


@pytest.fixture
def n4(lab: Lab, plain: str) -> str:
    return _ready(lab, plain)
