# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Reads a list of probes. A new type of probe needs one class and one line here."""

from __future__ import annotations

import typing as t

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.certificate import CertificateProbe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.host import CommandProbe, ProcessProbe, ServiceProbe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.http_probe import HttpProbe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.k8s import ClusterProbe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.net import DnsProbe, TcpProbe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.prometheus import PrometheusProbe

_CLASSES = (HttpProbe, TcpProbe, DnsProbe, CertificateProbe, PrometheusProbe, ClusterProbe, CommandProbe, ProcessProbe, ServiceProbe)
TYPES: dict[str, type[Probe]] = {probe.type: probe for probe in _CLASSES}
MOST_PROBES = 200


def read_probes(given: t.Any, interval: float = 1.0) -> list[Probe]:
    """The probes of a steady state. Pure: nothing is measured. Errors: BadOption that names the probe, the option, the value and the fix."""
    if not isinstance(given, (list, tuple)) or not given:
        raise BadOption("probes", "" if not given else f"a {type(given).__name__}", "list at least one probe")
    if len(given) > MOST_PROBES:
        raise BadOption("probes", f"{len(given)} of them", f"at most {MOST_PROBES}")
    probes: list[Probe] = []
    for position, data in enumerate(given, 1):
        probe = _read(position, data, interval)
        if any(probe.name == other.name for other in probes):
            raise BadOption(f"probe {position}: name", probe.name, "another probe has it; give each its own")
        probes.append(probe)
    return probes


def _read(position: int, data: t.Any, interval: float) -> Probe:
    nameless = Options(data, f"probe {position}", fix="write a dictionary with name and type")
    name = nameless.text("name", REQUIRED, "give the probe a name", most=100)
    options = Options(_unaliased(data, name), f"probe {name!r}")
    kind = options.choice("type", sorted(TYPES), REQUIRED)
    return TYPES[kind](name, options, interval)


def _unaliased(data: t.Any, name: str) -> dict[t.Any, t.Any]:
    """The data with `run_on` instead of its short form `on`, which YAML reads as true when it is not quoted."""
    found = {key: value for key, value in data.items() if key is not True and key != "on"}
    short = data.get("on", data.get(True))
    if short is not None:
        if "run_on" in found:
            raise BadOption(f"probe {name!r}: on", short, "run_on is given as well; give one of the two")
        found["run_on"] = short
    return found
