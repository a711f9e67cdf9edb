# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packets the filters of netem let pass and which they hit, as the kernel matches them. Needs no netem: the filters sort into two classes."""

from __future__ import annotations

import ipaddress
import re
import sys

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._network.netem import Selection
from tests.netns.support.lan import ADDRESSES, PEER, TARGET, Lan

# Sends one frame as it is: protocol, destination and the bytes after the Ethernet header, all in hex.
SEND = """
import socket, sys
each = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
each.bind(("eth0", 0))
each.send(bytes.fromhex("33330000000102000000000a" + sys.argv[1] + sys.argv[2]))
"""
V4, V6 = "0800", "86dd"
HERE4, THERE4 = (ipaddress.ip_address(ADDRESSES[name][0]).packed for name in (TARGET, PEER))
HERE6, THERE6 = (ipaddress.ip_address(ADDRESSES[name][1]).packed for name in (TARGET, PEER))


def ip4(protocol: int, body: bytes, options: bytes = b"", fragment: int = 0) -> tuple[str, bytes]:
    size = 20 + len(options) + len(body)
    head = bytes([0x40 + 5 + len(options) // 4, 0]) + size.to_bytes(2, "big") + b"\0\1" + fragment.to_bytes(2, "big") + bytes([64, protocol, 0, 0])
    return V4, head + HERE4 + THERE4 + options + body


def ip6(header: int, body: bytes) -> tuple[str, bytes]:
    return V6, b"\x60\0\0\0" + len(body).to_bytes(2, "big") + bytes([header, 255]) + HERE6 + THERE6 + body


def listener(kind: int) -> tuple[str, bytes]:
    """A message about multicast listeners: behind a hop-by-hop header with the router alert."""
    return ip6(0, bytes([58, 0, 5, 2, 0, 0, 1, 0, kind]) + bytes(23))


def frames(direction: str) -> tuple[dict[str, tuple[str, bytes]], dict[str, tuple[str, bytes]]]:
    """What always passes in one direction, and what does not."""

    def ports(near: int, far: int, size: int = 20) -> bytes:
        first, second = (near, far) if direction == "egress" else (far, near)
        return first.to_bytes(2, "big") + second.to_bytes(2, "big") + bytes(size - 4)

    passes = {
        "ARP": ("0806", bytes(28)),
        "SSH, IPv4": ip4(6, ports(22, 40000)),
        "SSH, IPv6": ip6(6, ports(22, 40000)),
        "DHCPv4": ip4(17, ports(68, 67, 240)),
        "DHCPv6": ip6(17, ports(546, 547, 60)),
        "too big, IPv4": ip4(1, bytes([3, 4]) + bytes(34)),
        "too big, IPv6": ip6(58, bytes([2]) + bytes(60)),
        **{f"discovery {kind}": ip6(58, bytes([kind]) + bytes(23)) for kind in (133, 134, 135, 136, 137)},
        **{f"listeners {kind}": listener(kind) for kind in (130, 131, 132, 143)},
    }
    hit = {
        "echo, IPv4": ip4(1, bytes([8, 0]) + bytes(34)),
        "unreachable, IPv4": ip4(1, bytes([3, 1]) + bytes(34)),
        "echo, IPv6": ip6(58, bytes([128]) + bytes(23)),
        "echo behind a hop-by-hop header": listener(128),
        "a listener's type in other data": ip6(0, bytes([6, 0, 5, 2, 0, 0, 1, 0, 143]) + bytes(23)),
        "SSH of others": ip4(6, ports(40000, 22)),
        "UDP to port 67": ip4(17, ports(5000, 67)),
        "UDP from port 546": ip6(17, ports(546, 5000)),
        "port 22 in a later fragment": ip4(6, ports(22, 40000), fragment=100),
        "port 22 in options": ip4(6, ports(40000, 40001), options=ports(22, 40000, 4)),
        "TCP from ports of DHCP": ip4(6, ports(68, 67)),
    }
    return passes, hit


@pytest.fixture
def sorting(lan: Lan):
    """sorting(SELECTION, DIRECTION) says of a frame whether the filters hit it. Those for what arrives are tried on what leaves too, for the kernel
    matches both in one way."""
    for words in (
        "qdisc add dev eth0 root handle 1: htb default 1",
        *(f"class add dev eth0 parent 1: classid 1:{number} htb rate 1gbit" for number in (1, 4)),
    ):
        lan.run(TARGET, ["tc", *words.split()])

    def packets() -> int:
        text = lan.run(TARGET, ["tc", "-s", "class", "show", "dev", "eth0", "classid", "1:4"])
        return int(re.search(r"Sent \d+ bytes (\d+) pkt", text).group(1))

    def is_hit(frame: tuple[str, bytes]) -> bool:
        before = packets()
        lan.run(TARGET, [sys.executable, "-c", SEND, frame[0], frame[1].hex()])
        return packets() > before

    def install(selection: Selection, direction: str):
        for at, (passes, family, match) in enumerate(selection.matches(direction)):
            flow = ["flowid", "1:1" if passes else "1:4"]
            lan.run(TARGET, ["tc", "filter", "add", "dev", "eth0", "parent", "1:", "protocol", family, "pref", str(at + 1), "u32", *match, *flow])
        return is_hit

    return install


@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_what_the_control_path_and_the_networks_need_passes_and_nothing_else(sorting, direction: str) -> None:
    sort = sorting(Selection(control_ports=[22], passed=[], hit=[], ports=[], protocols=[]), direction)
    passes, hit = frames(direction)
    assert [name for name, frame in passes.items() if sort(frame)] == []
    assert [name for name, frame in hit.items() if not sort(frame)] == []


def segment(direction: str, family: int, protocol: int, near: int, far: int) -> tuple[str, bytes]:
    """A packet of TCP (6) or UDP (17) between a port of the target and one of the other end."""
    first, second = (near, far) if direction == "egress" else (far, near)
    body = first.to_bytes(2, "big") + second.to_bytes(2, "big") + bytes(16)
    return ip4(protocol, body) if family == 4 else ip6(protocol, body)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_ports_of_both_ends_and_ports_that_pass(sorting, direction: str, family: int) -> None:
    """8443 is of the range that is hit, and passes, whichever end has it; SSH passes although it is named."""
    sort = sorting(
        Selection([22], [], [], [(8000, 8999)], [], local_ports=[(22, 22), (443, 443), (5000, 5001), (8443, 8443)], passed_ports=[(8443, 8443)]), direction
    )
    hit = {(protocol, near, far) for protocol in (6, 17) for near in (443, 5000, 5001) for far in (8000, 8999)}
    passes = {
        (6, 22, 8000),
        (6, 443, 8443),
        (17, 443, 8443),
        (6, 8443, 8000),
        (17, 8443, 8000),
        (6, 443, 7999),
        (6, 443, 9000),
        (6, 4999, 8000),
        (6, 5002, 8000),
    }
    assert [each for each in sorted(hit) if not sort(segment(direction, family, *each))] == []
    assert [each for each in sorted(passes) if sort(segment(direction, family, *each))] == []
    assert not sort(ip4(1, bytes([8, 0]) + bytes(34)) if family == 4 else ip6(58, bytes([128]) + bytes(23))), "an echo has no port"


@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_a_local_port_alone_and_any_ip_protocol(sorting, direction: str) -> None:
    sort = sorting(Selection([22], [], [], [], ["tcp", 112], local_ports=[(8080, 8080)]), direction)
    for family, packet in ((4, ip4), (6, ip6)):
        assert sort(segment(direction, family, 6, 8080, 40000)) and sort(packet(112, bytes(20)))
        assert (
            not sort(segment(direction, family, 6, 40000, 8080)) and not sort(segment(direction, family, 17, 8080, 40000)) and not sort(packet(47, bytes(20)))
        )
