# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which interface is attacked by default, and what carries the control path: real routes, bridges and tunnels. Here the control path is a control address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.support.box import SERVER4, Box

VXLAN = f"""
ip link add vx type vxlan id 5 {{}} dstport 4789 dev up0; ip addr add 10.9.0.1/24 dev vx; ip link set vx up
bridge fdb append 00:00:00:00:00:00 dev vx dst {SERVER4}
"""
# Two wires more; e0 has its other end down, so its routes are shown as linkdown.
WIRES = """
for n in 0 1 2; do
    ip link add e$n type veth peer name f$n; ip link set e$n up; ip link set f$n up; ip addr add 10.1.$n.1/24 dev e$n
done
ip link set f0 down; sleep 0.3
"""


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    box.close()


def planned(box: Box, **options) -> dict:
    return box.module("netem", check_mode=True, delay="10ms", duration="30s", **options)


@pytest.mark.parametrize(
    ("routes", "chosen"),
    [
        ("default via 10.1.0.9 metric 1; default via 10.1.1.9 metric 2; default via 10.1.2.9 metric 3", "e1"),
        ("default nexthop via 10.1.0.9 dev e0 nexthop via 10.1.2.9 dev e2", "e2"),
        ("default nexthop via 10.1.1.8 dev e1 nexthop via 10.1.1.9 dev e1", "e1"),
        ("default via 10.1.2.9 metric 5; default via 10.1.1.9 metric 7", "e2"),
        ("default via 10.1.0.9", None),
        ("default nexthop via 10.1.1.9 dev e1 nexthop via 10.1.2.9 dev e2", "e1, e2"),
    ],
)
def test_the_interface_of_the_default_route(box: Box, routes: str, chosen: str | None) -> None:
    box.sh(WIRES + "\n".join(f"ip route add {each}" for each in routes.split("; ")))
    result = planned(box)
    if chosen in ("e1", "e2"):
        assert result["resources"] == [f"net:{chosen}"], result
    else:
        text = f"several ways, so each carries a part of the traffic: name one of {chosen}" if chosen else "no default route to choose it by"
        assert result["failed"] and text in result["msg"] and result["msg"].startswith("interface: "), result


def test_hooks_of_somebody_else_are_named_in_the_note(box: Box) -> None:
    box.sh("tc qdisc add dev up0 clsact")
    assert "because somebody else has filters at the hooks of up0" in " ".join(planned(box, interface="up0")["notes"])


@pytest.mark.parametrize("far", [f"remote {SERVER4}", "group 239.1.1.1"])
def test_the_other_end_of_a_tunnel_passes(box: Box, far: str) -> None:
    """As a member of a group it is in the forwarding table."""
    box.sh(VXLAN.format(far))
    box.resolv_conf(SERVER4)
    result = box.module("blackhole", interface="up0", control_addresses=["10.9.0.2"], duration="5m")
    assert f"{SERVER4}/32" in result["effect"]["passes"], result
    assert f"packets to and from {SERVER4} pass, because the control path comes by vx" in " ".join(result["notes"])
    assert box.resolve("db.fault.test"), "the server at the other end of the tunnel is out of reach"
    assert box.module("revert", all=True)["clean"]


def test_the_other_end_of_a_tunnel_is_never_aimed_at(box: Box) -> None:
    box.sh(VXLAN.format(f"remote {SERVER4}"))
    result = box.module("blackhole", peers=[SERVER4], control_addresses=["10.9.0.2"], duration="5m")
    assert result["failed"] and "is the other end of vx, by which the control path comes" in result["msg"], result


@pytest.mark.parametrize(
    ("setup", "below"),
    [
        (VXLAN.format(f"remote {SERVER4}").replace(" dev up0", ""), f"the way to {SERVER4}, the other end of the vxlan tunnel vx"),
        ("ip link add br0 type bridge; ip link set up0 master br0; ip addr add 10.9.0.1/24 dev br0; ip link set br0 up", "below br0"),
        ("ip link add link up0 name mac0 type macvlan; ip addr add 10.9.0.1/24 dev mac0; ip link set mac0 up", "below mac0"),
    ],
)
def test_no_interface_below_the_control_path_is_taken_down(box: Box, setup: str, below: str) -> None:
    box.sh(setup)
    result = box.module("interface_down", interface="up0", control_addresses=["10.9.0.2"], duration="5m")
    assert result["failed"], result
    if "vxlan" in setup:  # a port, and what carries others, is refused before that
        assert f"up0 carries the control path: it is {below}" in result["msg"], result
