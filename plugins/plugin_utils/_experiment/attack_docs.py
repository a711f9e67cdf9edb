# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Checks the options of a step against the documentation of its attack, on the controller, before any host is touched."""

from __future__ import annotations

from functools import cache
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import fragment_loader, module_loader
from ansible.utils.plugin_docs import get_docstring

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import OPTION, ROLE_OPTIONS, Plan, magnitudes
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import unknown_option

# The options that every attack has; a module without one of them is not an attack.
_NEEDED = ("state", "id", "run_id", "duration")


def check_attacks(plan: Plan) -> None:
    """Refuses a plan that names a module that is not an attack, or options that the attack does not have. Errors: AttackError."""
    for at, step in enumerate(plan["method"]):
        path = f"{OPTION}.method[{at}]"
        spec = _spec(f"{path}.attack", step["attack"])
        names = {*spec, *(alias for entry in spec.values() for alias in entry.get("aliases", ()))}
        for name, value in [*step["with"].items(), *step["ramp"].items()]:
            if name not in names:
                known = [option for option in spec if option not in ROLE_OPTIONS]
                raise unknown_option(f"{path}.{'with' if name in step['with'] else 'ramp'}.{name}", value, name, known)
        _refuse_both_names(path, step, spec)
        for label, options in magnitudes(step):
            _check_types(f"{path}.with" + (f" (with {label})" if label else ""), spec, options)


def _refuse_both_names(path: str, step: dict[str, Any], spec: dict[str, Any]) -> None:
    """Refuses an option that is given together with an alias of it, since Ansible silently uses the last alias. Errors: AttackError."""
    given = {**step["with"], **step["ramp"]}
    for option, entry in spec.items():
        names = [name for name in (option, *entry.get("aliases", ())) if name in given]
        if len(names) > 1:
            both = " and ".join(names)
            raise AttackError(f"{path}.with: {both} are names of one option of {step['attack']}: give {option}, and leave the rest out", option=path)


def _spec(path: str, name: str) -> dict[str, Any]:
    try:
        spec = _documented(name)
    except (AnsibleError, OSError, ValueError) as error:
        raise BadOption(path, name, f"its documentation cannot be read: {error}") from error
    if spec is None:
        raise BadOption(path, name, "there is no such module here; ansible-doc -l faultline.chaos lists the attacks")
    if not set(_NEEDED) <= spec.keys():
        raise BadOption(path, name, f"it is no attack: it lacks {', '.join(word for word in _NEEDED if word not in spec)}")
    return spec


@cache
def _documented(name: str) -> dict[str, Any] | None:
    """The argument spec that the documentation of a module describes."""
    found = module_loader.find_plugin_with_context(name, ignore_deprecated=True)
    if not found.resolved or not found.plugin_resolved_path:
        return None
    documentation = get_docstring(found.plugin_resolved_path, fragment_loader, collection_name=found.plugin_resolved_collection, plugin_type="module")[0]
    return _from_options((documentation or {}).get("options") or {})


def _from_options(options: dict[str, Any]) -> dict[str, Any]:
    spec = {}
    for name, option in options.items():
        entry = {key: option[key] for key in ("type", "elements", "required", "default", "aliases") if option.get(key) is not None}
        if option.get("choices"):
            entry["choices"] = list(option["choices"])
        if option.get("suboptions"):
            entry["options"] = _from_options(option["suboptions"])
        if entry.get("required"):
            entry.pop("default", None)
        spec[str(name)] = entry
    return spec


def _check_types(path: str, spec: dict[str, Any], options: dict[str, Any]) -> None:
    told = {name: entry for name, entry in spec.items() if name not in ROLE_OPTIONS}
    result = ArgumentSpecValidator(told).validate(options)
    if result.error_messages:
        raise AttackError(f"{path}: {options!r} is refused: {result.error_messages[0]}", option=path)
