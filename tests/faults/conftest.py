# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault tests: whatever dies, every target is back in the state it was in, on time.

Some workers (pytest-xdist). `target` is a lab host with systemd: for what wants a kernel of its own, n1, n2 or n3, each of which only
one worker uses; for all else a box of the worker, which is ten times as quick. `weak` is a host without systemd: this machine, and the
lab's plain host. At the end a table tells how long after its deadline each attack was gone.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.faults.support.attacks import BY_NAME, Attack
from tests.faults.support.target import Here, Target, here_is_possible
from tests.lab.support.lab import Lab
from tests.support import crash

KERNELS = ("n1", "n2", "n3")  # one more than there are processors, for a case waits for its deadline during half of its time
WORKERS = 7  # those three, and boxes, which wait most of the time
FIRST_BOX = 21
SHORTEST = 3.0  # seconds that an attack lasts at least
WEAK = ("here", "plain")
os.environ["FAULTLINE_LAB_BOXES"] = " ".join(str(FIRST_BOX + worker) for worker in range(16))
# What `make test` runs (-m smoke): the dead-man alone of every way to undo, and one case of most faults.
ALIKE = {"process_kill", "process_freeze", "io_stress", "port_occupy", "pid_exhaustion", "fd_exhaustion", "socket_exhaustion"}  # undone as others are
SMOKE = {
    "test_controller_dies_between_injection_and_revert[kernel-netem-KILL]",
    "test_module_dies_at_a_step[box-cpu_stress-injected]",
    "test_module_dies_at_a_step[kernel-netem-journalled]",
    "test_nothing_dies_without_systemd[here]",
    "test_both_watchers_are_killed[here]",
    "test_a_reboot_in_the_middle[box-file_fault-systemctl reboot]",
    "test_a_power_cut_at_a_step[kernel-netem-injected]",
    "test_many_undos_at_once[box-blackhole_nft]",
    "test_the_timer_is_stopped[kernel-clock_skew]",
    "test_the_link_is_cut[box-cable]",
    "test_damaged_journals_do_not_keep_the_others_from_being_undone[kernel]",
    "test_without_a_dead_man_nothing_is_injected[kernel-netem-systemd-run fails]",
    "test_an_undo_that_fails_is_loud_and_retried_until_it_works[kernel-netem]",
    "test_the_deadman_comes_while_memory_and_slots_are_at_their_caps[kernel]",
}


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Workers, unless the command line says otherwise. A worker is asked too, and must not have workers of its own."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    option = config.option
    if getattr(option, "numprocesses", 0) is None and not option.collectonly and not option.usepdb:
        option.numprocesses = WORKERS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", ["kernel", "box"], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if "target" not in item.fixturenames or item.callspec.params["target"] == _kind_of_host(item)]
    config.hook.pytest_deselected(items=[*{*items} - {*here}])
    items[:] = here
    for item in items:
        attack = item.callspec.params.get("attack") if hasattr(item, "callspec") else None
        alone = item.name.startswith("test_nothing_dies[") and str(attack) not in ALIKE
        if alone or item.name in SMOKE:
            item.add_marker(pytest.mark.smoke)


def _kind_of_host(item: pytest.Item) -> str:
    wanted = any(isinstance(each, Attack) and each.own_kernel for each in item.callspec.params.values())
    return "kernel" if wanted or item.get_closest_marker("own_kernel") else "box"


def _shared_host(nodeid: str) -> str | None:
    """The host of a test by its name; a box is the worker's own, all other hosts have one worker at a time."""
    words = nodeid.partition("[")[2].rstrip("]").split("-")
    if "kernel" in words:
        return KERNELS[zlib.crc32(nodeid.encode()) % len(KERNELS)]
    return next((word for word in words if word in WEAK), None)


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> LoadScopeScheduling:
    """All tests of such a host go to one worker."""

    class ByHost(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _shared_host(nodeid) or nodeid

    return ByHost(config, log)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab()
    lab.environment = crash.environment(lab.scratch)
    lab.up(len(KERNELS))
    with _locked(lab, "tests", fcntl.LOCK_SH):  # against tests that want the whole lab; see tests/lab/conftest.py
        yield lab
    lab.close()


def _ready(target: Target) -> Target:
    target.prepare()
    target.clean_up()
    begin = time.monotonic()
    result = target.attack(BY_NAME["process_kill"], duration="120s")
    assert result.get("status") == "active", result
    target.duration = round(min(25.0, max(SHORTEST, target.slack * (time.monotonic() - begin))), 1)
    target.clean_up()
    return target


class Hosts:
    """The hosts of this worker: each is made ready when it is asked for, and belongs to the worker until that is done."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._made: dict[str, Target] = {}
        self._held = ExitStack()

    def get(self, name: str) -> Target:
        if name not in self._made:
            self._held.enter_context(_locked(self._lab, f"tests-{'n4' if name == 'plain' else name}", fcntl.LOCK_EX))
            self._made[name] = _ready(self._fresh(name))
        return self._made[name]

    def _fresh(self, name: str) -> Target:
        if name == "here":
            return Here(self._lab)
        if name == "plain":
            self._lab.up(4, FAULTLINE_LAB_PLAIN="4")
            return Target(self._lab, "n4")
        self._lab.reset(name)  # what other tests have left in its kernel and its systemd would be gone after a reboot
        return Target(self._lab, name)

    def leave(self) -> None:
        """The victim goes, and its wire, which other tests would send through."""
        with self._held:
            for target in self._made.values():
                if isinstance(target, Here):
                    target.leave()
                elif int(target.name[1:]) >= FIRST_BOX:
                    self._lab.driver("forget", target.name[1:])
                else:
                    self._lab.reset(target.name)


@pytest.fixture(scope="session")
def hosts(lab: Lab) -> Iterator[Hosts]:
    hosts = Hosts(lab)
    yield hosts
    hosts.leave()


@contextmanager
def _locked(lab: Lab, name: str, how: int) -> Iterator[None]:
    with (lab.dir / f"{name}.lock").open("a") as file:
        fcntl.flock(file, how)
        yield


def _used(target: Target, request: pytest.FixtureRequest) -> Iterator[Target]:
    target.rows = []
    target.remember()
    yield target
    request.node.user_properties.append(("rows", target.rows))
    report = request.node.stash.get(FAILED, None)
    if not target.clean_up():
        left = target.left()
        target.reset()
        assert report, f"the test passed, but this was left on {target.name}:\n{left}"
    elif report:
        target.forget()


@pytest.fixture
def target(hosts: Hosts, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A clean lab host with systemd; clean again after the test, or the test fails."""
    box = f"n{FIRST_BOX + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])}"
    yield from _used(hosts.get(_shared_host(request.node.nodeid) or box), request)


@pytest.fixture(params=WEAK)
def weak(hosts: Hosts, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A clean host without systemd."""
    assert request.param != "here" or here_is_possible(), "needs root on a machine without systemd as its first process"
    yield from _used(hosts.get(request.param), request)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


def pytest_terminal_summary(terminalreporter) -> None:
    rows = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                rows += [row for name, found in report.user_properties if name == "rows" for row in found]
    if not rows:
        return
    terminalreporter.section("seconds after the deadline: state restored, record closed")
    terminalreporter.line(f"{'fault':44} {'attack':13} {'host':6} {'state':>7} {'record':>7} {'fork ms':>8}")
    for fault, attack, name, late, closing, fork_ms in sorted(rows):
        terminalreporter.line(f"{fault:44} {attack:13} {name:6} {late:7.2f} {closing:7.2f} {fork_ms:8.1f}")
    late = sorted(row[3] for row in rows)
    terminalreporter.line(f"{len(rows)} attacks: median {late[len(late) // 2]:.2f} s, worst {late[-1]:.2f} s after the deadline")
