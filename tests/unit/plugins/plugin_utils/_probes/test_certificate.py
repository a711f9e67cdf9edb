# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate probe against real TLS servers, with certificates that are made here."""

from __future__ import annotations

import re
import socket
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from tests.unit.support.tls_servers import Identity, serving

SHOP = ("shop.example.com", "127.0.0.1")


class Authority:
    """A root that the probe trusts, and an intermediate."""

    def __init__(self, directory: Path) -> None:
        self.root = Identity("Root CA", days=3650)
        self.intermediate = Identity("Intermediate CA", self.root, days=1000)
        self.path = directory / "root.pem"
        self.path.write_bytes(self.root.pem)

    def leaf(self, days: float = 90, names: tuple[str, ...] = SHOP, **more: t.Any) -> Identity:
        return Identity("shop", more.pop("issuer", self.intermediate), days=days, names=names, **more)


@pytest.fixture(scope="module", name="authority")
def fixture_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def attempt(port: int, authority: Authority | None, timeout: float = 3.0, **options: t.Any) -> Measurement:
    trusted = {"ca_path": str(authority.path)} if authority else {}
    given = {"name": "certificate", "type": "certificate_expiry", "host": "127.0.0.1", "port": port, "server_name": "shop.example.com", **trusted, **options}
    return read_probes([given])[0].attempt(timeout)


def test_good(tmp_path: Path, authority: Authority) -> None:
    with serving(tmp_path, authority.leaf(), authority.intermediate) as port:
        found = attempt(port, authority)
    assert (found.ok, found.detail) == (True, None)
    assert found.value == pytest.approx(90, abs=0.02)


def test_the_least_days_of_the_chain_count(tmp_path: Path, authority: Authority) -> None:
    short = Identity("Short CA", authority.root, days=12.5)
    with serving(tmp_path, authority.leaf(issuer=short), short) as port:
        found = attempt(port, authority)
        assert attempt(port, authority, expect={"days_left_min": 12}).ok
    assert (found.ok, found.detail) == (False, "certificate 2 of 3 (Short CA) has 12.5 days left, at least 30 wanted")
    assert found.value == pytest.approx(12.5, abs=0.02)


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize(
    ("days", "since", "words"),
    [
        (-3.04, 365, "(shop) expired 3.0 days ago"),
        (20.04, 365, "(shop) has 20.0 days left, at least 30 wanted"),
        (90, -2.04, "(shop) is not valid for another 2.0 days"),
    ],
)
def test_dates(tmp_path: Path, authority: Authority, days: float, since: float, words: str, verified: bool) -> None:
    with serving(tmp_path, authority.leaf(days=days, since=since), authority.intermediate) as port:
        found = attempt(port, authority, expect={"chain_valid": verified})
    assert not found.ok
    assert re.fullmatch(rf"certificate 1 of [23] {re.escape(words)}", str(found.detail)), found.detail
    assert found.value == pytest.approx(days, abs=0.02)


def test_an_expired_intermediate_is_named(tmp_path: Path, authority: Authority) -> None:
    old = Identity("Old CA", authority.root, days=-1.04)
    with serving(tmp_path, authority.leaf(issuer=old), old) as port:
        found = attempt(port, authority)
    assert (found.ok, found.detail) == (False, "certificate 2 of 2 (Old CA) expired 1.0 days ago")


@pytest.mark.parametrize(
    ("names", "asked", "good"),
    [
        (("shop.example.com",), "shop.example.com", True),
        (("SHOP.example.com",), "shop.EXAMPLE.com", True),
        (("*.example.com",), "shop.example.com", True),
        (("*.example.com",), "a.shop.example.com", False),
        (("*.example.com",), "example.com", False),
        (("*.com",), "example.com", False),
        (("s*.example.com",), "shop.example.com", False),
        (("www.example.com", "blog.example.com"), "shop.example.com", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("127.0.0.2",), "127.0.0.1", False),
        (("127.0.0.1",), "shop.example.com", False),
    ],
)
def test_names(tmp_path: Path, authority: Authority, names: tuple[str, ...], asked: str, good: bool) -> None:
    with serving(tmp_path, authority.leaf(names=names), authority.intermediate) as port:
        found = attempt(port, authority, server_name=asked)
        assert attempt(port, authority, server_name=asked, expect={"name_matches": False}).ok
    assert found.ok is good
    assert found.detail == (None if good else f"certificate 1 of 3 (shop) is not for {asked}, but for {', '.join(names)}")


def test_an_incomplete_chain(tmp_path: Path, authority: Authority) -> None:
    with serving(tmp_path, authority.leaf()) as port:
        found = attempt(port, authority)
        assert attempt(port, authority, expect={"chain_valid": False}).ok
    assert (found.ok, found.detail) == (False, "certificate 1 of 1 (shop) is signed by Intermediate CA, whose certificate is neither sent nor trusted")


def test_a_root_that_is_not_trusted(tmp_path: Path, authority: Authority) -> None:
    with serving(tmp_path, authority.leaf(), authority.intermediate) as port:
        found = attempt(port, None)
    assert found.detail == "certificate 2 of 2 (Intermediate CA) is signed by Root CA, whose certificate is neither sent nor trusted"
    with serving(tmp_path, authority.leaf(), authority.intermediate, authority.root) as port:
        assert attempt(port, None).detail == "certificate 3 of 3 (Root CA) is self-signed and not trusted"


def test_self_signed(tmp_path: Path, authority: Authority) -> None:
    own = Identity("shop", days=90, names=SHOP)
    with serving(tmp_path, own) as port:
        found = attempt(port, authority)
    assert (found.ok, found.detail) == (False, "certificate 1 of 1 (shop) is self-signed and not trusted")
    assert found.value == pytest.approx(90, abs=0.02)


def test_all_that_is_wrong_is_told(tmp_path: Path, authority: Authority) -> None:
    with serving(tmp_path, authority.leaf(days=5.04, names=("other.example.com",))) as port:
        detail = str(attempt(port, authority).detail)
    assert [part.partition(") ")[2][:12] for part in detail.split("; ")] == ["has 5.0 days", "is not for s", "is signed by"]


SMTP = [(b"", b"220-mail\r\n220 mail ESMTP\r\n"), (b"EHLO faultline\r\n", b"250-mail\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go ahead\r\n")]
IMAP = [(b"", b"* OK ready\r\n"), (b"a STARTTLS\r\n", b"* note\r\na OK begin\r\n")]
POP3 = [(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n")]


@pytest.mark.parametrize(("protocol", "dialogue"), [("smtp", SMTP), ("imap", IMAP), ("pop3", POP3)])
def test_starttls(tmp_path: Path, authority: Authority, protocol: str, dialogue: list[tuple[bytes, bytes]]) -> None:
    with serving(tmp_path, authority.leaf(), authority.intermediate, before=dialogue) as port:
        assert attempt(port, authority, starttls=protocol).ok
    refusing = [*dialogue[:-1], (dialogue[-1][0], dialogue[-1][1].replace(b"220 ", b"454 ").replace(b"OK", b"BAD").replace(b"+BAD", b"-ERR"))]
    with serving(tmp_path, authority.leaf(), authority.intermediate, before=refusing) as port:
        with pytest.raises(OSError, match="no STARTTLS: the server says"):
            attempt(port, authority, starttls=protocol)


def test_nobody_there_and_no_tls_there(authority: Authority) -> None:
    with pytest.raises(ConnectionRefusedError):
        attempt(9, authority)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            attempt(silent.getsockname()[1], authority, timeout=0.4)
        assert time.monotonic() - begun < 1.5


def test_what_is_shown() -> None:
    certificate = {"name": "c", "type": "certificate_expiry"}
    assert read_probes([{**certificate, "host": "shop.example.com"}])[0].target == "certificate of shop.example.com:443"
    assert read_probes([{**certificate, "host": "::1", "port": 8443, "server_name": "shop"}])[0].target == "certificate of [::1]:8443 for shop"
