# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The HTTP client of probes: a new connection for every request, so that the measurement includes connecting."""

from __future__ import annotations

import http.client
import io
import re
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import BODY_LIMIT
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.net import connect, left, shown_address

HIDDEN = "(not shown)"
# Redirects that are followed: to the same host and port, to any, none.
SAME, ALL, NONE = FOLLOW = ("same", "all", "none")
_FLAGS = {"true": SAME, "yes": SAME, "on": SAME, "false": NONE, "no": NONE, "off": NONE}
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 1 << 16
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True)
class Answer:
    """The answer of the server. `whole` is false when the body is longer than the limit; elsewhere: see follow_redirects."""

    status: int
    body: str
    whole: bool
    elsewhere: str = ""


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


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def read_follow(options: Options) -> str:
    """Which redirects are followed. In 0.1 the option was a flag: true is the default, and false is none."""
    value = options.take("follow_redirects", SAME)
    value = _FLAGS.get(str(value).lower(), value)
    if value not in FOLLOW:
        raise options.refusal("follow_redirects", value, f"choose one of {', '.join(FOLLOW)}")
    return str(value)


class _Request(urllib.request.Request):
    """A request with the moment at which it is given up, redirects included."""

    deadline = 0.0


class _Unread:
    """The answer that redirects, whose body is not read: it may be endless."""

    def __init__(self, answer: t.Any) -> None:
        self._answer = answer

    def read(self) -> bytes:
        return b""

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._answer, name)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, and to another host or port only if the probe says so.

    The probe's headers are not sent to another server, since they may hold secrets.
    """

    def __init__(self, follow: str) -> None:
        self._follow = follow

    def http_error_302(self, req, fp, code, msg, headers):  # type: ignore[no-untyped-def]
        return super().http_error_302(req, _Unread(fp), code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        elsewhere = _origin(newurl) != _origin(req.full_url)
        if self._follow == NONE or (elsewhere and self._follow != ALL) or urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            return None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is None:
            return None
        made = _Request(following.full_url, headers={} if elsewhere else following.headers, method=following.get_method())
        made.origin_req_host, made.unverifiable, made.deadline = req.origin_req_host, True, req.deadline
        return made


class _Timed(io.RawIOBase):
    """The bytes of an answer, up to a deadline for all of them: a server that sends slowly cannot exceed it."""

    def __init__(self, raw: t.Any, connection: t.Any, deadline: float) -> None:
        self._raw, self._connection, self._deadline = raw, connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self._connection.settimeout(left(self._deadline))
        count: int = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, deadline: float, connection: t.Any, *args: t.Any, **options: t.Any) -> None:
        super().__init__(connection, *args, **options)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), connection, deadline))


def _connection(kind: type[http.client.HTTPConnection], deadline: float, host: str, **options: t.Any) -> http.client.HTTPConnection:
    """A connection whose connecting, proxy dialogue and answer share the deadline."""
    made: t.Any = kind(host, **options)

    def create(address: tuple[str, int], *_ignored: t.Any) -> t.Any:
        connected = connect(*address, deadline)
        connected.settimeout(left(deadline))
        return connected

    made._create_connection = create
    made.response_class = partial(_Response, deadline)
    return t.cast(http.client.HTTPConnection, made)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req):  # type: ignore[no-untyped-def]
        return self.do_open(partial(_connection, http.client.HTTPConnection, req.deadline), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls = context

    def https_open(self, req):  # type: ignore[no-untyped-def]
        return self.do_open(partial(_connection, http.client.HTTPSConnection, req.deadline), req, context=self._tls)


class HttpClient:
    """Reads url, headers, validate_certs and ca_path of a probe, and sends its requests."""

    def __init__(self, options: Options, example: str, follow: str = SAME) -> None:
        self.url: str = options.text("url", REQUIRED, f"write a URL such as {example}", most=4096)
        #: The URL to show, without password and query.
        self.shown = self._checked(options, f"write a URL such as {example}")
        self.headers = self._read_headers(options)
        context = tls_context(options.flag("validate_certs", True), read_ca_path(options))
        self._follow = follow
        self._opener = urllib.request.build_opener(_Redirects(follow), _Http(), _Https(context), _NoFtp(), _NoFile())
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
        request = _Request(url or self.url, data=body, headers=self.headers, method=method)
        request.deadline = deadline
        with self._open(request, timeout) as response:
            content, whole = self._body_of(response)
            return Answer(response.status, content.decode(errors="replace"), whole, self._elsewhere(response))

    def _elsewhere(self, response: t.Any) -> str:
        """The server that a redirect names and that is not followed, since it is another one."""
        if self._follow != SAME or response.status not in _REDIRECTS:
            return ""
        try:
            target = urllib.parse.urljoin(response.url, response.headers.get("Location") or "")
            scheme, host, port = _origin(target)
            return f"{scheme}://{shown_address(host, port)}"[:200] if port and _origin(response.url) != (scheme, host, port) else ""
        except ValueError:  # not a URL
            return ""

    def _open(self, request: urllib.request.Request, timeout: float) -> t.Any:
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as answer:  # an answer with an error status is an answer
            return answer

    @staticmethod
    def _body_of(response: t.Any) -> tuple[bytes, bool]:
        """The body up to the limit, and whether it is complete."""
        body = bytearray()
        while len(body) <= BODY_LIMIT:
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
