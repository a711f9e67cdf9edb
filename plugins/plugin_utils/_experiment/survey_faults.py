# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The playbooks with flat variables: the own variables of each, and the attack that it makes from them. Pure.

Variables that several playbooks share (hosts, probes, duration, safety) are in survey.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey_answers import Answers, present


@dataclass(frozen=True)
class Fault:
    """A step of the plan, without hosts and duration."""

    attack: str
    title: str
    tags: list[str]
    options: dict[str, Any]
    name: str = ""
    hypothesis: str = ""


@dataclass(frozen=True)
class Survey:
    """One playbook. defaults: its own variables. aliases: older names of variables. draws: whether the attack selects pods or nodes (clusters only)."""

    fault: Callable[[Answers], Fault]
    defaults: dict[str, Any]
    kube: bool = False
    draws: bool = True
    aliases: dict[str, str] = field(default_factory=dict)
    own_probes: bool = False  # when the answers have no probe, the probe is that every host can run a program
    max_duration: str = "2h"


_MAGNITUDES = {"delay": "100ms", "loss": "5%", "rate": "1mbit", "corrupt": "1%", "duplicate": "1%"}
_DIRECTIONS = {"": "", "egress": "egress", "ingress": "ingress", "both": "both", "out": "egress", "in": "ingress"}
_STRESS = {"cpu": "cpu_stress", "memory": "memory_stress", "io": "io_stress", "pid": "pid_exhaustion", "fd": "fd_exhaustion"}
_STRESS_AMOUNT = {"cpu": 50, "memory": 70, "pid": 10, "fd": 10}
_DISK = {"fill": "disk_fill", "inodes": "disk_fill", "io": "io_stress", "throttle": "io_throttle", "file": "file_fault"}


def _network_fault(a: Answers) -> Fault:
    mode = a.choice("fault_mode", (*_MAGNITUDES, "drop", "reject"))
    if str(a["fault_direction"]) not in _DIRECTIONS:  # a list has no hash
        raise a.refused("fault_direction", "choose from egress, ingress, both")
    direction = _DIRECTIONS[a["fault_direction"]]
    peers = a.words("fault_peers")
    common = {
        "interface": a["fault_interface"],
        "container": a["fault_container"],
        "ports": a.words("fault_ports"),
        "control_addresses": a.words("fault_control"),
    }
    title = f"Network of {a['fault_hosts']}: {mode} {a['fault_magnitude']}".rstrip()
    if mode in _MAGNITUDES:
        magnitude = {mode: a["fault_magnitude"] or _MAGNITUDES[mode]}
        return Fault("netem", title, ["network"], present(**magnitude, direction=direction, peers=peers, **common))
    if not a.given("fault_peers", "fault_ports", "fault_interface"):
        raise a.refused("fault_mode", "for drop and reject at least one of fault_peers, fault_ports and fault_interface is needed")
    return Fault("blackhole", title, ["network"], present(action=mode, direction=direction, peers=peers, **common))


def _dependency_down(a: Answers) -> Fault:
    names, ports = a.words("dependency_host"), a.words("dependency_port")
    if not names and not ports:
        raise AttackError("dependency_host or dependency_port or both are required: name what the hosts depend on, for example dependency_host=db.example.com")
    title = f"{a['fault_hosts']} without {a['dependency_host'] or 'everybody'}" + (f" port {a['dependency_port']}" if ports else "")
    action = a.choice("dependency_action", ("drop", "reject"))
    options = present(peers=names, ports=ports, action=action, control_addresses=a.words("fault_control"))
    return Fault("blackhole", title, ["network", "dependency"], options)


def _dns_fault(a: Answers) -> Fault:
    a.required("fault_domains", "name domains, such as db.example.com or *.example.org")
    mode = a["fault_mode"]
    if mode not in ("", "nxdomain", "servfail", "block", "timeout", "delay", "spoof"):
        raise a.refused("fault_mode", "choose from nxdomain, servfail, block, timeout, delay, spoof")
    addresses = a.words("fault_addresses")
    if (mode == "spoof") != bool(addresses):
        raise a.refused("fault_addresses", f"give fault_addresses with spoof, and only then; fault_mode is {mode or 'nxdomain'}")
    options = present(domains=a.words("fault_domains"), mode=mode, delay=a["fault_delay"] if mode == "delay" else "", addresses=addresses)
    return Fault("dns_fault", f"DNS of {a['fault_hosts']}: {mode} for {a['fault_domains']}", ["dns"], options)


def _process_fault(a: Answers) -> Fault:
    process = a.required("fault_process", "give the exact name of the program")
    action = a.choice("fault_action", ("kill", "freeze"))
    options = present(
        name=process, count=a["fault_processes"], user=a["fault_user"], port=a["fault_port"], interval=a["fault_interval"],
        signal=a["fault_signal"] if action == "kill" else "", recover=str(a["fault_recover"]).split() if action == "kill" else [],
    )  # fmt: skip
    title = f"{process} of {a['fault_hosts']} is {'frozen' if action == 'freeze' else 'killed'}"
    return Fault(f"process_{action}", title, ["process"], options)


def _service_fault(a: Answers) -> Fault:
    service = a.required("fault_service", "name services, with commas between them")
    options = present(services=a.words("fault_service"), mask=a["fault_mask"], self_heal=a["fault_self_heal"], interval=a["fault_interval"])
    return Fault("service_stop", f"{service} of {a['fault_hosts']} is stopped", ["service"], options)


def _clock_fault(a: Answers) -> Fault:
    if a["fault_mode"] not in ("", "step", "strobe"):
        raise a.refused("fault_mode", "choose from step, strobe")
    options = present(offset=a["fault_offset"], mode=a["fault_mode"], interval=a["fault_interval"], certificates=a.words("fault_certificates"))
    return Fault("clock_skew", f"The clock of {a['fault_hosts']} is {a['fault_offset']} wrong", ["clock"], options)


def _host_shutdown(a: Answers) -> Fault:
    action = a.choice("fault_action", ("reboot", "poweroff", "crash"))
    if action == "poweroff" and a.filled("fault_way_back") == "none":
        raise a.refused("fault_way_back", "with poweroff name what switches the host on again; see the module host_power")
    options = present(action=action, delay=a["fault_delay"], way_back=a["fault_way_back"])
    return Fault("host_power", f"{a['fault_hosts']}: {action}", ["power"], options)


def _disk_fault(a: Answers) -> Fault:
    kind = a.choice("fault_kind", tuple(_DISK))
    path, amount = a["fault_path"], a["fault_amount"]
    if kind in ("fill", "inodes"):
        options = present(path=path or "/var/tmp", percent=amount or "80%", inodes=kind == "inodes" or None)
    elif kind == "io":
        options = present(path=path or "/var/tmp", rate=amount, mode=a["fault_mode"])
    elif kind == "throttle":
        service = a.required("fault_service", "with throttle fault_service is needed: name the systemd unit that gets the slow disk")
        rate = amount or "1MiB"
        options = present(service=service, device=path or "/", read_bps=rate, write_bps=rate, enable_controller=True)
    else:
        a.required("fault_path", "with file fault_path is needed: name the file")
        options = present(path=path, op=a["fault_op"] or "remove", content=a["fault_content"], mode=str(a["fault_file_mode"]))
    return Fault(_DISK[kind], f"{a['fault_hosts']}: {_DISK[kind]} ({kind})", ["disk", kind], options)


def _resource_stress(a: Answers) -> Fault:
    kind = a.choice("fault_kind", tuple(_STRESS))
    amount = a["fault_amount"] or _STRESS_AMOUNT.get(kind)
    options = {
        "cpu": {"load": amount},
        "memory": {"percent": amount, "rate": a["fault_rate"], "reserve": a["fault_reserve"]},
        "io": {"path": a.filled("fault_path"), "rate": a["fault_rate"]},
        "pid": {"percent": amount, "reserve": a["fault_reserve"]},
        "fd": {"percent": amount, "reserve": a["fault_reserve"]},
    }[kind]
    if kind == "fd" and a["fault_process"]:
        options = {"process": a["fault_process"], "leave": a["fault_leave"]}
    probed = a.given("fault_url", "fault_tcp")
    return Fault(
        _STRESS[kind],
        f"Stress: {kind} of {a['fault_hosts']}",
        ["resource_stress", kind],
        present(**options),
        name=f"{kind} stress",
        hypothesis=f"{'The service stays well' if probed else 'The hosts go on'} while hosts are short of {kind}.",
    )


def _network_partition(a: Answers) -> Fault:
    namespace, labels = a.required("fault_namespace", "name a namespace"), a.required("fault_labels", "give labels of pods, such as app=cart")
    options = present(
        namespace=namespace, label_selector=labels, direction=a["fault_direction"] and a.choice("fault_direction", ("ingress", "egress", "both")),
        exclude_pods=a["fault_exclude_pods"], exclude=a.words("fault_exclude"), allow_dns=a.flag("fault_allow_dns"), probe=a["fault_enforced"],
    )  # fmt: skip
    return Fault("k8s_network_partition", f"Pods {labels} of {namespace} are cut off", ["kubernetes"], options)


def _pod_delete(a: Answers) -> Fault:
    namespace, labels = a.required("fault_namespace", "name a namespace"), a.required("fault_labels", "give labels of pods, such as app=web")
    options = present(namespace=namespace, label_selector=labels, grace=a["fault_grace"], ignore_pdb=a.flag("fault_ignore_budgets"), recovery_timeout="0s")
    return Fault("k8s_pod_delete", f"Pods {labels} of {namespace} are deleted", ["kubernetes"], options)


def _node_drain(a: Answers) -> Fault:
    nodes = a.required("fault_nodes", "give labels of nodes, such as pool=web")
    options = present(
        label_selector=nodes, namespaces=[name for name in [a["fault_namespace"]] if name], grace=a["fault_grace"], timeout=a["fault_timeout"],
        delete_emptydir_data=a.flag("fault_local_data"),
    )  # fmt: skip
    return Fault("k8s_node_drain", f"Nodes {nodes} are drained", ["kubernetes"], options)


def _capacity_squeeze(a: Answers) -> Fault:
    namespace, nodes = a.required("fault_namespace", "name a namespace"), a.required("fault_nodes", "give labels of nodes, such as pool=web")
    options = present(namespace=namespace, label_selector=nodes, fill_cpu=a["fault_cpu"], fill_memory=a["fault_memory"], image=a["fault_image"])
    return Fault("k8s_capacity", f"Nodes {nodes} are full", ["kubernetes"], options)


# The older names of the variables of resource_stress.
_STRESS_ALIASES = {
    f"fault_{word}": f"resource_stress_{word}"
    for word in (
        "hosts", "kind", "rate", "path", "process", "leave", "reserve", "duration", "count", "seed", "lease", "protected", "url", "success", "report_dir",
    )
} | {"fault_amount": "resource_stress_percent", "fault_percent": "resource_stress_host_percent"}  # fmt: skip

SURVEYS = {
    "capacity_squeeze": Survey(
        _capacity_squeeze,
        {"fault_namespace": "", "fault_nodes": "", "fault_cpu": "95%", "fault_memory": "", "fault_image": ""},
        kube=True,
    ),
    "clock_fault": Survey(_clock_fault, {"fault_offset": "+300s", "fault_mode": "step", "fault_interval": "1s", "fault_certificates": ""}),
    "dependency_down": Survey(_dependency_down, {"dependency_host": "", "dependency_port": "", "dependency_action": "drop", "fault_control": ""}),
    "disk_fault": Survey(
        _disk_fault,
        {
            "fault_kind": "fill", "fault_path": "", "fault_amount": "", "fault_service": "", "fault_mode": "", "fault_op": "", "fault_content": "",
            "fault_file_mode": "",
        },
    ),
    "dns_fault": Survey(_dns_fault, {"fault_domains": "", "fault_mode": "nxdomain", "fault_delay": "500ms", "fault_addresses": ""}),
    "host_shutdown": Survey(_host_shutdown, {"fault_action": "reboot", "fault_delay": "5s", "fault_way_back": "none"}),
    "network_fault": Survey(
        _network_fault,
        {
            "fault_mode": "delay", "fault_magnitude": "", "fault_direction": "", "fault_peers": "", "fault_ports": "", "fault_interface": "",
            "fault_container": "", "fault_control": "",
        },
    ),
    "network_partition": Survey(
        _network_partition,
        {
            "fault_namespace": "", "fault_labels": "", "fault_direction": "both", "fault_exclude_pods": "", "fault_exclude": "",
            "fault_allow_dns": "yes", "fault_enforced": "auto",
        },
        aliases={"fault_exclude_pods": "fault_allow_pods", "fault_exclude": "fault_allow_cidrs"},
        kube=True,
        draws=False,
    ),
    "node_drain": Survey(
        _node_drain,
        {"fault_nodes": "", "fault_namespace": "", "fault_grace": "", "fault_timeout": "45s", "fault_local_data": "no"},
        kube=True,
    ),
    "pod_delete": Survey(
        _pod_delete,
        {"fault_namespace": "", "fault_labels": "", "fault_grace": "", "fault_ignore_budgets": "no"},
        kube=True,
    ),
    "process_fault": Survey(
        _process_fault,
        {
            "fault_process": "", "fault_action": "kill", "fault_signal": "TERM", "fault_processes": 1, "fault_user": "", "fault_port": "",
            "fault_interval": "", "fault_recover": "",
        },
    ),
    "resource_stress": Survey(
        _resource_stress,
        {
            "fault_kind": "cpu", "fault_amount": "", "fault_rate": "", "fault_path": "/var/tmp", "fault_process": "", "fault_leave": "",
            "fault_reserve": "",
        },
        aliases=_STRESS_ALIASES,
        own_probes=True,
        max_duration="1h",
    ),
    "service_fault": Survey(_service_fault, {"fault_service": "", "fault_mask": False, "fault_self_heal": True, "fault_interval": "5s"}),
}  # fmt: skip
