# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP probe against a real server."""

from __future__ import annotations

import json
import resource
import socket
import ssl
import threading
import time
import typing as t
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from tests.unit.support.tls_servers import Identity

SECRET = "s3cret-token"


class Shop(BaseHTTPRequestHandler):
    """Answers as the path says, and remembers what came."""

    seen: t.ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        word = self.path.strip("/").partition("/")
        if word[0] == "status":
            self.answer(int(word[2]), b"")
        elif word[0] == "json":
            self.answer(200, json.dumps({"queue": {"depth": 42}, "ok": True}).encode())
        elif word[0] == "to":
            self.send_response(302)
            self.send_header("Location", word[2].replace("|", "/"))
            self.end_headers()
        elif word[0] == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _each in range(50):
                time.sleep(0.1)
                self.wfile.write(b"x")
        elif word[0] == "endless":  # a redirect with a body that never ends
            self.send_response(302)
            self.send_header("Location", "/json")
            self.end_headers()
            for _each in range(1000):
                self.wfile.write(b"x" * (1 << 20))
        elif word[0] == "slow_head":  # each byte comes in time, the whole head does not
            for byte in b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 200:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        elif word[0] == "go_on":
            while True:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.01)
        elif word[0] == "hang":
            time.sleep(3)
        elif word[0] == "huge":
            self.answer(200, b"x" * (3 << 20))
        else:
            self.answer(200, b"all is well")

    do_POST = do_HEAD = do_GET

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: t.Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            pass  # the probe has left


@pytest.fixture(scope="module", name="shop")
def fixture_shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def attempt(url: str, timeout: float = 2.0, **options: t.Any) -> Measurement:
    return read_probes([{"name": "shop", "type": "http", "url": url, **options}])[0].attempt(timeout)


def test_good(shop: str) -> None:
    assert attempt(shop) == Measurement(True, 200)


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("/status/500", {}, Measurement(False, 500, "status 500")),
        ("/status/204", {}, Measurement(False, 204, "status 204")),
        ("/status/503", {"expect": {"status": [200, 503]}}, Measurement(True, 503)),
        ("/status/404", {"expect": {"status": 404}}, Measurement(True, 404)),
        ("/", {"expect": {"regex": "is w[e]ll$"}}, Measurement(True, 200)),
        ("/", {"expect": {"regex": "broken"}}, Measurement(False, 200, "body does not match 'broken'")),
        ("/json", {"expect": {"json": "queue.depth < `100`"}}, Measurement(True, 200)),
        ("/json", {"expect": {"json": "queue.depth < `10`"}}, Measurement(False, 200, "body queue.depth < `10` is false: queue.depth is 42")),
        ("/json", {"expect": {"json": "queue.depth"}}, Measurement(False, 200, "body queue.depth is 42, not true")),
        ("/json", {"expect": {"json": "queue"}}, Measurement(False, 200, "body queue is a dictionary of 1, not true")),
        ("/json", {"expect": {"json": "nothing.there"}}, Measurement(False, 200, "body nothing.there is null, not true")),
        ("/json", {"expect": {"json": "length(queue.depth) > `1`"}}, None),
        ("/", {"expect": {"json": "ok"}}, Measurement(False, 200, "body is not JSON")),
        ("/huge", {"expect": {"regex": "x"}}, Measurement(False, 200, "body is longer than 1 MiB")),
        ("/huge", {}, Measurement(True, 200)),
        ("/", {"method": "HEAD"}, Measurement(True, 200)),
    ],
)
def test_expectations(shop: str, path: str, options: dict, expected: Measurement | None) -> None:
    found = attempt(shop + path, **options)
    if expected is None:
        assert not found.ok and found.detail and "cannot be evaluated" in found.detail
    else:
        assert found == expected


def test_nobody_there() -> None:
    assert attempt("http://127.0.0.1:9/") == Measurement(False, None, "connection refused")


def test_no_such_name() -> None:
    found = attempt("http://does-not-exist.invalid/", timeout=1.0)
    assert not found.ok
    assert "name not resolved" in str(found.detail) or "no answer" in str(found.detail)


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_neither_hanging_nor_dripping_goes_beyond_the_timeout(shop: str, path: str) -> None:
    begun = time.monotonic()
    assert attempt(shop + path, timeout=0.5) == Measurement(False, None, "no answer within 500ms")
    assert time.monotonic() - begun < 1.5


def test_post(shop: str) -> None:
    Shop.seen.clear()
    assert attempt(shop, method="POST", body={"a": 1}).ok
    assert attempt(shop, method="POST", body="plain", headers={"Content-Type": "text/plain", "X-Number": 5}).ok
    first, second = Shop.seen
    assert (first[2]["content-type"], first[3]) == ("application/json", b'{"a": 1}')
    assert (second[2]["content-type"], second[2]["x-number"], second[3]) == ("text/plain", "5", b"plain")


def test_redirects(shop: str) -> None:
    assert attempt(f"{shop}/to/|json") == Measurement(True, 200)
    assert attempt(f"{shop}/to/|json", follow_redirects=False) == Measurement(False, 302, "status 302")
    assert attempt(f"{shop}/to/|json", follow_redirects=False, expect={"status": 302}) == Measurement(True, 302)
    assert not attempt(f"{shop}/to/file:|||etc|passwd").ok
    assert not attempt(f"{shop}/to/ftp:||127.0.0.1|x").ok


@pytest.mark.parametrize("follow", [{}, {"follow_redirects": "same"}, {"follow_redirects": True}])
def test_a_redirect_to_another_server_is_not_followed_unless_told(shop: str, follow: dict[str, t.Any]) -> None:
    """Port 22 of the controller was reached by any service that is probed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.2)
        target = f"http:||127.0.0.1:{other.getsockname()[1]}|admin?token=x"
        assert attempt(f"{shop}/to/{target}", **follow) == Measurement(
            False, 302, f"status 302: a redirect to http://127.0.0.1:{other.getsockname()[1]}, another server. It is followed with follow_redirects: all"
        )
        assert attempt(f"{shop}/to/{target}", expect={"status": 302}, **follow) == Measurement(True, 302)
        with pytest.raises(TimeoutError):
            other.accept()


def test_redirects_by_name(shop: str) -> None:
    elsewhere = shop.replace("127.0.0.1", "localhost").replace("/", "|")
    assert attempt(f"{shop}/to/{elsewhere}|json", follow_redirects="all").ok
    assert attempt(f"{shop}/to/{elsewhere}|json", follow_redirects="none").detail == "status 302"
    assert attempt(f"{shop}/to/|json", follow_redirects="none").detail == "status 302"
    assert attempt(f"{shop}/to/https:||127.0.0.1:1").detail == (
        "status 302: a redirect to https://127.0.0.1:1, another server. It is followed with follow_redirects: all"
    )


@pytest.mark.parametrize("path", ["slow_head", "go_on", "hang"])
def test_an_answer_that_never_ends_ends_at_the_timeout(shop: str, path: str) -> None:
    begun = time.monotonic()
    assert attempt(f"{shop}/{path}", timeout=0.5) == Measurement(False, None, "no answer within 500ms")
    assert time.monotonic() - begun < 1.5


def test_the_body_of_a_redirect_is_not_read(shop: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert attempt(f"{shop}/endless", timeout=5.0) == Measurement(True, 200)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10


def test_headers_do_not_follow_to_another_server(shop: str) -> None:
    Shop.seen.clear()
    elsewhere = shop.replace("127.0.0.1", "localhost").replace("/", "|")
    assert attempt(f"{shop}/to/{elsewhere}|json", headers={"Authorization": SECRET}, follow_redirects="all").ok
    assert [SECRET in str(headers) for _method, _path, headers, _body in Shop.seen] == [True, False]


def test_what_is_shown_holds_no_secret(shop: str) -> None:
    probe = read_probes([{"name": "shop", "type": "http", "url": f"{shop}/x?token={SECRET}", "headers": {"X": SECRET}, "method": "POST", "body": SECRET}])[0]
    assert probe.target == f"POST {shop}/x?…"
    assert SECRET not in str(probe.attempt(2.0))


def test_only_reading_methods_are_sure_to_change_nothing() -> None:
    reads = {
        method: read_probes([{"name": "x", "type": "http", "url": "http://x", "method": method}])[0].reads_only
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
    }
    assert [method for method, reading in reads.items() if reading] == ["GET", "HEAD", "OPTIONS"]


def test_https(tmp_path: Path) -> None:
    root, trusted, own = Identity("Root CA"), tmp_path / "root.pem", tmp_path / "own.pem"
    leaf = Identity("shop", root, names=("localhost",))
    trusted.write_bytes(root.pem)
    own.write_bytes(leaf.key_pem + leaf.pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]  # clients that did not like what they saw
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        url = f"https://localhost:{server.server_port}/"
        assert attempt(url, ca_path=str(trusted)) == Measurement(True, 200)
        assert attempt(url, validate_certs=False) == Measurement(True, 200)
        assert str(attempt(url).detail).startswith("certificate refused: ")
        assert str(attempt(url.replace("localhost", "127.0.0.1"), ca_path=str(trusted)).detail).startswith("certificate refused: IP address mismatch")
    finally:
        server.shutdown()
        server.server_close()
