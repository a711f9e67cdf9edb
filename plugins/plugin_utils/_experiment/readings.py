# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges the readings of an attack's effect that were made when it was undone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._text import listed

_ADVICE = "; look there at who or what changed that, and at the logs of that time"
_LEAST = 0.5  # share of what was asked for


def doubts(targets: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why a round proves nothing, from the readings of its targets; empty when it does.

    An effect must be in place, and strong enough, on every target. It is enough when one of them met something: not every host of a
    group needs to have traffic.
    """
    read = {target["host"]: target["reading"] for target in sorted(targets, key=lambda target: str(target["host"])) if target.get("reading")}
    reasons: dict[str, list[str]] = {}
    for host, reading in read.items():
        reason = doubt(reading)
        if reason:
            reasons.setdefault(reason, []).append(host)
    found = [f"{reason} (on {listed(hosts, 3)}){_ADVICE if read[hosts[0]].get('in_place') is False else ''}" for reason, hosts in reasons.items()]
    met = [reading["met"] for reading in read.values() if "met" in reading]
    if met and not any(met):
        found.append("the attack met nothing: no packet, request, process or file that it could act on came by")
    return found


def doubt(reading: Mapping[str, Any]) -> str | None:
    """Why nothing must be concluded from the effect on one target; None when it may be."""
    if reading.get("in_place") is False:
        return "a part of the attack's effect was not there any more when it was undone: {}".format(reading.get("lost", "which one is unknown"))
    if "in_place" in reading and reading["in_place"] is None:
        return "whether the attack was in place all the time could not be read"
    asked, measured = reading.get("asked"), reading.get("measured")
    if asked and measured is not None and measured < _LEAST * asked:
        return f"the attack reached {measured:g} of {asked:g}, less than half of what was asked for"
    return None
