# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan from flat variables: as version 0.1 made it, and what is refused.

tests/unit/data/plans_0_1.json was made with the templates that the playbooks of 0.1 had. For each playbook it has variables and the
plan of these, complete and flattened, and cases: more variables, and what differs in the plan then; null is what is not there.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.faultline.chaos.plugins.filter.survey_plan import survey_plan
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey import plan, variables
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey_faults import SURVEYS
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory
from tests.support.paths import CHECKOUT

OF_0_1 = json.loads((CHECKOUT / "tests/unit/data/plans_0_1.json").read_text())
GROUPS = {"all": ["db1", "web1", "web2"], "web": ["web1", "web2"], "db": ["db1"]}
WEB = {"fault_hosts": "web", "fault_url": "http://shop.example.com/"}
KUBE = {"fault_namespace": "shop", "fault_labels": "app=web", "fault_workload": "shop/deployment/web"}


def make(playbook: str, given: dict[str, Any]) -> dict[str, Any]:
    return plan(playbook, given, Inventory(GROUPS).match)


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """The leaves of a plan by their paths. Lists of single values are leaves; what is empty is left out."""
    if isinstance(value, dict) and value:
        return {path: leaf for key, item in value.items() for path, leaf in flat(item, f"{at}.{key}" if at else key).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {path: leaf for number, item in enumerate(value) for path, leaf in flat(item, f"{at}.{number}").items()}
    return {} if value in ({}, [], None) else {at: value}


def complete(playbook: str, given: dict[str, Any]) -> dict[str, Any]:
    """The plan as the role runs it, flattened. The order of the probes has no meaning."""
    made = json.loads(json.dumps(normalise(make(playbook, given))))
    made["steady_state"].sort(key=lambda probe: probe["name"])
    return flat(made)


WORDS = {"cidr": "peers", "names": "peers", "allow_cidrs": "exclude", "allow_pods": "exclude_pods", "in": "ingress", "out": "egress"}


def in_new_words(leaves: dict[str, Any]) -> dict[str, Any]:
    """Options of attacks that were renamed after 0.1, under their new names; peers in any order."""
    found: dict[str, Any] = {}
    for path, leaf in leaves.items():
        head, dot, word = path.rpartition(".")
        name = head + dot + (WORDS.get(word, word) if head.endswith(".with") else word)
        value = WORDS.get(leaf, leaf) if word == "direction" else leaf
        found[name] = sorted([*found.get(name, []), *value]) if name.endswith(".with.peers") else value
    return found


@pytest.mark.parametrize("playbook", OF_0_1)
def test_the_plans_are_those_of_version_0_1(playbook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "https://cluster.example.com:6443")
    base = OF_0_1[playbook]
    differ = {}
    for more, changes in [[{}, {}], *base["cases"]]:
        wanted = {path: leaf for path, leaf in {**base["plan"], **changes}.items() if leaf is not None}
        wanted = in_new_words(wanted)
        made = in_new_words(complete(playbook, {**base["given"], **more}))
        # Compared as JSON, so that 1, "1" and true are three different values.
        if json.dumps(made, sort_keys=True) != json.dumps(wanted, sort_keys=True):
            differ[json.dumps(more)] = {path: (wanted.get(path), made.get(path)) for path in {**wanted, **made} if wanted.get(path) != made.get(path)}
    assert differ == {}


def test_all_playbooks_are_compared() -> None:
    assert set(OF_0_1) == set(SURVEYS)
    assert sum(len(base["cases"]) for base in OF_0_1.values()) > 500
    for name, base in OF_0_1.items():
        varied = set().union(base["given"], *(more for more, _changes in base["cases"]))
        new = {"fault_tcp", "fault_settle", "fault_window"} if name == "resource_stress" else set()
        assert {SURVEYS[name].aliases.get(variable, variable) for variable in set(variables(name)) - new} <= varied, name


# What else has to be given for a variable of resource_stress to make a difference.
BESIDE = {"fault_rate": {"fault_kind": "memory"}, "fault_path": {"fault_kind": "io"}, "fault_leave": {"fault_kind": "fd", "fault_process": "nginx"}}
BESIDE |= {"fault_process": {"fault_kind": "fd"}, "fault_reserve": {"fault_kind": "pid"}, "fault_success": {"fault_tcp": "db:5432"}}


@pytest.mark.parametrize(("name", "older"), SURVEYS["resource_stress"].aliases.items())
def test_an_older_name_means_the_same(name: str, older: str) -> None:
    value = {"fault_hosts": "db", "fault_kind": "fd"}.get(name, "7")
    beside = {"fault_hosts": "web", **BESIDE.get(name, {})}
    beside.pop(name, None)
    made = make("resource_stress", {**beside, older: value})
    assert made == make("resource_stress", {**beside, name: value})
    assert made != make("resource_stress", {"fault_hosts": "web", **beside})
    # AWX passes an empty text for a question without an answer.
    assert made == make("resource_stress", {**beside, name: value, older: ""}) == make("resource_stress", {**beside, name: "", older: value})
    with pytest.raises(AttackError, match=f"{older} is the older name of {name}, and both are given \\('{value}' and '9'\\): give only {name}"):
        make("resource_stress", {**beside, name: "9", older: value})


def test_resource_stress_takes_what_the_others_take() -> None:
    given = {"fault_hosts": "web", "fault_tcp": "db.example.com:5432", "fault_window": "Mon-Fri 09:00-15:00 UTC", "fault_settle": "5s"}
    made = make("resource_stress", given)
    assert made["observe"] == {"settle": "5s"} and made["safety"]["window"] == "Mon-Fri 09:00-15:00 UTC"
    [probe] = made["steady_state"]
    assert (probe["type"], probe["host"], probe["port"]) == ("tcp", "db.example.com", "5432")


def test_a_probe_of_the_cluster_has_its_connection() -> None:
    [probe] = make("pod_delete", {**KUBE, "fault_kubeconfig": "/srv/config", "fault_context": "prod"})["steady_state"]
    assert (probe["kubeconfig"], probe["context"]) == ("/srv/config", "prod")


@pytest.mark.parametrize("text", ["[2001:db8::7]:5432", "2001:db8::7:5432", " 2001:db8::7:5432 "])
def test_an_address_of_version_6(text: str) -> None:
    [probe] = make("clock_fault", {"fault_hosts": "web", "fault_tcp": text})["steady_state"]
    assert (probe["host"], probe["port"]) == ("2001:db8::7", "5432")


@pytest.mark.parametrize(
    ("playbook", "given", "words"),
    [
        ("clock_fault", {}, "fault_hosts: '' is refused: name hosts or groups"),
        ("clock_fault", {"fault_hosts": "web"}, "one of fault_url and fault_tcp is required"),
        ("clock_fault", {**WEB, "fault_tcp": "db:1"}, "fault_url and fault_tcp are given: give only one of fault_url and fault_tcp"),
        ("clock_fault", {"fault_hosts": "web", "fault_tcp": "db"}, "fault_tcp: 'db' is refused: write HOST:PORT"),
        ("clock_fault", {**WEB, "fault_mode": "slew"}, "fault_mode: 'slew' is refused: choose from step, strobe"),
        ("network_fault", {**WEB, "fault_mode": "cut"}, "fault_mode: 'cut' is refused: choose from delay, loss, rate, corrupt, duplicate, drop, reject"),
        ("network_fault", {**WEB, "fault_direction": "up"}, "fault_direction: 'up' is refused: choose from egress, ingress, both"),
        ("network_fault", {**WEB, "fault_mode": "drop"}, "fault_mode: 'drop' .* at least one of fault_peers, fault_ports and fault_interface"),
        ("dependency_down", WEB, "dependency_host or dependency_port or both are required"),
        ("dependency_down", {**WEB, "dependency_port": 1, "dependency_action": "cut"}, "dependency_action: 'cut' is refused: choose from drop, reject"),
        ("dns_fault", WEB, "fault_domains: '' is refused: name domains"),
        ("dns_fault", {**WEB, "fault_domains": "a.b", "fault_mode": "lie"}, "fault_mode: 'lie' is refused: choose from nxdomain"),
        ("dns_fault", {**WEB, "fault_domains": "a.b", "fault_mode": "spoof"}, "fault_addresses: '' is refused: give fault_addresses with spoof"),
        ("dns_fault", {**WEB, "fault_domains": "a.b", "fault_addresses": "192.0.2.1"}, "fault_addresses: '192.0.2.1' .* fault_mode is nxdomain"),
        ("process_fault", WEB, "fault_process: '' is refused: give the exact name"),
        ("process_fault", {**WEB, "fault_process": "x", "fault_action": "stop"}, "fault_action: 'stop' is refused: choose from kill, freeze"),
        ("service_fault", WEB, "fault_service: '' is refused: name services"),
        ("host_shutdown", {**WEB, "fault_action": "halt"}, "fault_action: 'halt' is refused: choose from reboot, poweroff, crash"),
        ("host_shutdown", {**WEB, "fault_action": "poweroff"}, "fault_way_back: 'none' is refused: with poweroff"),
        ("disk_fault", {**WEB, "fault_kind": "tape"}, "fault_kind: 'tape' is refused: choose from fill, inodes, io, throttle, file"),
        ("disk_fault", {**WEB, "fault_kind": "throttle"}, "fault_service: '' is refused: with throttle fault_service is needed"),
        ("disk_fault", {**WEB, "fault_kind": "file"}, "fault_path: '' is refused: with file fault_path is needed"),
        ("resource_stress", {"resource_stress_hosts": "web", "resource_stress_kind": "network"}, "resource_stress_kind: 'network' .* cpu, memory, io, pid, fd"),
        ("resource_stress", {"resource_stress_hosts": "mail"}, "resource_stress_hosts: 'mail' is refused: the inventory has no host or group mail"),
        ("resource_stress", {**WEB, "fault_url": "", "fault_tcp": "db:1", "resource_stress_url": "http://a/"}, "resource_stress_url and fault_tcp are given"),
        ("pod_delete", {}, "fault_namespace: '' is refused: name a namespace"),
        ("pod_delete", {**KUBE, "fault_labels": ""}, "fault_labels: '' is refused: give labels of pods"),
        ("pod_delete", {**KUBE, "fault_workload": ""}, "one of fault_url, fault_tcp and fault_workload is required"),
        ("pod_delete", {**KUBE, "fault_workload": "web"}, "fault_workload: 'web' is refused: write NAMESPACE/KIND/NAME"),
        ("pod_delete", {**KUBE, "fault_ignore_budgets": "maybe"}, "fault_ignore_budgets: 'maybe' is refused: answer yes or no"),
        ("network_partition", {**KUBE, "fault_labels": ""}, "fault_labels: '' is refused"),
        ("node_drain", KUBE, "fault_nodes: '' is refused: give labels of nodes"),
        ("capacity_squeeze", KUBE, "fault_nodes: '' is refused: give labels of nodes"),
        ("disk_falt", WEB, "survey_plan: 'disk_falt' is refused: choose from capacity_squeeze, clock_fault"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named_with_its_fix(playbook: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(AttackError, match=words) as error:
        make(playbook, given)
    assert survey_plan(given, playbook, GROUPS, only_refusal=True) == str(error.value)
    with pytest.raises(AnsibleFilterError, match=words):
        survey_plan(given, playbook, GROUPS)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("fault_window", "sometimes"), ("fault_count", "two"), ("fault_lease", "soon"), ("fault_settle", "soon"), ("fault_percent", "abc"),
        ("fault_hosts", "nosuch"), ("fault_url", "shop"), ("fault_success", "abc"), ("fault_duration", "soon"), ("fault_seed", [1]),
        ("fault_tcp", "db:99999"), ("fault_direction", ["in"]), ("resource_stress_duration", "soon"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(variable: str, value: Any) -> None:
    """Who fills in a survey wrote no experiment_plan."""
    playbook = "resource_stress" if variable.startswith("resource") else "network_fault"
    given = {"fault_hosts": "web", "fault_url": "" if variable == "fault_tcp" else "http://shop.example.com/", variable: value}
    said = survey_plan(given, playbook, {"all": ["w1"], "web": ["w1"], "ungrouped": []}, only_refusal=True)
    assert said.startswith(f"{variable}: ") and "is refused: " in said and "experiment_plan" not in said, said


def test_the_filter_returns_the_plan_or_no_refusal() -> None:
    assert survey_plan(WEB, "clock_fault", GROUPS) == make("clock_fault", WEB)
    assert survey_plan(WEB, "clock_fault", GROUPS, only_refusal=True) == ""
    with pytest.raises(AnsibleFilterError, match="give it a dict"):
        survey_plan("fault_hosts", "clock_fault", GROUPS)


def test_null_is_an_empty_answer_and_lists_are_taken() -> None:
    assert make("clock_fault", {**WEB, "fault_tcp": None, "fault_lease": None}) == make("clock_fault", WEB)
    assert make("clock_fault", {**WEB, "fault_protected": ["a", "b"]}) == make("clock_fault", {**WEB, "fault_protected": "a, b"})
