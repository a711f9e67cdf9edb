# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What k8s_resource_quota refuses, and what it counts as used up."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.modules.k8s_resource_quota import ResourceQuota, check_hard, exhausted


def quota(**params) -> ResourceQuota:
    return ResourceQuota({"namespace": "shop", "hard": {"pods": 0}, "wait": "20s", **params})


def test_limits_are_text_for_the_server() -> None:
    hard = {"pods": 0, "requests.cpu": "500m", "count/deployments.apps": 2, "requests.nvidia.com/gpu": 1}
    hard["gold.storageclass.storage.k8s.io/requests.storage"] = "1Gi"
    assert check_hard(hard) == {name: str(value) for name, value in hard.items()}


@pytest.mark.parametrize("name", ["pod", "", "Pods", "pods; id", "count/", "count/Pods", "requests", "requests.", "cpu\n", "*", 5, None, "limits.disk"])
def test_what_a_quota_does_not_count_is_refused(name: object) -> None:
    with pytest.raises(BadOption, match="^hard: "):
        quota(hard={name: 1}).validate()


@pytest.mark.parametrize("value", ["", "-1", -1, "many", None, True, [], "1GB", "0.5", "500m", "nan", "1 Gi"])
def test_limits_that_are_refused(value: object) -> None:
    with pytest.raises(BadOption, match="^hard: "):
        quota(hard={"pods": value}).validate()


@pytest.mark.parametrize("hard", [{}, {f"count/a{'x' * n}": 1 for n in range(51)}])
def test_too_few_or_too_many_limits(hard: dict) -> None:
    with pytest.raises(BadOption, match="give 1 to 50"):
        quota(hard=hard).validate()


@pytest.mark.parametrize("wait", ["0s", "-1", "3m", "soon", None, True])
def test_waits_that_are_refused(wait: object) -> None:
    with pytest.raises(BadOption, match="^wait: "):
        quota(wait=wait).validate()


def test_used_up() -> None:
    assert exhausted({"pods": "2", "requests.cpu": "1", "services": "5"}, {"pods": "2", "requests.cpu": "1000m"}) == ["pods", "requests.cpu"]


def test_a_quota_that_is_as_strict_already_is_told() -> None:
    attack = quota()
    attack.validate()
    attack.id = "q"
    plan = attack.plan([{"metadata": {"name": "theirs"}, "spec": {"hard": {"pods": "0"}}}])
    assert plan.notes == ["a quota that was there is as strict already: pods of theirs"]
    assert plan.steps[0].body["spec"] == {"hard": {"pods": "0"}}
