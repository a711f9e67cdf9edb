# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build run records phase by phase; the clock and the samples follow from the phases."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

START = 1787306403.0  # 2026-08-21T10:00:03Z
Shape = Callable[[float], tuple[bool, Any, Any]]

HTTP = {"name": "shop answers", "type": "http", "target": "GET http://shop.example/health", "tolerance": {"success": "99%", "p95": "300ms"}}
WRITES = {
    "name": "no acknowledged write is lost",
    "type": "command",
    "target": "check_writes --lost on controller",
    "tolerance": {"success": "100%"},
}
PRIMARY = {
    "name": "a primary is elected",
    "type": "command",
    "target": "redis-cli role on n3",
    "tolerance": {"success": "95%", "p99": "1s"},
}

UNDO = """#!/bin/sh
# Reverts the attack netem-eth0-4f2a. Safe to run twice.
set -u
[ "$(cat /proc/sys/kernel/random/boot_id)" = '4f0e6f1e-9d1d-4f9c-8f57-8a6d2f1c0b11' ] || exit 0
tc qdisc del dev 'eth0' root
tc qdisc replace dev 'eth0' root fq_codel
"""


def iso(when: float) -> str:
    return datetime.fromtimestamp(when, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def steady(low: float = 18.0, value: Any = 200) -> Shape:
    rng = random.Random(str((low, value)))
    return lambda _t: (True, round(rng.lognormvariate(0, 0.25) * low, 2), value)


def slow(low: float, value: Any = 200) -> Shape:
    return steady(low, value)


def outage(begin: float, end: float, low: float = 18.0, bad_value: Any = 503, value: Any = 200, ms: float | None = 4.0) -> Shape:
    """A shape that fails from begin to end, in seconds after the start of the phase."""
    good = steady(low, value)
    return lambda t: (False, ms, bad_value) if begin <= t < end else good(t)


def _percentile(values: list[float], percent: float) -> float | None:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))] if values else None


def _milliseconds(limit: str) -> float:
    return float(limit[:-2]) if limit.endswith("ms") else float(limit[:-1]) * 1000


def _planned(probe: dict[str, Any]) -> dict[str, Any]:
    """The probe as written in the plan, derived from its result."""
    planned = {key: probe[key] for key in ("name", "type", "tolerance")}
    if probe["type"] == "http":
        return {**planned, "url": probe["target"].split(" ", 1)[1], "timeout": "2s", "expect": {"status": 200}}
    return {**planned, "argv": probe["target"].split(" on ")[0].split(), "run_on": probe["target"].split(" on ")[1], "timeout": 2}


class Story:
    """Builds one record; ``clock`` advances with every phase."""

    def __init__(self, title: str = "Sessions survive the loss of the Redis primary", probes: list[dict[str, Any]] | None = None, **record: Any):
        self.clock = START
        self.probes = probes or [HTTP]
        self.record: dict[str, Any] = {
            "version": 1,
            "run_id": "20260821-100003-k7x2",
            "title": title,
            "description": "The primary of the session store dies while customers are shopping. A replica must take over.",
            "hypothesis": "When the Redis primary dies, customers keep their sessions and wait less than 300 ms.",
            "tags": ["redis", "failover"],
            "verdict": "held",
            "verdict_reason": "All probes stayed within their tolerances.",
            "controller": {"host": "ops1", "user": "mara", "ansible_version": "2.19.14", "collection_version": "0.1.0"},
            "seed": "42",
            "started": iso(self.clock),
            "ended": iso(self.clock),
            "checks": [],
            "phases": [],
            "left_to_timer": [],
            "plan": {
                "title": title,
                "steady_state": [_planned(probe) for probe in self.probes],
                "observe": {"window": "10s", "interval": "1s", "settle": "60s"},
                "method": [],
                "safety": {"max_duration": "10m", "grace": "15s", "protected": ["bastion"], "window": "Mon-Fri 09:00-15:00 Europe/Berlin"},
                "report": {"dir": "reports", "formats": ["html", "json", "junit"]},
            },
        }
        self.record.update(record)
        self.check("plan is valid", True, "3 probes, 1 step")
        self.check("inside the change window", True, "Mon-Fri 09:00-15:00 Europe/Berlin, now Fri 12:00")

    def check(self, name: str, ok: bool, detail: str = "") -> Story:
        self.record["checks"].append({"name": name, "ok": ok, "detail": detail})
        return self

    def _steady_state(self, kind: str, seconds: float, shapes: dict[str, Shape], interval: float = 1.0, reason: str | None = None) -> dict[str, Any]:
        results = []
        for probe in self.probes:
            shape = shapes.get(probe["name"]) or steady()
            series = []
            for step in range(int(seconds / interval)):
                ok, ms, value = shape(step * interval)
                detail = None if ok else f"expected 200, got {value}"
                series.append({"t": self.clock + step * interval + 0.013, "ok": ok, "ms": ms, "value": value, "detail": detail})
            good = sum(1 for sample in series if sample["ok"])
            percent = round(100.0 * good / len(series), 2) if series else 0.0
            latency = {f"p{p}": _percentile([s["ms"] for s in series if s["ms"] is not None], p) for p in (50, 95, 99)}
            latency["max"] = _percentile([s["ms"] for s in series if s["ms"] is not None], 100)
            why = None
            if percent < float(probe["tolerance"].get("success", "100%").rstrip("%")):
                why = f"{percent} % of the samples succeeded, {probe['tolerance'].get('success', '100%')} were asked for"
            for name in ("p50", "p95", "p99"):
                if name in probe["tolerance"] and (latency[name] or 0) > _milliseconds(probe["tolerance"][name]):
                    why = f"{name} was {latency[name]} ms, at most {probe['tolerance'][name]} was asked for"
            results.append(
                {
                    **probe,
                    "met": why is None,
                    "reason": why,
                    "samples": len(series),
                    "succeeded": good,
                    "success_percent": percent,
                    "latency_ms": latency,
                    "series": series,
                }
            )
        met = all(result["met"] for result in results)
        return {
            "met": met,
            "aborted": reason is not None,
            "reason": reason or next((r["reason"] for r in results if r["reason"]), None),
            "phase": kind,
            "started": iso(self.clock),
            "ended": iso(self.clock + seconds),
            "window_s": seconds,
            "interval_s": interval,
            "lease_lost": [],
            "probes": results,
        }

    def quiet(self, kind: str, seconds: float = 10.0, shapes: dict[str, Shape] | None = None, reason: str | None = None) -> Story:
        name = "Baseline" if kind == "before" else "Recovery"
        state = self._steady_state(kind, seconds, shapes or {}, reason=reason)
        self.record["phases"].append({"kind": kind, "name": name, "started": iso(self.clock), "ended": iso(self.clock + seconds), "steady_state": state})
        self.clock += seconds + 0.4
        self.record["ended"] = iso(self.clock)
        return self

    def attack(
        self,
        name: str,
        hosts: list[str],
        eligible: int,
        seconds: float = 30.0,
        shapes: dict[str, Shape] | None = None,
        module: str = "process_kill",
        options: dict[str, Any] | None = None,
        step: int = 1,
        round_: int = 1,
        rounds: int = 1,
        magnitude: str = "",
        outcomes: dict[str, str] | None = None,
        reason: str | None = None,
        pattern: str = "redis",
        interval: float = 1.0,
    ) -> Story:
        options = options or {"name": "redis-server", "signal": "KILL"}
        began, injected = self.clock, self.clock + 0.8
        self.clock = injected
        state = self._steady_state("during", seconds, shapes or {}, interval, reason)
        reverted = injected + seconds + 0.6
        rows = []
        for host in hosts:
            outcome = (outcomes or {}).get(host, "reverted")
            touched = outcome != "not_injected"
            ident = f"{module}-{host}-{step}{round_}4f2a"
            rows.append(
                {
                    "host": host,
                    "outcome": outcome,
                    "id": ident if touched else None,
                    "deadline": iso(injected + seconds + 15) if touched else None,
                    "deadman": "systemd" if touched else None,
                    "effect": {"asked": options, "measured": {"killed": 1, "restarted_after_s": 2.4}} if touched else {},
                    "undo": f"/var/lib/faultline/{ident}/revert.sh" if touched else None,
                    "undo_text": UNDO if touched else None,
                    "diff": {"before": "qdisc fq_codel 0: root\n", "after": "qdisc netem 8001: root delay 50ms\n"} if touched else None,
                    "error": {
                        "stuck": "The state is not what it was before: qdisc netem is still there.",
                        "left_to_timer": "UNREACHABLE: Connection timed out",
                        "not_injected": "Refused: less than 256 MiB of memory is free.",
                    }.get(outcome),
                    "notes": ["systemd restarts redis-server"] if touched else [],
                }
            )
            if outcome == "left_to_timer":
                self.record["left_to_timer"].append({"host": host, "deadline": rows[-1]["deadline"]})
        late = any(row["outcome"] in ("left_to_timer", "stuck") for row in rows)
        self.record["phases"].append(
            {
                "kind": "attack",
                "name": name,
                "step": step,
                "round": round_,
                "rounds": rounds,
                "magnitude": magnitude,
                "attack": module,
                "options": options,
                "duration_s": seconds,
                "started": iso(began),
                "ended": iso(reverted),
                "injected": iso(injected),
                "reverted": None if late else iso(reverted),
                "blast_radius": {
                    "pattern": pattern,
                    "eligible": eligible,
                    "selected": hosts,
                    "percent": round(100 * len(hosts) / eligible, 1),
                    "seed": "42",
                },
                "hosts": rows,
                "steady_state": state,
            }
        )
        if not any(s["name"] == name for s in self.record["plan"]["method"]):
            self.record["plan"]["method"].append(
                {"name": name, "attack": module, "hosts": pattern, "select": {"count": len(hosts)}, "with": options, "duration": seconds}
            )
        self.clock = reverted + 0.3
        self.record["ended"] = iso(self.clock)
        return self

    def done(self, verdict: str, reason: str) -> dict[str, Any]:
        self.record.update(verdict=verdict, verdict_reason=reason)
        return self.record


def held() -> dict[str, Any]:
    story = Story(probes=[HTTP, PRIMARY])
    primary = {PRIMARY["name"]: lambda t: (True, 9.0 + t % 3, "n1" if t < 3 else "n2")}
    story.quiet("before", 12, {PRIMARY["name"]: lambda t: (True, 9.0 + t % 3, "n1")})
    story.attack("primary dies", ["n1"], 3, 30, {HTTP["name"]: steady(24.0), **primary})
    story.quiet("after", 12, {PRIMARY["name"]: lambda t: (True, 9.0 + t % 3, "n2")})
    return story.done("held", "All 2 probes stayed within their tolerances before, during and after the attack.")


def lost_writes() -> dict[str, Any]:
    """A record with the verdict deviated: acknowledged writes are lost."""
    story = Story(probes=[HTTP, WRITES, PRIMARY])
    story.quiet("before", 15, {WRITES["name"]: lambda _t: (True, 31.0, 0), PRIMARY["name"]: lambda _t: (True, 8.0, "n1")})
    story.attack(
        "primary dies",
        ["n1"],
        3,
        45,
        {
            HTTP["name"]: outage(1.5, 8.0),
            WRITES["name"]: lambda t: (t < 9, 30.0 + t % 4, 0 if t < 9 else min(17, int(t - 8) * 3)),
            PRIMARY["name"]: lambda t: (not 1 <= t < 7, None if 1 <= t < 7 else 8.0, "n1" if t < 1 else None if t < 7 else "n2"),
        },
    )
    story.quiet("after", 20, {WRITES["name"]: lambda _t: (False, 33.0, 17), PRIMARY["name"]: lambda _t: (True, 8.0, "n2")})
    return story.done(
        "deviated",
        "17 acknowledged writes are lost: 'no acknowledged write is lost' succeeded in 37.5 % of its samples, 100 % were asked for.",
    )


def ramp() -> dict[str, Any]:
    story = Story(
        "Checkout stays fast on slow links",
        hypothesis="With up to 100 ms more delay on a third of the web hosts, checkout stays below 300 ms.",
    )
    story.quiet("before", 15)
    for number, (delay, low) in enumerate((("50ms", 60.0), ("100ms", 120.0), ("500ms", 520.0)), 1):
        options = {"interface": "eth0", "delay": delay}
        story.attack(
            "slow links",
            ["web2", "web5", "web7"],
            9,
            40,
            {HTTP["name"]: slow(low)},
            "netem",
            options,
            1,
            number,
            3,
            f"delay {delay}",
            pattern="web:&eu",
        )
    story.quiet("after", 20)
    return story.done("deviated", "'shop answers' was too slow at delay 500ms: its p95 was above 300 ms.")


def aborted() -> dict[str, Any]:
    story = Story(probes=[HTTP, PRIMARY])
    reason = "11 of 12 samples failed: 99 % can no longer be reached"
    story.quiet("before", 15).attack("primary dies", ["n1"], 3, 12, {HTTP["name"]: outage(0.5, 99, ms=2000.0, bad_value=None)}, reason=reason)
    story.quiet("after", 20, {HTTP["name"]: outage(0, 6)})
    return story.done("aborted", "Stopped 12 s into 'primary dies': 'shop answers' could no longer meet its 99 %.")


def aborted_in_baseline() -> dict[str, Any]:
    story = Story().quiet("before", 4, {HTTP["name"]: outage(1, 99)}, reason="3 of 4 samples failed")
    return story.done("aborted", "The system was not healthy before any attack: 'shop answers' failed in the baseline.")


def not_reverted() -> dict[str, Any]:
    story = Story().quiet("before")
    story.attack(
        "slow links",
        ["n1", "n2", "n3"],
        3,
        30,
        {HTTP["name"]: steady(70)},
        "netem",
        {"delay": "50ms"},
        outcomes={"n2": "left_to_timer", "n3": "stuck"},
    )
    story.quiet("after", 12)
    return story.done("not_reverted", "n3 is stuck and n2 was left to its timer; the steady state held.")


def refused() -> dict[str, Any]:
    story = Story().check("no attack is active on the targets", False, "n1 has netem-eth0-77aa from the run 20260820-160000-qqqq, overdue since 18 h")
    story.check("cap per group", True, "1 of 3 in redis, at most 50 %")
    story.record["ended"] = iso(START + 2.2)
    return story.done("refused", "One go/no-go check failed: no attack is active on the targets.")


def failed() -> dict[str, Any]:
    story = Story().quiet("before", 5)
    story.record["phases"][0]["steady_state"] = None
    return story.done("failed", "The probe 'shop answers' could not be sampled: the Python library jmespath is missing.")


def many_hosts(count: int = 200) -> dict[str, Any]:
    names = [f"web{i:03}.eu-central.prod.example" for i in range(1, count + 1)]
    outcomes = {names[7]: "stuck", names[42]: "left_to_timer", names[77]: "left_to_timer", names[150]: "not_injected"}
    story = Story("The fleet survives a slow network")
    story.quiet("before", 30).attack("slow network", names, 640, 120, {HTTP["name"]: slow(90)}, "netem", {"delay": "50ms"}, outcomes=outcomes, pattern="web")
    return story.quiet("after", 30).done("not_reverted", "1 host is stuck, 2 were left to their timers.")


def many_probes(count: int = 20) -> dict[str, Any]:
    probes = [{**HTTP, "name": f"service {i:02} answers", "target": f"GET http://svc{i:02}.example/health"} for i in range(count)]
    shapes = {p["name"]: outage(5 + i, 9 + 2 * i) for i, p in enumerate(probes) if i % 5 == 2}
    story = Story("Twenty services and one dead cache", probes=probes).quiet("before", 30).attack("cache dies", ["n1"], 3, 60, shapes)
    return story.quiet("after", 30).done("deviated", "4 of 20 probes left their tolerances.")


def hostile() -> dict[str, Any]:
    """A record with names that try to break the page, the XML and the JSON."""
    bad = "<script>alert(1)</script> & \"quotes\" 'too' \u65e5\u672c\u8a9e \U0001f525 \x1b[31mred\x00\u202egnp\u2066\u200b\x9b"
    probe = {
        **HTTP,
        "name": bad,
        "target": "GET http://user:hunter2@shop.example/" + "very-long-path-segment/" * 20,
        "tolerance": {"success": "99%"},
    }
    story = Story(bad, probes=[probe], hypothesis=bad + "</svg></style>", tags=[bad], description="]]> --> {{ 7 * 7 }}\udcff")
    story.quiet("before", 5, {bad: lambda _t: (True, None, "</script><b>\u202e")})
    story.attack(
        "x" * 300,
        [bad, "h" * 200],
        3,
        10,
        {bad: outage(2, 5, bad_value="<img src=x onerror=alert(1)>")},
        options={"password": "hunter2"},
        magnitude=bad,
    )
    story.quiet("after", 0)
    return story.done("deviated", bad)


def empty() -> dict[str, Any]:
    """The smallest possible record."""
    return {"version": 1, "run_id": "r1", "title": "", "verdict": "failed", "started": iso(START), "ended": iso(START), "phases": []}


ALL: dict[str, Callable[[], dict[str, Any]]] = {
    "held": held,
    "lost_writes": lost_writes,
    "ramp": ramp,
    "aborted": aborted,
    "aborted_in_baseline": aborted_in_baseline,
    "not_reverted": not_reverted,
    "refused": refused,
    "failed": failed,
    "many_hosts": many_hosts,
    "many_probes": many_probes,
    "hostile": hostile,
    "empty": empty,
}
