# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ip, nft, iptables and tc print: what was put in is read, and whatever else they say is an error of ours or nothing."""

from __future__ import annotations

import ipaddress
import re
import struct
import subprocess

from hypothesis import assume, example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import netlink
from ansible_collections.faultline.chaos.plugins.module_utils._marks import made_by_attack
from ansible_collections.faultline.chaos.plugins.module_utils._network import firewall, links, options
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import DROP, PASS, REJECT, Rule
from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import MACHINERY
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import OnlyOurFilters
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK
from tests.fuzz.words import answers, lines, texts

# The kernel takes no white space, / or : in the name of an interface. With an @ in it ip can be read in two ways.
NAMES = lines(1, 6).map(lambda name: re.sub(r"[ \t\r\v\f/:@\xa0]", "_", name)).filter(lambda name: len(name) < 16 and name not in (".", ".."))


def netlink_attribute(kind: int, text: str) -> bytes:
    value = text.encode("utf-8", "surrogateescape") + b"\0"
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


class Host:
    """A host whose programs say one thing. Also a place, the only one."""

    check_mode = False
    guards = ()

    def __init__(self, said: str) -> None:
        self.said = said

    def run(self, argv, check=True, data=None):
        return 0, self.said, ""

    ask = run

    def tool(self, name: str) -> str:
        return name

    def has_tool(self, name: str) -> bool:
        return True

    def argv(self, argv):
        return list(argv)

    def read(self, path, default=""):
        return "x"


@given(names=st.lists(st.tuples(NAMES, st.booleans()), max_size=5, unique_by=lambda each: each[0]))
@example(names=[("a\x1cb", False), ("a\u2028b", True), ("\x85", False)])
def test_interfaces_are_read_whatever_they_are_called(names: list[tuple[str, bool]]) -> None:
    shown = [
        f"{at}: {name}{'@if3' if pair else ''}: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noop state DOWN\\    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff"
        for at, (name, pair) in enumerate(names, 1)
    ]
    host = Host("".join(line + "\n" for line in shown))
    assert options.links(host, host) == {name: line for (name, _pair), line in zip(names, shown, strict=True)}


INTERFACES = st.one_of(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128)))


@given(address=INTERFACES.map(ipaddress.ip_interface), name=NAMES, flags=st.sets(st.sampled_from(links.KEPT_FLAGS)), forever=st.booleans())
def test_an_address_is_added_as_it_was(address, name: str, flags: set[str], forever: bool) -> None:
    assume(name not in ("inet", "inet6", "peer", "brd", "metric", "scope", "dev", "valid_lft", "preferred_lft", *links.KEPT_FLAGS))
    kind = "inet" if address.version == 4 else "inet6"
    label = f" {name}" if kind == "inet" else ""
    life = "forever" if forever else "300sec"
    line = f"2: {name}    {kind} {address} scope global {' '.join(sorted(flags))}{label}\\       valid_lft {life} preferred_lft {life}"
    argv = links.address_argv("ip", line, name)
    assert argv[:5] == ["ip", "-4" if kind == "inet" else "-6", "addr", "add", str(address)] and argv[-2:] == ["dev", LINK]
    assert flags <= set(argv) and ("valid_lft" in argv) is not forever
    assert links.address_mark(line) == f"{kind} {address} "


RULES = [
    Rule(PASS, "out", ipaddress.ip_network("192.0.2.0/24")), Rule(DROP, "out", protocol="tcp", far_ports=(80, 90)),
    Rule(REJECT, "in", protocol="udp", near_ports=(53, 53)),
]  # fmt: skip


def counted(kind, said: str):
    host = Host(said)
    made = kind(host, "a", RULES, host, "")
    return made.read()


@given(packets=st.lists(st.integers(0, 2**64), min_size=3, max_size=3), other=st.sampled_from(["accept", "drop", ""]))
def test_nft_counters_are_read(packets: list[int], other: str) -> None:
    def chain(name: str, *rules: tuple[int, str]) -> str:
        inner = "".join(f"\t\tip daddr 192.0.2.0/24 counter packets {count} bytes {count * 60} {verdict}\n" for count, verdict in rules)
        return f"\tchain {name} {{\n\t\ttype filter hook output priority filter - 5; policy accept;\n{inner}\t}}\n"

    out = [(packets[0], "accept"), (packets[1], "drop"), *([(1, other)] if other else [])]
    text = "table inet x {\n" + chain("filter_in", (packets[2], "reject")) + "\n" + chain("filter_out", *out) + "}\n"
    found = counted(firewall.Nft, text)
    more = {"accept": (1, 0), "drop": (0, 1), "": (0, 0)}[other]
    assert found == {"rules": 3 + bool(other), "passed": packets[0] + more[0], "dropped": packets[1] + packets[2] + more[1]}


LISTED = ["Chain x (1 references)", "\tchain filter_in {", "\t}", "   5   300 DROP  all  --  *  *", "counter packets 5 bytes 6 drop"]


@given(said=st.one_of(texts(), st.lists(st.one_of(lines(), st.sampled_from(LISTED))).map("\n".join)))
@example(said="Chain x\n pkts\n\n")
def test_other_rules_are_never_taken_for_ours(said: str) -> None:
    for kind in (firewall.Nft, firewall.Iptables):
        try:
            found = counted(kind, said)
        except AttackError:
            continue
        assert found["rules"] >= 3


@given(names=st.lists(NAMES, min_size=1, max_size=4), described=texts())
@example(names=["x\u2028fl0123456789ab"], described="\n7: fl0123456789ab: <UP>")
@example(names=["fl0123456789ab\n"], described="")
def test_nobody_else_makes_residue_of_an_interface(names: list[str], described: str) -> None:
    """An answer of the kernel is read by its lengths, so that no name and no description becomes another interface."""
    described = described.replace("\0", "")
    said = b"".join(netlink_attribute(3, name) + netlink_attribute(20, described) for name in names)
    found = netlink._attributes(said, (3, 20))
    assert found == {3: names[-1], 20: described}
    assert not any(made_by_attack(name) for name in names if not re.fullmatch("fl[0-9a-f]{12}", name))


@given(said=st.binary(max_size=200))
def test_any_answer_about_interfaces_comes_to_an_end(said: bytes) -> None:
    assert set(netlink._attributes(said, (3, 20))) <= {3, 20}


@given(prefs=st.lists(st.integers(1, 65535), max_size=6), other=st.lists(lines().filter(lambda line: not line.strip(" \t").startswith("filter")), max_size=3))
@example(prefs=[47000, 47999], other=["  match 00000000/00000000 at 0"])
def test_only_our_filters_are_ours(shell: list[str], prefs: list[int], other: list[str]) -> None:
    shown = "".join(f"filter parent ffff: protocol all pref {pref} u32 chain 0\n" for pref in prefs) + "".join(line + "\n" for line in other)
    functions = MACHINERY.rpartition('\nmain "$@"')[0] + OnlyOurFilters.functions
    script = f"{functions}\nsaid=$(cat; printf x)\nsaid=${{said%x}}\nask() {{ :; }}\nonly_our_filters x && echo ours\n"
    done = subprocess.run([*shell, "-c", script], input=shown.encode(errors="surrogateescape"), capture_output=True, timeout=60, check=False)
    assert (done.stdout == b"ours\n") is all(47000 <= pref <= 47999 for pref in prefs), done.stderr


@given(value=answers())
def test_ports_networks_and_names_are_taken_or_refused(value) -> None:
    for read in (options.port_range, options.network, options.interface_name, lambda option, given: options.check_peers(option, [given])):
        try:
            found = read("opt", str(value))
        except BadOption as error:
            assert str(error).startswith("opt: ")
            continue
        if read is options.port_range:
            assert 1 <= found[0] <= found[1] <= 65535


@given(low=st.integers(0, 65535), count=st.integers(0, 65535))
def test_the_masks_of_a_port_range_are_exact(low: int, count: int) -> None:
    high = min(65535, low + count)
    masks = options.port_masks(low, high)
    covered = sum(0x10000 - mask for _value, mask in masks)
    assert covered == high - low + 1 and len(masks) <= 32
    for port in (low, high, (low + high) // 2, low - 1, high + 1):
        assert any(port & mask == value for value, mask in masks) is (low <= port <= high)
