# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Refuses a plan whose steps have other values on another host.

A plan is templated once, on the first host of the play, and every target gets these values. A template such as
{{ inventory_hostname }} would silently give all targets the value of that one host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import OPTION
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import plain

_OPTIONS = ("with", "ramp")
_MAGIC = frozenset({"hostvars", "groups"})  # the same for every host
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Template = Callable[[Any, Mapping[str, Any]], Any]


def refuse_host_values(task_vars: Mapping[str, Any], hosts: Collection[str], template: Template) -> None:
    """Templates the steps with the variables of each of these hosts. Errors: BadOption for the first value that differs."""
    raw = task_vars.get(OPTION)
    here = str(task_vars["inventory_hostname"])
    if raw is None or next(_templates(raw), None) is None:
        return
    names = _names(raw, task_vars)
    known = _options(template, raw, task_vars)
    if known != _options(template, raw, task_vars):
        return  # a lookup or a random number, which changes with every evaluation
    for host, variables in _variables(task_vars, here, hosts):
        if names is not None and all(variables.get(name) == task_vars.get(name) for name in names):
            continue  # all variables that the plan uses are equal there
        found = _options(template, raw, variables)
        for path, value in found.items():
            if path in known and known[path] != value:
                fix = f"that is its value on {here}, on {host} it is {_short(value)}; a step is the same for every host: write one for each value"
                raise BadOption(path, known[path], fix)


def _variables(task_vars: Mapping[str, Any], here: str, hosts: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(host, variables) for each other host: the variables of this task, with the host's own where they come from the inventory."""
    hostvars = task_vars["hostvars"]
    own = hostvars.raw_get(here)
    shared = {name: value for name, value in task_vars.items() if name not in own or value is not own[name] and value != own[name]}
    for host in hosts:
        if host != here and host in hostvars:
            yield host, {**hostvars.raw_get(host), **shared}


def _options(template: Template, raw: Any, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of the steps by its path. Empty when the plan cannot be templated: another check reports that."""
    try:
        plan = plain(OPTION, template(raw, variables))
        found = {}
        for at, step in enumerate(plan["method"]):
            for name, value in step.items():
                inner = value.items() if name in _OPTIONS and isinstance(value, dict) else None
                path = f"{OPTION}.method[{at}].{name}"
                found.update({path: value} if inner is None else {f"{path}.{option}": one for option, one in inner})
        return found
    except (AnsibleError, AttackError, KeyError, TypeError, AttributeError):
        return {}


def _names(raw: Any, variables: Mapping[str, Any]) -> set[str] | None:
    """Every word of the templates and, recursively, of the variables that they name; None when a template can compute names (`vars`)."""
    found: set[str] = set()
    ahead = [raw]
    while ahead:
        new = {word for text in _templates(ahead.pop()) for word in _WORD.findall(text)} - found
        found |= new
        ahead += [variables[name] for name in new if name in variables and name not in _MAGIC]
    return None if "vars" in found else found - _MAGIC


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _templates(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _templates(item)
    elif isinstance(value, str) and ("{{" in value or "{%" in value):
        yield value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:80] + "…"
