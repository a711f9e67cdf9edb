# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The certificate probe: the days until the certificates of a server expire, and whether they are valid."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import sys
import typing as t
from datetime import datetime, timedelta, timezone
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.http_client import read_ca_path, tls_context
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.net import connect, is_address, left, read_host, shown_address

_NO_ISSUER = (2, 20, 21)  # OpenSSL error codes: the issuer of a certificate is neither sent nor trusted
_SELF_SIGNED = (18, 19)
_DATES = (9, 10)
_DER = 2  # _ssl.ENCODING_DER
_LONGEST_LINE = 1 << 14
# The dialogue before TLS begins: the line to send, a pattern of the beginning of the last line of the answer, and the beginning expected.
_STARTTLS: dict[str, list[tuple[bytes, str, bytes]]] = {
    "smtp": [(b"", r"\d{3} ", b"220"), (b"EHLO faultline\r\n", r"\d{3} ", b"250"), (b"STARTTLS\r\n", r"\d{3} ", b"220")],
    "imap": [(b"", r"\* ", b"* OK"), (b"a STARTTLS\r\n", r"a ", b"a OK")],
    "pop3": [(b"", r"[+-]", b"+OK"), (b"STLS\r\n", r"[+-]", b"+OK")],
}
STARTTLS = tuple(_STARTTLS)


class CertificateProbe(Probe):
    """Succeeds when every certificate of the chain has enough days left, the chain leads to a trusted root and the name is right."""

    type = "certificate_expiry"

    def read(self, options: Options) -> None:
        try:
            import cryptography.x509
        except ImportError as error:
            fix = f"it needs the Python library cryptography on the controller: {sys.executable} -m pip install cryptography"
            raise options.refusal("type", self.type, fix) from error
        self._x509: t.Any = cryptography.x509
        self._host = read_host(options, "host", REQUIRED)
        self._port = options.whole("port", 1, 65535, 443)
        self._server_name = read_host(options, "server_name", self._host)
        self._starttls = options.choice("starttls", STARTTLS, None)
        ca_path = read_ca_path(options)
        expect = options.section("expect")
        self._days_left_min = expect.whole("days_left_min", 0, 36_500, 30)
        self._name_wanted = expect.flag("name_matches", True)
        self._verified = tls_context(True, ca_path) if expect.flag("chain_valid", True) else None
        expect.done()
        if self._verified:
            self._verified.check_hostname = False  # names are compared here, so that the error can list the names in the certificate
        self._unverified = tls_context(False, None)

    @property
    def target(self) -> str:
        other = "" if self._server_name == self._host else f" for {self._server_name}"
        return f"certificate of {shown_address(self._host, self._port)}{other}"

    def attempt(self, timeout: float) -> Measurement:
        deadline = monotonic() + timeout
        problems: list[str] = []
        refused: ssl.SSLCertVerificationError | None = None
        try:
            raw = self._chain(self._verified or self._unverified, deadline)
        except ssl.SSLCertVerificationError as error:
            refused = error
            raw = self._chain(self._unverified, deadline)  # connect again without verification, to read the refused chain
        chain = [_Certificate(self._x509.load_der_x509_certificate(der), at, len(raw)) for at, der in enumerate(raw, 1)]
        now = datetime.now(timezone.utc)
        dates = [found for found in (one.problem(now, self._days_left_min) for one in chain) if found]
        if self._name_wanted and not chain[0].is_for(self._server_name):
            problems.append(f"{chain[0]} is not for {self._server_name}, but for {chain[0].names_shown}")
        if refused and not (dates and refused.verify_code in _DATES):
            problems.append(_why_refused(refused, chain))
        days = round(min(one.days_left(now) for one in chain), 2)
        return Measurement(not (dates or problems), days, "; ".join(dates + problems)[:500] or None)

    def _chain(self, context: ssl.SSLContext, deadline: float) -> list[bytes]:
        """The certificates that the server sent, the server's own first. A verified chain includes its root."""
        with connect(self._host, self._port, deadline) as plain_connection:
            if self._starttls:
                _converse(plain_connection, _STARTTLS[self._starttls], deadline)
            plain_connection.settimeout(left(deadline))
            with context.wrap_socket(plain_connection, server_hostname=self._server_name) as connection:
                return _chain_of(connection, verified=context is self._verified)


def _chain_of(connection: ssl.SSLSocket, verified: bool) -> list[bytes]:
    name = "get_verified_chain" if verified else "get_unverified_chain"
    public = getattr(connection, name, None)
    if public:  # Python 3.13
        return [bytes(certificate) for certificate in public()]
    inner = getattr(getattr(connection, "_sslobj", None), name, None)  # Python 3.10
    found = inner() if inner else None
    if found:
        return [certificate.public_bytes(_DER) for certificate in found]
    own = connection.getpeercert(binary_form=True)
    if not own:
        raise OSError("the server sent no certificate")
    return [own]


def _converse(connection: socket.socket, dialogue: list[tuple[bytes, str, bytes]], deadline: float) -> None:
    """Runs the STARTTLS dialogue of the protocol."""
    for said, last_line, wanted in dialogue:
        if said:
            connection.sendall(said)
        answer = b""
        while not (answer.endswith(b"\n") and re.match(last_line.encode(), answer.splitlines()[-1])):
            connection.settimeout(left(deadline))
            chunk = connection.recv(1024)
            if not chunk or len(answer) > _LONGEST_LINE:
                raise OSError("the server ended the conversation before TLS began")
            answer += chunk
        line = answer.splitlines()[-1]
        if not line.startswith(wanted):
            raise OSError(f"no STARTTLS: the server says {line[:100].decode(errors='replace')!r}")


class _Certificate:
    """One certificate of a chain, and its place in it."""

    def __init__(self, certificate: t.Any, number: int, count: int) -> None:
        self._x509 = certificate
        self._place = f"certificate {number} of {count}"
        self.subject, self.issuer = certificate.subject, certificate.issuer

    def __str__(self) -> str:
        return f"{self._place} ({shown_name(self.subject)})"

    def _time(self, name: str) -> datetime:
        aware: datetime | None = getattr(self._x509, f"{name}_utc", None)  # since cryptography 42
        if aware is not None:
            return aware
        naive: datetime = getattr(self._x509, name)
        return naive.replace(tzinfo=timezone.utc)

    def days_left(self, now: datetime) -> float:
        return (self._time("not_valid_after") - now) / timedelta(days=1)

    def problem(self, now: datetime, days_left_min: int) -> str | None:
        """The error in its dates, or None."""
        days, begins = self.days_left(now), (self._time("not_valid_before") - now) / timedelta(days=1)
        if begins > 0:
            return f"{self} is not valid for another {begins:.1f} days"
        if days <= 0:
            return f"{self} expired {-days:.1f} days ago"
        return f"{self} has {days:.1f} days left, at least {days_left_min} wanted" if days < days_left_min else None

    def _names(self) -> tuple[list[str], list[str]]:
        """Its DNS names and its addresses."""
        for extension in self._x509.extensions:
            if extension.oid.dotted_string == "2.5.29.17":
                names = [(type(name).__name__, name.value) for name in extension.value]
                return [value for kind, value in names if kind == "DNSName"], [str(value) for kind, value in names if kind == "IPAddress"]
        return [], []

    @property
    def names_shown(self) -> str:
        names = [name for kind in self._names() for name in kind]
        return (", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")) or "no name at all"

    def is_for(self, name: str) -> bool:
        """Whether it is valid for a name, by RFC 6125: a star matches one whole first label, and the common name does not count."""
        names, addresses = self._names()
        if is_address(name):
            return str(ipaddress.ip_address(name)) in addresses
        wanted = name.lower().rstrip(".")
        _first, _dot, rest = wanted.partition(".")
        return any(given.lower().rstrip(".") in (wanted, f"*.{rest}" if "." in rest else wanted) for given in names)


def shown_name(name: t.Any) -> str:
    """The common name, or the whole name if it has none."""
    for attribute in name:
        if attribute.oid.dotted_string == "2.5.4.3":
            return str(attribute.value)
    return name.rfc4514_string() or "no name"


def _why_refused(error: ssl.SSLCertVerificationError, chain: list[_Certificate]) -> str:
    """The reason, and the certificate at which the verification failed, if it is known."""
    last = chain[0]
    for one in chain[1:]:
        if one.subject == last.issuer:
            last = one
    if error.verify_code in _NO_ISSUER and last.subject != last.issuer:
        return f"{last} is signed by {shown_name(last.issuer)}, whose certificate is neither sent nor trusted"
    if error.verify_code in _SELF_SIGNED or (error.verify_code in _NO_ISSUER and last.subject == last.issuer):
        return f"{last} is self-signed and not trusted"
    return f"chain refused: {error.verify_message}"
