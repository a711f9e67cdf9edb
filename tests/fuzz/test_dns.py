# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS messages of any bytes: never an error, never a hang, and every answer is one that the client asked for and can take."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._network import dns as ours, dns_forwarder
from tests.fuzz.words import texts

LABELS = st.binary(min_size=1, max_size=63)
NAMES = st.lists(LABELS, min_size=1, max_size=6).filter(lambda labels: sum(map(len, labels)) + len(labels) < 255)
HOSTS = st.lists(st.from_regex(r"\A[a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9_])?\Z"), min_size=1, max_size=4).map(".".join).filter(lambda name: not name[-1].isdigit())
ADDRESSES = st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), max_size=3)
MANY = st.integers(0, 120).map(lambda count: [ipaddress.ip_address(0xC6120000 + each) for each in range(count)])


@st.composite
def queries(draw) -> tuple[bytes, list[bytes], int, int]:
    """A query, the labels of its name, its type, and how long an answer by UDP may be."""
    labels, kind, size = (
        draw(NAMES),
        draw(st.sampled_from([ours.A, ours.AAAA, ours.ANY, 5, 0, 65535])),
        draw(st.sampled_from([None, 0, 512, 1232, 4096, 65535])),
    )
    head = struct.pack("!6H", draw(st.integers(0, 65535)), draw(st.sampled_from([0, 0x0100, 0x0120])), 1, 0, 0, 0 if size is None else 1)
    name = b"".join(struct.pack("!B", len(label)) + label for label in labels) + b"\0"
    edns = b"" if size is None else struct.pack("!BHHIH", 0, 41, size, 0, 0)
    return head + name + struct.pack("!HH", kind, 1) + edns, labels, kind, max(512, size or 0)


@st.composite
def messages(draw) -> bytes:
    """Any bytes, with a head and names that are nearly right; pointers lead anywhere, in circles too."""
    good = draw(queries())[0]
    kind = draw(st.sampled_from(["any", "torn", "bits", "pointer", "counts"]))
    if kind == "any":
        return draw(st.binary(max_size=600))
    if kind == "torn":
        return good[: draw(st.integers(0, len(good)))]
    changed = bytearray(good + draw(st.binary(max_size=40)))
    if kind == "counts":
        struct.pack_into("!4H", changed, 4, *draw(st.lists(st.sampled_from([0, 1, 2, 65535]), min_size=4, max_size=4)))
    for at in draw(st.lists(st.integers(2, len(changed) - 2), min_size=1, max_size=3)):
        if kind == "pointer":
            struct.pack_into("!H", changed, at, 0xC000 | draw(st.sampled_from([0, 12, at, at - 1])))
        elif kind == "bits":
            changed[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


@given(asked=queries())
def test_a_query_is_read(asked) -> None:
    data, labels, kind, _room = asked
    query = ours.parse(data)
    assert (query.id, query.kind) == (struct.unpack_from("!H", data)[0], kind)
    assert query.name == b".".join(labels).decode("latin-1").lower()


def read_count(told: bytes) -> int:
    """The number of records in the answer section; dnspython merges equal ones."""
    return struct.unpack_from("!H", told, 6)[0]


@given(asked=queries(), mode=st.sampled_from(["nxdomain", "servfail", "block", "spoof"]), addresses=st.one_of(ADDRESSES, MANY))
@example(asked=(ours.question(1, "a.b"), [b"a", b"b"], ours.A, 512), mode="spoof", addresses=[ipaddress.ip_address(0xC6120000 + each) for each in range(40)])
def test_an_answer_is_understood_and_fits(asked, mode: str, addresses: list) -> None:
    """dnspython understands it, and it is no longer than the client can take: else it says that it is cut, and the client asks by TCP."""
    data, _labels, kind, room = asked
    fault = dns_forwarder.Fault(mode, ours.Domains([]), addresses=addresses if mode == "spoof" else [])
    query = ours.parse(data)
    wanted = [str(each) for each in fault.addresses if kind in (ours.ANY, ours.A if each.version == 4 else ours.AAAA)]
    for told, most in ((fault.answer(data, query, query.room), room), (fault.answer(data, query), 65535)):
        assert len(told) <= most
        read, question = dns.message.from_wire(told), dns.message.from_wire(data)
        assert (read.id, read.rcode(), read.question) == (question.id, ours.RCODES.get(mode, 0), question.question)
        assert read.flags & dns.flags.QR and (read.edns >= 0) == (question.edns >= 0)
        found = [str(record) for part in read.answer for record in part]
        assert set(found) == set(wanted[: read_count(told)])
        assert bool(read.flags & dns.flags.TC) is (read_count(told) < len(wanted))
        assert read_count(told) == len(wanted) or len(told) + 28 > most


@given(data=messages())
@example(data=b"\0" * 12 + b"\x3f" * 65000 + b"\0" * 5)
@example(data=struct.pack("!6H", 1, 0, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 500 + b"\0\0\1\0\1")
def test_no_message_is_an_error(data: bytes) -> None:
    begun = time.monotonic()
    query = ours.parse(data)
    if query is not None:
        fault = dns_forwarder.Fault("spoof", ours.Domains([query.name]), addresses=[ipaddress.ip_address("192.0.2.1")])
        assert fault.hits(query)
        assert len(fault.answer(data, query, query.room)) <= query.room
    ours.addresses_of(data)
    assert time.monotonic() - begun < 1


@given(name=NAMES, addresses=ADDRESSES, alias=st.booleans())
def test_the_addresses_of_an_answer_are_read(name: list[bytes], addresses: list, alias: bool) -> None:
    message = dns.message.make_query(dns.name.Name([*name, b""]), "A")
    answer = dns.message.make_response(message)
    if alias:
        answer.answer.append(dns.rrset.from_text("alias.example.", 60, "IN", "CNAME", "other.example."))
    for each in addresses:
        answer.answer.append(dns.rrset.from_text("other.example.", 60, "IN", "A" if each.version == 4 else "AAAA", str(each)))
    wire = answer.to_wire()
    assert ours.addresses_of(wire) == addresses
    for length in range(0, len(wire), 7):
        assert ours.addresses_of(wire[:length]) == addresses[: len(ours.addresses_of(wire[:length]))]


@given(name=HOSTS, upper=st.booleans(), dot=st.booleans())
def test_a_domain_is_hit_by_its_name_in_any_spelling(name: str, upper: bool, dot: bool) -> None:
    written = (name.upper() if upper else name) + ("." if dot else "")
    for pattern, asked in ((written, name), ("*." + written, "x." + name)):
        query = ours.parse(ours.question(1, asked.upper() if dot else asked))
        assert query.name in ours.Domains([ours.domain("domains", pattern)])


@given(value=texts())
def test_a_domain_is_taken_or_refused(value: str) -> None:
    try:
        taken = ours.domain("domains", value)
    except BadOption as error:
        assert str(error).startswith("domains: ")
        return
    assert ours.parse(ours.question(1, taken.lstrip("*."))).name == taken.lstrip("*.")


@given(text=st.lists(st.one_of(texts(0, 12), st.ip_addresses().map(str)).map("nameserver {}".format), max_size=3).map("\n".join), upstream=texts())
def test_resolvers_are_read_or_refused(text: str, upstream: str) -> None:
    try:
        found = ours.resolvers(text, upstream)
    except AttackError:
        return
    assert found and all(str(ipaddress.ip_address(str(each.address))) for each in found)


@pytest.fixture(scope="module")
def forwarder() -> Iterator[tuple[str, int]]:
    """A forwarder that says that a.b does not exist. Its resolver is a socket that never answers."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    endpoint = dns_forwarder.Endpoint(ours.Resolver(ipaddress.ip_address("127.0.0.1"), False), 0)
    endpoint.listen()
    endpoint.upstream = silent.getsockname()
    server = dns_forwarder.Server([endpoint], dns_forwarder.Fault("nxdomain", ours.Domains(["a.b"])), uptime() + 3600, dns_forwarder.Hits())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield endpoint.udp.getsockname(), endpoint.tcp.getsockname()
    server.until = 0
    thread.join(5)
    for each in (endpoint.udp, endpoint.tcp, silent):
        each.close()


@given(rubbish=st.lists(messages(), max_size=5), stream=st.binary(max_size=40))
def test_the_forwarder_goes_on_after_any_message(forwarder, rubbish: list[bytes], stream: bytes) -> None:
    udp, tcp = forwarder
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(udp)
        for each in rubbish:
            client.send(each)
    with socket.create_connection(tcp, 5) as connection:
        connection.sendall(stream)
    assert ours.ask(ipaddress.ip_address("127.0.0.1"), "a.b", ours.A, 5, udp[1]).rcode == "NXDOMAIN"
    question = ours.question(7, "A.b")
    with socket.create_connection(tcp, 5) as connection:
        connection.sendall(struct.pack("!H", len(question)) + question)
        told = connection.recv(4096)
    assert struct.unpack_from("!H", told)[0] == len(told) - 2 and dns.message.from_wire(told[2:]).rcode() == 3
