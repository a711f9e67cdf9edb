# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to result, without Ansible: real commands, real threads, a short window."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._times import iso
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.leases import HostRenewal, Lease
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.steady_state import bind, frame, observe, read_settings
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.evaluation import EVALUATORS
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Completed
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.local import ControllerRunner

TIMES = {"started", "ended", "window_s", "interval_s", "settled_s"}
RESULT = {"met", "aborted", "reason", "inconclusive", "error", "phase", "lease_lost", "lease_deadlines", "probes", *TIMES}
PROBE = {"name", "type", "target", "tolerance", "limits", "met", "reason", "inconclusive", "samples", "succeeded", "success_percent", "latency_ms", "series"}
TRUE = {"name": "yes", "type": "command", "argv": ["true"]}
FALSE = {"name": "no", "type": "command", "argv": ["false"]}


class Inventory:
    """Knows one host, which is this machine."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def knows(self, host: str) -> bool:
        return host in ("n1", "broken")

    def new(self, host: str) -> ControllerRunner:
        if host == "broken":
            raise OSError("broken: there is no connection plugin x")
        self.asked.append(host)
        return ControllerRunner()


def watched(*probes: dict, check_mode: bool = False, **options: t.Any) -> tuple[dict[str, t.Any], list[str]]:
    lines: list[str] = []
    settings = read_settings({"window": 1, "interval": 0.2, "probes": list(probes), **options})
    renewals = bind(settings, Inventory(), check_mode)
    result = observe(settings, renewals, lambda line, mood: lines.append(f"{mood} {line}"), check_mode)
    json.dumps(result, allow_nan=False)
    return result, lines


@pytest.fixture(name="port")
def fixture_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_held(port: int) -> None:
    result, lines = watched(TRUE, {"name": "port", "type": "tcp", "host": "127.0.0.1", "port": port, "tolerance": {"success": 99, "p95": "500ms"}})
    assert set(result) == RESULT
    assert (result["met"], result["aborted"], result["reason"], result["phase"]) == (True, False, None, "before")
    assert (result["window_s"], result["interval_s"], result["lease_lost"], result["settled_s"], result["error"]) == (1.0, 0.2, [], None, None)
    began, ended = (datetime.fromisoformat(result[key].replace("Z", "+00:00")) for key in ("started", "ended"))
    assert 1.0 <= (ended - began).total_seconds() < 2.0
    probe = result["probes"][1]
    assert set(probe) == PROBE
    assert (probe["name"], probe["type"], probe["target"]) == ("port", "tcp", f"tcp 127.0.0.1:{port}")
    assert probe["tolerance"] == {"success": "99%", "p95": "500ms"}
    assert probe["limits"] == {"success_percent": 99, "p95_ms": 500}
    assert (probe["samples"], probe["succeeded"], probe["success_percent"], probe["met"]) == (5, 5, 100.0, True)
    assert set(probe["latency_ms"]) == {"p50", "p95", "p99", "max"}
    assert set(probe["series"][0]) == {"t", "ok", "ms", "value", "detail"}
    assert began.timestamp() - 0.1 <= probe["series"][0]["t"] <= ended.timestamp()
    assert re.fullmatch(r"good before  1s/1s  held: yes 5/5 ok p95 \d+ms \| port 5/5 ok p95 \d+ms", lines[-1])


def test_stopped_early() -> None:
    begun = time.monotonic()
    result, lines = watched(TRUE, FALSE, window=30, phase="during", title="netem 50ms on n1")
    assert time.monotonic() - begun < 3
    assert (result["met"], result["aborted"]) == (False, True)
    assert result["reason"] == "no: 1 of 1 samples failed of 150 planned, 100% must succeed; last: exit status 1"
    assert [probe["met"] for probe in result["probes"]] == [True, False]
    assert lines[0] == "bad during netem 50ms on n1  0s/30s  no FAILS: exit status 1"
    assert lines[1].startswith("bad during netem 50ms on n1  0s/30s  stopped early: no 0/1")


def test_not_met() -> None:
    result, lines = watched(FALSE, abort=False)
    assert (result["met"], result["aborted"], result["reason"]) == (False, False, "no: 5 of 5 samples failed, 100% must succeed; last: exit status 1")
    assert lines[-1] == "bad before  1s/1s  not met: no 0/5"


SLOW = {"name": "slow", "type": "command", "argv": ["sleep", "0.7"], "run_on": "n1"}


def test_too_few_samples_are_no_verdict() -> None:
    """A probe on a host that takes longer than its interval skips ticks: 2 of 5 samples said "held" before."""
    result, lines = watched(TRUE, SLOW)
    few = "only 2 of 5 samples could be taken; give the probe a longer interval or a longer window"
    assert (result["met"], result["aborted"], result["reason"], result["inconclusive"]) == (False, False, f"slow: {few}", [f"slow: {few}"])
    assert [(probe["met"], probe["inconclusive"], probe["reason"]) for probe in result["probes"]] == [(True, False, None), (False, True, few)]
    assert lines[-1].startswith("bad before  1s/1s  inconclusive: ")


def test_few_bad_samples_are_proof_only_when_the_missing_ones_could_not_make_up_for_them() -> None:
    result, _lines = watched({**SLOW, "argv": ["sh", "-c", "sleep 0.7; false"]}, abort=False)
    assert result["inconclusive"] == [] and result["reason"] == "slow: 2 of 2 samples failed, 100% must succeed; last: exit status 1"
    result, _lines = watched({**SLOW, "argv": ["sh", "-c", "sleep 0.7; false"], "tolerance": {"success": 60}}, abort=False)
    assert result["inconclusive"] == ["slow: only 2 of 5 samples could be taken; give the probe a longer interval or a longer window"]


def test_a_window_for_one_sample_needs_one() -> None:
    result, _lines = watched({**TRUE, "interval": 1})
    assert result["met"] and result["probes"][0]["samples"] == 1


def test_settling_waits_for_enough_samples() -> None:
    result, _lines = watched(SLOW, settle=1, phase="after")
    assert result["settled_s"] is None and result["inconclusive"]


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """A web server with that body for every request; its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: t.Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_hostile_body_stops_neither_window_nor_samples_nor_leases(tmp_path: t.Any) -> None:
    renewed = tmp_path / "renewed"
    with answering(b"a" * 40 + b"!") as port:
        hostile = {"name": "hostile", "type": "http", "url": f"http://127.0.0.1:{port}/", "expect": {"regex": r"^(\w+\s?)*$"}}
        settings = read_settings({"window": 4, "interval": 0.5, "abort": False, "probes": [hostile, TRUE]})
        bind(settings, Inventory(), False)
        settings = replace(settings, lease=Lease("r1", 1.5))
        renewal = HostRenewal(ControllerRunner())
        renewal._runner.run = lambda argv, timeout: (renewed.open("a").write("x"), Completed(0, "", ""))[1]  # type: ignore[method-assign]
        begun = time.monotonic()
        result = observe(settings, {"n1": renewal}, lambda line, mood: None)
    assert 4.0 <= time.monotonic() - begun < 7.5
    bad, good = result["probes"]
    assert (bad["met"], good["met"], good["succeeded"]) == (False, True, 8)
    assert "the rule for body took longer than" in bad["reason"] and bad["succeeded"] == 0
    assert len(renewed.read_text()) >= 7 and result["lease_lost"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_hostile_body_stops_no_signal(number: signal.Signals) -> None:
    with answering(b"a" * 40 + b"!") as port:
        hostile = {"name": "hostile", "type": "http", "url": f"http://127.0.0.1:{port}/", "expect": {"regex": r"^(\w+\s?)*$"}}
        settings = read_settings({"window": 30, "abort": False, "probes": [hostile]})
        EVALUATORS.close()  # a forked process must not share them
        child = os.fork()
        if child == 0:
            try:
                signal.signal(number, signal.SIG_DFL)
                observe(settings, {}, lambda line, mood: None)
            finally:
                os._exit(0)
        time.sleep(1.0)
        os.kill(child, number)
        begun, ended = time.monotonic(), (0, 0)
        while not ended[0] and time.monotonic() - begun < 10:
            time.sleep(0.05)
            ended = os.waitpid(child, os.WNOHANG)
        if not ended[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert ended[0] and os.WIFSIGNALED(ended[1]) and os.WTERMSIG(ended[1]) == number


def test_phases() -> None:
    result, _lines = watched(TRUE, {**FALSE, "phases": ["during"]})
    assert [probe["name"] for probe in result["probes"]] == ["yes"]
    assert result["met"]


def test_without_a_probe_only_the_attack_needs_its_time() -> None:
    begun = time.monotonic()
    result, _lines = watched({**FALSE, "phases": ["during"]}, phase="after", window=30)
    assert (result["met"], result["probes"]) == (True, [])
    assert time.monotonic() - begun < 2
    begun = time.monotonic()
    result, _lines = watched({**FALSE, "phases": ["before"]}, phase="during", window=0.5)
    assert (result["met"], result["probes"]) == (True, [])
    assert time.monotonic() - begun >= 0.5


def test_check_mode_measures_and_leaves_out_what_may_change_something(port: int) -> None:
    result, lines = watched(FALSE, {"name": "port", "type": "tcp", "host": "127.0.0.1", "port": port}, check_mode=True)
    assert result["met"]
    assert [(probe["name"], probe["samples"], probe["reason"]) for probe in result["probes"]] == [
        ("port", 5, None),
        ("no", 0, "not run in check mode: it may change something"),
    ]
    assert lines[0] == "plain before  0s/1s  no: not run in check mode: it may change something"


def test_check_mode_renews_no_lease() -> None:
    settings = read_settings({"probes": [TRUE], "renew": {"hosts": ["n1"], "run_id": "r1", "lease": 30}})
    assert bind(settings, Inventory(), check_mode=True) == {}
    assert set(bind(settings, Inventory(), check_mode=False)) == {"n1"}


def test_one_runner_per_host_and_another_one_for_renewals() -> None:
    settings = read_settings(
        {"probes": [{**TRUE, "run_on": "n1"}, {**FALSE, "run_on": "n1"}, {**TRUE, "name": "x"}], "renew": {"hosts": ["n1"], "run_id": "r1", "lease": 30}}
    )
    inventory = Inventory()
    renewals = bind(settings, inventory, False)
    assert inventory.asked == ["n1", "n1"]
    assert settings.probes[0].runner is settings.probes[1].runner
    assert renewals["n1"] is not settings.probes[0].runner


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"probes": [{**TRUE, "run_on": "n9"}]}, "probe 'yes': run_on: 'n9' is refused: the inventory has no such host"),
        ({"probes": [{**TRUE, "run_on": "broken"}]}, "probe 'yes': run_on: 'broken' is refused: broken: there is no connection plugin x"),
        ({"probes": [TRUE], "renew": {"hosts": ["n9"], "run_id": "r", "lease": 30}}, "renew: hosts: 'n9' is refused: the inventory has no such host"),
    ],
)
def test_hosts_that_are_not_there(options: dict, words: str) -> None:
    with pytest.raises(BadOption) as error:
        bind(read_settings(options), Inventory(), False)
    assert words in str(error.value)


def test_lost_leases_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControllerRunner, "run", lambda self, argv, timeout: Completed(3 if "r1" in argv else 0, "", ""), raising=True)
    result, lines = watched(TRUE, phase="during", renew={"hosts": ["n1"], "run_id": "r1", "lease": 30})
    assert result["lease_lost"] == ["n1"]
    assert result["met"]
    assert "bad during  0s/1s  n1: lease lost: nothing of run r1 is active there" in lines


def test_the_renewed_deadlines_are_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControllerRunner, "run", lambda self, argv, timeout: Completed(0, "r1-s1r1 0\n" if "r1" in argv else "", ""))
    begun = iso(time.time())
    result, _lines = watched(TRUE, phase="during", renew={"hosts": ["n1"], "run_id": "r1", "lease": 30})
    assert begun <= result["lease_deadlines"]["n1"].pop("r1-s1r1") <= iso(time.time())
    assert result["lease_deadlines"] == {"n1": {}}
    assert watched(TRUE)[0]["lease_deadlines"] == {}


def test_settling() -> None:
    result, lines = watched(TRUE, phase="after", window=0.6, settle=20)
    assert result["met"]
    assert result["settled_s"] < 1.0
    assert lines[-1].startswith("good after  1s/20.6s  held: ")


def test_a_result_without_a_measurement_has_all_keys() -> None:
    found = frame("before", "probes is missing")
    assert set(found) == RESULT
    assert (found["met"], found["error"]) == (False, "probes is missing")
