# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The HTTP client of probes: a new connection for every request, so that the measurement includes connecting."""

from __future__ import annotations

import re
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import BODY_LIMIT

HIDDEN = "(not shown)"
_CHUNK = 1 << 16
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True)
class Answer:
    """The answer of the server. `whole` is false when the body is longer than the limit."""

    status: int
    body: str
    whole: bool


def read_ca_path(options: Options) -> str | None:
    """The file with the certificate authorities to trust instead of those of the system, or None."""
    fix = "write the path of a file in PEM format on the controller"
    path = options.text("ca_path", None, fix, most=4096)
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=Path(path).expanduser())
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise options.refusal("ca_path", path, f"{fix}: {getattr(error, 'strerror', None) or error}") from error
    return str(Path(path).expanduser())


def tls_context(verified: bool, ca_path: str | None) -> ssl.SSLContext:
    """The TLS context of a client that trusts the authorities of the system, or only those in the file."""
    context = ssl.create_default_context(cafile=ca_path)
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only. Does not send the probe's headers to another server, since they may hold secrets."""

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


class HttpClient:
    """Reads url, headers, validate_certs and ca_path of a probe, and sends its requests."""

    def __init__(self, options: Options, example: str, follow: bool = True) -> None:
        self.url: str = options.text("url", REQUIRED, f"write a URL such as {example}", most=4096)
        #: The URL to show, without password and query.
        self.shown = self._checked(options, f"write a URL such as {example}")
        self.headers = self._read_headers(options)
        context = tls_context(options.flag("validate_certs", True), read_ca_path(options))
        self._opener = urllib.request.build_opener(
            _Redirects() if follow else _NoRedirects(), urllib.request.HTTPSHandler(context=context), _NoFtp(), _NoFile()
        )
        self._opener.addheaders = []

    def _checked(self, options: Options, fix: str) -> str:
        try:
            parts = urllib.parse.urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise options.refusal("url", HIDDEN if "@" in self.url else self.url, f"{error}; {fix}") from error
        shown = urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise options.refusal("url", shown, f"{fix}: http or https, and a host")
        if port == 0:
            raise options.refusal("url", shown, "the port must be 1 to 65535")
        if parts.username is not None or parts.password is not None:
            raise options.refusal("url", shown, "no user or password in the URL; send an Authorization header, which is never shown")
        if any(character.isspace() for character in self.url) or not self.url.isascii():
            raise options.refusal("url", shown, "spaces and letters outside of ASCII must be percent-encoded")
        return shown + ("?…" if parts.query else "")

    def _read_headers(self, options: Options) -> dict[str, str]:
        given = options.take("headers", {})
        if not isinstance(given, t.Mapping):
            raise options.refusal("headers", HIDDEN, "write a dictionary of header names and values")
        headers = {"User-Agent": "faultline.chaos", "Accept": "*/*"}
        for name, value in given.items():
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise options.refusal("headers", str(name), "not the name of an HTTP header")
            if isinstance(value, bool) or not isinstance(value, (str, int, float)) or re.search(r"[\x00-\x1f\x7f]", str(value)):
                raise options.refusal("headers", name, "its value must be one line of text; it is not shown here")
            headers[name] = str(value)
        return headers

    def fetch(self, timeout: float, url: str | None = None, method: str = "GET", body: bytes | None = None) -> Answer:
        """The answer, with any status. Errors: OSError or HTTPException when there is none."""
        deadline = monotonic() + timeout
        request = urllib.request.Request(url or self.url, data=body, headers=self.headers, method=method)
        with self._open(request, timeout) as response:
            content, whole = self._body_of(response, deadline)
            return Answer(response.status, content.decode(errors="replace"), whole)

    def _open(self, request: urllib.request.Request, timeout: float) -> t.Any:
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as answer:  # an answer with an error status is an answer
            return answer

    @staticmethod
    def _body_of(response: t.Any, deadline: float) -> tuple[bytes, bool]:
        """The body up to the limit, and whether it is complete. A server that sends slowly cannot exceed the deadline."""
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
