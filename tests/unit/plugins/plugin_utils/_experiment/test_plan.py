# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
import yaml

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment import plan as experiment_plan
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import magnitudes, normalise, planned_seconds
from tests.support.paths import CHECKOUT

LEAST: dict[str, Any] = {
    "title": "It holds",
    "steady_state": [{"name": "shop answers", "type": "tcp", "host": "shop", "port": 80}],
    "method": [{"attack": "netem", "hosts": "web", "duration": "30s", "with": {"delay": "50ms"}}],
}
REMOVED = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The least plan with one option set, or taken away."""
    plan = copy.deepcopy(LEAST)
    place: Any = plan
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        place = place[step] if isinstance(place, list) else place.setdefault(step, {})
    if value is REMOVED:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return plan


def test_defaults() -> None:
    plan = normalise(LEAST)
    assert plan["observe"] == {"window": 10, "interval": 1, "settle": 60}
    assert plan["report"] == {"dir": "reports", "formats": ["html", "json", "junit"]}
    assert plan["safety"] == {
        "max_duration": 600, "lease": None, "grace": 15, "abort": True, "max_percent_per_group": None, "max_count_per_group": None,
        "groups": None, "protected": [], "window": [], "forbid": [],
    }  # fmt: skip
    assert plan["method"] == [
        {
            "name": "netem", "attack": "faultline.chaos.netem", "hosts": "web", "with": {"delay": "50ms"}, "ramp": {}, "duration": 30, "pause": 0,
            "select": {"count": 1, "percent": None, "seed": None, "max_per_group": None},
        }
    ]  # fmt: skip
    assert planned_seconds(plan) == 50


def test_the_plan_is_not_changed_in_place() -> None:
    before = copy.deepcopy(LEAST)
    normalise(LEAST)
    assert before == LEAST


def test_a_normalised_plan_stays_as_it_is() -> None:
    plan = {name: value for name, value in normalise(LEAST).items() if name not in ("safety", "method")}
    assert normalise({**LEAST, **plan})["observe"] == plan["observe"]


def test_ramp() -> None:
    plan = changed("method.0.ramp", {"delay": ["50ms", "100ms"]})
    plan["method"][0].update({"with": {"jitter": "5ms"}, "pause": "5s"})
    step = normalise(plan)["method"][0]
    assert magnitudes(step) == [("delay 50ms", {"jitter": "5ms", "delay": "50ms"}), ("delay 100ms", {"jitter": "5ms", "delay": "100ms"})]
    assert planned_seconds(normalise(plan)) == 2 * 35 + 20


@pytest.mark.parametrize(
    "path, value, read",
    [
        ("method.0.select", {"percent": "30%"}, lambda plan: plan["method"][0]["select"]["percent"] == 30),
        ("method.0.select", {"percent": 0.5}, lambda plan: plan["method"][0]["select"]["percent"] == 0.5),
        ("method.0.select", {"count": "3"}, lambda plan: plan["method"][0]["select"]["count"] == 3),
        ("method.0.select", {"seed": 42}, lambda plan: plan["method"][0]["select"]["seed"] == "42"),
        ("method.0.select", {"seed": -(2**63)}, lambda plan: plan["method"][0]["select"]["seed"] == str(-(2**63))),
        ("method.0.attack", "acme.tools.gremlin", lambda plan: plan["method"][0]["attack"] == "acme.tools.gremlin"),
        ("method.0.hosts", "web:!web1:&eu", lambda plan: plan["method"][0]["hosts"] == "web:!web1:&eu"),
        ("safety.window", "Mon-Fri 09:00-15:00 UTC", lambda plan: plan["safety"]["window"] == ["Mon-Fri 09:00-15:00 UTC"]),
        ("safety.forbid", [datetime.date(2026, 12, 24)], lambda plan: plan["safety"]["forbid"] == ["2026-12-24"]),
        ("safety.abort", "no", lambda plan: plan["safety"]["abort"] is False),
        ("safety.lease", "30s", lambda plan: plan["safety"]["lease"] == 30),
        ("safety.protected", "bastion", lambda plan: plan["safety"]["protected"] == ["bastion"]),
        ("report.formats", [], lambda plan: plan["report"]["formats"] == []),
    ],
)
def test_values_are_read(path: str, value: Any, read: Any) -> None:
    assert read(normalise(changed(path, value)))


# Every one of them is refused before any change, and the message begins with the option's path.
BAD = [
    *(("method.0.duration", value) for value in (0, -1, float("nan"), 1e9, "5m; rm -rf /", "", "ten", True, None, [], "23h59m", "0x10")),
    *(("method.0.select.percent", value) for value in (0, 101, -1, "50 %", "0", True, None, "half", float("inf"))),
    *(("method.0.select.count", value) for value in (0, -1, 1.5, "010", True, None, "all", 10**9, [])),
    *(("method.0.select.max_per_group", value) for value in (0, "1x", False)),
    *(("method.0.select.seed", value) for value in ("", 2**70, 2**63, -(2**63) - 1, True, None, "a\nb", "x" * 65, " a", 1.5, [])),
    *(("method.0.hosts", value) for value in ("", " ", None, 5, [], ["web"], "web\nall", "web\0")),
    *(("method.0.attack", value) for value in ("", None, "../netem", "netem;id", "a.b", "Netem", "a.b.c.", 5)),
    ("method.0.with.id", "mine"),
    ("method.0.with.duration", "5s"),
    ("method.0.with.state", "absent"),
    ("method.0.with.run_id", "x"),
    ("method.0.with.lease", "5s"),
    ("method.0.with", ["delay"]),
    ("method.0.with", "delay=50ms"),
    ("method.0.ramp", {}),
    ("method.0.ramp", {"a": [1], "b": [2]}),
    ("method.0.ramp.loss", []),
    ("method.0.ramp.loss", "5%"),
    ("method.0.ramp.loss", list(range(51))),
    ("method.0.ramp.duration", ["5s"]),
    ("method.0.pause", -1),
    ("method.0.name", ""),
    ("method.0.name", "a\nb"),
    ("method.0.name", 5),
    ("method", []),
    ("method", {}),
    ("method.0", "netem"),
    ("title", ""),
    ("title", None),
    ("title", 7),
    ("title", "x" * 201),
    ("description", 7),
    ("tags", [7]),
    ("tags", {}),
    ("steady_state", []),
    ("steady_state", None),
    ("observe.window", 0),
    ("observe.window", "2h"),
    ("observe.window", "500m"),
    ("observe.interval", "0s"),
    ("observe.interval", "1h"),
    ("observe.settle", -1),
    ("observe", []),
    ("safety.max_duration", "0s"),
    ("safety.max_duration", "25h"),
    ("safety.max_duration", "49s"),  # the plan takes longer
    ("safety.lease", "1s"),
    ("safety.lease", None),
    ("safety.grace", 0),
    ("safety.abort", 1),
    ("safety.abort", "maybe"),
    ("safety.max_percent_per_group", 0),
    ("safety.max_percent_per_group", 101),
    ("safety.max_count_per_group", 0),
    ("safety.protected", None),
    ("safety.protected", [None]),
    ("safety.window", "whenever"),
    ("safety.forbid", "Christmas"),
    ("report.dir", ""),
    ("report.formats", ["pdf"]),
    ("report", "html"),
]


@pytest.mark.parametrize("path, value", BAD, ids=[f"{path}={value!r}"[:60] for path, value in BAD])
def test_bad_values_are_refused_by_their_path(path: str, value: Any) -> None:
    named = "experiment_plan." + path.replace("method.0", "method[0]")
    with pytest.raises(AttackError) as error:
        normalise(changed(path, value))
    assert str(error.value).startswith(named)


@pytest.mark.parametrize(
    "path, value, words",
    [
        ("titel", "x", "experiment_plan.titel: 'x' is refused: there is no such option; did you mean title?"),
        ("method.0.selec", {"count": 1}, "experiment_plan.method[0].selec: {'count': 1} is refused: there is no such option; did you mean select?"),
        ("method.0.select.percnt", 5, "experiment_plan.method[0].select.percnt: 5 is refused: there is no such option; did you mean percent?"),
        ("safety.protect", [], "did you mean protected?"),
        (
            "method.0.select",
            {"count": 1, "percent": 5},
            "method[0].select: {'count': 1, 'percent': 5} is refused: write count or percent, not both",
        ),
        ("safety.window", ["00:00-24:00 UTC", "x"], "experiment_plan.safety.window[1]: 'x' is refused"),
        ("method.0.ramp", {"delay": ["1ms"]}, "experiment_plan.method[0].with.delay: '50ms' is refused: it is in ramp too"),
        ("method.0.ramp.loss", ["1%", None], "experiment_plan.method[0].ramp.loss[1]: None is refused"),
        ("method.0.duration", REMOVED, "experiment_plan.method[0].duration is required: say how long the attack lasts"),
        ("method.0.hosts", REMOVED, "experiment_plan.method[0].hosts is required"),
        ("method.0.attack", REMOVED, "experiment_plan.method[0].attack is required"),
        ("title", REMOVED, "experiment_plan.title is required"),
        ("steady_state", REMOVED, "experiment_plan.steady_state is required"),
        ("method", REMOVED, "experiment_plan.method is required"),
        ("safety.max_duration", "45s", "experiment_plan.safety.max_duration: '45s' is refused: the windows and attacks of this plan take 50s"),
        ("steady_state.0.port", 0, "experiment_plan.steady_state: "),
        ("steady_state.1", {"name": "shop answers", "type": "tcp", "host": "shop", "port": 80}, "experiment_plan.steady_state: "),
        ("steady_state.1", {"name": "x", "type": "smell"}, "experiment_plan.steady_state: "),
    ],
)
def test_the_message_says_what_to_write(path: str, value: Any, words: str) -> None:
    with pytest.raises(AttackError) as error:
        normalise(changed(path, value))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("plan", [None, {}])
def test_no_plan(plan: Any) -> None:
    with pytest.raises(AttackError, match="experiment_plan is required: pass a plan"):
        normalise(plan)


@pytest.mark.parametrize("plan", ["title=x", [], ["x"], 5, True])
def test_not_a_plan(plan: Any) -> None:
    with pytest.raises(AttackError, match="^experiment_plan: .* is refused: write a dictionary"):
        normalise(plan)


def test_yaml_that_is_not_what_it_looks_like() -> None:
    text = "title: x\nsteady_state: [{name: p, type: command, argv: [id], on: n1}]\nmethod: [{attack: a, hosts: b, duration: 5s}]"
    with pytest.raises(AttackError, match="put quotes around on, off"):
        normalise(yaml.safe_load(text))
    with pytest.raises(AttackError, match="method\\[0\\].select.count: True is refused"):
        normalise(changed("method.0.select", yaml.safe_load("{count: yes}")))


def test_too_many_steps_and_too_deep() -> None:
    with pytest.raises(AttackError, match="experiment_plan.method: 51 steps are refused"):
        normalise({**LEAST, "method": LEAST["method"] * 51})
    deep: Any = "x"
    for _level in range(30):
        deep = [deep]
    with pytest.raises(AttackError, match="nested deeper"):
        normalise(changed("method.0.with", {"x": deep}))


def test_the_argument_specs_of_the_role_say_the_same() -> None:
    specs = yaml.safe_load((CHECKOUT / "roles/experiment/meta/argument_specs.yml").read_text())
    plan = specs["argument_specs"]["main"]["options"]["experiment_plan"]["options"]
    assert set(plan) == set(experiment_plan.KNOWN[""])
    for name in ("observe", "method", "safety", "report"):
        assert set(plan[name]["options"]) == set(experiment_plan.KNOWN[name]), name
    assert set(plan["method"]["options"]["select"]["options"]) == set(experiment_plan.KNOWN["select"])
    required = {name for name, option in plan.items() if option.get("required")}
    assert required == {"title", "steady_state", "method"}
    assert {name for name, option in plan["method"]["options"].items() if option.get("required")} == {"attack", "hosts", "duration"}
    # The defaults that people read are the ones that act.
    told = {
        f"{level}.{name}": option["default"]
        for level in ("observe", "safety", "report")
        for name, option in plan[level]["options"].items()
        if "default" in option
    }
    spelt = copy.deepcopy(LEAST)
    for path, value in told.items():
        level, name = path.split(".")
        spelt.setdefault(level, {})[name] = value
    assert normalise(spelt) == normalise(LEAST)
