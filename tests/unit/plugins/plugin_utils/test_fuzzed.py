# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests/fuzz has found in the code of the controller, one example of each kind."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.filter.survey_plan import survey_plan
from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rule_worker import unmet
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import read_expression, read_regex

GROUPS = {"all": ["db1", "web1", "web2"], "web": ["web1", "web2"], "db": ["db1"]}
PROMETHEUS = {"name": "p", "type": "prometheus", "url": "http://prometheus.example.com:9090", "query": "up", "expect": {"min": 1}}


def test_a_body_that_is_nested_too_deeply_is_not_json() -> None:
    assert unmet("json", "depth", "[" * 100_000, "the body") == "the body is not JSON that can be read: it is nested too deeply"


@pytest.mark.parametrize("rule", [read_expression, read_regex])
@pytest.mark.parametrize("text", ["(" * 1000 + ")" * 1000, "[" * 1000, "a{1000000000000}"])
def test_a_rule_that_cannot_be_compiled_is_refused(rule, text: str) -> None:
    name = "json" if rule is read_expression else "regex"
    with pytest.raises(BadOption, match=f"^expect: {name}: "):
        rule(Options({name: text}, "expect"))


@pytest.mark.parametrize(("expression", "body"), [("depth", '{"depth": ' + "9" * 4000 + "}"), ("keys(depth)", '{"depth": "' + "x" * 5000 + '"}')])
def test_the_answer_of_a_service_does_not_make_a_reason_long(expression: str, body: str) -> None:
    assert len(unmet("json", expression, body, "the body")) < 700


class Said(t.NamedTuple):
    body: str
    status: int = 200
    whole: bool = True


VECTOR = '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [%s]}]}}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[" * 100_000, "not an answer of Prometheus"),
        (VECTOR % f"1, {'9' * 4000}", "not an answer of Prometheus"),
        (VECTOR % '1e999, "5"', "not an answer of Prometheus"),
        ('{"status": "success", "data": {"resultType": "' + "x" * 5000 + '", "result": []}}', "a x"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"range": "5m"}])
def test_an_answer_that_is_none_of_prometheus(body: str, reason: str, options: dict) -> None:
    (probe,) = read_probes([{**PROMETHEUS, **options}])
    if options:
        body = body.replace("vector", "matrix").replace('"value": [', '"values": [[').replace("]}]}}", "]]}]}}")
    probe._client.fetch = lambda *_told, **_more: Said(body)
    found = probe.attempt(1.0)
    assert not found.ok and found.detail.startswith(reason) and len(found.detail) < 300


@pytest.mark.parametrize("name", ["min", "max"])
def test_a_limit_beyond_all_numbers_is_refused(name: str) -> None:
    with pytest.raises(BadOption, match=f"expect: {name}: "):
        read_probes([{**PROMETHEUS, "expect": {name: 10**400}}])


# --- surveys ----------------------------------------------------------------------------------------------

WEB = {"fault_hosts": "web", "fault_url": "http://shop.example.com/"}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: x}}]
"""
KUBE = {"fault_namespace": "shop", "fault_labels": "app=web", "fault_workload": "shop/deployment/web"}


@pytest.mark.parametrize(
    ("playbook", "given", "named"),
    [
        ("network_fault", {"fault_hosts": "x\ny"}, "fault_hosts: "),  # was: the title that it is a part of
        ("network_fault", {"fault_hosts": "x" * 3000}, "fault_hosts: "),
        ("network_fault", {"fault_url": " "}, "fault_url: "),  # was: the name of the probe
        ("network_fault", {"fault_url": ["a"]}, "fault_url: "),
        ("network_fault", {"fault_protected": "5\0"}, "fault_protected: "),  # was: safety.protected[0]
        ("clock_fault", {"fault_window": ["a"]}, "fault_window: "),
        ("pod_delete", {**KUBE, "fault_kubeconfig": "/no/such"}, "fault_kubeconfig: "),
        ("pod_delete", {**KUBE, "fault_ready": "many"}, "fault_ready: "),
        ("pod_delete", {**KUBE, "fault_from": "x\ny"}, "fault_from: "),
        ("resource_stress", {"fault_hosts": "web", "resource_stress_hosts": "db"}, "resource_stress_hosts is the older name of fault_hosts"),
    ],
)
def test_a_refusal_names_the_variable(playbook: str, given: dict, named: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(KUBECONFIG)
    probe = {"fault_url": "", "fault_kubeconfig": str(tmp_path / "config")} if playbook == "pod_delete" else {}
    refusal = survey_plan({**WEB, **probe, **given}, playbook, GROUPS, only_refusal=True)
    assert refusal.startswith(named)


@pytest.mark.parametrize("given", [{"fault_url": f"http://shop.example.com/{'a' * 150}"}, {"fault_peers": "x" * 500}])
def test_a_long_answer_is_no_reason_to_refuse(given: dict) -> None:
    """The title and the name of the probe are made of it, and have to be short."""
    assert survey_plan({**WEB, **given}, "network_fault", GROUPS, only_refusal=True) == ""


def test_a_count_of_many_digits_is_left_to_the_attack() -> None:
    made = survey_plan({**KUBE, "fault_count": "9" * 5000}, "pod_delete", GROUPS)
    assert made["method"][0]["with"]["count"] == "9" * 5000
