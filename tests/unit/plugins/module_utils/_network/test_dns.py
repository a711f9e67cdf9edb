# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS messages, names, resolvers, and the server of dns_fault over real sockets of the loopback interface."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import threading
import time

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._network import dns, dns_forwarder

EDNS = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
V4, V6 = ipaddress.ip_address("203.0.113.7"), ipaddress.ip_address("2001:db8::7")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("www.Example.COM", "www.example.com"), ("a.b.", "a.b"), ("*.x.org", "*.x.org"), ("_sip._tcp.x.org", "_sip._tcp.x.org"), ("localhost", "localhost")],
)
def test_domains(value: str, expected: str) -> None:
    assert dns.domain("domains", value) == expected


@pytest.mark.parametrize(
    "value",
    ["", ".", "*", "*.", "a..b", "-a.b", "a-.b", "a b", "a.*.b", "www.*", "*a.b", "b\u00fccher.de", "a/b", "a;b", "x\n", "1.2.3.4", "a" * 64, "a." * 130],
)
def test_domains_that_are_refused(value: str) -> None:
    with pytest.raises(BadOption, match="^domains: "):
        dns.domain("domains", value)


def test_which_names_are_meant() -> None:
    domains = dns.Domains(["db.example.com", "*.wild.org"])
    assert "db.example.com" in domains and "a.wild.org" in domains and "a.b.wild.org" in domains
    assert not any(name in domains for name in ("example.com", "x.db.example.com", "wild.org", "awild.org", "", ".wild.org"))


def test_a_question() -> None:
    query = dns.parse(dns.question(7, "WWW.Example.com", dns.AAAA))
    assert (query.id, query.name, query.kind, query.edns) == (7, "www.example.com", dns.AAAA, False)
    message = bytearray(dns.question(7, "a.b"))
    message[11] = 1
    assert dns.parse(bytes(message) + EDNS).edns


def broken() -> list[bytes]:
    good = dns.question(1, "example.com")
    answered, several, compressed, update = bytearray(good), bytearray(good), bytearray(good), bytearray(good)
    answered[2] |= 0x80
    several[5] = 2
    compressed[12] = 0xC0
    update[2] |= 0x28
    return [b"", good[:11], good[:15], good[:-1], bytes(answered), bytes(several), bytes(compressed), bytes(update), good[:12] + b"\x3f" + good[13:]]


@pytest.mark.parametrize("data", broken())
def test_what_is_no_plain_query(data: bytes) -> None:
    assert dns.parse(data) is None


def test_no_bytes_break_the_parsers() -> None:
    for size in range(0, 80):
        data = os.urandom(size)
        dns.parse(data)
        dns.addresses_of(data)


def test_answers() -> None:
    data = dns.question(9, "db.Example.com")
    query = dns.parse(data)
    told = dns.answer(data, query, 3)
    assert told[:2] == data[:2] and struct.unpack_from("!5H", told, 2) == (0x8183, 1, 0, 0, 0)
    assert told[12:] == data[12:]  # the question as it was written, for resolvers that compare its letters
    told = dns.answer(data, query, 0, [V4, V6])
    assert dns.addresses_of(told) == [V4] and struct.unpack_from("!I", told, len(data) + 6)[0] == 0
    anything = dns.question(9, "a.b", dns.ANY)
    assert dns.addresses_of(dns.answer(anything, dns.parse(anything), 0, [V4, V6])) == [V4, V6]
    mail = dns.question(9, "a.b", 15)
    assert dns.answer(mail, dns.parse(mail), 0, [V4])[6:8] == b"\0\0"


def test_an_answer_has_an_opt_record_when_the_query_had_one() -> None:
    data = bytearray(dns.question(9, "a.b")) + EDNS
    data[11] = 1
    told = dns.answer(bytes(data), dns.parse(bytes(data)), 2)
    assert told[10:12] == b"\0\1" and told.endswith(struct.pack("!BHHIH", 0, 41, 1232, 0, 0))


def addresses(found) -> list[tuple[str, bool]]:
    return [(str(each.address), each.behind) for each in found]


def test_resolvers() -> None:
    text = "# x\nnameserver 192.0.2.1\nsearch a\n nameserver\t2001:db8::1 \n;nameserver 9.9.9.9\nnameserver 192.0.2.1\n"
    assert addresses(dns.resolvers(text)) == [("192.0.2.1", False), ("2001:db8::1", False)]
    stub = dns.resolvers("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\nnameserver 127.0.0.53\n")
    assert addresses(stub) == [("127.0.0.53", False), ("192.0.2.1", True)]
    assert addresses(dns.resolvers("")) == [("127.0.0.1", False)]


@pytest.mark.parametrize("value", ["fe80::1%eth0", "fe80::1", "dns.example.com", "::1%lo"])
def test_resolvers_that_cannot_be_redirected(value: str) -> None:
    with pytest.raises(AttackError, match="cannot be redirected"):
        dns.resolvers(f"nameserver {value}\n")


# --- the server -----------------------------------------------------------------------------------------


class Upstream(threading.Thread):
    """A resolver that says NOERROR and one address to everything."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.start()

    def run(self) -> None:
        while True:
            data, client = self.udp.recvfrom(4096)
            query = dns.parse(data)
            if query is not None:
                self.udp.sendto(dns.answer(data, query, 0, [ipaddress.ip_address("192.0.2.1")]), client)


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def serve(upstream: Upstream):
    """Start a server for a fault; returns its endpoint."""
    found = []

    def start(fault: dns_forwarder.Fault, behind: bool = False) -> dns_forwarder.Endpoint:
        endpoint = dns_forwarder.Endpoint(dns.Resolver(ipaddress.ip_address("127.0.0.1"), behind), 0)
        endpoint.upstream = upstream.udp.getsockname()
        endpoint.listen()
        endpoint.port = endpoint.udp.getsockname()[1]
        server = dns_forwarder.Server([endpoint], fault, uptime() + 60, dns_forwarder.Hits())
        threading.Thread(target=server.run, daemon=True).start()
        found.append((server, endpoint))
        return endpoint

    yield start
    for server, endpoint in found:
        server.until = 0
        time.sleep(0.6)
        endpoint.udp.close()
        endpoint.tcp.close()


def ask(endpoint: dns_forwarder.Endpoint, name: str, kind: int = dns.A, patience: float = 2) -> dns.Reply:
    return dns.ask(ipaddress.ip_address("127.0.0.1"), name, kind, patience, endpoint.port)


@pytest.mark.parametrize(("mode", "expected"), [("nxdomain", "NXDOMAIN"), ("servfail", "SERVFAIL"), ("block", "REFUSED"), ("timeout", None)])
def test_the_server_answers(serve, mode: str, expected: str | None) -> None:
    endpoint = serve(dns_forwarder.Fault(mode, dns.Domains(["db.example.com"])))
    assert ask(endpoint, "db.example.com", patience=0.4).rcode == expected
    other = ask(endpoint, "other.example.com")
    assert other.rcode == "NOERROR" and str(other.addresses[0]) == "192.0.2.1"


def test_the_server_spoofs(serve) -> None:
    endpoint = serve(dns_forwarder.Fault("spoof", dns.Domains(["*.x.org"]), addresses=[V4, V6]))
    assert ask(endpoint, "a.x.org").addresses == [V4] and ask(endpoint, "a.x.org", dns.AAAA).addresses == [V6]


@pytest.mark.parametrize("behind", [False, True])
def test_the_server_delays(serve, behind: bool) -> None:
    endpoint = serve(dns_forwarder.Fault("delay", dns.Domains(["db.example.com"]), 0.3), behind)
    begun = time.monotonic()
    assert ask(endpoint, "db.example.com").rcode == "NOERROR"
    assert 0.29 < time.monotonic() - begun < 0.8
    assert ask(endpoint, "other.example.com").seconds < 0.25


def test_rubbish_reaches_the_resolver_and_not_us(serve) -> None:
    endpoint = serve(dns_forwarder.Fault("nxdomain", dns.Domains(["a.b"])))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", endpoint.port))
        for size in (0, 1, 12, 16):
            client.send(os.urandom(size))
    assert ask(endpoint, "a.b").rcode == "NXDOMAIN"


def test_a_resolver_that_is_gone_is_told_at_once(serve) -> None:
    endpoint = serve(dns_forwarder.Fault("nxdomain", dns.Domains(["a.b"])))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        endpoint.upstream = free.getsockname()
    reply = ask(endpoint, "other.example.com")
    assert reply.rcode == "SERVFAIL" and reply.seconds < 1
