# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces that are renamed or moved during an attack, that carry VLANs or tunnels, and several default routes: with netem of a real kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.support.lab import Lab

WIRE = """
unshare --net sleep 600 </dev/null >/dev/null 2>&1 &
sleep 1
pid=$!
ip link add wa type veth peer name wb
ip link set wa netns $pid
ip link set wb netns $pid
nsenter --net=/proc/$pid/ns/net sh -c 'ip link set wa up; ip link set wb up; ip addr add 10.3.0.1/24 dev wa; ip link set lo up'
echo $pid
"""
LEFT = "tc qdisc show | grep -e netem -e clsact; ip -o link show | grep -e ': fl[0-9a-f]' -e 'alias faultline-'"


@pytest.fixture
def inside(lab: Lab, n1: str) -> Iterator[str]:
    """The first process of a network namespace with the wire wa, wb."""
    pid = lab.run(n1, WIRE).out.strip()
    yield pid
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"kill -KILL {pid}; ip link del tst0", check=False)


def attacked(lab: Lab, n1: str, module: str, **options) -> dict:
    result = lab.module(n1, f"faultline.chaos.{module}", {"duration": "10m", **options})
    assert not result.get("failed"), result
    return result


def reverted(lab: Lab, n1: str) -> None:
    result = lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert result["clean"], result
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


@pytest.mark.parametrize("renamed", ["wa", "wb"])
def test_netem_in_a_namespace_whose_interface_is_renamed(lab: Lab, n1: str, inside: str, renamed: str) -> None:
    enter = f"nsenter --net=/proc/{inside}/ns/net"
    attacked(lab, n1, "netem", netns=inside, interface="wa", delay="50ms", direction="both")
    assert "netem" in lab.run(n1, f"{enter} tc qdisc show").out
    lab.run(n1, f"{enter} sh -c 'ip link set {renamed} down; ip link set {renamed} name new0; ip link set new0 up'")
    assert lab.module(n1, "faultline.chaos.attack_info", {})["residue"] == []
    reverted(lab, n1)
    assert lab.run(n1, f'{enter} sh -c "{LEFT}"', check=False).out == ""


def test_netem_on_an_interface_that_is_renamed_or_moved(lab: Lab, n1: str, inside: str) -> None:
    lab.run(n1, "ip link add tst0 type veth peer name tst1; ip link set tst0 up; ip link set tst1 up")
    attacked(lab, n1, "netem", interface="tst0", delay="50ms")
    lab.run(n1, "ip link set tst0 down; ip link set tst0 name tst9")
    reverted(lab, n1)
    assert lab.run(n1, LEFT, check=False).out == ""
    lab.run(n1, "ip link set tst9 up")
    attacked(lab, n1, "netem", interface="tst9", delay="50ms")
    lab.run(n1, f"ip link set tst9 netns {inside}")
    reverted(lab, n1)
    assert lab.run(n1, LEFT, check=False).out == ""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_our_own_device_without_its_name_and_its_description(lab: Lab, n1: str, inside: str, elsewhere: bool) -> None:
    """It is known by its address. Before: reverted and clean, and it stayed."""
    lab.run(n1, "ip link add tst0 type veth peer name tst1; ip link set tst0 up; ip link set tst1 up")
    attacked(lab, n1, "netem", interface="tst0", delay="50ms", peers=["192.0.2.0/24"])
    lab.run(n1, 'd=$(basename /sys/class/net/fl????????????); ip link set $d alias ""; ip link set $d down; ip link set $d name mon0')
    enter = f"nsenter --net=/proc/{inside}/ns/net " if elsewhere else ""
    if elsewhere:
        lab.run(n1, f"ip link set mon0 netns {inside}")
    assert "mon0" in lab.run(n1, f"{enter}ip link show").out
    reverted(lab, n1)
    assert "mon0" not in lab.run(n1, f"{enter}ip link show").out


@pytest.mark.smoke
def test_netem_that_meets_nothing_says_so(lab: Lab, n1: str, inside: str) -> None:
    """Its own device sent router solicitations through the queue, and the round was held."""
    lab.run(n1, "ip link add tst0 type veth peer name tst1; ip link set tst0 up; ip link set tst1 up")
    active = attacked(lab, n1, "netem", interface="tst0", delay="50ms", peers=["192.0.2.7"], ports=[5999])
    time.sleep(6)
    [found] = lab.module(n1, "faultline.chaos.revert", {"all": True})["readings"].values()
    assert found == {"in_place": True, "met": 0}, active


@pytest.mark.smoke
def test_interface_down_renamed_and_moved_while_down(lab: Lab, n1: str, inside: str) -> None:
    lab.run(n1, "ip link add tst0 type veth peer name tst1; ip link set tst1 up; ip link set tst0 up; ip addr add 192.0.2.1/24 dev tst0")
    lab.run(n1, "ip route add 198.51.100.0/24 via 192.0.2.254")
    attacked(lab, n1, "interface_down", interface="tst0")
    lab.run(n1, "ip link set tst0 name tst9")
    reverted(lab, n1)
    assert "198.51.100.0/24 via 192.0.2.254 dev tst9" in lab.run(n1, "ip route").out
    attacked(lab, n1, "interface_down", interface="tst9")
    lab.run(n1, f"ip link set tst9 netns {inside}")
    reverted(lab, n1)
    assert "alias" not in lab.run(n1, f"nsenter --net=/proc/{inside}/ns/net ip -o link show tst9").out


@pytest.mark.parametrize("module", ["netem", "blackhole"])
def test_vlans_on_the_interface_are_named(lab: Lab, n1: str, module: str) -> None:
    lab.run(n1, "ip link add tst0 type veth peer name tst1; ip link set tst0 up; ip link set tst1 up")
    try:
        if lab.run(n1, "ip link add link tst0 name tst0.5 type vlan id 5", check=False).rc != 0:
            pytest.skip("this kernel has no VLANs")
        result = attacked(lab, n1, module, interface="tst0", **({"delay": "300ms"} if module == "netem" else {}))
        assert "packets with a VLAN tag are not hit: attack tst0.5 for those" in result["notes"], result
        reverted(lab, n1)
    finally:
        lab.run(n1, "ip link del tst0")


def test_a_tunnel_that_carries_the_control_path_passes_at_full_loss(lab: Lab, n1: str, n2: str) -> None:
    """SSH itself comes by eth0 here, so the inner address of n2 stands for the controller."""
    ends = {n1: ("10.77.0.12", "10.9.0.1"), n2: ("10.77.0.11", "10.9.0.2")}
    for name, (far, own) in ends.items():
        add = f"ip link add vx0 type vxlan id 5 remote {far} dstport 4789 dev eth0 && ip addr add {own}/24 dev vx0 && ip link set vx0 up"
        if lab.run(name, add, check=False).rc != 0:
            pytest.skip("this kernel has no vxlan")
    try:
        result = attacked(lab, n1, "netem", loss="100%", direction="both", interface="eth0", control_addresses=["10.9.0.2"])
        assert any("comes by vx0" in note for note in result["notes"]), result
        assert lab.run(n2, "ping -c 3 -W 2 10.9.0.1", check=False).rc == 0 and lab.run(n1, "ping -c 2 -W 1 n3", check=False).rc != 0
        reverted(lab, n1)
        refused = lab.module(n1, "faultline.chaos.interface_down", {"interface": "eth0", "duration": "30s", "control_addresses": ["10.9.0.2"]})
        assert refused["failed"] and "carries the control path" in refused["msg"], refused
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
        for name in ends:
            lab.run(name, "ip link del vx0", check=False)


def test_several_default_routes(lab: Lab, n1: str) -> None:
    """Of another table first, so that the host keeps its way: the routes are those of a namespace."""
    pid = lab.run(n1, WIRE).out.strip()
    enter = f"nsenter --net=/proc/{pid}/ns/net"
    try:
        lab.run(n1, f"{enter} sh -c 'ip addr add 10.4.0.1/24 dev wb; ip route add default nexthop via 10.3.0.9 dev wa nexthop via 10.4.0.9 dev wb'")
        result = lab.module(n1, "faultline.chaos.netem", {"netns": pid, "delay": "10ms", "duration": "30s"})
        assert result["failed"] and "name one of wa, wb" in result["msg"], result
        lab.run(n1, f"{enter} sh -c 'ip route replace default via 10.4.0.9'")
        assert attacked(lab, n1, "netem", netns=pid, delay="10ms")["resources"][0].startswith("net:wb@")
        reverted(lab, n1)
    finally:
        lab.run(n1, f"kill -KILL {pid}; ip link del tst0", check=False)
