# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""interface_down on real kernels: what the kernel forgets comes back line by line, and the control path is never taken down."""

from __future__ import annotations

import pytest

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import run_examples, steps

# A wire of its own on the host, with all that an interface can have.
SETUP = """
ip link add tst0 type veth peer name tst1
udevadm settle # it may give both another hardware address, and with that goes what is known of neighbours
echo 1 >/proc/sys/net/ipv6/conf/tst1/disable_ipv6 # else the kernel lists its routes in another order afterwards
ip link set tst1 up
ip link set tst0 alias 'storage network'
ip link set tst0 up
ip addr add 192.0.2.1/24 brd + dev tst0
ip addr add 192.0.2.2/32 dev tst0 label tst0:a
ip -6 addr add 2001:db8::1/64 dev tst0 nodad
ip -6 addr add 2001:db8::2/128 dev tst0 nodad preferred_lft 0 noprefixroute
ip route add 198.51.100.0/24 via 192.0.2.254 metric 50 mtu 1400
ip route add 203.0.113.0/24 nexthop via 192.0.2.3 weight 2 nexthop via 192.0.2.4
ip route add 203.0.114.0/24 via 192.0.2.5 dev tst0 table 77 onlink
ip -6 route add 2001:db8:9::/48 via 2001:db8::99 metric 99
ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:01 dev tst0 nud permanent
ip neigh add 2001:db8::77 lladdr 02:00:00:00:00:02 dev tst0 nud permanent
ip neigh add proxy 192.0.2.88 dev tst0
sleep 3
"""
STATE = "cat /sys/class/net/tst0/operstate; for f in -4 -6; do ip $f -o route show table all | grep -c tst0; done; ip -o addr show tst0 | wc -l"

# Sends packets to a neighbour behind the wire, and prints how many came out at its other end.
ARRIVED = """
import socket, sys
def count():
    return int(open("/sys/class/net/tst1/statistics/rx_packets").read())
before, sender = count(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(50):
    try:
        sender.sendto(b"x", ("192.0.2.77", 9))
    except OSError as error:
        print(error, file=sys.stderr)
print(count() - before)
"""


@pytest.fixture
def wire(lab: Lab, n1: str):
    lab.run(n1, SETUP)
    yield "tst0"
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, "ip link del tst0")


@pytest.mark.smoke
def test_steps(lab: Lab, n1: str, wire: str, tell) -> None:
    before, sent = lab.run(n1, STATE).out.split(), lab.run(n1, ["python3", "-c", ARRIVED])
    arrived = int(sent.out)
    assert arrived >= 50, (before, sent.err, lab.run(n1, "ip neigh show dev tst0; ip -s link show tst0").out)
    found = steps(lab, n1, "interface_down", {"interface": wire, "duration": "10m"}, measure=["sh", "-c", f'{STATE}; python3 -c "$0"', ARRIVED])
    *during, still = found["measured"].split()
    tell("interface_down", f"packets lost, of {arrived} that reach the other end without it", 100, 100 * (1 - int(still) / arrived), "%")
    assert int(still) == 0
    print(f"state, routes of IPv4 and IPv6, addresses: before {before}, during {during}, lost {len(found['real']['effect']['lost'])} lines")
    assert during[0] == "down" and int(during[1]) < int(before[1]) and int(during[3]) < int(before[3])
    assert any("2001:db8::1/64" in line for line in found["real"]["effect"]["lost"])
    assert lab.run(n1, STATE).out.split() == before
    assert lab.read(n1, "/sys/class/net/tst0/ifalias").strip() == "storage network"


def test_the_timer_brings_it_back(lab: Lab, n1: str, wire: str) -> None:
    before = lab.fingerprint(n1)["network"]
    result = lab.module(n1, "faultline.chaos.interface_down", {"interface": wire, "duration": "15s"})
    assert not result.get("failed"), result
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 120, "the dead-man brings it back")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["by"], history[-1]["result"]) == ("timer", "reverted")
    assert lab.fingerprint(n1)["network"] == before


def test_somebody_set_it_up_meanwhile(lab: Lab, n1: str, wire: str) -> None:
    before = lab.fingerprint(n1)["network"]
    lab.module(n1, "faultline.chaos.interface_down", {"interface": wire, "duration": "10m"})
    lab.run(n1, f"ip link set {wire} up")
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
    assert lab.fingerprint(n1)["network"] == before


@pytest.mark.parametrize(("interface", "text"), [("eth0", "carries the control path"), ("lo", "loopback"), ("nope0", "there is no nope0")])
def test_interfaces_that_are_refused(lab: Lab, n1: str, interface: str, text: str) -> None:
    refused = lab.module(n1, "faultline.chaos.interface_down", {"interface": interface, "duration": "60s"})
    assert refused["failed"] and text in refused["msg"], refused
    assert lab.answers(n1)


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    """The host has the second interface that the examples name: eth1, with all that the other tests give to theirs."""
    lab.run(n1, SETUP.replace("tst0", "eth1"))
    try:
        assert run_examples(lab, n1, "interface_down") == ["active", "reverted", "planned"]
    finally:
        lab.run(n1, "ip link del eth1")
