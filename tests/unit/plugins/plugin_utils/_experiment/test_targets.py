# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.plan import normalise
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.round_kinds import CONNECTION
from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.targets import Draw, draw, refuse_lost_leases, schedule
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection import inventory as selection_inventory
from ansible_collections.faultline.chaos.plugins.plugin_utils._selection.inventory import Inventory, aliases, is_controller, machine_of

CHAOS = "faultline.chaos"
WEB = [f"web{number}" for number in range(1, 6)]
GROUPS = {"all": [*WEB, "db1", "bastion"], "ungrouped": ["bastion"], "web": WEB, "db": ["db1"], "empty": [], "prod": [*WEB, "db1"]}
PROBES = [{"name": "up", "type": "tcp", "host": "shop", "port": 80}]


def plan(*steps: dict[str, Any], **safety: Any) -> dict[str, Any]:
    method = [{"attack": "netem", "duration": "30s", **step} for step in steps]
    return normalise({"title": "t", "steady_state": PROBES, "method": method, "safety": safety})


def drawn(the_plan: dict[str, Any], in_play: list[str] | None = None, **variables: dict[str, Any]) -> Draw:
    return draw(the_plan, Inventory(GROUPS), GROUPS["all"] if in_play is None else in_play, lambda host: variables.get(host, {}), "run")


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("web", WEB), ("web3", ["web3"]), ("web:!web3", ["web1", "web2", "web4", "web5"]), ("prod:&db", ["db1"]), ("all:!bastion", [*WEB, "db1"]),
        ("web[0:1]", ["web1", "web2"]), ("w*", WEB), ("~web[12]", ["web1", "web2"]), ("web1,db1", ["web1", "db1"]), ("web:!empty", WEB),
        ("localhost", ["localhost"]),
    ],
)  # fmt: skip
def test_patterns_are_those_of_ansible(pattern: str, expected: list[str]) -> None:
    assert Inventory(GROUPS).match("hosts", pattern) == expected


@pytest.mark.parametrize("pattern", ["wbe", "web:dbb", "web:!bastoin", "web:&produ", "empty", "web:!all", "web:&db", "", "web[9]", None])
def test_a_pattern_that_names_nothing_is_refused(pattern: Any) -> None:
    with pytest.raises(BadOption, match="^hosts: "):
        Inventory(GROUPS).match("hosts", pattern)


def test_limit() -> None:
    inventory = Inventory(GROUPS)
    assert inventory.match("hosts", "web", "web2,web3") == ["web2", "web3"]
    with pytest.raises(BadOption, match="--limit db leaves none"):
        inventory.match("hosts", "web", "db")
    assert inventory.match("hosts", "web") == WEB


class Unread(list):
    """A group that must not be looked into."""

    def __iter__(self) -> Any:
        raise AssertionError("read")


def test_only_the_groups_of_the_pattern_are_read() -> None:
    inventory = Inventory({**GROUPS, "all": Unread(GROUPS["all"]), "prod": Unread(GROUPS["prod"])})
    assert inventory.match("hosts", "web:!empty", "web,db") == WEB
    with pytest.raises(AssertionError, match="read"):
        inventory.match("hosts", "web:!web1")


@pytest.mark.parametrize("limit", [None, "prod", "web:!db", "&db", "!db"])
@pytest.mark.parametrize(
    "pattern", ["web", "db:web", "web:db", "!db", "&prod", "prod:&web", "&web:prod", "all:!web", "!web:all", "web:!empty:&prod", "ungrouped,web:!db", "all"]
)
def test_patterns_of_groups_are_read_as_ansible_reads_them(pattern: str, limit: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def hosts() -> list[str] | str:
        try:
            found = Inventory(GROUPS).match("hosts", pattern, limit)
            return sorted(found) if "all" in pattern or pattern[0] in "!&" else found  # the order within all is that of the inventory
        except BadOption as error:
            return str(error)

    found = hosts()
    monkeypatch.setattr(Inventory, "_is_plain", lambda _self, _pattern: False)
    assert found == hosts()


def test_a_group_with_the_name_of_a_host_pattern() -> None:
    assert Inventory({"all": ["a.b", "axb"], "a?b": ["a.b"], "a.b": ["axb"]}).match("hosts", "a?b") == ["a.b", "axb"]


def test_the_message_names_the_groups() -> None:
    with pytest.raises(BadOption, match="no host or group wbe; its groups: db, empty, prod, web"):
        Inventory(GROUPS).match("hosts", "wbe")


def test_each_step_draws_by_itself_and_caps_reach_over_all() -> None:
    both = plan(
        {"hosts": "web", "select": {"percent": 100, "seed": 1}}, {"hosts": "prod", "select": {"count": 6, "seed": 2}}, max_count_per_group=3, groups=["web"]
    )
    found = drawn(both)
    assert len(found.targets[0].selected) == 3
    assert set(found.targets[1].selected) == {*found.targets[0].selected, "db1"}
    assert all(check["ok"] for check in found.checks)
    assert "5 were asked for, held back by: at most 3 of group web" in found.checks[0]["detail"]


def test_the_run_id_is_the_seed_unless_there_is_one() -> None:
    assert drawn(plan({"hosts": "web"})).targets[0].seed == "run"
    assert drawn(plan({"hosts": "web", "select": {"seed": 0}})).targets[0].seed == "0"


def test_protected_hosts_are_never_selected_under_any_name() -> None:
    every = {"hosts": "all", "select": {"percent": 100}}
    found = drawn(plan(every, protected=["bastion", "db"]), web1={"ansible_host": "10.0.0.9"}, bastion={"ansible_host": "10.0.0.9"})
    assert found.targets[0].selected and set(found.targets[0].selected) == set(WEB) - {"web1"}
    with pytest.raises(BadOption, match="experiment_plan.safety.protected\\[0\\]: 'bastoin' is refused"):
        drawn(plan(every, protected=["bastoin"]))


def test_aliases_are_one_machine() -> None:
    found = drawn(
        plan({"hosts": "web", "select": {"percent": 100}}),
        web1={"ansible_host": "10.0.0.1"}, web2={"ansible_host": "10.0.0.1"}, web3={"ansible_host": "10.0.0.1", "ansible_port": 2222},
    )  # fmt: skip
    assert set(found.targets[0].selected) == {"web1", "web3", "web4", "web5"}
    assert any("web2 is another name of web1" in check["detail"] for check in found.checks)


def test_aliases_do_not_widen_a_percentage_of_a_group() -> None:
    addresses = {host: {"ansible_host": f"10.0.0.{number // 2}"} for number, host in enumerate(WEB)}  # three machines
    found = drawn(plan({"hosts": "web", "select": {"percent": 100}}, max_percent_per_group=40, groups=["web"]), **addresses)
    assert len(found.targets[0].selected) == 1  # 40 % of 3, not of 5


def test_this_machine_is_selected_only_when_local_was_meant() -> None:
    for address in ("127.0.0.1", "::1", "localhost"):
        found = drawn(plan({"hosts": "web1"}), web1={"ansible_host": address})
        assert found.targets[0].selected == []
        assert not found.checks[0]["ok"]
    assert drawn(plan({"hosts": "web1"}), web1={"ansible_host": "127.0.0.1", "ansible_connection": "local"}).targets[0].selected == ["web1"]
    assert drawn(plan({"hosts": "web1"}), web1={"ansible_host": "127.0.0.1", "ansible_port": 2222}).targets[0].selected == ["web1"]


def test_own_addresses() -> None:
    assert is_controller("x", {"ansible_host": "127.8.9.1"})
    assert not is_controller("x", {"ansible_host": "192.0.2.7"})
    assert not is_controller("web1", {})


def test_hosts_outside_of_the_play_are_not_selected() -> None:
    found = drawn(plan({"hosts": "web", "select": {"percent": 100}}), in_play=["web1", "web2"])
    assert set(found.targets[0].selected) == {"web1", "web2"}
    assert found.targets[0].selection.eligible == 2
    assert any("web3, web4, web5: not in this play" in check["detail"] for check in found.checks)
    assert not drawn(plan({"hosts": "web"}), in_play=["db1"]).checks[0]["ok"]


@pytest.mark.parametrize(
    "steps, safety, words",
    [
        ({"hosts": "web"}, {"protected": ["web"]}, "experiment_plan.method[0] (netem) selects nobody of web: no host of its pattern may be attacked"),
        ({"hosts": "db"}, {"max_percent_per_group": 50}, "every host is held back: at most 50 % of group db, that is 0 of 1"),
    ],
)
def test_nobody_to_attack_is_a_no_go(steps: dict[str, Any], safety: dict[str, Any], words: str) -> None:
    [check] = [check for check in drawn(plan(steps, **safety)).checks if not check["ok"]]
    assert words in check["detail"]


def test_unknown_names_are_refused_by_their_path() -> None:
    with pytest.raises(BadOption, match="experiment_plan.method\\[1\\].hosts: 'wbe' is refused"):
        drawn(plan({"hosts": "web"}, {"hosts": "wbe"}))
    with pytest.raises(BadOption, match="experiment_plan.safety.groups\\[0\\]: 'rack' is refused"):
        drawn(plan({"hosts": "web"}, groups=["rack"]))


def test_machine_of() -> None:
    assert machine_of("a", {"ansible_host": "A.example"}) == machine_of("b", {"ansible_host": "a.example", "ansible_port": "22"})
    assert machine_of("a", {"ansible_host": "fe80::1"}) == machine_of("b", {"ansible_host": "[fe80::1]"})
    assert machine_of("a", {"ansible_connection": "local", "ansible_host": "x"}) == "a"
    assert aliases({"b": "m", "a": "m", "c": "n"}) == {"b": "a"}
    assert selection_inventory.machines(["a"], lambda host: {}) == {"a": "a port 22"}


def test_schedule() -> None:
    the_plan = plan(
        {"hosts": "web", "ramp": {"delay": ["1ms", "2ms"]}, "duration": "1h", "pause": "2s"},
        {"hosts": "db", "attack": "host_power"},
        lease="20s",
        max_duration="3h",
    )
    rounds = schedule(the_plan, drawn(the_plan).targets, "run")
    assert [(entry["step"], entry["round"], entry["rounds"], entry["magnitude"]) for entry in rounds] == [
        (1, 1, 2, "delay 1ms"),
        (1, 2, 2, "delay 2ms"),
        (2, 1, 1, ""),
    ]
    assert rounds[1]["told"] == {"delay": "2ms", "state": "present", "id": "run-s1r2", "run_id": "run", "duration": 3615, "max_duration": 3615, "lease": 20}
    assert rounds[0]["blast_radius"] == rounds[1]["blast_radius"]
    assert [(each["attack"], each["tasks"]) for each in rounds[1:]] == [(f"{CHAOS}.netem", "round.yml"), (f"{CHAOS}.host_power", "round_power.yml")]
    assert rounds[0]["revert"] == {"module": "faultline.chaos.revert", "options": {"run_id": "run"}}
    assert rounds[2]["told"] == {"state": "present", "id": "run-s2r1", "run_id": "run", "duration": 45}  # nobody renews the lease of a host that is away
    assert (rounds[0]["duration_s"], rounds[0]["deadman_s"], rounds[0]["pause_s"]) == (3600, 3615, 2)


CLUSTER = {"kubeconfig": "/k", "verify_ssl": False, "label_selector": "app=web"}


def test_a_round_on_a_cluster_is_reverted_there() -> None:
    the_plan = plan({"hosts": "localhost", "attack": "k8s_pod_delete", "with": {**CLUSTER, "namespace": "shop"}}, lease="20s")
    [entry] = schedule(the_plan, drawn(the_plan, ["localhost"], localhost={"ansible_connection": "local"}).targets, "run")
    options = {"run_id": "run", "kubeconfig": "/k", "verify_ssl": False}
    assert entry["revert"] == {"module": "faultline.chaos.k8s_revert", "options": options}
    assert (entry["tasks"], entry["sweep"], entry["tried"], entry["told"]["lease"]) == ("round_cluster.yml", "sweep_cluster.yml", True, 20)


def test_the_lease_of_a_cluster_is_renewed_from_here_or_refused() -> None:
    the_plan = plan({"hosts": "db", "attack": "netem"}, {"hosts": "bastion", "attack": "k8s_scale"}, lease="20s")
    found = drawn(the_plan).targets
    with pytest.raises(BadOption, match=r"safety.lease: 20 is refused: experiment_plan.method\[1\] attacks a cluster from bastion, and only from here"):
        refuse_lost_leases(the_plan, found, lambda host: {})
    refuse_lost_leases(the_plan, found, lambda host: {"ansible_connection": "local"} if host == "bastion" else {})
    refuse_lost_leases({**the_plan, "safety": {**the_plan["safety"], "lease": None}}, found, lambda host: {})


def test_the_connection_is_that_of_the_attacks() -> None:
    assert set(CONNECTION) == set(AUTH_OPTIONS) | {alias for spec in AUTH_OPTIONS.values() for alias in spec.get("aliases", ())}
