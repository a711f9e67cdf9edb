# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""interface_down on an interface with all that one can have: every line of ip is the same afterwards, whoever undoes it and whatever died."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.support.box import Box, until

SETUP = """
ip link add v0 type veth peer name v1
echo 1 >/proc/sys/net/ipv6/conf/v1/disable_ipv6 # else the kernel lists its routes in another order afterwards
ip link set v1 up; ip link set v0 up; ip link set v0 alias "ad min's"
ip addr add 10.0.0.1/24 brd + dev v0; ip addr add 10.0.0.2/32 dev v0 label v0:x; ip addr add 10.9.0.1 peer 10.9.0.2 dev v0
ip -6 addr add 2001:db8:1::1/64 dev v0; ip -6 addr add 2001:db8:1::2/128 dev v0 preferred_lft 0 noprefixroute
ip route add default via 10.0.0.254 metric 50; ip route add 192.168.2.0/24 dev v0 src 10.0.0.2 mtu 1400
ip route add 198.51.100.0/24 nexthop via 10.0.0.3 weight 2 nexthop via 10.0.0.4
ip route add 203.0.112.0/24 nexthop via 10.0.0.3 nexthop via 192.0.2.53
ip route add 203.0.113.0/24 via 10.0.0.5 table 77; ip route add 203.0.114.0/24 via 10.77.0.5 dev v0 table 77 onlink
ip -6 route add default via fe80::99 dev v0 metric 99; ip -6 route add 2001:db8:9::/48 nexthop via 2001:db8:1::8 nexthop via 2001:db8:1::9
ip route add 10.0.0.0/24 dev v0 table 79 metric 3 tos 0x10; ip route add default dev v0 table 78 proto static scope link
ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:01 dev v0 nud permanent; ip neigh add proxy 10.0.0.88 dev v0
ip -6 route add 2001:db8:8::/48 nexthop via 2001:db8:1::8 nexthop via 2001:db8::53
ip neigh add 2001:db8:1::77 lladdr 02:00:00:00:00:02 dev v0 nud permanent router
sleep 2.5
"""
SHOW = """
ip -d link show v0; ip addr show v0; ip -4 route show table all; ip -6 route show table all
ip neigh show dev v0 nud permanent; ip neigh show proxy; ip nexthop show
"""


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    box.sh(SETUP)
    yield box
    box.close()


@pytest.fixture
def before(box: Box) -> str:
    return box.sh(SHOW)


def is_up(box: Box) -> bool:
    return "v0" in box.sh("ip -o link show up dev v0")


def test_a_hardware_address_that_was_changed_while_it_was_up(box: Box) -> None:
    """As udev changes that of dummies: the kernel makes another link-local address when the undo sets it up, and the undo was not clean."""
    box.sh("ip link set v0 address 02:00:00:00:00:77")
    before = box.sh(SHOW)
    assert "fe80::ff:fe00:77" not in before and "inet6 fe80:" in before
    box.module("interface_down", interface="v0", duration="5m")
    assert box.module("revert", all=True)["clean"] and box.sh(SHOW) == before


def test_check_real_again_revert(box: Box, before: str) -> None:
    planned = box.module("interface_down", check_mode=True, interface="v0", duration="5m")
    assert planned["status"] == "planned" and 'link set dev "$link" up' in planned["diff"]["after"] and box.sh(SHOW) == before
    result = box.module("interface_down", interface="v0", duration="5m")
    assert result["effect"]["operstate"] == "down" and not is_up(box), result
    print(f"{len(result['effect']['lost'])} lines lost and put back")
    assert not box.module("interface_down", interface="v0", duration="5m")["changed"]
    reverted = box.module("interface_down", interface="v0", state="absent")
    assert reverted.get("status") == "reverted", reverted
    assert box.module("interface_down", interface="v0", state="absent")["status"] == "absent"
    assert box.sh(SHOW) == before


def test_the_dead_man(box: Box, before: str) -> None:
    assert box.module("interface_down", interface="v0", duration="2s")["status"] == "active"
    until(box.closed, 20, "the dead-man undoes it")
    assert box.sh(SHOW) == before


@pytest.mark.parametrize("point", ["journalled", "armed", "inject:0", "inject:1", "injected"])
def test_a_crash_of_the_injector(box: Box, before: str, point: str) -> None:
    assert box.module("interface_down", crash=point, interface="v0", duration="2s") == {}
    if point == "journalled":  # no dead-man yet: whoever sweeps first
        box.sh("sleep 2; sh /var/lib/faultline/control.sh sweep")
    until(box.closed, 20, "undone")
    assert box.sh(SHOW) == before


def test_three_undos_at_once(box: Box, before: str) -> None:
    box.module("interface_down", interface="v0", duration="5m")
    box.sh("for n in 1 2 3; do sh /var/lib/faultline/interface_down-*/revert.sh >/dev/null & done; wait")
    assert box.closed() and box.sh(SHOW) == before


def test_somebody_set_it_up_meanwhile(box: Box, before: str) -> None:
    box.module("interface_down", interface="v0", duration="5m")
    box.sh("ip link set v0 up; ip route add default via 10.0.0.254 metric 50")
    assert box.module("revert", all=True)["clean"]
    assert box.sh(SHOW) == before


def test_another_interface_of_that_name_is_left_alone(box: Box) -> None:
    box.module("interface_down", interface="v0", duration="5m")
    box.sh("ip link del v0; ip link add v0 type veth peer name v1")
    assert box.module("revert", all=True)["clean"]
    assert not is_up(box)


def test_it_is_found_without_its_journal(box: Box) -> None:
    box.module("interface_down", interface="v0", duration="5m", id="lost")
    box.sh("rm -rf /var/lib/faultline/lost")
    assert "interface v0 has the description faultline-lost: ip link set dev v0 alias ''" in box.module("attack_info")["residue"]


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        ("ip link add b0 type bridge; ip link set v0 master b0", "is a port of b0"),
        ("ip link add link v0 name mac0 type macvlan", "carries mac0"),
        ("ip link set v0 down", "v0 is down"),
        ("ip nexthop add id 5 via 10.0.0.3 dev v0", "next hop objects"),
        ("ip -6 addr add 2001:db8:1::3/64 dev v0 valid_lft 600 preferred_lft 300", "has a lifetime"),
        ("ip -6 route add 2001:db8:7::/64 via 2001:db8::53 dev up0 src 2001:db8:1::1", "another interface uses an address of v0"),
    ],
)
def test_what_is_refused(box: Box, prepare: str, text: str) -> None:
    box.sh(f"{prepare}; sleep 2")
    before = box.sh(SHOW)
    refused = box.module("interface_down", interface="v0", duration="5m")
    assert refused["failed"] and text in refused["msg"], refused
    assert "valid_lft 5" in before or box.sh(SHOW) == before
