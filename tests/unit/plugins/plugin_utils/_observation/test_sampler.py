# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sampler: its schedule, its early stop, and probes that hang, fail and flap. The probes are stand-ins, the clock is real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._observation import sampler as observation_sampler
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.sampler import Sampler, SamplingPlan, Track
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.crew import Crew
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Sample

OPEN = threading.Event()


class Scripted(Probe):
    """Behaves as its script says, which gets the number of the attempt."""

    type = "scripted"
    target = "nothing"

    def __init__(self, script: Callable[[int], Measurement], name: str = "x", **options: object) -> None:
        super().__init__(name, Options(options, name), 0.1)
        self.script, self.attempts = script, 0

    def read(self, options: Options) -> None:
        pass

    def attempt(self, timeout: float) -> Measurement:
        self.attempts += 1
        return self.script(self.attempts)


def good(_number: int) -> Measurement:
    return Measurement(True)


def bad(_number: int) -> Measurement:
    return Measurement(False, None, "no")


def hangs(_number: int) -> Measurement:
    """Like a name server that never answers: no timeout of ours reaches it."""
    OPEN.wait(20)
    return Measurement(True)


class Silent:
    """A listener that remembers the order of what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []

    def sampled(self, track: Track, sample: Sample, elapsed: float) -> None:
        self.heard.append((track.probe.name, sample.ok))

    def beat(self, elapsed: float) -> None:
        pass


@pytest.fixture(autouse=True)
def fixture_open() -> Iterator[None]:
    OPEN.clear()
    yield
    OPEN.set()


def sampled(*probes: Probe, alive: Callable[[], bool] = lambda: True, **plan: object) -> tuple[Sampler, str | None, float]:
    crew = Crew()
    sampler = Sampler(probes, SamplingPlan(**{"window": 1.0, **plan}), Silent(), crew.start, alive)  # type: ignore[arg-type]
    begun = time.monotonic()
    reason = sampler.run()
    took = time.monotonic() - begun
    crew.dismiss()
    return sampler, reason, took


def test_all_samples_of_the_window_are_taken() -> None:
    sampler, reason, took = sampled(Scripted(good, "a"), Scripted(good, "b", interval=0.25), Scripted(good, "c", interval=5))
    assert reason is None
    assert [len(track.series) for track in sampler.tracks] == [10, 4, 1]
    assert all(track.breach() is None for track in sampler.tracks)
    assert 1.0 <= took < 2.0


def test_the_schedule_does_not_drift() -> None:
    """Each answer takes most of an interval; still the tenth sample is due nine intervals after the first."""

    def slow(_number: int) -> Measurement:
        time.sleep(0.08)
        return Measurement(True)

    sampler, _reason, _took = sampled(Scripted(slow, interval=0.1), window=2.0)
    times = [sample.t for sample in sampler.tracks[0].series]
    late = [found - times[0] - index * 0.1 for index, found in enumerate(times)]
    assert len(times) == 20
    assert abs(late[-1]) < 0.09
    assert sum(map(abs, late)) / len(late) < 0.05


def test_initial_delays() -> None:
    begun = time.time()
    sampler, _reason, took = sampled(Scripted(good, "a"), Scripted(good, "b", initial_delay=0.5), initial_delay=0.4)
    first, second = (track.series for track in sampler.tracks)
    assert (len(first), len(second)) == (10, 5)
    assert 0.4 <= first[0].t - begun < 0.8
    assert 0.9 <= second[0].t - begun < 1.3
    assert took >= 1.4


def test_a_slow_probe_is_sampled_at_its_rate_all_the_same() -> None:
    def slow(_number: int) -> Measurement:
        time.sleep(0.35)
        return Measurement(True)

    sampler, reason, took = sampled(Scripted(slow, timeout=1))
    assert reason is None
    assert len(sampler.tracks[0].series) == 10
    assert took < 2.5


def test_a_hung_probe_cannot_hold_the_window_up() -> None:
    healthy = Scripted(good, "healthy")
    sampler, reason, took = sampled(Scripted(hangs, "hung", timeout=0.2), healthy, abort=False)
    hung = sampler.tracks[0]
    assert took < 1.0 + 0.2 + 1.0
    assert reason is None
    assert len(hung.series) == 10
    assert not any(sample.ok for sample in hung.series)
    assert hung.series[0].detail == "no answer within 200ms"
    assert "samples are still unanswered" in str(hung.series[-1].detail)
    assert str(hung.breach()).startswith("10 of 10 samples failed, 100% must succeed; last: n")
    assert sampler.tracks[1].breach() is None
    assert healthy.attempts == 10


def test_threads_of_a_hung_probe_do_not_pile_up() -> None:
    before = threading.active_count()
    sampled(Scripted(hangs, timeout=0.2), abort=False, window=1.5)
    assert threading.active_count() - before <= 3


def test_a_long_timeout_does_not_hold_the_window_up_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation_sampler, "CLOSING", 0.5)
    sampler, _reason, took = sampled(Scripted(hangs, timeout=60, interval=0.5), abort=False)
    assert took < 3.0
    assert [sample.ok for sample in sampler.tracks[0].series] == [False, False]


@pytest.mark.parametrize(("script", "last"), [(bad, "no"), (hangs, "no answer within 200ms")])
def test_early_stop_within_one_interval_of_certainty(script: Callable[[int], Measurement], last: str) -> None:
    sampler, reason, took = sampled(Scripted(script, "shop", interval=0.2, timeout=0.2), Scripted(good, "other"), window=30)
    assert reason == f"shop: 1 of 1 samples failed of 150 planned, 100% must succeed; last: {last}"
    assert took < 0.2 + 0.1 + 0.2 + 0.5
    assert sampler.tracks[1].certain() is None


def test_an_early_stop_waits_for_certainty() -> None:
    sampler, reason, _took = sampled(Scripted(bad, tolerance={"success": "70%"}))
    assert reason == "x: 4 of 4 samples failed of 10 planned, 70% must succeed; last: no"
    assert len(sampler.tracks[0].series) == 4


def test_an_early_stop_for_slowness() -> None:
    def slow(_number: int) -> Measurement:
        time.sleep(0.05)
        return Measurement(True)

    _sampler_, reason, _took = sampled(Scripted(slow, tolerance={"p50": "10ms"}))
    assert reason == "x: 6 of 6 answers of 10 planned took longer than 10ms, the limit of p50"


def test_a_flapping_probe() -> None:
    def flaps(number: int) -> Measurement:
        return Measurement(number % 2 == 0, number)

    tolerant, reason, _took = sampled(Scripted(flaps, tolerance={"success": "50%"}))
    assert reason is None
    assert tolerant.tracks[0].breach() is None
    strict, reason, _took = sampled(Scripted(flaps, tolerance={"success": "90%"}))
    assert reason == "x: 2 of 3 samples failed of 10 planned, 90% must succeed"
    assert [sample.value for sample in strict.tracks[0].series] == [1, 2, 3]


def test_a_probe_that_raises_has_failed() -> None:
    def breaks(_number: int) -> Measurement:
        raise RuntimeError("something odd")

    sampler, _reason, _took = sampled(Scripted(breaks), abort=False)
    assert {sample.detail for sample in sampler.tracks[0].series} == {"something odd"}


def test_retries_are_one_sample() -> None:
    def second(number: int) -> Measurement:
        return Measurement(number % 2 == 0, None, None if number % 2 == 0 else "not yet")

    probe = Scripted(second, retries=1)
    sampler, reason, _took = sampled(probe)
    assert reason is None
    assert (probe.attempts, len(sampler.tracks[0].series)) == (20, 10)
    assert sampler.tracks[0].series[0].detail == "at try 2"
    failing, _reason, _took = sampled(Scripted(bad, retries=2), abort=False)
    assert failing.tracks[0].series[0].detail == "no, 3 tries"


def test_probes_on_hosts_go_one_at_a_time() -> None:
    running = []

    def slow(_number: int) -> Measurement:
        running.append(threading.active_count())
        time.sleep(0.25)
        return Measurement(True)

    probe = Scripted(slow, timeout=2)
    probe.most_at_once = 1
    sampler, reason, _took = sampled(probe)
    assert reason is None
    assert 3 <= len(sampler.tracks[0].series) <= 4
    assert sampler.tracks[0].finished


def test_settle_waits_until_it_held_for_a_whole_window() -> None:
    sampler, reason, took = sampled(Scripted(lambda number: Measurement(number > 7), "a"), Scripted(good, "b"), window=0.5, settle=5.0)
    assert reason is None
    assert sampler.settled_after is not None
    assert 0.6 <= sampler.settled_after < 1.3
    assert took < 2.5
    track = sampler.tracks[0]
    assert (len(track.series), [sample.ok for sample in track.judged]) == (12, [True] * 5)


def test_settle_gives_up_when_too_late() -> None:
    sampler, reason, took = sampled(Scripted(bad), window=0.5, settle=0.5)
    assert sampler.settled_after is None
    assert reason == "x: 1 of 1 samples failed of 5 planned, 100% must succeed; last: no"
    assert 0.5 <= took < 1.0
    _sampler_, reason, took = sampled(Scripted(bad), window=0.5, settle=0.5, abort=False)
    assert reason is None
    assert took >= 1.0


def test_settle_at_once() -> None:
    sampler, _reason, took = sampled(Scripted(good), window=0.5, settle=10)
    assert sampler.settled_after == pytest.approx(0.0, abs=0.4)
    assert took < 1.2


@pytest.mark.parametrize(
    ("asked", "taken", "enough"),
    [
        (1, 0, False),
        (1, 1, True),
        (2, 1, False),
        (2, 2, True),
        (3, 2, False),
        (3, 3, True),
        (4, 2, False),
        (4, 3, True),
        (6, 3, True),
        (7, 3, False),
        (7, 4, True),
    ],
)
def test_how_many_samples_a_verdict_needs(asked: int, taken: int, enough: bool) -> None:
    """Half of those that were asked for, and three, or all where fewer were asked for: two good samples of four are no verdict."""
    track = Track(Scripted(good, interval=1), SamplingPlan(float(asked)))
    assert track.per_window == asked
    for index in range(asked):
        track.decide(index, Sample(float(index), True, 1.0) if index < taken else None)
    assert (track.too_few() is None) is enough


def test_no_probe_means_waiting() -> None:
    _sampler_, reason, took = sampled(window=0.4)
    assert reason is None
    assert 0.4 <= took < 1.0


def test_it_stops_when_nobody_waits() -> None:
    until = time.monotonic() + 0.3
    _sampler_, reason, took = sampled(Scripted(good), window=30, alive=lambda: time.monotonic() < until)
    assert reason == "nobody waits for the result any more"
    assert took < 1.5


def test_a_pause_of_our_own_is_not_held_against_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation_sampler, "FROZEN", 0.2)
    monkeypatch.setattr(observation_sampler, "HEARTBEAT", 0.1)
    stopped = []

    class Stops(Silent):
        def beat(self, elapsed: float) -> None:
            if elapsed > 0.3 and not stopped:
                stopped.append(elapsed)
                time.sleep(0.8)

    crew = Crew()
    sampler = Sampler([Scripted(good, interval=0.1)], SamplingPlan(2.0), Stops(), crew.start, lambda: True)
    assert sampler.run() is None
    assert 10 <= len(sampler.tracks[0].series) < 18
    assert sampler.tracks[0].breach() is None


def test_crew_reuses_idle_threads() -> None:
    crew = Crew()
    before = threading.active_count()
    for _each in range(20):
        done = threading.Event()
        crew.start(done.set)
        assert done.wait(2)
        time.sleep(0.005)
    assert threading.active_count() - before <= 2
    crew.dismiss()
    deadline = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
