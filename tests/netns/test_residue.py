# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""attack_info finds what network attacks left behind, wherever in the network it may be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.support.box import Box

PREF = "47001"
TABLE, CHAIN = "faultline_0123456789ab", "FL0123456789abA"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    found = Box()
    try:
        yield found
    finally:
        found.close()


def left(box: Box) -> list[str]:
    """What attack_info tells of this box, without the commands that help: it sees the named namespaces of the machine as well."""
    return [mark.partition(":")[0] for mark in box.module("attack_info")["residue"] if "(in the network namespace of" not in mark]


@pytest.mark.parametrize(
    ("qdisc", "parent", "told"),
    [
        ("clsact", "egress", "tc filters on wire0 egress"),
        ("clsact", "ingress", "tc filters on wire0 ingress"),
        ("ingress", "ingress", "tc filters on wire0 ingress"),
        ("root handle 1: htb", "parent 1:", "tc filters on wire0 root"),
    ],
)
def test_filters(box: Box, qdisc: str, parent: str, told: str) -> None:
    box.sh("ip link add wire0 type veth peer name wire1; ip link set wire0 up")
    try:
        box.sh(f"tc qdisc add dev wire0 {qdisc}")
        assert left(box) == []
        box.sh(f"tc filter add dev wire0 {parent} protocol ip pref {PREF} u32 match u32 0 0 flowid 1:1")
        assert left(box) == [told]
    finally:
        box.sh("ip link del wire0")
    assert left(box) == []


@pytest.mark.parametrize("program", ["iptables-legacy", "ip6tables-legacy", "nft"])
@pytest.mark.parametrize("where", ["", "ip netns exec flresidue "])
def test_rules(box: Box, program: str, where: str) -> None:
    """Here, and in another network namespace of the host."""
    make = {"nft": f"nft add table inet {TABLE} '{{ chain out {{ type filter hook output priority 0; }} ; }}'"}.get(program, f"{program} -N {CHAIN}")
    named = {"nft": f"rules in table inet {TABLE}"}.get(program, f"rules in chain {CHAIN} of {program.partition('-')[0]}")
    box.sh("mkdir -p /run/netns; mount -t tmpfs box /run/netns; ip netns add flresidue")
    try:
        before = box.module("attack_info")["residue"]
        assert before == []
        box.sh(f"{where}{make}")
        inside = " (in the network namespace of /run/netns/flresidue)" if where else ""
        (found,) = box.module("attack_info")["residue"]
        helps = {"nft": f": {'nsenter --net=/run/netns/flresidue ' if where else ''}nft delete table inet {TABLE}"}.get(program, "")
        assert found == named + inside + helps
    finally:
        undo = f"nft delete table inet {TABLE}" if program == "nft" else f"{program} -X {CHAIN}"
        box.sh(f"{where}{undo}", check=False)
        box.sh("ip netns del flresidue; umount /run/netns", check=False)


@pytest.mark.parametrize("where", ["", "ip netns exec flresidue "], ids=["here", "elsewhere"])
def test_what_an_attack_left_on_interfaces(box: Box, where: str) -> None:
    """Filters whose ifb is gone and whose interface has another name by now, and the description of an interface that was taken down."""
    inside = " (in the network namespace of /run/netns/flresidue)" if where else ""
    box.sh("mkdir -p /run/netns; mount -t tmpfs box /run/netns; ip netns add flresidue")
    try:
        box.sh(f"{where}ip link add wa type veth peer name wb")
        box.sh(f"{where}tc qdisc add dev wa clsact; {where}tc filter add dev wa egress protocol ip pref {PREF} u32 match u32 0 0 flowid 1:1")
        box.sh(f"{where}ip link set wa name wz; {where}ip link set wb alias faultline-lost")
        found = sorted(box.module("attack_info")["residue"])
        assert [each.partition(":")[0] for each in found] == [
            f"interface wb has the description faultline-lost{inside}",
            f"tc filters on wz egress{inside}",
        ]
        helps = found[1].partition(": ")[2]
        assert helps.endswith(f"tc filter del dev wz egress pref {PREF}")
        box.sh(helps)
        assert len(box.module("attack_info")["residue"]) == 1
    finally:
        box.sh("ip link del wa; ip link del wz; ip netns del flresidue; umount /run/netns", check=False)
