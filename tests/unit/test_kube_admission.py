# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example of an admission policy names what journals are, as the code does. Its expressions are tried where a CEL library is installed."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.faultline.chaos.plugins.module_utils._marks import MANAGED_BY, OURS, PREFIX
from tests.support.paths import CHECKOUT

POLICY, BINDING = yaml.safe_load((CHECKOUT / "docs/rbac/admission.yml").read_text())["items"]
TEXTS = {each["name"]: each["expression"] for each in POLICY["spec"]["variables"]}
CHAOS, GARBAGE = "system:serviceaccount:shop:faultline", "system:serviceaccount:kube-system:generic-garbage-collector"
JOURNAL, OTHER, BARE = {"labels": {MANAGED_BY: OURS}}, {"labels": {"app": "web"}}, {}
CASES = {
    "a forged journal": ("eve", None, JOURNAL, "x", False),
    "a name of ours": ("eve", None, BARE, "faultline-w", False),
    "a deleted journal": ("eve", JOURNAL, None, "faultline-w", False),
    "a label taken off": ("eve", JOURNAL, OTHER, "x", False),
    "a label put on": ("eve", OTHER, JOURNAL, "x", False),
    "anything else": ("eve", OTHER, OTHER, "x", True),
    "without labels": ("eve", None, BARE, "x", True),
    "the account of chaos": (CHAOS, None, JOURNAL, "faultline-w", True),
    "the cluster": (GARBAGE, JOURNAL, None, "faultline-w", True),
}


def test_it_is_bound_and_fails_closed() -> None:
    assert BINDING["spec"] == {"policyName": POLICY["metadata"]["name"], "validationActions": ["Deny"]} and POLICY["spec"]["failurePolicy"] == "Fail"
    [rule] = POLICY["spec"]["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["configmaps", "secrets"] and rule["operations"] == ["CREATE", "UPDATE", "DELETE"]


def test_it_knows_journals_as_the_code_does() -> None:
    assert TEXTS["label"] == f"'{MANAGED_BY}'" and TEXTS["named"] == f"request.name.startsWith('{PREFIX}')"
    assert all(f"== '{OURS}'" in TEXTS[word] for word in ("was", "becomes"))


@pytest.mark.parametrize(("user", "old", "new", "name", "admitted"), CASES.values(), ids=CASES)
def test_who_may_write_what(user: str, old: dict | None, new: dict | None, name: str, admitted: bool) -> None:
    celpy = pytest.importorskip("celpy")

    def value(text: str, variables: dict) -> object:
        environment = celpy.Environment()
        operation = "CREATE" if old is None else "DELETE" if new is None else "UPDATE"
        given = {"object": None if new is None else {"metadata": new}, "oldObject": None if old is None else {"metadata": old}}
        given["request"] = {"name": name, "operation": operation, "userInfo": {"username": user}}
        context = {key: celpy.json_to_cel(told) for key, told in given.items()}
        context["variables"] = celpy.celtypes.MapType({celpy.celtypes.StringType(key): told for key, told in variables.items()})
        return environment.program(environment.compile(text)).evaluate(context)

    known: dict = {}
    for word, text in TEXTS.items():
        known[word] = value(text, known)
    [validation] = POLICY["spec"]["validations"]
    assert bool(value(validation["expression"], known)) is admitted
