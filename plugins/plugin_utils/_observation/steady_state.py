# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The work of the action plugin steady_state without Ansible: from its options to its result."""

from __future__ import annotations

import os
import queue
import re
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from time import monotonic

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.leases import ClusterRenewal, HostRenewal, Lease, LeaseKeeper, Renewal
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.progress import Progress
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.sampler import HEARTBEAT, MOST_SAMPLES, Sampler, SamplingPlan, Track
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import PHASES, SHORTEST_INTERVAL, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.evaluation import EVALUATORS
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.host import CONTROLLER
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Runner
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.crew import Crew
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.local import ControllerRunner, ending
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import latencies
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD

SHORTEST_RENEWED_LEASE = 3.0
WARM_UP, LONGEST_WARM_UP = 5.0, 15.0
_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NOT_RUN = "not run in check mode: it may change something"


@dataclass(frozen=True)
class Settings:
    """All options, checked."""

    probes: list[Probe]
    phase: str
    plan: SamplingPlan
    interval: float
    title: str | None = None
    lease: Lease | None = None
    lease_hosts: list[str] = field(default_factory=list)
    lease_cluster: Mapping[str, t.Any] | None = None


def read_settings(args: Mapping[str, t.Any]) -> Settings:
    """The checked options of one steady_state task. Pure. Errors: BadOption."""
    options = Options(args, "")
    interval = options.duration("interval", 1.0, minimum=SHORTEST_INTERVAL)
    window = options.duration("window", 10.0, minimum=SHORTEST_INTERVAL)
    plan = SamplingPlan(
        window=window,
        initial_delay=options.duration("initial_delay", 0.0),
        settle=options.duration("settle", 0.0),
        abort=options.flag("abort", True),
    )
    phase = options.choice("phase", PHASES, "before")
    title = options.text("title", None, "write a few words", most=200)
    probes = read_probes(options.take("probes", REQUIRED, "list at least one probe"), interval)
    renewal = _read_renewal(options)
    options.done()
    for probe in probes:
        if phase in probe.phases:
            _check_pace(probe, plan)
    return Settings([probe for probe in probes if phase in probe.phases], phase, plan, interval, title, *renewal)


def _check_pace(probe: Probe, plan: SamplingPlan) -> None:
    where = f"probe {probe.name!r}"
    if probe.initial_delay >= plan.window:
        raise BadOption(f"{where}: initial_delay", probe.initial_delay, f"it must be shorter than the window of {plan.window:g}s")
    if plan.longest / probe.interval > MOST_SAMPLES:
        fix = f"over {plan.longest:g}s that makes more than {MOST_SAMPLES} samples; the least is {plan.longest / MOST_SAMPLES:.3g}s"
        raise BadOption(f"{where}: interval", probe.interval, fix)


def _read_renewal(options: Options) -> tuple[Lease | None, list[str], Mapping[str, t.Any] | None]:
    if not options.has("renew"):
        options.take("renew")
        return None, [], None
    renew = options.section("renew")
    cluster = renew.take("cluster")
    if cluster is not None and not isinstance(cluster, Mapping):
        raise renew.refusal("cluster", cluster, "write a dictionary with the options of the connection")
    wanted = [] if cluster is not None else REQUIRED
    hosts = [] if renew.take("hosts") == [] else renew.texts("hosts", wanted, "list the inventory hosts whose leases are to be renewed")
    run_id = renew.text("run_id", REQUIRED, "give the run id of the attacks", most=64)
    if not _RUN_ID.fullmatch(run_id):
        raise renew.refusal("run_id", run_id, "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit")
    seconds = renew.duration("lease", REQUIRED, minimum=SHORTEST_RENEWED_LEASE, maximum=3600.0)
    renew.done()
    return Lease(run_id, seconds), hosts, cluster


class Shells(t.Protocol):
    """Makes runners for inventory hosts."""

    def knows(self, host: str) -> bool:
        """Whether the inventory has the host."""

    def new(self, host: str) -> Runner:
        """A new runner, not shared with others."""


def bind(settings: Settings, shells: Shells, check_mode: bool) -> dict[str, Renewal]:
    """Gives each probe its runner, one per host. Returns the renewals of the leases, which have their own runners."""
    for_probes: dict[str, Runner] = {CONTROLLER: ControllerRunner()}
    for probe in settings.probes:
        if probe.on is not None:
            if probe.on not in for_probes:
                for_probes[probe.on] = _shell(shells, f"probe {probe.name!r}: run_on", probe.on)
            probe.runner = for_probes[probe.on]
    if check_mode:
        return {}
    renewals: dict[str, Renewal] = {host: HostRenewal(_shell(shells, "renew: hosts", host)) for host in settings.lease_hosts}
    if settings.lease_cluster is not None:
        try:
            renewals["the cluster"] = ClusterRenewal(settings.lease_cluster)
        except AttackError as error:
            raise BadOption("renew: cluster", "the connection", str(error)) from error
    return renewals


def _shell(shells: Shells, label: str, host: str) -> Runner:
    if not shells.knows(host):
        raise BadOption(label, host, f"the inventory has no such host; name one host of it, or {CONTROLLER}")
    try:
        return shells.new(host)
    except OSError as error:
        raise BadOption(label, host, str(error)) from error


def observe(settings: Settings, renewals: Mapping[str, Renewal], show: Callable[[str, str], None], check_mode: bool = False) -> dict[str, t.Any]:
    """Watches the steady state and returns the result. Blocks until the window ends."""
    watch = _Watch(settings, renewals, show, check_mode)
    with ending(watch.close):
        lost = watch.run()
        if not watch.alive():
            raise Orphaned
    return watch.told(lost)


class _Watch:
    """One window: the sampler, its listener, the keeper of the leases, and the threads of all."""

    def __init__(self, settings: Settings, renewals: Mapping[str, Renewal], show: Callable[[str, str], None], check_mode: bool) -> None:
        self._settings, self._renewals = settings, renewals
        self._parent = os.getppid()
        self._skipped = [probe for probe in settings.probes if check_mode and not probe.reads_only]
        self._probes = [probe for probe in settings.probes if probe not in self._skipped]
        # During an attack the window lasts even without a probe, so that the attack gets its time; before and after it is skipped.
        self._waits = bool(self._probes) or (settings.phase == "during" and not check_mode)
        self._crew = Crew()
        self._keeper: LeaseKeeper | None = None
        self._sampler = Sampler(self._probes, settings.plan, self, self._crew.start, self.alive)
        label = f"{settings.phase} {settings.title}" if settings.title else settings.phase
        self._progress = Progress(label, settings.plan, self._sampler.tracks, show)

    def alive(self) -> bool:
        """Whether ansible-playbook still runs. Its workers survive it when it is killed on ansible-core 2.16, and on every version after SIGKILL."""
        return os.getppid() == self._parent

    def run(self) -> str | None:
        """Watches; returns why it ended early, or None."""
        if self._settings.lease is not None and self._renewals:
            self._keeper = LeaseKeeper(self._settings.lease, self._renewals, self.alive, self._crew.start)
        if any(probe.has_rules for probe in self._probes):
            EVALUATORS.start()
        self._log_in()
        self._started, self._began = _now(), monotonic()
        for probe in self._skipped:
            self._progress.line(0.0, f"{probe.name}: {_NOT_RUN}")
        return self._sampler.run() if self._waits else None

    def close(self) -> None:
        """Ends all renewals and commands, here and on the hosts."""
        if self._keeper:
            self._keeper.stop()
        self._crew.dismiss()
        EVALUATORS.close()
        for renewal in self._renewals.values():
            renewal.close()
        for runner in {id(probe.runner): probe.runner for probe in self._probes if probe.on is not None}.values():
            runner.close()

    def _log_in(self) -> None:
        """Logs in to the hosts of the probes once, in parallel, so that the slow first login is not part of a sample."""
        hosts = {probe.on: probe.runner for probe in self._probes if probe.on not in (None, CONTROLLER)}
        patience = min(max([WARM_UP, *(2 * probe.timeout for probe in self._probes if probe.on in hosts)]), LONGEST_WARM_UP)
        back: queue.SimpleQueue[None] = queue.SimpleQueue()

        def log_in(runner: Runner) -> None:
            try:
                runner.run(["true"], patience)
            except Exception:  # the samples will report it
                pass
            finally:
                back.put(None)

        for runner in hosts.values():
            self._crew.start(partial(log_in, runner))
        deadline = monotonic() + patience + 0.5
        arrived = 0
        while arrived < len(hosts) and monotonic() < deadline and self.alive():
            try:
                back.get(timeout=HEARTBEAT)
                arrived += 1
            except queue.Empty:
                continue

    def sampled(self, track: Track, sample: t.Any, elapsed: float) -> None:
        """Called by the sampler when a sample arrived."""
        self._progress.sampled(track, sample, elapsed)

    def beat(self, elapsed: float) -> None:
        """Called by the sampler, at least once per heartbeat."""
        while self._keeper and not self._keeper.news.empty():
            host, words = self._keeper.news.get()
            self._progress.line(elapsed, f"{host}: {words}", BAD if host in self._keeper.lost else GOOD)
        self._progress.beat(elapsed)

    def told(self, lost: str | None) -> dict[str, t.Any]:
        """The result."""
        plan, settled = self._settings.plan, self._sampler.settled_after
        probes = [_told(track, lost is not None) for track in self._sampler.tracks] + [_told_skipped(probe) for probe in self._skipped]
        broken = [probe for probe in probes if not probe["met"] and not probe["inconclusive"]]
        few = [f"{probe['name']}: {probe['reason']}" for probe in probes if probe["inconclusive"]]
        reason = lost or next((f"{probe['name']}: {probe['reason']}" for probe in broken), None)
        verdict = "stopped early" if lost else "not met" if reason else "inconclusive" if few else "held"
        met = reason is None and not few
        self._progress.end(monotonic() - self._began - plan.initial_delay, verdict, met)
        return {
            **frame(self._settings.phase),
            "met": met,
            "aborted": lost is not None,
            "reason": reason or next(iter(few), None),
            "inconclusive": [] if reason else few,
            "started": self._started,
            "ended": _now(),
            "window_s": plan.window,
            "interval_s": self._settings.interval,
            "settled_s": None if settled is None else round(settled, 3),
            "lease_lost": self._keeper.lost if self._keeper else [],
            "lease_deadlines": dict(self._keeper.deadlines) if self._keeper else {},
            "probes": probes,
        }


class Orphaned(Exception):
    """ansible-playbook has ended; nothing waits for the result."""


def frame(phase: t.Any, reason: str | None = None) -> dict[str, t.Any]:
    """A result without measurements."""
    now = _now()
    return {
        "met": False,
        "aborted": False,
        "reason": reason,
        "inconclusive": [],
        "error": reason,
        "phase": str(phase),
        "started": now,
        "ended": now,
        "window_s": 0.0,
        "interval_s": 0.0,
        "settled_s": None,
        "lease_lost": [],
        "lease_deadlines": {},
        "probes": [],
    }


def _told(track: Track, cut_short: bool) -> dict[str, t.Any]:
    """A probe in the result. In a window that was cut short, it failed only if its breach was certain."""
    unfinished = cut_short and not track.full
    few = None if unfinished else track.too_few()
    reason = few or (track.certain() if unfinished else track.breach())
    judged = track.judged
    succeeded = sum(sample.ok for sample in judged)
    return {
        **_told_probe(track.probe, reason),
        "inconclusive": few is not None,
        "samples": len(judged),
        "succeeded": succeeded,
        "success_percent": round(100.0 * succeeded / len(judged), 3) if judged else 0.0,
        "latency_ms": latencies(judged),
        "series": [sample.to_dict() for sample in track.series],
    }


def _told_skipped(probe: Probe) -> dict[str, t.Any]:
    empty = {"inconclusive": False, "samples": 0, "succeeded": 0, "success_percent": 0.0, "latency_ms": latencies([]), "series": []}
    return {**_told_probe(probe, None), "reason": _NOT_RUN, **empty}


def _told_probe(probe: Probe, reason: str | None) -> dict[str, t.Any]:
    told = {"name": probe.name, "type": probe.type, "target": probe.target, "tolerance": probe.tolerance.texts(), "limits": probe.tolerance.limits()}
    return {**told, "met": reason is None, "reason": reason}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
