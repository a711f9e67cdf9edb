# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The HTTP probe: one request, a fresh connection each time, so that connecting is part of what is measured."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._probe_base import BODY_LIMIT, Outcome, Probe, Rules, plain
from ansible_collections.faultline.chaos.plugins.plugin_utils._probe_options import REQUIRED, Options

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READING_METHODS = ("GET", "HEAD", "OPTIONS")
_CHUNK = 1 << 16
_HIDDEN = "(not shown)"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and does not carry the probe's headers to another server: they may hold secrets."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            return None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and (following.type, following.host) != (req.type, req.host):
            following.headers = {}
        return following


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        return None


class HttpProbe(Probe):
    """Succeeds when the status, and the body if asked, are as expected."""

    type = "http"

    def read(self, options: Options) -> None:
        self._url = options.text("url", REQUIRED, "write a URL such as http://shop.example.com/health", most=4096)
        self._target = self._checked(options)
        self._method = options.choice("method", METHODS, "GET")
        self.reads_only = self._method in READING_METHODS
        self._headers = self._read_headers(options)
        self._body = self._read_body(options)
        follow = options.flag("follow_redirects", True)
        self._verified = options.flag("validate_certs", True)
        expect = options.section("expect")
        self._statuses = expect.wholes("status", 100, 599, [200])
        self._rules = Rules(expect)
        expect.done()
        if self._rules and self._method == "HEAD":
            raise options.refusal("method", self._method, "the answer to HEAD has no body to hold against expect; use GET")
        self._opener = urllib.request.build_opener(
            _Redirects() if follow else _NoRedirects(), urllib.request.HTTPSHandler(context=self._tls()), _NoFtp(), _NoFile()
        )
        self._opener.addheaders = []

    def _checked(self, options: Options) -> str:
        """The URL as it may be shown: neither password nor query."""
        fix = "write a URL such as http://shop.example.com:8080/health"
        try:
            parts = urllib.parse.urlsplit(self._url)
            port = parts.port
        except ValueError as error:
            raise options.refusal("url", _HIDDEN if "@" in self._url else self._url, f"{error}; {fix}") from error
        shown = urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise options.refusal("url", shown, f"{fix}: http or https, and a host")
        if port == 0:
            raise options.refusal("url", shown, "the port must be 1 to 65535")
        if parts.username is not None or parts.password is not None:
            raise options.refusal("url", shown, "no user or password in the URL; send an Authorization header, which is never shown")
        if any(character.isspace() for character in self._url) or not self._url.isascii():
            raise options.refusal("url", shown, "spaces and letters outside of ASCII must be percent-encoded")
        return shown + ("?…" if parts.query else "")

    def _read_headers(self, options: Options) -> dict[str, str]:
        given = options.take("headers", {})
        if not isinstance(given, t.Mapping):
            raise options.refusal("headers", _HIDDEN, "write a dictionary of header names and values")
        headers = {"User-Agent": "faultline.chaos", "Accept": "*/*"}
        for name, value in given.items():
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise options.refusal("headers", str(name), "not the name of an HTTP header")
            if isinstance(value, bool) or not isinstance(value, (str, int, float)) or re.search(r"[\x00-\x1f\x7f]", str(value)):
                raise options.refusal("headers", name, "its value must be one line of text; it is not shown here")
            headers[name] = str(value)
        return headers

    def _read_body(self, options: Options) -> bytes | None:
        body = options.take("body")
        if body is None:
            return None
        if self._method in ("GET", "HEAD"):
            raise options.refusal("body", _HIDDEN, f"{self._method} has no body; use method POST")
        if isinstance(body, str):
            return body.encode()
        if not isinstance(body, (dict, list)):
            raise options.refusal("body", _HIDDEN, "write text, or a dictionary or list to send as JSON")
        if not any(name.lower() == "content-type" for name in self._headers):
            self._headers["Content-Type"] = "application/json"
        return json.dumps(body).encode()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self._verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def target(self) -> str:
        return f"{self._method} {self._target}"

    def attempt(self, timeout: float) -> Outcome:
        deadline = monotonic() + timeout
        request = urllib.request.Request(self._url, data=self._body, headers=self._headers, method=self._method)
        try:
            with self._open(request, timeout) as response:
                status = response.status
                body, whole = self._body_of(response, deadline)
        except (OSError, http.client.HTTPException) as error:
            return Outcome(False, None, plain(error, timeout))
        if status not in self._statuses:
            return Outcome(False, status, f"status {status}")
        if self._rules:
            problem = self._rules.problem(body.decode(errors="replace")) if whole else f"is longer than {BODY_LIMIT >> 20} MiB"
            if problem:
                return Outcome(False, status, f"body {problem}")
        return Outcome(True, status)

    def _open(self, request: urllib.request.Request, timeout: float) -> t.Any:
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as answer:  # an answer like any other, just not a good one
            return answer

    @staticmethod
    def _body_of(response: t.Any, deadline: float) -> tuple[bytes, bool]:
        """The body, up to the limit, and whether that is all of it; a server that drips cannot go beyond the deadline."""
        body = bytearray()
        while len(body) <= BODY_LIMIT:
            if monotonic() > deadline:
                raise TimeoutError
            chunk = response.read1(_CHUNK)
            if not chunk:
                return bytes(body), True
            body += chunk
        return bytes(body), False


class _NoFtp(urllib.request.FTPHandler):
    def ftp_open(self, req):  # type: ignore[no-untyped-def]
        raise urllib.error.URLError("only http and https are followed")


class _NoFile(urllib.request.FileHandler):
    def file_open(self, req):  # type: ignore[no-untyped-def]
        raise urllib.error.URLError("only http and https are followed")
