# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The surge of requests: its pace, how it gives way, when it ends; and what k8s_api_pressure refuses."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import pressure
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.pressure import Pace, Surge
from ansible_collections.faultline.chaos.plugins.modules.k8s_api_pressure import ApiPressure


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_turns_are_a_rate_apart(clock: Clock) -> None:
    pace = Pace(10, clock)
    assert [round(pace.take(), 3) for _each in range(4)] == [0.0, 0.1, 0.2, 0.3]


def test_what_was_missed_is_not_made_up_for(clock: Clock) -> None:
    pace = Pace(10, clock)
    pace.take()
    clock.time += 60
    assert [round(pace.take(), 3) for _each in range(3)] == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("status", [429, 503])
def test_it_rests_and_halves_when_refused_and_once_for_all_at_the_same_time(clock: Clock, status: int) -> None:
    pace = Pace(40, clock)
    for _each in range(8):
        pace.answered(status)
    assert pace.rate == 20 and pace.take() >= 1.0
    clock.time += 1.5
    pace.answered(status)
    assert pace.rate == 10


def test_it_never_stops_altogether_and_rises_to_what_was_asked(clock: Clock) -> None:
    pace = Pace(40, clock)
    for _each in range(20):
        pace.answered(429)
        clock.time += 2
    assert pace.rate == 0.5
    for _each in range(1000):
        pace.answered(200)
    assert pace.rate == 40


def test_other_failures_do_not_slow_it(clock: Clock) -> None:
    pace = Pace(40, clock)
    pace.answered(404)
    pace.answered(0)
    assert pace.rate == 40


def surge(kube, rate: int = 50, workers: int = 4) -> Surge:
    return Surge(kube.cluster, "/api/v1/namespaces/shop/pods", [("limit", "1")], rate, workers)


def test_it_asks_as_often_as_asked_and_ends_in_time(kube) -> None:
    kube.put("/api/v1/namespaces/shop/pods", "a")
    made, began = surge(kube), time.monotonic()
    made.run(began + 2, lambda until: until)
    told = made.told()
    assert 1.9 < time.monotonic() - began < 4
    assert 0 < told["sent"] <= 2 * 50 + 5 and told["refused"] == told["failed"] == 0
    assert {method for method, _path in kube.requests} == {"GET"}


def test_it_gives_way_to_a_server_that_has_enough(kube) -> None:
    from tests.unit.support.kube_server import Answer

    kube.fail(10**6, Answer(429, "TooManyRequests", "too many requests"))
    made = surge(kube, rate=200, workers=8)
    made.run(time.monotonic() + 2.5, lambda until: until)
    assert made.pace.rate < 200 and made.told()["refused"] == made.told()["sent"] < 60


def test_it_ends_when_it_is_not_wanted_any_more(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_LOOK", 0.2)
    began = time.monotonic()
    surge(kube).run(began + 60, lambda until: None)
    assert time.monotonic() - began < 5


def test_a_renewed_lease_lets_it_go_on(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_LOOK", 0.1)
    began = time.monotonic()
    surge(kube, rate=5).run(began + 1, lambda until: began + 2)
    assert 1.9 < time.monotonic() - began < 5


def test_nothing_is_sent_after_the_deadline_although_the_look_hangs(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_LOOK", 0.1)
    sent: list[float] = []
    kube.trouble.append(lambda *_request: sent.append(time.monotonic()))

    def hang(until: float) -> float:
        time.sleep(2.5)
        return until

    until = time.monotonic() + 1
    surge(kube, rate=20, workers=2).run(until, hang)
    assert time.monotonic() > until + 1 and sent and max(sent) < until + 0.5


def test_a_look_that_a_lease_renewed_late_lets_it_go_on(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_LOOK", 0.1)
    sent: list[float] = []
    kube.trouble.append(lambda *_request: sent.append(time.monotonic()))
    began = time.monotonic()

    def late(_until: float) -> float:
        if time.monotonic() < began + 1:
            time.sleep(1.5)
        return began + 3

    surge(kube, rate=20, workers=2).run(began + 1, late)
    assert max(sent) > began + 2


def test_the_look_at_the_journal_is_one_try(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.support.kube_server import Answer

    monkeypatch.setattr(pressure, "_LOOK", 0.5)
    monkeypatch.setattr(cluster, "_WAIT", 0.001)
    kube.fail(10**6, Answer(503, "", "busy"), "GET", "/configmaps/")
    made = attack(host=kube.url)
    made.where, made.query, made.first = "/version", [], 60.0
    read_end, write_end = os.pipe()
    entry = SimpleNamespace(namespace="default", id="p", uid="u", deadline=kube.cluster.now() + 3)
    made._surge(kube.cluster, entry, write_end)
    os.close(read_end)
    os.close(write_end)
    looks = [path for _method, path in kube.requests if "/configmaps/" in path]
    assert 2 <= len(looks) <= 6


def attack(**params) -> ApiPressure:
    return ApiPressure({"request": "version", "namespace": None, "limit": 1, "rate": 20, "workers": 4, **params})


@pytest.mark.parametrize(
    ("option", "value"),
    [("rate", value) for value in (0, -1, 501, True, 1.5, "many")]
    + [("workers", value) for value in (0, 33, True)]
    + [("limit", value) for value in (0, 501, True)],
)
def test_options_that_are_refused(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(**{option: value}).validate()


@pytest.mark.parametrize("request_", ["pods", "config_maps"])
def test_a_list_needs_a_namespace(request_: str) -> None:
    with pytest.raises(BadOption, match="^namespace: "):
        attack(request=request_).validate()
    attack(request=request_, namespace="shop").validate()
    assert attack(request=request_, namespace="shop").namespaces() == ["shop"] and attack().namespaces() == []
