# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""DNS messages as far as a fault needs them: queries, forged answers, the resolvers of a host. RFC 1035, EDNS: RFC 6891."""

import ipaddress
import os
import re
import socket
import struct
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption

PORT = 53
RESOLV_CONF = "/etc/resolv.conf"
UPSTREAM_CONF = "/run/systemd/resolve/resolv.conf"  # the servers that systemd-resolved queries

A, AAAA, ANY, OPT = 1, 28, 255, 41
RCODES = {"servfail": 2, "nxdomain": 3, "block": 5}
RCODE_NAMES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_LABEL = r"^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z"
_RESPONSE = 0x8000


# --- domains ------------------------------------------------------------------------------------------


def domain(option, value):
    """A domain in lower case without the trailing dot; "*.example.com" matches all names below it. Errors: BadOption."""
    text = value[:-1] if value.endswith(".") else value
    text = text.lower()
    rest = text[2:] if text.startswith("*.") else text
    if not rest or len(rest) > 253 or not all(re.match(_LABEL, label) for label in rest.split(".")):
        raise BadOption(option, value, "write a domain such as www.example.com, or *.example.com for all names below it; other letters than a-z as xn--...")
    if re.match(r"^[0-9.]+\Z", rest):
        raise BadOption(option, value, "write a domain, not an address")
    return text


class Domains:
    """Exact names and *.suffixes, as domain() returns them."""

    def __init__(self, patterns):
        self._names = frozenset(each for each in patterns if not each.startswith("*."))
        self._suffixes = tuple(sorted(each[1:] for each in patterns if each.startswith("*.")))

    def __contains__(self, name):
        return name in self._names or any(name.endswith(suffix) and len(name) > len(suffix) for suffix in self._suffixes)


# --- messages -----------------------------------------------------------------------------------------


class Query:
    """The question of a message. room: the longest answer by UDP that its client takes."""

    __slots__ = ("id", "flags", "name", "kind", "end", "edns", "room")

    def __init__(self, data):
        """Errors: ValueError when the message is not a standard query."""
        if len(data) < 17:
            raise ValueError("too short")
        self.id, self.flags, questions, answers, authorities, _more = struct.unpack_from("!6H", data)
        if self.flags & _RESPONSE or self.flags >> 11 & 15 or questions != 1 or answers or authorities:
            raise ValueError("not a query with one question")
        labels, at = [], 12
        while at < len(data) and data[at]:
            if data[at] > 63:
                raise ValueError("a compressed name in a question")
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1").lower())
            at += 1 + data[at]
        if at + 5 > len(data) or at > 12 + 254:
            raise ValueError("the question ends too early, or its name is too long")
        self.name = ".".join(labels)
        self.kind = struct.unpack_from("!H", data, at + 1)[0]
        self.end = at + 5
        self.edns = data[self.end : self.end + 3] == b"\0" + struct.pack("!H", OPT)
        size = struct.unpack_from("!H", data, self.end + 3)[0] if self.edns and len(data) > self.end + 4 else 0
        self.room = max(512, size)


def parse(data):
    """A Query, or None when the message is not a standard query."""
    try:
        return Query(data)
    except ValueError:
        return None


def answer(data, query, rcode, addresses=(), room=65535):
    """The answer to a query: an rcode, or addresses of the requested type. It is not cached: its TTL is 0, and it has no SOA.

    One that is longer than room has only the first addresses, and says that it is cut, so that its client asks again by TCP.
    """
    records = b""
    count = 0
    flags = _RESPONSE | query.flags & 0x7900 | 0x0080 | rcode  # opcode and RD as asked, RA
    additional = struct.pack("!BHHIH", 0, OPT, 1232, 0, 0) if query.edns else b""
    for each in addresses:
        kind = A if each.version == 4 else AAAA
        if query.kind in (kind, ANY):
            record = struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(each.packed)) + each.packed
            if query.end + len(records) + len(record) + len(additional) > room:
                flags |= 0x0200  # TC
                break
            records += record
            count += 1
    return struct.pack("!6H", query.id, flags, 1, count, 0, 1 if query.edns else 0) + data[12 : query.end] + records + additional


def question(number, name, kind=A):
    labels = b"".join(struct.pack("!B", len(label)) + label.encode("ascii") for label in name.split(".") if label)
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


class Reply:
    """The result of a query: rcode as a name (None after a timeout), response time, and the addresses in the answer."""

    def __init__(self, rcode, seconds, addresses=()):
        self.rcode = rcode
        self.seconds = seconds
        self.addresses = list(addresses)

    def __str__(self):
        if self.rcode is None:
            return f"no answer in {self.seconds:.1f} s"
        told = " ".join([self.rcode] + [str(each) for each in self.addresses])
        return f"{told} in {self.seconds * 1000:.0f} ms"


def ask(server, name, kind, patience, port=PORT):
    """Send one query by UDP to an address; returns a Reply."""
    number = struct.unpack("!H", os.urandom(2))[0]
    message = question(number, name, kind)
    begun = time.monotonic()
    with socket.socket(socket.AF_INET if server.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((str(server), port))
            sock.send(message)
            while True:
                left = patience - (time.monotonic() - begun)
                if left <= 0:
                    break
                sock.settimeout(left)
                data = sock.recv(65535)
                if len(data) >= 12 and data[:2] == message[:2]:
                    return Reply(_rcode(data), time.monotonic() - begun, addresses_of(data))
        except OSError:
            pass  # port closed or timeout
    return Reply(None, time.monotonic() - begun)


def _rcode(data):
    number = struct.unpack_from("!H", data, 2)[0] & 15
    return RCODE_NAMES.get(number, "RCODE%d" % number)


def addresses_of(data):
    """The addresses in the answer section of a message, up to the first record that cannot be parsed."""
    found = []
    try:
        _id, _flags, questions, answers = struct.unpack_from("!4H", data)
        at = 12
        for _each in range(questions):
            at = _past_name(data, at) + 4
        for _each in range(answers):
            at = _past_name(data, at)
            kind, _class, _ttl, size = struct.unpack_from("!HHIH", data, at)
            at += 10
            if (kind, size) in ((A, 4), (AAAA, 16)) and at + size <= len(data):  # else 4 bytes of an AAAA would be an A
                found.append(ipaddress.ip_address(data[at : at + size]))
            at += size
    except (struct.error, IndexError, ValueError):
        pass
    return found


def _past_name(data, at):
    while data[at]:
        if data[at] > 63:
            return at + 2
        at += 1 + data[at]
    return at + 1


# --- the resolvers of a host ----------------------------------------------------------------------------


class Resolver:
    """A DNS server that the host uses. behind: it is the upstream of another resolver of the host, so the attack may hit a query twice."""

    def __init__(self, address, behind):
        self.address = address
        self.behind = behind


def resolvers(text, upstream=""):
    """The Resolvers listed in a resolv.conf, and those behind the stub of systemd-resolved. Errors: AttackError."""
    found = []
    for behind, lines in ((False, text), (True, upstream)):
        for value in _servers(lines):
            try:
                if "%" in value:
                    raise ValueError("it has a scope")
                address = ipaddress.ip_address(value)
                if address.is_link_local:
                    raise ValueError("it is link-local")
            except ValueError as error:
                raise AttackError(f"the resolver {value} of the target cannot be redirected: {error}")
            if address not in [each.address for each in found]:
                found.append(Resolver(address, behind))
    return found or [Resolver(ipaddress.ip_address("127.0.0.1"), False)]  # the default of the C library


def _servers(text):
    words = [line.split() for line in text.split("\n")]
    return [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]
