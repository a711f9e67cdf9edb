# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysctl_fault on real hosts: the kernel behaves as it is told, and every sysctl is what it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import run_examples, steps

ATTACK = "faultline.chaos.sysctl_fault"
DIRTY = "cd /proc/sys/vm && cat dirty_ratio dirty_bytes dirty_background_ratio dirty_background_bytes"


@pytest.fixture
def router(lab: Lab, n1: str) -> Iterator[str]:
    before = lab.read(n1, "/proc/sys/net/ipv4/ip_forward").strip()
    lab.run(n1, "sysctl -qw net.ipv4.ip_forward=1")
    yield n1
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"sysctl -qw net.ipv4.ip_forward={before}")


@pytest.mark.smoke
def test_steps(lab: Lab, n1: str, tell) -> None:
    """A connection to an address where nobody answers is given up after one more packet."""
    connect = "import socket, time; t = time.monotonic(); s = socket.socket()\ntry: s.connect(('203.0.113.9', 9))\nexcept OSError: print(time.monotonic() - t)"
    lab.run(n1, "ip route add 203.0.113.9 dev eth0 scope link; ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:99 dev eth0 nud permanent")
    try:
        options = {"sysctls": {"net.ipv4.tcp_syn_retries": 1, "vm.swappiness": 7}, "duration": "10m"}
        found = steps(lab, n1, "sysctl_fault", options, measure=["python3", "-c", connect])
    finally:
        lab.run(n1, "ip neigh del 203.0.113.9 dev eth0; ip route del 203.0.113.9 dev eth0", check=False)
    tell("sysctl_fault", "connect() with one retry, after 1 s and 2 s (2 s in all from Linux 6.5 on)", 3, float(found["measured"]), "s")
    assert 1.5 < float(found["measured"]) < 5
    assert found["real"]["effect"]["sysctls"]["vm.swappiness"]["now"] == "7"
    assert [note for note in found["real"]["notes"] if "could not be tried before: vm.swappiness" in note]


def test_of_two_keys_the_one_that_counted_comes_back(lab: Lab, n1: str) -> None:
    """The kernel sets vm.dirty_ratio to 0 when vm.dirty_bytes is written, and takes no 0 for that."""
    before = lab.run(n1, DIRTY).out.split()
    real = lab.module(n1, ATTACK, {"sysctls": {"vm.dirty_bytes": 4194304, "vm.dirty_background_bytes": 1048576}, "duration": "10m"})
    assert real["status"] == "active" and lab.run(n1, DIRTY).out.split() == ["0", "4194304", "0", "1048576"], real
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
    assert lab.run(n1, DIRTY).out.split() == before


def test_the_timer_ends_it(lab: Lab, router: str) -> None:
    before = lab.run(router, "sysctl -a 2>/dev/null | grep -e forwarding -e accept_redirects").out
    assert lab.module(router, ATTACK, {"sysctls": {"net.ipv4.ip_forward": 0}, "duration": "15s"})["status"] == "active"
    assert lab.read(router, "/proc/sys/net/ipv4/ip_forward").strip() == "0"
    wait_until(lambda: lab.module(router, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the dead-man undoes it", interval=1)
    assert lab.run(router, "sysctl -a 2>/dev/null | grep -e forwarding -e accept_redirects").out == before


def test_what_the_kernel_refuses_only_when_it_is_written_is_undone_at_once(lab: Lab, n1: str) -> None:
    before = lab.read(n1, "/proc/sys/vm/swappiness")
    for value, words in (("many", "refuses 'many'"), (-5, "refuses '-5'")):
        failed = lab.module(n1, ATTACK, {"sysctls": {"vm.swappiness": value}, "duration": "1m"})
        assert failed["failed"] and words in failed["msg"] and "undone at once" in failed["msg"], failed
    assert lab.read(n1, "/proc/sys/vm/swappiness") == before
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


def test_refusals(lab: Lab, n1: str) -> None:
    for name, value, words in (
        ("vm.swapiness", 1, "did you mean vm.swappiness?"),
        ("kernel.panic", 1, "panic, reboot or switch off"),
        ("kernel.core_pattern", "|/bin/sh", "hand core dumps to a program"),
        ("kernel.osrelease", "6", "read-only"),
        ("net.ipv4.conf.all.rp_filter", 1, "SSH to the target could be cut off"),
        ("net.ipv4.tcp_retries2", "many", "many is no plain decimal number"),
        ("net.ipv4.tcp_retries2", "300", "does not take this value"),
    ):
        refused = lab.module(n1, ATTACK, {"sysctls": {name: value}, "duration": "1m"})
        assert refused["failed"] and refused["msg"].startswith("sysctls: ") and words in refused["msg"], refused


def test_examples_run_as_printed(lab: Lab, router: str) -> None:
    assert run_examples(lab, router, "sysctl_fault") == ["active", "reverted", "active"]
