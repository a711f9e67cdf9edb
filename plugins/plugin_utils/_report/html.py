# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The report as one self-contained HTML page: prepares the data of the template in page/ and renders it."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import re
import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Undefined
from markupsafe import Markup, escape

from ansible_collections.faultline.chaos.plugins.module_utils._errors import visible
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import (
    ABORTED,
    ATTACK,
    DEVIATED,
    FAILED,
    HELD,
    INCONCLUSIVE,
    LEFT_TO_TIMER,
    NOT_INJECTED,
    NOT_REVERTED,
    OUTCOMES,
    REFUSED,
    REVERTED,
    STUCK,
    Record,
    inconclusive,
    proved,
)
from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts, plots, svg
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import text
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.facts import ProbeTrack
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.series import epoch
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import LATENCIES, Tolerance

_PAGE = Path(__file__).resolve().parent / "page"
_MOST_DIFF_LINES = 400

# A word and a headline for each verdict.
VERDICT_WORDS = {
    HELD: ("Held", "The hypothesis held"),
    DEVIATED: ("Deviated", "The system left its steady state"),
    INCONCLUSIVE: ("Inconclusive", "No verdict on the hypothesis"),
    ABORTED: ("Aborted", "The experiment was stopped early"),
    NOT_REVERTED: ("Not reverted", "Not every target is back"),
    REFUSED: ("Refused", "Nothing was attacked"),
    FAILED: ("Failed", "The experiment itself failed"),
}


def _moment(value: Any) -> dict[str, str] | None:
    """A time for the page: machine-readable form, date and time of day."""
    when = epoch(value)
    if when is None:
        return None
    stamp = datetime.fromtimestamp(when, timezone.utc)
    return {
        "iso": stamp.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "date": stamp.strftime("%Y-%m-%d"),
        "time": stamp.strftime("%H:%M:%S"),
    }


def _percent(value: float) -> str:
    return f"{int(value * 100) / 100:.2f}".rstrip("0").rstrip(".") + " %"


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    """A nested effect as (dotted name, text)."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        shown = ", ".join(str(item) if not isinstance(item, (dict, list)) else json.dumps(item, ensure_ascii=False) for item in value)
        return [(path or "value", shown or "none")]
    return [(path or "value", "yes" if value is True else "no" if value is False else "-" if value is None else str(value))]


def _diff(diff: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The lines of a unified diff, with their CSS class."""
    if not diff:
        return []
    before, after = (str(diff.get(side) or "").splitlines() for side in ("before", "after"))
    lines = list(difflib.unified_diff(before, after, "before", "after", lineterm=""))
    if len(lines) > _MOST_DIFF_LINES:
        lines = [*lines[:_MOST_DIFF_LINES], f"... {len(lines) - _MOST_DIFF_LINES} more lines are in record.json"]
    kinds = {"+": "add", "-": "del", "@": "at"}
    return [(kinds.get(line[:1], "") if not line.startswith(("+++", "---")) else "at", line) for line in lines]


def _host(host: dict[str, Any]) -> dict[str, Any]:
    outcome = str(host.get("outcome") or "unknown")
    return {
        "name": str(host.get("host") or "?"),
        "outcome": outcome,
        "word": OUTCOMES.get(outcome, outcome),
        "id": host.get("id"),
        "deadline": _moment(host.get("deadline")),
        "deadman": host.get("deadman"),
        "effect": _flat({"when undone": host.get("reading") or {}, **(host.get("effect") or {})}),
        "undo": host.get("undo"),
        "undo_text": host.get("undo_text"),
        "diff": _diff(host.get("diff")),
        "error": host.get("error"),
        "notes": host.get("notes") or [],
        "attack": host.get("attack") or "",
        "step": host.get("step") or "",
    }


def _phase_views(record: Record, felt: list[facts.Impact]) -> list[dict[str, Any]]:
    impacts = {impact.phase: impact for impact in felt}
    views = []
    number = 0
    for index, phase in enumerate(facts.phases(record)):
        attack = phase.get("kind") == ATTACK
        number += attack
        between = facts.bounds(phase)
        state = phase.get("steady_state")
        hosts = sorted((_host(host) for host in phase.get("hosts") or []), key=lambda host: (_rank(host["outcome"]), host["name"]))
        counts = {outcome: sum(1 for host in hosts if host["outcome"] == outcome) for outcome in dict.fromkeys(host["outcome"] for host in hosts)}
        views.append(
            {
                "index": index,
                "kind": phase.get("kind"),
                "attack": attack,
                "number": number if attack else None,
                "name": str(phase.get("name") or phase.get("kind") or ""),
                "module": phase.get("attack") or "",
                "magnitude": phase.get("magnitude") or "",
                "round": phase.get("round"),
                "rounds": phase.get("rounds") or 1,
                "start": _moment(between[0]) if between else None,
                "duration": svg.duration(between[1] - between[0]) if between else "-",
                "state": proved(phase),
                "reason": "; ".join(inconclusive(phase)) if proved(phase) == INCONCLUSIVE else (state or {}).get("reason") or "",
                "lease_lost": (state or {}).get("lease_lost") or [],
                "settled": svg.duration(state["settled_s"]) if state and (state.get("settled_s") or 0) > 0 else "",
                "impact": impacts.get(index),
                "hosts": hosts,
                "counts": [(outcome, OUTCOMES.get(outcome, outcome), count) for outcome, count in counts.items()],
                "radius": phase.get("blast_radius") or {},
                "options": _flat(phase["options"]) if phase.get("options") else [],
                "trouble": any(host["outcome"] != REVERTED for host in hosts),
            }
        )
    return views


def _rank(outcome: str) -> int:
    return list(OUTCOMES).index(outcome) if outcome in OUTCOMES else -1


def _limit(hosts: list[dict[str, Any]]) -> str:
    """The hosts as one shell word; empty when there are more than five."""
    names = list(dict.fromkeys(host["name"] for host in hosts))
    return shlex.quote(",".join(names)) if len(names) <= 5 else ""


def _tolerance_words(tolerance: Tolerance) -> list[str]:
    return [f"success at least {value}" if name == "success" else f"{name} at most {value}" for name, value in tolerance.texts().items()]


def _probe_views(record: Record, tracks: list[ProbeTrack]) -> list[dict[str, Any]]:
    frame = plots.frame_of(record)
    phases = facts.phases(record)
    views = []
    for place, track in enumerate(tracks):
        rows = []
        number = 0
        numbers = {}
        for index, phase in enumerate(phases):
            number += phase.get("kind") == ATTACK
            numbers[index] = f"{number} \u00b7 {facts.attack_label(phase)}" if phase.get("kind") == ATTACK else str(phase.get("name") or phase.get("kind"))
        for segment in track.segments:
            result, over, latency = segment.result, segment.breached, segment.latency_ms
            rows.append(
                {
                    "phase": numbers[segment.phase],
                    "met": segment.met,
                    "inconclusive": bool(result.get("inconclusive")),
                    "reason": result.get("reason") or "",
                    "samples": result.get("samples") or segment.count,
                    "success": (_percent(result["success_percent"]) if isinstance(result.get("success_percent"), (int, float)) and segment.count else "-"),
                    "latency": [(name, svg.milliseconds(latency.get(name)), name in over) for name in LATENCIES],
                }
            )
        views.append(
            {
                "ident": f"probe-{place}",
                "name": track.name,
                "type": track.type,
                "target": track.target,
                "tolerance": _tolerance_words(track.tolerance),
                "rows": rows,
                "met": all(segment.met for segment in track.segments),
                "inconclusive": all(segment.met or segment.result.get("inconclusive") for segment in track.segments),
                "sampled": bool(track.samples),
                "left_out": sum(segment.count for segment in track.segments) - len(track.samples),
                "svg": Markup(plots.probe_plot(track, frame, f"probe-{place}")),
            }
        )
    return views


def _points(record: Record, tracks: list[ProbeTrack]) -> Markup:
    """The data of the readout under the pointer, as JSON that cannot close the script element around it."""
    frame = plots.frame_of(record)
    probes = []
    for track in tracks:
        kept = track.samples
        probes.append(
            [
                [
                    round(sample.t - frame.start, 2),
                    int(sample.ok),
                    sample.ms if sample.ms is None else round(sample.ms, 1),
                    "" if sample.value is None else visible(str(sample.value), 60),
                ]
                for sample in kept
            ]
        )
    data = {
        "start": frame.start,
        "span": frame.end - frame.start,
        "left": frame.left,
        "right": frame.right,
        "width": svg.WIDTH,
        "probes": probes,
    }
    written = json.dumps(data, separators=(",", ":"))
    return Markup(written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _key_numbers(record: Record, impacts: list[facts.Impact]) -> list[dict[str, str]]:
    start, end = epoch(record.get("started")), epoch(record.get("ended"))
    numbers = []

    def add(name: str, value: str, note: str = "", kind: str = "") -> None:
        numbers.append({"name": name, "value": value, "note": note, "kind": kind})

    if start is not None and end is not None:
        add("Duration", svg.duration(end - start), f"{svg.clock(start)} to {svg.clock(end)} UTC")
    radius = facts.blast_radius(record)
    if radius:
        share = f"{100 * radius['selected'] / radius['eligible']:.0f} %" if radius["eligible"] else ""
        notes = [share, f"of {radius['pattern']}" if radius["pattern"] else ""]
        if len(radius["hosts"]) > radius["selected"]:
            notes.append(f"at a time; {len(radius['hosts'])} different hosts in all")
        add(
            "Blast radius",
            f"{radius['selected']} of {radius['eligible']} host{'s' if radius['eligible'] != 1 else ''}",
            " ".join(note for note in notes if note),
        )
    else:
        add("Blast radius", "0 hosts", "nothing was attacked")
    hurt = [impact for impact in impacts if impact.hurt]
    if impacts and not hurt:
        add("Time to detect", "none", "no sample was out of tolerance")
    elif hurt:
        first = hurt[0]
        add("Time to detect", svg.duration(first.detect_s), f"from injection to the first bad sample, of '{first.probe}'")
        worst = next((impact for impact in hurt if impact.recover_s is None), None) or max(hurt, key=lambda impact: impact.recover_s or 0.0)
        if worst.recover_s is None:
            add("Time to recover", "not recovered", "a probe was still bad in its last sample", "bad")
        else:
            add("Time to recover", svg.duration(worst.recover_s), "from the first bad sample until all probes were good again")
    lowest = facts.lowest_success(record)
    if lowest:
        add(
            "Lowest success",
            _percent(lowest[0]),
            (
                "no sample failed"
                if lowest[0] >= 100
                else f"'{lowest[1]}', {facts.attack_label(lowest[2]) if lowest[2].get('kind') == 'attack' else lowest[2].get('name')}"
            ),
        )
    counts = facts.outcomes(record)
    touched = sum(counts.values()) - counts[NOT_INJECTED]
    if touched:
        back = counts[REVERTED]
        rest = [f"{counts[key]} {OUTCOMES[key]}" for key in (STUCK, LEFT_TO_TIMER) if counts[key]]
        add(
            "Reverted",
            f"{back} of {touched}",
            ", ".join(rest) or ("every target is back" if touched == 1 else "attacks on targets: every one is undone"),
            "bad" if rest else "good",
        )
    return numbers


def _yaml(plan: Any) -> Markup:
    """The plan as YAML with highlighted keys."""
    written = yaml.safe_dump(plan or {}, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    lines = []
    for line in svg.legal(written).splitlines():
        found = re.match(r"^(\s*(?:- )*)([A-Za-z_][\w ./-]*)(:)(?=\s|$)(.*)$", line)
        lines.append(Markup('{}<span class="key">{}</span>{}{}').format(*found.groups()) if found else escape(line))
    return Markup("\n").join(lines)


def _controller(record: Record) -> list[tuple[str, str]]:
    known = record.get("controller") or {}
    names = {
        "host": "Controller",
        "user": "User",
        "ansible_version": "ansible-core",
        "collection_version": "faultline.chaos",
        "awx_job_id": "AWX job",
    }
    return [(names.get(key, key), str(value)) for key, value in known.items() if value not in (None, "")]


def render(record: Record) -> str:
    """The whole page. The record must be clean (see clean.py)."""
    files = {path.suffix: path.read_text(encoding="utf-8") for path in (_PAGE / "report.css", _PAGE / "report.js")}
    files = {suffix: re.sub(r"\A/\*.*?\*/\s*", "", content, flags=re.DOTALL) for suffix, content in files.items()}
    digest = base64.b64encode(hashlib.sha256(files[".js"].encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    tracks = facts.tracks(record)
    felt = facts.impacts(record, tracks)
    worst_first = sorted(tracks, key=lambda track: all(segment.met for segment in track.segments))
    verdict = str(record.get("verdict") or FAILED)
    word, headline = VERDICT_WORDS.get(verdict, (verdict, verdict))
    trouble = [_host(host) for host in facts.trouble(record)]
    return environment.get_template("report.html.j2").render(
        record=record,
        title=record.get("title") or "Experiment without a title",
        verdict=verdict if verdict in VERDICT_WORDS else FAILED,
        word=word,
        headline=headline,
        css=Markup(files[".css"]),
        js=Markup(files[".js"]),
        digest=digest,
        started=_moment(record.get("started")),
        numbers=_key_numbers(record, felt),
        ramps=facts.ramp_sentences(record),
        stuck=[host for host in trouble if host["outcome"] == STUCK],
        timers=[host for host in trouble if host["outcome"] != STUCK],
        phases=_phase_views(record, felt),
        probes=_probe_views(record, worst_first),
        sampled=sum(segment.count for track in tracks for segment in track.segments),
        unseen=any(not window.closed for window in facts.windows(record)),
        overview=Markup(plots.overview(record, tracks)),
        points=_points(record, worst_first),
        checks=record.get("checks") or [],
        plan=_yaml(record.get("plan")),
        controller=_controller(record),
        limit=_limit(trouble),
        count_hosts=lambda hosts: len({host["name"] for host in hosts}),
        plural=lambda count, noun: f"{count} {noun}{'' if count == 1 else 's'}",
        seconds=svg.duration,
    )


def _shown(value: Any) -> Any:
    """A value as shown on the page: control characters as visible escapes, an empty string for None."""
    if value is None or isinstance(value, Undefined):
        return ""
    return value if isinstance(value, Markup) else svg.legal(text(value))
