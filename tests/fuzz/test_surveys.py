# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the ready playbooks with what a form sends: a plan that the role takes, or a refusal that names a variable."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from ansible_collections.faultline.chaos.plugins.filter.survey_plan import survey_plan
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey import variables
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.survey_faults import SURVEYS
from tests.fuzz.words import answers

GROUPS = {"all": ["db1", "web1", "web2"], "web": ["web1", "web2"], "db": ["db1"]}
GOOD = {
    "fault_hosts": "web", "fault_url": "http://shop.example.com/", "fault_namespace": "shop", "fault_labels": "app=web", "fault_nodes": "pool=web",
    "dependency_host": "db.example.com", "fault_domains": "db.example.com", "fault_process": "redis-server", "fault_service": "redis",
}  # fmt: skip


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: x}}]
"""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(KUBECONFIG)
    return str(path)


@pytest.mark.parametrize("playbook", SURVEYS)
@given(data=st.data())
def test_a_plan_or_a_refusal_that_names_the_variable(playbook: str, kubeconfig: str, data) -> None:
    survey = SURVEYS[playbook]
    known = variables(playbook)
    given = {name: value for name, value in GOOD.items() if name in known}
    if survey.kube:
        given.update(fault_url="", fault_workload="shop/deployment/web", fault_kubeconfig=kubeconfig)
    tried = data.draw(st.lists(st.sampled_from(sorted({*known, *survey.aliases.values()})), min_size=1, max_size=3, unique=True))
    given.update({name: data.draw(answers(), label=name) for name in tried})
    refusal = survey_plan(given, playbook, GROUPS, only_refusal=True)
    if refusal == "":
        normalise(survey_plan(given, playbook, GROUPS))
        return
    assert re.match(r"(fault|dependency|resource_stress)_\w+\b", refusal) or re.search(r"one of fault_\w+", refusal), refusal
    named = set(re.findall(r"\b(?:fault|dependency|resource_stress)_\w+", refusal))
    assert named <= {*known, *survey.aliases.values()} or any(isinstance(value, str) and "_" in value for value in given.values())
