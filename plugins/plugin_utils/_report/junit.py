# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Converts a run record to JUnit XML. The test cases: each check, each probe in each phase, each target's revert, and the hypothesis.

What is inconclusive is an error: the test could not decide. In each phase it is a test case of its own with all reasons."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from xml.etree import ElementTree

from ansible_collections.faultline.chaos.plugins.plugin_utils._record import (
    ABORTED,
    ATTACK,
    DEVIATED,
    FAILED,
    HELD,
    LEFT_TO_TIMER,
    NOT_INJECTED,
    NOT_REVERTED,
    REVERTED,
    STUCK,
    Record,
    inconclusive,
)
from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.series import epoch
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.svg import legal
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Tolerance

_SHOWN = 20  # failed samples of a probe in a phase
_Case = tuple[str, str, float, str, str, str]  # class, name, seconds, status ("", failure, error or skipped), message, text


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _checks(record: Record) -> list[_Case]:
    return [
        (
            "faultline.check",
            str(check.get("name") or "check"),
            0.0,
            "" if check.get("ok") else "failure",
            str(check.get("detail") or "no-go"),
            "",
        )
        for check in record.get("checks") or []
    ]


def _probes(phase: dict[str, Any], name: str) -> list[_Case]:
    state = phase.get("steady_state")
    if state is None:
        return [("faultline.probe", f"steady state [{name}]", 0.0, "skipped", "was not sampled", "")]
    cases = []
    for result in facts.results(phase):
        latency = ", ".join(f"{key} {value} ms" for key, value in (result.get("latency_ms") or {}).items() if value is not None)
        words = [
            f"{result.get('succeeded', 0)} of {result.get('samples', 0)} samples succeeded",
            "tolerance " + ", ".join(f"{key} {value}" for key, value in Tolerance.of_result(result).texts().items()),
        ]
        words += [latency] if latency else []
        failed = [sample for sample in result.get("series") or [] if not sample.get("ok")]
        if failed:
            words += ["failed samples:", *(f"{sample.get('t')}: {sample.get('detail') or 'failed'}" for sample in failed[:_SHOWN])]
            words += [f"and {len(failed) - _SHOWN} more"] if len(failed) > _SHOWN else []
        title = f"{result.get('name')} [{name}]"
        outcome = "" if result.get("met") else "error" if result.get("inconclusive") else "failure"
        cases.append(("faultline.probe", title, _seconds(state.get("window_s")), outcome, str(result.get("reason") or "not met"), "\n".join(words)))
    return cases


def _evidence(phase: dict[str, Any], name: str) -> list[_Case]:
    """The test case that says why a phase proves nothing, if so."""
    reasons = inconclusive(phase)
    return [("faultline.evidence", f"evidence [{name}]", 0.0, "error", "inconclusive: " + "; ".join(reasons), "\n".join(reasons))] if reasons else []


def _reverts(phase: dict[str, Any], name: str) -> list[_Case]:
    cases = []
    for host in phase.get("hosts") or []:
        outcome = str(host.get("outcome") or "unknown")
        kind = {REVERTED: "", NOT_INJECTED: "skipped"}.get(outcome, "failure")
        error = str(host.get("error") or "")
        message = {
            LEFT_TO_TIMER: f"left to its timer, which reverts at {host.get('deadline') or 'its deadline'}",
            STUCK: f"stuck; on the host run: sh {host['undo']}" if host.get("undo") else "stuck",
            NOT_INJECTED: "the attack was not injected",
        }.get(outcome, outcome)
        text = "\n".join(f"{key}: {host[key]}" for key in ("id", "deadline", "deadman", "undo") if host.get(key))
        title = f"revert {phase.get('attack') or 'attack'} on {host.get('host')} [{name}]"
        cases.append(("faultline.revert", title, 0.0, kind, f"{message}. {error}" if error else message, text))
    return cases


def _hypothesis(record: Record) -> _Case:
    verdict = str(record.get("verdict") or FAILED)
    kind = {HELD: "", DEVIATED: "failure", ABORTED: "failure", NOT_REVERTED: "failure"}.get(verdict, "error")
    begin, end = facts.span(record)
    name = str(record.get("hypothesis") or record.get("title") or "hypothesis")
    return ("faultline.hypothesis", name, end - begin, kind, f"{verdict}: {record.get('verdict_reason') or ''}", "")


def _suite(parent: ElementTree.Element, name: str, when: Any, host: str, seconds: float, cases: list[_Case]) -> None:
    counts = {kind: sum(1 for case in cases if case[3] == kind) for kind in ("failure", "error", "skipped")}
    suite = ElementTree.SubElement(
        parent,
        "testsuite",
        {
            "name": legal(name),
            "tests": str(len(cases)),
            "failures": str(counts["failure"]),
            "errors": str(counts["error"]),
            "skipped": str(counts["skipped"]),
            "time": f"{seconds:.3f}",
            "hostname": legal(host),
        },
    )
    stamp = epoch(when)
    if stamp is not None:
        suite.set("timestamp", datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"))
    for class_name, title, took, kind, message, text in cases:
        case = ElementTree.SubElement(suite, "testcase", {"classname": class_name, "name": legal(title), "time": f"{took:.3f}"})
        if kind:
            found = ElementTree.SubElement(case, kind, {"message": legal(message)})
            if kind != "skipped":
                found.set("type", class_name)
                found.text = legal(text or message)
        elif text:
            ElementTree.SubElement(case, "system-out").text = legal(text)


def render(record: Record) -> str:
    """The XML. It has no failures and no errors only if the verdict is ``held``."""
    root = ElementTree.Element("testsuites", {"name": legal(record.get("title") or "experiment")})
    host = str((record.get("controller") or {}).get("host") or "controller")
    checks = _checks(record)
    if checks:
        _suite(root, "Go or no-go", record.get("started"), host, 0.0, checks)
    number = 0
    for phase in facts.phases(record):
        name = str(phase.get("name") or phase.get("kind") or "phase")
        if phase.get("kind") == ATTACK:
            number += 1
            name = f"{number}: {name}" + (f", {phase['magnitude']}" if phase.get("magnitude") else "")
        between = facts.bounds(phase)
        took = between[1] - between[0] if between else 0.0
        _suite(root, name, between[0] if between else None, host, took, _probes(phase, name) + _evidence(phase, name) + _reverts(phase, name))
    hypothesis = _hypothesis(record)
    _suite(root, "Hypothesis", record.get("started"), host, hypothesis[2], [hypothesis])
    suites = root.findall("testsuite")
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key) or 0) for suite in suites)))
    root.set("time", f"{hypothesis[2]:.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
