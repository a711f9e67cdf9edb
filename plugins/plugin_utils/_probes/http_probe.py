# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The HTTP probe: one request, and the expected answer."""

from __future__ import annotations

import http.client
import json
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import BODY_LIMIT, Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.http_client import HIDDEN, HttpClient, read_follow
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import Rules
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import error_words

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READING_METHODS = ("GET", "HEAD", "OPTIONS")


class HttpProbe(Probe):
    """Succeeds when the status and, if configured, the body are as expected."""

    type = "http"

    def read(self, options: Options) -> None:
        self._method = options.choice("method", METHODS, "GET")
        self.reads_only = self._method in READING_METHODS
        self._client = HttpClient(options, "http://shop.example.com:8080/health", read_follow(options))
        self._body = self._read_body(options)
        expect = options.section("expect")
        self._statuses = expect.wholes("status", 100, 599, [200])
        self._rules = Rules(expect)
        self.has_rules = bool(self._rules)
        expect.done()
        if self._rules and self._method == "HEAD":
            raise options.refusal("method", self._method, "the answer to HEAD has no body to hold against expect; use GET")

    def _read_body(self, options: Options) -> bytes | None:
        body = options.take("body")
        if body is None:
            return None
        if self._method in ("GET", "HEAD"):
            raise options.refusal("body", HIDDEN, f"{self._method} has no body; use method POST")
        if isinstance(body, str):
            return body.encode()
        if not isinstance(body, (dict, list)):
            raise options.refusal("body", HIDDEN, "write text, or a dictionary or list to send as JSON")
        if not any(name.lower() == "content-type" for name in self._client.headers):
            self._client.headers["Content-Type"] = "application/json"
        return json.dumps(body).encode()

    @property
    def target(self) -> str:
        return f"{self._method} {self._client.shown}"

    def attempt(self, timeout: float) -> Measurement:
        deadline = monotonic() + timeout
        try:
            answer = self._client.fetch(timeout, method=self._method, body=self._body)
        except (OSError, http.client.HTTPException) as error:
            return Measurement(False, None, error_words(error, timeout))
        if answer.status not in self._statuses:
            fix = f": a redirect to {answer.elsewhere}, another server. It is followed with follow_redirects: all" if answer.elsewhere else ""
            return Measurement(False, answer.status, f"status {answer.status}{fix}")
        problem = None
        if self._rules:
            problem = self._rules.problem(answer.body, "body", deadline - monotonic()) if answer.whole else f"body is longer than {BODY_LIMIT >> 20} MiB"
        return Measurement(not problem, answer.status, problem)
