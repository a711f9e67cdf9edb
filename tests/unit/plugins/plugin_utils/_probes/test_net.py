# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TCP and DNS probes against real servers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes

DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/sbin:/usr/bin:/bin")


@contextmanager
def listener(*says: bytes, pause: float = 0.0) -> Iterator[int]:
    """A server that says a few things to everybody, and then is silent."""
    server = socket.create_server(("127.0.0.1", 0))
    kept = []

    def serve() -> None:
        try:
            while True:
                connection, _peer = server.accept()
                kept.append(connection)
                for words in says:
                    connection.sendall(words)
                    time.sleep(pause)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for connection in kept:
            connection.close()


def tcp(port: int, timeout: float = 2.0, **options: t.Any) -> Measurement:
    return read_probes([{"name": "x", "type": "tcp", "host": "127.0.0.1", "port": port, **options}])[0].attempt(timeout)


def test_tcp() -> None:
    with listener() as port:
        assert tcp(port) == Measurement(True)
    with pytest.raises(ConnectionRefusedError):
        tcp(port)


def test_banner_in_pieces() -> None:
    with listener(b"SSH-", b"2.0-x\r\n", pause=0.05) as port:
        assert tcp(port, expect={"regex": "^SSH-2"}) == Measurement(True)


def test_wrong_banner() -> None:
    with listener(b"220 mail\r\n") as port:
        assert tcp(port, timeout=0.3, expect={"regex": "^SSH-2"}) == Measurement(False, None, "banner does not match '^SSH-2'")


def test_silent_server() -> None:
    with listener() as port:
        begun = time.monotonic()
        assert tcp(port, timeout=0.3, expect={"regex": "."}) == Measurement(False, None, "connected, but no banner came")
        assert time.monotonic() - begun < 1.5


def test_talkative_server_cannot_go_on_for_ever() -> None:
    with listener(*[b"x" * 1000] * 100, pause=0.05) as port:
        begun = time.monotonic()
        assert not tcp(port, timeout=0.4, expect={"regex": "y"}).ok
        assert time.monotonic() - begun < 1.5


def test_targets() -> None:
    probes = read_probes(
        [
            {"name": "a", "type": "tcp", "host": "::1", "port": 80},
            {"name": "b", "type": "tcp", "host": "shop", "port": 80},
            {"name": "c", "type": "dns", "query": "shop.example.com"},
            {"name": "d", "type": "dns", "query": "shop.example.com", "record": "AAAA", "server": "127.0.0.1", "port": 5353},
        ]
    )
    assert [probe.target for probe in probes] == ["tcp [::1]:80", "tcp shop:80", "dns shop.example.com A", "dns shop.example.com AAAA @127.0.0.1#5353"]


@pytest.fixture(scope="module", name="server")
def fixture_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if not DNSMASQ:
        pytest.skip("dnsmasq is not installed (package dnsmasq-base)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path_factory.mktemp("dnsmasq") / "dnsmasq.conf"
    config.write_text(
        f"port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\npid-file=\nlocal=/example.com/\n"
        "host-record=shop.example.com,10.1.2.3,fd00::1\nhost-record=shop.example.com,10.1.2.4\ncname=www.example.com,shop.example.com\n"
        "txt-record=note.example.com,hello world\n"
    )
    daemon = subprocess.Popen([DNSMASQ, "--keep-in-foreground", f"--conf-file={config}"], stderr=subprocess.DEVNULL)
    try:
        for _each in range(100):
            if dns(port).ok:
                break
            time.sleep(0.05)
        yield port
    finally:
        daemon.terminate()
        daemon.wait()


def dns(port: int, query: str = "shop.example.com", timeout: float = 1.0, **options: t.Any) -> Measurement:
    probe = read_probes([{"name": "x", "type": "dns", "query": query, "server": "127.0.0.1", "port": port, **options}])[0]
    try:
        return probe.attempt(timeout)
    except TimeoutError:
        return Measurement(False, None, "timeout")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Measurement(True, "10.1.2.3, 10.1.2.4")),
        ({"expect": {"address": "10.1.2.4"}}, Measurement(True, "10.1.2.3, 10.1.2.4")),
        ({"expect": {"address": ["10.1.2.4", "10.1.2.3"]}}, Measurement(True, "10.1.2.3, 10.1.2.4")),
        ({"expect": {"address": ["10.1.2.4", "10.9.9.9"]}}, Measurement(False, "10.1.2.3, 10.1.2.4", "10.9.9.9 is not among the answers")),
        ({"record": "AAAA", "expect": {"address": "fd00:0:0::1"}}, Measurement(True, "fd00::1")),
        ({"query": "www.example.com"}, Measurement(True, "10.1.2.3, 10.1.2.4")),
        ({"query": "www.example.com", "record": "CNAME"}, Measurement(True, "shop.example.com.")),
        ({"query": "note.example.com", "record": "TXT"}, Measurement(True, '"hello world"')),
        ({"query": "note.example.com"}, Measurement(False, None, "no A record")),
        ({"query": "nobody.example.com"}, Measurement(False, None, "no such name")),
        ({"query": "other.test"}, Measurement(False, None, "the server says REFUSED")),
    ],
    ids=repr,
)
def test_dns(server: int, options: dict, expected: Measurement) -> None:
    assert dns(server, **options) == expected


def test_a_silent_dns_server_costs_one_timeout() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        begun = time.monotonic()
        assert dns(silent.getsockname()[1], timeout=0.4).detail == "timeout"
        assert time.monotonic() - begun < 1.5
