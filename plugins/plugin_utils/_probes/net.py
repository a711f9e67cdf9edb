# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Network probes that need no agent on the target: TCP and DNS."""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
import typing as t
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import Rules, read_regex

RECORDS = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
_BANNER_LIMIT = 1 << 16
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def left(deadline: float) -> float:
    """The seconds left. Errors: TimeoutError when none are left."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def read_host(options: Options, name: str, default: t.Any) -> t.Any:
    """A DNS name or an IP address."""
    fix = "write a host name or an IP address"
    host = options.text(name, default, fix, most=255)
    if host is default:
        return default
    if not _HOST.fullmatch(host) and not is_address(host):
        raise options.refusal(name, host, fix)
    if re.fullmatch(r"[0-9.]+", host) and not is_address(host):
        raise options.refusal(name, host, "not an IPv4 address")
    return host


def shown_address(host: str, port: int) -> str:
    """Host and port, for people."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address that answers. All addresses share one deadline."""
    failure: Exception = OSError(f"{host} has no address")
    for family, kind, protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left(deadline))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


class TcpProbe(Probe):
    """Succeeds when the connection is accepted, and the banner matches if one is expected."""

    type = "tcp"

    def read(self, options: Options) -> None:
        self._host = read_host(options, "host", REQUIRED)
        self._port = options.whole("port", 1, 65535, REQUIRED)
        expect = options.section("expect")
        self._rules = Rules(expect, {"regex": read_regex})
        self.has_rules = bool(self._rules)
        expect.done()

    @property
    def target(self) -> str:
        return f"tcp {shown_address(self._host, self._port)}"

    def attempt(self, timeout: float) -> Measurement:
        deadline = monotonic() + timeout
        with connect(self._host, self._port, deadline) as connection:
            if not self._rules:
                return Measurement(True)
            banner, problem = b"", None
            try:
                while len(banner) < _BANNER_LIMIT:
                    connection.settimeout(left(deadline))
                    chunk = connection.recv(4096)
                    if not chunk:
                        break
                    banner += chunk
                    problem = self._rules.problem(banner.decode(errors="replace"), "banner", left(deadline))
                    if not problem:
                        return Measurement(True)
            except TimeoutError:
                if not banner:
                    return Measurement(False, None, "connected, but no banner came")
        return Measurement(False, None, problem or "connected, but no banner came")


class DnsProbe(Probe):
    """Succeeds when the name has such a record, and the answers include all expected addresses. Sends one query, without a retry."""

    type = "dns"

    def read(self, options: Options) -> None:
        try:
            import dns.exception
            import dns.name
            import dns.rdatatype
            import dns.resolver
        except ImportError as error:
            fix = f"it needs the Python library dnspython on the controller: {sys.executable} -m pip install dnspython"
            raise options.refusal("type", "dns", fix) from error
        self._dns: t.Any = dns
        self._query = options.text("query", REQUIRED, "write the name to look up", most=255)
        try:
            self._name = dns.name.from_text(self._query)
        except dns.exception.DNSException as error:
            raise options.refusal("query", self._query, f"not a domain name: {error}") from error
        self._record = options.choice("record", RECORDS, "A")
        self._server = options.text("server", None, "write the IP address of a DNS server")
        if self._server is not None and not is_address(self._server):
            raise options.refusal("server", self._server, "write the IP address of a DNS server; without one the controller's resolvers are asked")
        port = options.whole("port", 1, 65535, None)
        if port is not None and self._server is None:
            raise options.refusal("port", port, "it belongs to server, which is not given")
        self._port = port or 53
        expect = options.section("expect")
        self._addresses = self._expected(expect)
        expect.done()

    def _expected(self, expect: Options) -> set[t.Any]:
        fix = "write an IP address or a list of them"
        given = expect.texts("address", [], fix)
        if given and self._record not in ("A", "AAAA"):
            raise expect.refusal("address", given, f"a {self._record} record holds no address; use record A or AAAA")
        family = ipaddress.IPv4Address if self._record == "A" else ipaddress.IPv6Address
        try:
            return {family(address) for address in given}
        except ValueError as error:
            raise expect.refusal("address", given, f"{error}; the record is {self._record}") from error

    @property
    def target(self) -> str:
        server = f" @{self._server}" + (f"#{self._port}" if self._port != 53 else "") if self._server else ""
        return f"dns {self._query} {self._record}{server}"

    def attempt(self, timeout: float) -> Measurement:
        resolver = self._dns.resolver.Resolver(configure=self._server is None)
        if self._server is not None:
            resolver.nameservers, resolver.port = [self._server], self._port
        resolver.cache = None
        resolver.timeout = timeout / max(1, len(resolver.nameservers))
        try:
            answer = resolver.resolve(self._name, self._record, lifetime=timeout, search=False)
        except self._dns.resolver.NXDOMAIN:
            return Measurement(False, None, "no such name")
        except self._dns.resolver.NoAnswer:
            return Measurement(False, None, f"no {self._record} record")
        except self._dns.exception.Timeout:
            raise TimeoutError from None
        except self._dns.resolver.NoNameservers as error:
            codes = sorted({self._dns.rcode.to_text(found[4].rcode()) for found in error.kwargs.get("errors", ()) if found[4] is not None})
            return Measurement(False, None, f"the server says {', '.join(codes)}" if codes else "no server answered")
        found = sorted(record.to_text() for record in answer)
        shown = ", ".join(found)[:200]
        if self._addresses:
            missing = self._addresses - {ipaddress.ip_address(address) for address in found}
            if missing:
                return Measurement(False, shown, f"{', '.join(sorted(map(str, missing)))} is not among the answers")
        return Measurement(True, shown)
