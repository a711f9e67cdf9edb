# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record of a long experiment: in one third of the samples the service is well, in one third every second fails, in one third all fail."""

from __future__ import annotations

import random
from typing import Any

INTERVAL = 0.05
START = 1787306403.0


def _series(start: float, count: int, seed: str) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    found = []
    for at in range(count):
        bad = (False, at % 2 == 1, True)[at * 3 // count]
        detail = f"status {rng.choice((500, 502, 503))}" if bad else None
        found.append(
            {"t": round(start + at * INTERVAL, 3), "ok": not bad, "ms": round(rng.lognormvariate(3, 0.8), 3), "value": 503 if bad else 200, "detail": detail}
        )
    return found


def long_record(samples: int, probes: int, phases: int) -> dict[str, Any]:
    """A record of so many phases, in each of which each probe took so many samples."""
    kinds = ["before", *["attack"] * (phases - 2), "after"]
    found = []
    for number, kind in enumerate(kinds):
        began = START + number * (samples * INTERVAL + 5)
        results = []
        for probe in range(probes):
            series = _series(began, samples, f"{number} {probe}")
            good = sorted(sample["ms"] for sample in series if sample["ok"])
            latency = {name: good[int(len(good) * share)] for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 0.99999))}
            limits = {"success_percent": 99, "p95_ms": 100}
            results.append(
                {
                    "name": f"probe {probe}", "type": "http", "target": "GET http://shop.example.com", "tolerance": {"success": "99%", "p95": "100ms"},
                    "limits": limits, "met": False, "reason": "too many failed", "samples": samples, "succeeded": len(good),
                    "success_percent": round(100 * len(good) / samples, 3), "latency_ms": latency, "series": series,
                }
            )  # fmt: skip
        steady = {"met": False, "reason": "too many failed", "window_s": samples * INTERVAL, "interval_s": INTERVAL, "probes": results}
        ended = began + samples * INTERVAL
        phase = {"kind": kind, "name": kind, "started": began, "ended": ended, "steady_state": steady}
        if kind == "attack":
            phase.update(attack="netem", step=1, round=number, rounds=phases - 2, injected=began + 0.5, reverted=ended, hosts=[], magnitude="")
        found.append(phase)
    return {"title": "Long", "run_id": "long", "verdict": "deviated", "verdict_reason": "x", "plan": {}, "phases": found, "started": START}
