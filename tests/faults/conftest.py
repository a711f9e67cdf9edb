# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault tests: whatever dies, every target is back in the state it was in, on time.

Two workers (pytest-xdist), each with a lab host of its own. A worker's host is `target`; `weak` is a host without systemd:
this machine, and the lab's plain host. At the end a table tells how long after its deadline each attack was gone.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
sys.path.insert(0, str(Path(__file__).parent))

from _attacks import BY_NAME
from _lab import Lab
from _target import Here, Target, here_is_possible

WORKERS = 2  # more than there are processors starve the hosts, and the hosts are measured
# What `make test` runs (-m smoke): the dead-man alone of every way to undo, and one case of most faults.
ALIKE = {"process_kill", "process_freeze", "io_stress", "port_occupy", "pid_exhaustion", "fd_exhaustion", "socket_exhaustion"}  # undone as others are
SMOKE = {
    "test_controller_dies_between_injection_and_revert[netem-KILL]",
    "test_module_dies_at_a_step[cpu_stress-injected]",
    "test_module_dies_at_a_step[netem-journalled]",
    "test_nothing_dies_without_systemd[here]",
    "test_both_watchers_are_killed[here]",
    "test_a_reboot_in_the_middle[file_fault-systemctl reboot]",
    "test_a_power_cut_at_a_step[netem-injected]",
    "test_many_undos_at_once[blackhole]",
    "test_the_timer_is_stopped[clock_skew]",
    "test_the_link_is_cut[cable]",
    "test_damaged_journals_do_not_keep_the_others_from_being_undone",
    "test_without_a_dead_man_nothing_is_injected[netem-systemd-run fails]",
    "test_an_undo_that_fails_is_loud_and_retried_until_it_works[netem]",
    "test_the_deadman_comes_while_memory_and_slots_are_at_their_caps",
}


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """One worker a lab host, unless the command line says otherwise. A worker is asked too, and must not have workers of its own."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    if getattr(config.option, "numprocesses", 0) is None and not config.option.collectonly and not config.option.usepdb:
        config.option.numprocesses = WORKERS


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        alone = item.name.startswith("test_nothing_dies[") and item.name[len("test_nothing_dies[") : -1] not in ALIKE
        if alone or item.name in SMOKE:
            item.add_marker(pytest.mark.smoke)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab()
    lab.up(WORKERS)
    with _locked(lab, "tests", fcntl.LOCK_SH):  # against tests that want the whole lab; see tests/lab/conftest.py
        yield lab
    lab.close()


def _ready(target: Target) -> Target:
    target.prepare()
    target.clean_up()
    attack = BY_NAME["process_kill"]
    play = target.playbook([{"name": "task", attack.name: target.options(attack, duration="120s")}], must_succeed=True)
    target.duration = round(min(25.0, max(4.0, 1.5 * play.seconds)), 1)
    target.clean_up()
    return target


@pytest.fixture(scope="session")
def host(lab: Lab) -> Iterator[Target]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    target = Target(lab, f"n{int(worker[2:]) % WORKERS + 1}")
    with _alone(lab, target.name):
        lab.reset(target.name)  # what other tests have left in its kernel and its systemd would be gone after a reboot
        yield _ready(target)
        lab.reset(target.name)  # the victim, and its wire, which other tests would send through


@pytest.fixture(scope="session")
def hosts_without_systemd(lab: Lab) -> Iterator[dict[str, Target]]:
    made: dict[str, Target] = {}
    yield made
    if "here" in made:
        with _alone(lab, "here"):
            made["here"].leave()
    if "plain" in made:
        with _alone(lab, "n4"):
            lab.reset("n4")


@contextmanager
def _locked(lab: Lab, name: str, how: int) -> Iterator[None]:
    with (lab.dir / f"{name}.lock").open("a") as file:
        fcntl.flock(file, how)
        yield


@contextmanager
def _alone(lab: Lab, name: str) -> Iterator[None]:
    """A host belongs to one worker of one session at a time."""
    with _locked(lab, f"tests-{name}", fcntl.LOCK_EX):
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
def target(host: Target, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A clean lab host with systemd; clean again after the test, or the test fails."""
    yield from _used(host, request)


@pytest.fixture(params=["here", "plain"])
def weak(lab: Lab, hosts_without_systemd: dict[str, Target], request: pytest.FixtureRequest) -> Iterator[Target]:
    """A clean host without systemd."""
    name = request.param
    assert name != "here" or here_is_possible(), "needs root on a machine without systemd as its first process"
    with _alone(lab, "n4" if name == "plain" else name):
        if name not in hosts_without_systemd:
            if name == "plain":
                lab.up(4, FAULTLINE_LAB_PLAIN="4")
            hosts_without_systemd[name] = _ready(Here(lab) if name == "here" else Target(lab, "n4"))
        hosts_without_systemd[name].prepare()  # another worker may have left
        yield from _used(hosts_without_systemd[name], request)


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
