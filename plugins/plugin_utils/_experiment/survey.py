# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Makes the plan of an experiment from the flat variables of a ready playbook. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey_answers import Answers, present
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey_faults import SURVEYS, Survey

# The variables of all playbooks, of those for hosts, and of those for clusters.
_COMMON = {
    "fault_url": "", "fault_tcp": "", "fault_success": "99%", "fault_duration": "60s", "fault_lease": "", "fault_protected": "", "fault_window": "",
    "fault_report_dir": "reports",
}  # fmt: skip
_DRAW = {"fault_count": 1, "fault_percent": "", "fault_seed": ""}
_HOSTS = {**_DRAW, "fault_hosts": "", "fault_settle": "60s"}
_KUBE = {
    "fault_workload": "", "fault_ready": 1, "fault_settle": "120s", "fault_kubeconfig": "", "fault_context": "", "fault_from": "localhost",
}  # fmt: skip


def variables(playbook: str) -> dict[str, Any]:
    """The variables of a playbook with their defaults. Errors: BadOption."""
    survey = _survey(playbook)
    return {**_COMMON, **(_KUBE if survey.kube else _HOSTS), **(_DRAW if survey.kube and survey.draws else {}), **survey.defaults}


def plan(playbook: str, given: Mapping[str, Any], hosts_of: Callable[[str, Any], list[str]]) -> dict[str, Any]:
    """The plan, as the role takes it.

    given: the variables with a value; unknown ones are ignored. hosts_of(variable, pattern): the hosts of a pattern; its errors name
    the variable. Errors: AttackError that names the variable, its value and the fix.
    """
    survey = _survey(playbook)
    answers = Answers(given, variables(playbook), survey.aliases)
    if not survey.kube:
        answers.required("fault_hosts", "name hosts or groups of the inventory, such as web or db:!db1")
    fault = survey.fault(answers)
    step = {
        **present(name=fault.name),
        "attack": fault.attack,
        "hosts": answers.filled("fault_from") if survey.kube else answers["fault_hosts"],
        "duration": answers.filled("fault_duration"),
    }
    safety = present(lease=answers["fault_lease"], window=answers["fault_window"], max_duration=survey.max_duration)
    if survey.kube:
        step["with"] = {**fault.options, **_kube_options(survey, answers)}
    else:
        step["with"] = fault.options
        step["select"] = _draw(answers)
        safety["protected"] = answers.words("fault_protected")
    return {
        "title": _line(fault.title, 200),
        **present(hypothesis=fault.hypothesis),
        "tags": fault.tags,
        "steady_state": _probes(survey, answers, hosts_of),
        "observe": {"settle": answers.filled("fault_settle")},
        "method": [step],
        "safety": safety,
        "report": {"dir": answers.filled("fault_report_dir")},
    }


# The options of a plan whose value is that of one variable, as a refusal begins with them.
_VARIABLES = {
    "method[0].hosts": "fault_hosts", "method[0].duration": "fault_duration", "method[0].select.count": "fault_count",
    "method[0].select.percent": "fault_percent", "method[0].select.seed": "fault_seed", "safety.lease": "fault_lease",
    "safety.window": "fault_window", "safety.protected": "fault_protected", "observe.settle": "fault_settle", "report.dir": "fault_report_dir",
}  # fmt: skip
_VARIABLES_OF_PROBES = {
    "url": "fault_url", "host": "fault_tcp", "port": "fault_tcp", "tolerance: success": "fault_success", "kubeconfig": "fault_kubeconfig",
    "context": "fault_context", "no cluster is given": "fault_kubeconfig", "namespace": "fault_workload", "kind": "fault_workload",
    "object": "fault_workload", "expect: ready_min": "fault_ready",
}  # fmt: skip
_OF_PROBE = r"""(?:steady_state: probe (?:'.*?'|".*?"|\d+): )?"""
_OPTION = r"experiment_plan\." + _OF_PROBE + r"((?:tolerance|expect): \w+|no cluster is given|[\w.]+(?:\[0\][\w.]+)?)(?:\[\d+\])?: "


def named(playbook: str, given: Mapping[str, Any], refusal: str) -> str:
    """The refusal of a plan, with the variable that the value comes from in the place of the option: who fills in a survey wrote no plan."""
    found = re.match(_OPTION, refusal, re.DOTALL)
    variable = {**_VARIABLES, **_VARIABLES_OF_PROBES}.get(found[1]) if found else None
    if found is None or variable is None:
        return refusal
    if _survey(playbook).kube and variable == "fault_hosts":
        variable = "fault_from"
    return f"{Answers(given, variables(playbook), _survey(playbook).aliases).shown(variable)}: {refusal[found.end() :]}"


def _survey(playbook: str) -> Survey:
    if playbook not in SURVEYS:
        raise BadOption("survey_plan", playbook, f"choose from {', '.join(SURVEYS)}")
    return SURVEYS[playbook]


def _draw(answers: Answers) -> dict[str, Any]:
    count = "" if answers.given("fault_percent") else answers.filled("fault_count")
    return present(count=count, percent=answers["fault_percent"], seed=answers["fault_seed"])


def _kube_options(survey: Survey, answers: Answers) -> dict[str, Any]:
    options = present(protected=answers.words("fault_protected"), kubeconfig=answers["fault_kubeconfig"], context=answers["fault_context"])
    if survey.draws:
        draw = _draw(answers)
        if re.fullmatch("[0-9]{1,9}", str(draw.get("count", ""))):
            draw["count"] = int(draw["count"])
        if "seed" in draw:
            draw["seed"] = str(draw["seed"])
        options.update(draw)
    return options


def _probes(survey: Survey, answers: Answers, hosts_of: Callable[[str, Any], list[str]]) -> list[dict[str, Any]]:
    choices = ["fault_url", "fault_tcp", *(["fault_workload"] if survey.kube else [])]
    given = answers.given(*choices)
    listed = ", ".join(choices[:-1]) + f" and {choices[-1]}"
    if len(given) > 1:
        raise AttackError(f"{' and '.join(answers.shown(name) for name in given)} are given: give only one of {listed}")
    tolerance = {"success": answers.filled("fault_success")}
    if given:
        # resource_stress has had its own name and timeout here since its first version.
        special = {"name": "the service answers", "timeout": "5s"} if survey.own_probes else {}
        name = _line(str(answers[given[0]]), 100).strip() or given[0]
        return [{"name": name, "tolerance": tolerance, **_PROBES[given[0]](answers), **special}]
    if not survey.own_probes:
        raise AttackError(f"one of {listed} is required: name what must go on working, for example fault_url=http://shop.example.com/")
    return [
        {"name": f"{host} runs programs", "type": "command", "argv": ["true"], "run_on": host, "timeout": "10s", "interval": "2s"}
        for host in hosts_of(answers.shown("fault_hosts"), answers["fault_hosts"])
    ]


def _line(text: str, most: int) -> str:
    """As a name takes it. What makes it up is judged where it counts, and so that the refusal names its variable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:most]


def _http(answers: Answers) -> dict[str, Any]:
    return {"type": "http", "url": answers["fault_url"]}


def _tcp(answers: Answers) -> dict[str, Any]:
    found = re.fullmatch(r"(.+):([0-9]+)", str(answers["fault_tcp"]).strip())
    if not found:
        raise answers.refused("fault_tcp", "write HOST:PORT, such as db.example.com:5432")
    return {"type": "tcp", "host": re.sub(r"^\[(.*)\]$", r"\1", found[1]), "port": found[2]}


def _workload(answers: Answers) -> dict[str, Any]:
    parts = str(answers["fault_workload"]).split("/")
    if len(parts) != 3 or not all(parts):
        raise answers.refused("fault_workload", "write NAMESPACE/KIND/NAME, such as shop/deployment/web")
    namespace, kind, name = parts
    ready = answers["fault_ready"] if answers.given("fault_ready") else answers.defaults["fault_ready"]
    return {
        "type": "k8s",
        "timeout": "5s",
        "namespace": namespace,
        "kind": kind,
        "object": name,
        "expect": {"ready_min": ready},
        **present(kubeconfig=answers["fault_kubeconfig"], context=answers["fault_context"]),
    }


_PROBES = {"fault_url": _http, "fault_tcp": _tcp, "fault_workload": _workload}
