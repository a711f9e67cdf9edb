# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which interfaces carry the control path, and the other ends of the tunnels that carry it."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.control_path import Connection
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.namespace import HERE
from ansible_collections.faultline.chaos.plugins.module_utils._network.way_in import WayIn, tunnel, vlans


def host() -> Host:
    return Host(SimpleNamespace(check_mode=False))


def connection(own: str, peer: str) -> Connection:
    return Connection(ipaddress.ip_address(own), 22, ipaddress.ip_address(peer), 4711)


def test_the_way_back_to_whoever_came_by_ssh_is_never_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    target = host()
    asked = []

    def run(argv, check=True, data=None):
        asked.append(argv)
        return (0, "127.0.0.1 dev eth7 src 127.0.0.1\n", "") if "route" in argv else (0, "8: eth8    inet 127.0.0.1/8 scope host eth8\n", "")

    monkeypatch.setattr(target, "run", run)
    monkeypatch.setattr(target, "tool", lambda name: name)
    found = WayIn(target, [connection("127.0.0.1", "127.0.0.1")], []).devices
    assert ["ip", "-o", "route", "get", "127.0.0.1"] in asked
    assert found["eth7"] == "the way back to 127.0.0.1" and "127.0.0.1" in found["eth8"]


HEAD = "7: t0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/"
# As ip -o -d link shows a tunnel, what wg says, and the other ends.
TUNNELS = [
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    vxlan id 5 remote 192.0.2.9 dev eth0 srcport 0 0 dstport 4789", "", ["192.0.2.9"]),
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    geneve id 5 remote 2001:db8::9 ttl auto", "", ["2001:db8::9"]),
    ("ipip 192.0.2.1 peer 192.0.2.9 promiscuity 0 \\    ipip any remote 192.0.2.9 local 192.0.2.1 ttl inherit", "", ["192.0.2.9"]),
    ("gre 192.0.2.1 peer 192.0.2.9 promiscuity 0 \\    gre remote 192.0.2.9 local 192.0.2.1 dev eth0 ttl inherit", "", ["192.0.2.9"]),
    ("gre 0.0.0.0 brd 0.0.0.0 promiscuity 0 \\    gre remote any local any ttl inherit", "", None),
    ("none  promiscuity 0 \\    wireguard addrgenmode none", "k=\t192.0.2.9:51820\nl=\t[2001:db8::9]:51820\nm=\t(none)\n", ["192.0.2.9", "2001:db8::9"]),
    ("none  promiscuity 0 \\    wireguard addrgenmode none", "", None),
    ("none  promiscuity 0 \\    tun type tun pi off vnet_hdr off persist off", "", None),
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    veth addrgenmode eui64", "", []),
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 addrgenmode eui64 \\    alias tun vxlan", "", []),
]


@pytest.mark.parametrize(("shown", "wg", "ends"), TUNNELS)
def test_the_other_ends_of_tunnels(monkeypatch: pytest.MonkeyPatch, shown: str, wg: str, ends: list[str] | None) -> None:
    """None: there is one, and it cannot be told. What eth0 is for is known from the route to it."""
    target = host()

    def run(argv, check=True, data=None):
        if argv[0] == "wg":
            return 0, wg, ""
        if "route" in argv:
            return 0, f"{argv[-1]} dev {'t0' if argv[-1] == '10.9.0.2' else 'eth0'} src 192.0.2.1", ""
        return 0, HEAD + shown + "\n" if argv[-1] == "t0" else "", ""

    monkeypatch.setattr(target, "run", run)
    monkeypatch.setattr(target, "tool", lambda name: name)
    monkeypatch.setattr(target, "has_tool", lambda name: True)
    way = WayIn(target, [connection("10.9.0.1", "10.9.0.2")], [])
    assert sorted(map(str, way.outer)) == (ends or []) and bool(way.unclear) == (ends is None)
    assert ("eth0" in way.devices) == bool(ends)
    if ends is None:
        for attacked, refused in (("eth0", True), (None, True), ("t0", False)):
            if refused:
                with pytest.raises(AttackError, match="name the other end of that tunnel in control_addresses"):
                    way.refuse_unclear("interface", attacked)
            else:
                way.refuse_unclear("interface", attacked)
    if ends == []:
        assert tunnel(HEAD + shown) is None


# Names that the kernel allows: str.split() and str.splitlines() end at these characters.
STRANGE = ["eth\x1c0", "e\u2028h", "e\x85h", "e\u3000h", "e\x1cdead"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_link_of_the_control_path_has_its_whole_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    target = host()

    def run(argv, check=True, data=None):
        if "route" in argv:
            return 0, f"192.0.2.7 via 192.0.2.1 dev w{name} src 192.0.2.2 uid 0 \\    cache \n", ""
        return 0, f"1: lo    inet 127.0.0.1/8 scope host lo\n8: {name}    inet 192.0.2.2/24 scope global {name}\n" if "addr" in argv else "", ""

    monkeypatch.setattr(target, "run", run)
    monkeypatch.setattr(target, "tool", lambda name: name)
    assert set(WayIn(target, [connection("192.0.2.2", "192.0.2.7")], []).devices) == {name, "w" + name}


@pytest.mark.parametrize("name", STRANGE)
def test_a_vlan_has_its_whole_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    target = host()
    monkeypatch.setattr(target, "tool", lambda name: name)
    monkeypatch.setattr(target, "run", lambda argv, check=True: (0, f"9: {name}@up0: <BROADCAST> mtu 1500 \\    vlan protocol 802.1Q id 5\n", ""))
    assert vlans(target, HERE, "up0") == [name]
