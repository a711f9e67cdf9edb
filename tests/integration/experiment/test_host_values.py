# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan with templates: what is the same for every host works, what is not is refused before a host is touched."""

from __future__ import annotations

import pytest
import yaml

from tests.integration.experiment.support.fleet import Fleet, Result

OWN_PLAY = [
    {
        "hosts": "web",
        "gather_facts": False,
        "vars": {"of_the_play": 5, "in_both": 5},
        "tasks": [{"ansible.builtin.import_role": {"name": "faultline.chaos.experiment", "rolespec_validate": False}}],
    }
]


def in_own_play(fleet: Fleet, **step: object) -> Result:
    """The role in a play of its own, where the variables of hosts can be used in a plan."""
    (fleet.root / "host_vars").mkdir()
    (fleet.root / "host_vars/n1.yml").write_text("strength: 7\nonly_here: 3\n")
    (fleet.root / "host_vars/n2.yml").write_text("strength: 9\nin_both: 9\n")
    (fleet.root / "group_vars").mkdir()
    (fleet.root / "group_vars/web.yml").write_text("strength: 7\nof_the_group: 4\n")
    book = fleet.root / "own.yml"
    book.write_text(yaml.safe_dump(OWN_PLAY))
    return fleet.play(str(book), "-e", f"@{fleet.write_plan(fleet.plan(step=step))}")


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"with": {"magnitude": "{{ strength }}"}}, "method[0].with.magnitude: 7 is refused: that is its value on n1, on n2 it is 9;"),
        ({"with": {"magnitude": "{{ inventory_hostname[1:] }}"}}, "method[0].with.magnitude: '1' is refused: that is its value on n1, on n"),
        ({"with": "{{ {'magnitude': strength} }}"}, "method[0].with.magnitude: 7 is refused: that is its value on n1, on n2 it is 9;"),
        ({"ramp": {"magnitude": [1, "{{ strength }}"]}}, "method[0].ramp.magnitude: [1, 7] is refused: that is its value on n1, on n2 it is [1, 9];"),
        ({"duration": "{{ strength }}s"}, "method[0].duration: '7s' is refused: that is its value on n1, on n2 it is \"9s\";"),
    ],
)
def test_refused(fleet: Fleet, step: dict, words: str) -> None:
    result = in_own_play(fleet, **step)
    assert result.rc != 0
    assert f"experiment_plan.{words}" in " ".join(result.output.split())
    assert [fleet.log(host) for host in ("n1", "n2", "n3", "n4")] == [[]] * 4


@pytest.mark.parametrize(
    ("template", "magnitude"),
    [
        ("{{ of_the_group }}", 4),
        ("{{ of_the_play }}", 5),
        ("{{ in_both }}", 5),
        ("{{ hostvars.n2.strength }}", 9),
        ("{{ groups.web | length }}", 4),
        ("{{ only_here }}", 3),
    ],
)
def test_the_same_for_every_host(fleet: Fleet, template: str, magnitude: int) -> None:
    result = in_own_play(fleet, **{"with": {"magnitude": template}})
    assert result.rc == 0, result.output
    for host in ("n1", "n2", "n3", "n4"):
        assert f" magnitude {magnitude} " in fleet.log(host)[0]


def test_the_playbook_knows_no_host(fleet: Fleet) -> None:
    result = fleet.experiment(fleet.plan(step={"with": {"magnitude": "{{ inventory_hostname[1:] }}"}}))
    assert result.rc != 0
    assert "'inventory_hostname' is undefined" in result.output or "or that only hosts have: a plan is the same for every host" in result.output
    assert fleet.log("n1") == []
