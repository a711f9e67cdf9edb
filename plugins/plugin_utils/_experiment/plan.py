# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The plan of an experiment: checked, completed with the defaults, durations in seconds. Pure."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.faultline.chaos.plugins.module_utils import _draw, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import COLLECTION
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.windows import parse_forbidden, parse_window
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import DAY, HOUR, REQUIRED, Options, plain
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from ansible_collections.faultline.chaos.plugins.plugin_utils._record import FORMATS
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import tidy

Plan = dict[str, Any]
OPTION = "experiment_plan"
# The options that the role passes to every attack, so a step must not have them.
ROLE_OPTIONS = ("state", "id", "run_id", "duration", "max_duration", "lease")
MOST_STEPS = MOST_VALUES = 50
MOST_HOSTS = 100_000
SHORTEST_LEASE = 5.0

# The options of each level, the same as in meta/argument_specs.yml of the role; a unit test compares the two.
KNOWN = {
    "": ("title", "description", "hypothesis", "tags", "steady_state", "observe", "method", "safety", "report"),
    "observe": ("window", "interval", "settle"),
    "method": ("name", "attack", "hosts", "select", "with", "ramp", "duration", "pause"),
    "select": ("count", "percent", "seed", "max_per_group"),
    "safety": (
        "max_duration", "lease", "grace", "abort", "max_percent_per_group", "max_count_per_group", "groups", "protected",
        "window", "forbid",
    ),
    "report": ("dir", "formats"),
}  # fmt: skip

_ATTACK = re.compile(r"^[a-z][a-z0-9_]*(?:(?:\.[a-z][a-z0-9_]*){2,})?\Z")
# For ansible-core before 2.19, which treats a plan with such a template as undefined.
_GIVEN = "If you pass one, a template in it uses a variable that does not exist, or that only hosts have: a plan is the same for every host."


def normalise(plan: Any) -> Plan:
    """The complete plan. Errors: AttackError for the first wrong option, named by its path."""
    if plan is None or plan == {}:
        raise AttackError(f"{OPTION} is required: pass a plan, for example -e @plan.yml (see ansible-doc -t role {COLLECTION}.experiment). {_GIVEN}")
    top = Options(plain(OPTION, plan), OPTION, KNOWN[""])
    result = {
        "title": top.line("title", REQUIRED, "say in one line what the experiment shows"),
        "description": top.prose("description"),
        "hypothesis": top.prose("hypothesis"),
        "tags": _words(top, "tags"),
        "observe": _observe(top),
    }
    result["steady_state"] = _probes(top, result["observe"]["interval"])
    safety = _safety(top)
    steps = top.items("method", "list at least one step with attack, hosts and duration")
    if len(steps) > MOST_STEPS:
        raise AttackError(f"{top.label('method')}: {len(steps)} steps are refused: at most {MOST_STEPS} in one experiment")
    result["method"] = [_step(f"{top.label('method')}[{at}]", step, safety["grace"]) for at, step in enumerate(steps)]
    result["safety"] = safety
    result["report"] = _report(top)
    least = planned_seconds(result)
    if least > safety["max_duration"]:
        fix = f"the windows and attacks of this plan take {_units.human(least)}: raise it, or plan less"
        raise BadOption(f"{OPTION}.safety.max_duration", _units.human(safety["max_duration"]), fix)
    return result


def planned_seconds(plan: Plan) -> float:
    """The minimum duration of the experiment: both measurements, every attack, every pause."""
    attacks: float = sum((step["duration"] + step["pause"]) * len(magnitudes(step)) for step in plan["method"])
    window: float = plan["observe"]["window"]
    return attacks + 2 * window


def magnitudes(step: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The rounds of a step as (label, options), with the values of the ramp filled in."""
    options = step["with"]
    if not step["ramp"]:
        return [("", dict(options))]
    [(name, values)] = step["ramp"].items()
    return [(f"{name} {value}", {**options, name: value}) for value in values]


def _seconds(options: Options, name: str, default: Any, minimum: float, maximum: float, fix: str = "write a duration such as 30s") -> float:
    """A duration in seconds, without a needless ".0", since the plan is shown in reports."""
    return tidy(options.duration(name, default, minimum, maximum, fix))


def _words(options: Options, name: str) -> list[str]:
    return list(options.texts(name, (), "write a list of texts", may_be_empty=True))


def _probes(top: Options, interval: float) -> list[dict[str, Any]]:
    probes = top.items("steady_state", "list at least one probe with a name and a type")
    try:
        read_probes(probes, interval)
    except AttackError as error:
        raise AttackError(f"{top.label('steady_state')}: {error}", **error.details) from error
    return probes


def _observe(top: Options) -> dict[str, Any]:
    level = top.section("observe", KNOWN["observe"])
    window = _seconds(level, "window", 10.0, 1.0, HOUR)
    interval = _seconds(level, "interval", min(1.0, window), 0.05, window)
    return {"window": window, "interval": interval, "settle": _seconds(level, "settle", 60.0, 0.0, HOUR)}


def _safety(top: Options) -> dict[str, Any]:
    level = top.section("safety", KNOWN["safety"])
    lease = _seconds(level, "lease", 0.0, SHORTEST_LEASE, HOUR) if level.has("lease") else None
    result = {
        "max_duration": _seconds(level, "max_duration", 600.0, 1.0, DAY),
        "lease": lease,
        "grace": _seconds(level, "grace", 15.0, 1.0, HOUR),
        "abort": level.flag("abort", True),
        "max_percent_per_group": level.share("max_percent_per_group"),
        "max_count_per_group": level.whole("max_count_per_group", 1, MOST_HOSTS),
        "groups": _words(level, "groups") if level.has("groups") else None,
        "protected": _words(level, "protected"),
        "window": _words(level, "window"),
        "forbid": _words(level, "forbid"),
    }
    for name, parse in (("window", parse_window), ("forbid", parse_forbidden)):
        is_list = isinstance(level.data.get(name), list)
        for at, text in enumerate(result[name]):
            parse(f"{level.label(name)}[{at}]" if is_list else level.label(name), text)
    return result


def _report(top: Options) -> dict[str, Any]:
    level = top.section("report", KNOWN["report"])
    return {"dir": level.line("dir", "reports", most=1000), "formats": level.choices("formats", FORMATS, FORMATS, may_be_empty=True)}


def _step(path: str, value: Any, grace: float) -> dict[str, Any]:
    level = Options(value, path, KNOWN["method"])
    name = level.line("attack", REQUIRED, "name an attack, such as netem or process_kill")
    if not _ATTACK.match(name):
        raise BadOption(level.label("attack"), name, "write a short name such as netem, or a full one such as faultline.chaos.netem")
    hosts = level.line("hosts", REQUIRED, "name hosts or groups of the inventory, such as web or db:!db1", most=2000)
    step = {
        "name": level.line("name", name),
        "attack": name if "." in name else f"{COLLECTION}.{name}",
        "hosts": hosts,
        "select": read_select(level.section("select", KNOWN["select"])),
        "with": _with(level),
        "duration": _seconds(level, "duration", REQUIRED, 1.0, DAY, "say how long the attack lasts, for example 60s"),
        "pause": _seconds(level, "pause", 0.0, 0.0, HOUR),
    }
    if step["duration"] + grace > DAY:
        raise BadOption(level.label("duration"), value["duration"], "with safety.grace it must not be longer than 24h")
    step["ramp"] = _ramp(level, step["with"])
    return step


def read_select(level: Options) -> dict[str, Any]:
    """The number of hosts to select, and the seed."""
    count, percent = level.whole("count", 1, MOST_HOSTS), level.share("percent")
    if count is not None and percent is not None:
        raise BadOption(level.where, level.data, "write count or percent, not both")
    if count is None and percent is None:
        count = 1
    return {"count": count, "percent": percent, "seed": _seed(level), "max_per_group": level.whole("max_per_group", 1, MOST_HOSTS)}


def _seed(level: Options) -> str | None:
    return _draw.seed(level.label("seed"), level.take("seed")) if level.has("seed") else None


def _with(step: Options) -> dict[str, Any]:
    options = step.take("with", {})
    if not isinstance(options, dict):
        raise BadOption(step.label("with"), options, "write a dictionary with the options of the attack")
    _no_role_options(step.label("with"), options)
    return options


def _ramp(step: Options, options: dict[str, Any]) -> dict[str, list[Any]]:
    ramp = step.take("ramp", {})
    if not step.has("ramp"):
        return {}
    path = step.label("ramp")
    if not isinstance(ramp, dict) or len(ramp) != 1:
        raise BadOption(path, ramp, "write one option of the attack and a list of its values, such as {delay: [50ms, 100ms]}")
    _no_role_options(path, ramp)
    [(name, values)] = ramp.items()
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        raise BadOption(f"{path}.{name}", values, f"write a list of 1 to {MOST_VALUES} values")
    for at, value in enumerate(values):
        if value is None or isinstance(value, (bool, dict, list)):
            raise BadOption(f"{path}.{name}[{at}]", value, "write text or a number")
    if name in options:
        raise BadOption(f"{step.label('with')}.{name}", options[name], f"it is in ramp too: leave {name} out here")
    return ramp


def _no_role_options(path: str, options: dict[str, Any]) -> None:
    for name in options:
        if name in ROLE_OPTIONS:
            raise BadOption(f"{path}.{name}", options[name], "the role sets it: use duration of the step, and lease of safety")
