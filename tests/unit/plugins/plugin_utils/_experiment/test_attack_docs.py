# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a step are checked against the documentation of its attack, other names included."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.attack_docs import check_attacks
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise


def plan(attack: str, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    step = {"attack": attack, "hosts": "web", "with": options, "duration": "1m", **more}
    probe = {"name": "shop", "type": "http", "url": "http://shop/", "tolerance": {"success": "99%"}}
    return normalise({"title": "x", "steady_state": [probe], "method": [step]})


@pytest.mark.parametrize(
    ("attack", "options"),
    [
        ("blackhole", {"peers": ["192.0.2.1"], "exclude": ["192.0.2.2"], "direction": "ingress"}),
        ("blackhole", {"cidr": ["192.0.2.1"], "names": ["db"], "exclude_cidr": ["192.0.2.2"], "direction": "in"}),
        ("k8s_network_partition", {"namespace": "shop", "all": True, "exclude_pods": "a=b"}),
        ("k8s_network_partition", {"namespace": "shop", "all": True, "allow_pods": "a=b", "allow_cidrs": ["10.0.0.0/8"]}),
    ],
)
def test_old_and_new_names_are_accepted(attack: str, options: dict[str, Any]) -> None:
    check_attacks(plan(attack, options))


@pytest.mark.parametrize(
    ("attack", "options", "ramp", "words"),
    [
        ("blackhole", {"peers": ["192.0.2.1"], "cidr": ["192.0.2.1"]}, {}, "peers and cidr are names of one option of faultline.chaos.blackhole: give peers"),
        ("blackhole", {"ports": ["80"], "exclude": [], "exclude_cidr": []}, {}, "exclude and exclude_cidr are names of one option"),
        ("k8s_network_partition", {"namespace": "shop", "all": True, "allow_pods": "a=b", "exclude_pods": "a=b"}, {}, "exclude_pods and allow_pods"),
        ("blackhole", {"cidr": "192.0.2.1"}, {"peers": ["192.0.2.1", "192.0.2.2"]}, "peers and cidr are names of one option"),
    ],
)
def test_both_names_of_an_option_are_refused(attack: str, options: dict[str, Any], ramp: dict[str, Any], words: str) -> None:
    with pytest.raises(AttackError) as error:
        check_attacks(plan(attack, options, **({"ramp": ramp} if ramp else {})))
    assert f"method[0].with: {words}" in str(error.value)
