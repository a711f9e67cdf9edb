# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Prometheus probe against a server that gives the answers of Prometheus' HTTP API. (tests/integration has the real one.)"""

from __future__ import annotations

import json
import re
import threading
import time
import typing as t
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes

SECRET = "s3cret-token"
NOT_ONE = "not an answer of Prometheus; url must be its own address"
A, B = {"__name__": "up", "instance": "a:9100"}, {"__name__": "up", "instance": "b:9100"}


def vector(*values: str) -> dict[str, t.Any]:
    metrics = [A, B, *({"instance": f"{number}"} for number in range(len(values) - 2))]
    return {"resultType": "vector", "result": [{"metric": metric, "value": [time.time(), value]} for metric, value in zip(metrics, values, strict=False)]}


def matrix(*series: list[str | None], step: float = 10.0, age: float = 0.0) -> dict[str, t.Any]:
    """Series of points that end now, or some seconds ago; None leaves a point out."""
    now = time.time() - age
    result = []
    for metric, values in zip([A, B], series, strict=False):
        points = [[now - step * (len(values) - 1 - at), value] for at, value in enumerate(values) if value is not None]
        result.append({"metric": metric, "values": points})
    return {"resultType": "matrix", "result": result}


class Api(BaseHTTPRequestHandler):
    """Answers with what the test has put there."""

    data: t.ClassVar[t.Any] = None
    raw: t.ClassVar[tuple[int, bytes] | None] = None
    asked: t.ClassVar[list[tuple[str, dict[str, str], str]]] = []

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.asked.append((parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}, self.headers.get("Authorization", "")))
        status, body = Api.raw or (200, json.dumps({"status": "success", "data": Api.data}).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: t.Any) -> None:
        pass


@pytest.fixture(scope="module", name="server")
def fixture_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(name="ask")
def fixture_ask(server: str) -> t.Callable[..., Measurement]:
    Api.raw, Api.asked[:] = None, []

    def ask(data: t.Any = None, **options: t.Any) -> Measurement:
        Api.data = data
        given = {"name": "p", "type": "prometheus", "url": server, "query": "up", "expect": {"value": "< 0.05"}, **options}
        return read_probes([given])[0].attempt(2.0)

    return ask


Ask = t.Callable[..., Measurement]


@pytest.mark.parametrize(
    ("expect", "value", "problem"),
    [
        ({"value": "< 0.05"}, "0.0123", None),
        ({"value": "<0.05"}, "0.05", "value is 0.05, wanted < 0.05"),
        ({"value": "<= 0.05"}, "0.05", None),
        ({"value": "> 1e3"}, "1000.5", None),
        ({"value": ">= 3"}, "2", "value is 2, wanted >= 3"),
        ({"value": "== 1"}, "1", None),
        ({"value": "!= 1"}, "1", "value is 1, wanted != 1"),
        ({"value": "> -1"}, "0", None),
        ({"min": 3}, "3", None),
        ({"min": 3}, "2.999", "value is 2.999, wanted >= 3"),
        ({"max": "3"}, "3.1", "value is 3.1, wanted <= 3"),
        ({"min": 1, "max": 2}, "1.5", None),
        ({"min": 1, "max": 2}, "0", "value is 0, wanted >= 1"),
        ({"value": "!= 1.5", "min": 1, "max": 2}, "1.5", "value is 1.5, wanted != 1.5"),
        ({"max": 1e9}, "+Inf", "value is inf, wanted <= 1e+09"),
        ({"max": 1e9}, "-Inf", None),
    ],
    ids=repr,
)
def test_values(ask: Ask, expect: dict, value: str, problem: str | None) -> None:
    found = ask(vector(value), expect=expect)
    assert (found.ok, found.detail) == (problem is None, problem)
    assert found.value == ({"+Inf": "+inf", "-Inf": "-inf"}.get(value) or float(value))
    assert ask({"resultType": "scalar", "result": [1.0, value]}, expect=expect) == found


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (vector(), "no data: no series"),
        (vector("NaN"), "no data: value is NaN"),
        (matrix(["1"]), "a range of values is no number: use avg_over_time() or the like"),
        ({"resultType": "string", "result": [1.0, "text"]}, "a string is no number"),
        ({"resultType": "vector", "result": [{"metric": A, "histogram": [1.0, {}]}]}, "a histogram is no number: use histogram_quantile() or the like"),
    ],
)
def test_no_number(ask: Ask, data: dict, words: str) -> None:
    assert ask(data) == Measurement(False, None, words)
    good = ask(data, expect={"max": 1, "no_data": "good"})
    assert (good.ok, good.detail) == (words.startswith("no data"), words)


def test_several_series(ask: Ask) -> None:
    words = '3 series, such as up{instance="a:9100"}, up{instance="b:9100"}: aggregate the query, or choose series all or any'
    assert ask(vector("1", "1", "1"), expect={"min": 1}) == Measurement(False, None, words)
    assert ask(vector("1", "1", "1"), expect={"min": 1}, series="all") == Measurement(True, 1.0)
    assert ask(vector("1", "0"), expect={"min": 1}, series="all") == Measurement(False, 0.0, 'up{instance="b:9100"} is 0, wanted >= 1')
    assert ask(vector("1", "NaN"), expect={"min": 1}, series="all") == Measurement(False, None, 'no data: up{instance="b:9100"} is NaN')
    worst = ask(vector("0", "1", "0.5"), expect={"min": 1}, series="all")
    assert worst == Measurement(False, 0.0, 'up{instance="a:9100"} is 0, wanted >= 1, and 1 more of 3 series')
    assert ask(vector("0", "1"), expect={"min": 1}, series="any") == Measurement(True, 1.0)
    assert ask(vector("0", "0"), expect={"min": 1}, series="any").detail == 'up{instance="a:9100"} is 0, wanted >= 1, and 1 more of 2 series'


@pytest.mark.parametrize(
    ("reduce", "points", "value", "ok"),
    [
        (None, ["9", "9", "2"], 2.0, True),
        ("last", ["2", "2", "9"], 9.0, False),
        ("avg", ["1", "2", "6"], 3.0, True),
        ("avg", ["1", "NaN", "3"], 2.0, True),
        ("min", ["9", "1", "9"], 1.0, True),
        ("max", ["1", "9", "1"], 9.0, False),
        ("all", ["1", "2", "3"], 3.0, True),
        ("all", ["1", "9", "1"], 9.0, False),
        ("all", ["1", "NaN", None, "2"], 2.0, True),
        ("avg", ["NaN", "NaN"], None, False),
        ("last", ["1", "NaN"], None, False),
    ],
)
def test_ranges(ask: Ask, reduce: str | None, points: list[str | None], value: float | None, ok: bool) -> None:
    options = {"reduce": reduce} if reduce else {}
    found = ask(matrix(points), range="1m", step="10s", expect={"max": 3}, **options)
    assert (found.ok, found.value) == (ok, value), found.detail


def test_a_series_that_ended_is_no_data_when_the_last_point_counts(ask: Ask) -> None:
    ended = matrix(["1", "1"], age=40)
    found = ask(ended, range="1m", step="10s", expect={"max": 3})
    assert (found.ok, found.value) == (False, None)
    assert re.fullmatch("no data: value ended 4[0-9]s ago", found.detail or "")  # counted when it is asked, which a busy machine may do late
    assert ask(ended, range="1m", step="10s", reduce="max", expect={"max": 3}).ok
    # The last step of a range may be a step away from its end.
    assert ask(matrix(["1"], age=9.5), range="1m", step="10s", expect={"max": 3}).ok


def test_what_is_asked(ask: Ask, server: str) -> None:
    before = time.time()
    assert ask(vector("0"), query=' sum(rate(x{code=~"5.."}[1m]))\n  / 2 ', url=f"{server}/prefix/", headers={"Authorization": f"Bearer {SECRET}"}).ok
    assert ask(matrix(["0"]), range="10m").ok
    (path, words, header), (range_path, range_words, _header) = Api.asked
    assert (path, header) == ("/prefix/api/v1/query", f"Bearer {SECRET}")
    assert words == {"query": 'sum(rate(x{code=~"5.."}[1m]))\n  / 2', "timeout": "2000ms"}
    assert range_path == "/api/v1/query_range"
    assert range_words["step"] == "10"
    assert float(range_words["end"]) - float(range_words["start"]) == pytest.approx(600, abs=0.002)
    assert before <= float(range_words["end"]) + 0.001 and float(range_words["end"]) <= time.time() + 0.001


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b'{"status": "error", "errorType": "bad_data", "error": "1:4: parse error"}', "refused: bad_data: 1:4: parse error"),
        (503, b'{"status": "error", "errorType": "timeout", "error": "query timed out"}', "refused: timeout: query timed out"),
        (200, b"<html>", NOT_ONE),
        (404, b"not found", f"status 404, {NOT_ONE}"),
        (401, b"", f"status 401, {NOT_ONE}"),
        (200, b"[]", NOT_ONE),
        (200, b'{"status": "success"}', NOT_ONE),
        (200, b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}}', NOT_ONE),
        (200, b"x" * (2 << 20), "the answer is longer than 1 MiB: aggregate the query"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors(ask: Ask, status: int, body: bytes, words: str) -> None:
    Api.raw = (status, body)
    assert ask() == Measurement(False, None, words)


def test_nobody_there() -> None:
    probe = read_probes([{"name": "p", "type": "prometheus", "url": "http://127.0.0.1:9", "query": "up", "expect": {"min": 1}}])[0]
    assert probe.attempt(1.0) == Measurement(False, None, "connection refused")


def test_what_is_shown_holds_no_secret(ask: Ask, server: str) -> None:
    given = {"name": "p", "type": "prometheus", "url": server, "query": "up\n  == 0", "expect": {"min": 1}, "headers": {"Authorization": SECRET}}
    probe = read_probes([given])[0]
    assert probe.target == f"up == 0 at {server}"
    assert SECRET not in str(probe.attempt(1.0))
