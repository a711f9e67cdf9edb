# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests/fuzz has found in the code of the targets, one example of each kind."""

from __future__ import annotations

import ipaddress
import json
import struct
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import checksum
from ansible_collections.faultline.chaos.plugins.module_utils._host.kernel_files import same_value, value_of
from ansible_collections.faultline.chaos.plugins.module_utils._host.mounts import mount_of
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import overview, residue
from ansible_collections.faultline.chaos.plugins.module_utils._network import dns, dns_forwarder, firewall, options
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import DROP, Rule
from ansible_collections.faultline.chaos.plugins.module_utils._resources import io_limits
from ansible_collections.faultline.chaos.plugins.module_utils._resources.deadline import Deadline
from ansible_collections.faultline.chaos.plugins.module_utils._state import sysctl
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import StillOurs, ValueIs

DEEP = "[" * 100_000


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize(
    "parse",
    [
        _units.duration, _sizes.size, _sizes.rate, _units.percent, _units.port,
        lambda name, text: _units.integer(name, text, 0, 9), lambda name, text: _units.duration(name, text + "h"),
    ],
)  # fmt: skip
def test_a_number_of_many_digits_is_refused(parse, digits: int) -> None:
    """Python refuses to read 4301, and 310 are infinite."""
    with pytest.raises(BadOption, match="^opt: "):
        parse("opt", "9" * digits + ("bit" if parse is _sizes.rate else ""))


@pytest.mark.parametrize(("seconds", "text"), [(1e6, "1000000s"), (1234.567, "1234.567s"), (123456.7, "123456.7s"), (100.0, "100s"), (1.5, "1.5s")])
def test_a_long_duration_is_told_in_digits(seconds: float, text: str) -> None:
    assert _units.human(seconds) == text and _units.duration("opt", text) == seconds


# --- journals ---------------------------------------------------------------------------------------------


def test_what_is_nested_too_deeply_is_damaged(bench) -> None:
    directory = bench.publish("a")
    (directory / "record.json").write_text(DEEP)
    with pytest.raises(JournalDamaged, match="not readable"):
        bench.journal.load("a")
    deep = "[" * 900 + "]" * 900  # json reads that, and cannot write it with an indent
    (directory / "record.json").write_text('{"sum": "x", "record": {"a": ' + deep + "}}")
    with pytest.raises(JournalDamaged):
        bench.journal.load("a")
    assert overview.describe(bench.journal, bench.host.boot_id, "a")["status"] == "damaged"


def test_a_record_that_is_no_record_is_damaged(bench) -> None:
    directory = bench.publish("a")
    (directory / "record.json").write_text(json.dumps({"record": [], "sum": checksum("[]")}))
    with pytest.raises(JournalDamaged, match="checksum"):
        bench.journal.load("a")


@pytest.mark.parametrize("text", [DEEP, "5", "[1]", "null", '"x"'])
def test_a_damaged_effect_is_none(bench, text: str) -> None:
    (bench.publish("a") / "effect").write_text(text)
    assert bench.journal.effect("a") == {}


def test_a_history_with_lines_of_any_kind_is_read(bench) -> None:
    bench.publish("a")
    began = {"id": "b", "started": "2026-01-01T00:00:00Z", "event": "began"}
    lines = [DEEP, '{"event": "began", "id": 5, "started": "x"}', json.dumps(began)]
    (bench.state / "history.jsonl").write_text("\n".join(lines))
    assert bench.journal.unended() == residue.lost(bench.journal) == [began]


@pytest.mark.parametrize("content", [b"12\x0b", b"\n12", b"\xc2\xa012\n", b"12\r\n", b"12\x1c"])
def test_a_deadline_that_the_shell_does_not_read_is_none(bench, content: bytes) -> None:
    """The shell takes it for a passed one, and undoes the attack; Python counted on it."""
    (bench.publish("a") / "deadline").write_bytes(content)
    assert bench.journal.number("a", "deadline") is None


@pytest.mark.parametrize("content", ["²".encode(), b"\xff", b"9" * 5000])
def test_a_worker_survives_an_unreadable_deadline(tmp_path: Path, content: bytes) -> None:
    until = Deadline.__new__(Deadline)
    until.until, until._file = uptime() + 60, str(tmp_path / "deadline")
    (tmp_path / "deadline").write_bytes(content)
    assert not until.over()


# --- texts of the kernel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\xa0"])
def test_a_name_never_ends_a_line_or_a_field(letter: str) -> None:
    """The kernel escapes spaces, tabs and line feeds in names; str.splitlines() and str.split() know more of both."""
    name = f"/srv/a{letter}b"
    mounts = f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / {name} rw - ext4 /dev/b rw\n3 1 0:9 {name} /sys/fs/cgroup rw - cgroup2 none rw\n"
    assert mount_of(name + "/x", mounts).device == "8:2"
    assert cgroup.hierarchies(mounts)["memory"].point == "/sys/fs/cgroup" == io_limits.hierarchy(mounts)[0]
    assert cgroup.membership(f"1:pids:{name}\n0::{name}\n") == {"pids": name, "": name}


@pytest.mark.parametrize("name", ["a\x1cb", "a\u2028b", "\x85"])
def test_an_interface_may_have_any_name(name: str) -> None:
    class Host:
        def tool(self, tool: str) -> str:
            return tool

        def argv(self, argv: list[str]) -> list[str]:
            return argv

        def run(self, argv: list[str]) -> tuple[int, str, str]:
            return 0, f"1: lo: <UP> mtu 1\n2: {name}@if3: <UP> mtu 1\n3: b: <UP> mtu 1\n", ""

    assert list(options.links(Host(), Host())) == ["lo", name, "b"]


def test_values_of_the_kernel_are_split_as_the_shell_splits_them() -> None:
    assert value_of("a\x0bb \t c\n") == "a\x0bb c" == ValueIs("/x", " a\x0bb  c").text == StillOurs("/x", "a\x0bb\tc", "note").before
    assert not same_value("a\x0bb", "a b")


@pytest.mark.parametrize("long", ["9" * 5000, "0x" + "f" * 5000, "-" + "9" * 5000, "1-" + "9" * 5000])
def test_values_with_many_digits_can_be_compared(long: str) -> None:
    assert same_value(long, long) and not same_value(long, "1")


# --- DNS --------------------------------------------------------------------------------------------------


def test_an_answer_that_is_too_long_for_udp_says_that_it_is_cut() -> None:
    addresses = [ipaddress.ip_address(0xC6120000 + each) for each in range(6000)]
    fault = dns_forwarder.Fault("spoof", dns.Domains(["a.b"]), addresses=addresses)
    plain = dns.question(1, "a.b")
    for data, room in ((plain, 512), (plain + struct.pack("!BHHIH", 0, 41, 1232, 0, 0), 1232)):
        query = dns.parse(data[:10] + (b"\0\1" if room > 512 else b"\0\0") + data[12:])
        told = fault.answer(data, query, query.room)
        assert room - 16 < len(told) <= room and told[2] & 2
        assert dns.addresses_of(told) == addresses[: len(dns.addresses_of(told))] != []
    whole = fault.answer(plain, dns.parse(plain))
    assert len(whole) <= 65535 and whole[2] & 2, "by TCP its length must fit into 16 bits"
    few = dns_forwarder.Fault("spoof", dns.Domains(["a.b"]), addresses=addresses[:3])
    assert not few.answer(plain, dns.parse(plain), 512)[2] & 2


def test_half_an_address_is_none() -> None:
    plain = dns.question(1, "a.b", dns.AAAA)
    told = dns.answer(plain, dns.parse(plain), 0, [ipaddress.ip_address("2001:db8::7")])
    assert dns.addresses_of(told) != [] and dns.addresses_of(told[:-12]) == []


def test_a_name_that_is_too_long_is_no_query() -> None:
    head = struct.pack("!6H", 1, 0, 1, 0, 0, 0)
    assert dns.parse(head + (b"\x3f" + b"a" * 63) * 500 + b"\0\0\1\0\1") is None
    assert dns.parse(head + (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0\0\1\0\1") is not None


def test_values_of_sysctls_may_have_any_letters_but_line_feeds() -> None:
    found = sysctl._parts("part:now\nnet/a:1\nnet/b:x\x1cy\nnet/b:z\n")
    assert found[0].values == {"net/a": "1", "net/b": "x\x1cy z"} and sysctl._parts("") == []


def test_what_iptables_says_instead_of_rules_is_an_error_of_ours() -> None:
    class Host:
        check_mode, guards = False, ()

        def tool(self, name: str) -> str:
            return name

        def has_tool(self, _name: str) -> bool:
            return True

        def read(self, _path: str, _default: object = "") -> str:
            return "x"

        def argv(self, argv: list[str]) -> list[str]:
            return argv

        def run(self, _argv: list[str], check: bool = True) -> tuple[int, str, str]:
            return 0, "Chain x\n pkts\n\n", ""

        ask = run

    rules = [Rule(DROP, "out", protocol="tcp", far_ports=(80, 80))]
    with pytest.raises(AttackError, match="shows other rules"):
        firewall.Iptables(Host(), "a", rules, Host(), "").read()
