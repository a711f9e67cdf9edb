# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A halt of a cluster: it reverts what it can, removes what no journal accounts for, and keeps all that one does."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster as kube_cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CONFIG_MAP
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import residue
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import VERSION, Journal, labels
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import seal_of
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import RestoreFields
from ansible_collections.faultline.chaos.plugins.modules.k8s_attack_info import look
from ansible_collections.faultline.chaos.plugins.modules.k8s_revert import revert
from tests.support.paths import CHECKOUT

MAPS, SECRETS = "/api/v1/namespaces/shop/configmaps", "/api/v1/namespaces/shop/secrets"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
NODES = "/api/v1/nodes"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_cluster, "_WAIT", 0.001)


def halt(kube, check: bool = False, **params) -> dict:
    given = {"host": kube.url, "id": None, "run_id": None, "all": True, "namespaces": [], **params}
    warnings: list[str] = []
    result = revert(SimpleNamespace(params=given, check_mode=check, warn=warnings.append))
    return {**result, "warnings": warnings} if warnings else result


def attack(kube, attack_id: str, namespace: str = "shop", secret: bool = False) -> None:
    """An attack that set a value of a ConfigMap, with its journal, and a policy beside it."""
    meta = kube.put(MAPS, "theirs-" + attack_id, data={"a": "2"})["metadata"]
    step = RestoreFields(CONFIG_MAP, "shop", meta["name"], meta["uid"], [{"at": "/data/a", "before": "1", "after": "2"}], attack_id)
    record = {"version": VERSION, "id": attack_id, "module": "k8s_config_fault", "run_id": "run-1", "identity": "i", "resources": [], "namespaces": ["shop"]}
    record |= {"nonce": "n", "started": "", "deadman": "watcher", "undo": [step.to_dict()]}
    entry = Journal(kube.cluster).publish(namespace, record, time.time() + 60, time.time() + 60, "", secret=secret)
    meta["annotations"] = {"faultline.chaos/attack": seal_of(record, record["undo"], entry.uid).mark}
    policy(kube, attack_id)


def policy(kube, attack_id: str) -> None:
    kube.put(POLICIES, "faultline-" + attack_id, metadata={"labels": labels(attack_id, "k8s_x", None)}, spec={})


def age(kube, seconds: int) -> None:
    born = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))
    for path, found in kube.objects.items():
        if path.startswith(SECRETS):
            found["metadata"]["creationTimestamp"] = born


def refuse(kube, method: str, where: str, times: int = 99) -> None:
    from tests.unit.support.kube_server import Answer

    kube.fail(times, Answer(403, "Forbidden", "forbidden: User x cannot"), method, where)


def test_what_belongs_to_a_stuck_attack_is_kept(kube) -> None:
    attack(kube, "a", secret=True)
    attack(kube, "b")
    age(kube, 3600)
    refuse(kube, "PATCH", "theirs-a")
    told = halt(kube)
    assert told["reverted"] == ["b"] and [each["id"] for each in told["stuck"]] == ["a"] and not told["clean"]
    assert told["removed"] == ["NetworkPolicy shop/faultline-b"]
    assert kube.names("secrets") == ["faultline-a-n"] and kube.names("networkpolicies") == ["faultline-a"]
    assert kube.objects[MAPS + "/theirs-a"]["metadata"]["annotations"]["faultline.chaos/attack"].startswith("a:")
    kube.trouble.clear()
    assert halt(kube)["reverted"] == ["a"] and kube.objects[MAPS + "/theirs-a"]["data"] == {"a": "1"}
    assert not kube.names("secrets") and not kube.names("networkpolicies")


def test_what_belongs_to_a_damaged_journal_is_kept(kube) -> None:
    attack(kube, "a")
    kube.objects[MAPS + "/faultline-a"]["data"]["record.json"] = '{"version": 99}'
    assert not halt(kube)["clean"] and kube.names("networkpolicies") == ["faultline-a"]


def test_an_attack_that_begins_meanwhile_is_kept(kube) -> None:
    """Its journal is there before what it makes, so it is looked for after that."""
    attack(kube, "late")
    late = {path: kube.objects.pop(path) for path in list(kube.objects)}

    def begin(method, path, _body):
        if method == "GET" and "/networkpolicies" in path:
            kube.objects.update(late)

    kube.trouble.append(begin)
    assert halt(kube)["removed"] == [] and kube.names("networkpolicies") == ["faultline-late"]


def test_the_undo_of_an_attack_that_is_about_to_begin_is_kept(kube) -> None:
    attack(kube, "a", secret=True)
    halt(kube)
    kube.put(SECRETS, "faultline-b", metadata={"labels": {**labels("b", "k8s_x", None), "faultline.chaos/part": "undo"}})
    age(kube, 5)
    assert halt(kube)["removed"] == []
    age(kube, 3600)
    assert halt(kube)["removed"] == ["Secret shop/faultline-b"] and not kube.names("secrets")


def test_nodes_are_not_looked_at_in_some_namespaces(kube) -> None:
    kube.put(NODES, "n1", spec={"unschedulable": True}, metadata={"annotations": {"faultline.chaos/attack": "drain-elsewhere"}})
    policy(kube, "old")
    before = copy.deepcopy(kube.objects[NODES + "/n1"])
    assert halt(kube, namespaces=["shop"])["removed"] == ["NetworkPolicy shop/faultline-old"]
    assert kube.objects[NODES + "/n1"] == before
    assert [str(each) for each in residue.find(kube.cluster, Journal(kube.cluster), ["shop"])] == []
    seen = halt(kube)
    assert (
        seen["stuck"] == [{"id": "the mark of drain-elsewhere on Node n1", "reason": NOT_KNOWN}] and not seen["clean"] and kube.objects[NODES + "/n1"] == before
    )


NOT_KNOWN = (
    "its journal is gone, and with it what was there before. Put it right by hand, then take the mark off: kubectl annotate nodes n1 faultline.chaos/attack-"
)


def test_check_mode_tells_only_what_no_journal_accounts_for(kube) -> None:
    attack(kube, "a")
    policy(kube, "old")
    before = copy.deepcopy(kube.objects)
    told = halt(kube, check=True)
    assert told["reverted"] == ["a"] and told["removed"] == ["NetworkPolicy shop/faultline-old"] and kube.objects == before


def test_what_cannot_be_removed_is_stuck_and_stops_nothing(kube) -> None:
    attack(kube, "a")
    for name in ("old-1", "old-2"):
        policy(kube, name)
    refuse(kube, "DELETE", "faultline-old-1")
    told = halt(kube)
    assert told["reverted"] == ["a"] and [each["id"] for each in told["stuck"]] == ["NetworkPolicy shop/faultline-old-1"] and not told["clean"]
    assert "NetworkPolicy shop/faultline-old-2" in told["removed"] and kube.names("networkpolicies") == ["faultline-old-1"]


def test_when_it_cannot_look_what_was_reverted_is_still_told(kube) -> None:
    from tests.unit.support.kube_server import Answer

    attack(kube, "a")
    kube.fail(99, Answer(500, "", "etcd is away"), "GET", "/jobs")
    told = halt(kube)
    assert told["reverted"] == ["a"] and "etcd is away" in told["stuck"][0]["reason"] and not told["clean"]


def test_an_undo_that_breaks_stops_no_other(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a library raises: a halt is over only when all of it was tried."""
    attack(kube, "a")
    attack(kube, "b")
    original = RestoreFields.run

    def broken(step, cluster, seal):
        if step.name == "theirs-a":
            raise ConnectionResetError("reset by peer")
        return original(step, cluster, seal)

    monkeypatch.setattr(RestoreFields, "run", broken)
    told = halt(kube)
    assert told["reverted"] == ["b"] and told["stuck"] == [{"id": "a", "reason": "ConnectionResetError: reset by peer"}]
    assert Journal(kube.cluster).find("shop", "a").stuck == "ConnectionResetError: reset by peer"


def test_what_may_not_be_listed_was_not_looked_at(kube) -> None:
    policy(kube, "old")
    refuse(kube, "GET", "/networkpolicies")
    seen = look(kube.cluster, [])
    assert not seen["clean"] and seen["not_looked_at"] == ["networkpolicies"] and seen["residue"] == []
    told = halt(kube)
    assert told["clean"] and told["removed"] == [] and told["not_looked_at"] == ["networkpolicies"] and "may not list: networkpolicies." in told["warnings"][0]
    kube.trouble.clear()
    assert look(kube.cluster, [])["residue"] == ["NetworkPolicy shop/faultline-old"]
    assert halt(kube)["removed"] == ["NetworkPolicy shop/faultline-old"]
    assert look(kube.cluster, []) == {"attacks": [], "residue": [], "not_looked_at": [], "clean": True}


RBAC = CHECKOUT / "docs/rbac"
# Of attacks in one namespace; k8s_pod_location_info is none.
ROLES = [path for path in sorted(RBAC.glob("k8s_*.yml")) if "kind: Role\n" in path.read_text() and "ClusterRole" not in path.read_text()]
NAMESPACED = [path for path in ROLES if path.stem != "k8s_pod_location_info"]


@pytest.mark.parametrize("path", NAMESPACED, ids=lambda path: path.stem)
def test_the_rights_of_an_attack_are_enough_to_look_at_its_namespace(kube, path: Path) -> None:
    from tests.unit.support.kube_server import Answer

    document = yaml.safe_load(path.read_text())
    rules = [rule for each in document.get("items", [document]) for rule in each["rules"]]
    may = {resource for rule in rules if "list" in rule["verbs"] for resource in rule["resources"]}

    def guarded(method, url, _body):
        words = url.partition("?")[0].split("/")
        lists = method == "GET" and words[-1] in {kind.plural for kind in residue._OURS + residue._MARKED}
        return Answer(403, "Forbidden", "forbidden: User x cannot") if lists and not (words[-3:-1] == ["namespaces", "shop"] and words[-1] in may) else None

    kube.trouble.append(guarded)
    seen = look(kube.cluster, ["shop"])
    kinds = {kind.plural for kind in residue._OURS + residue._MARKED if kind.namespaced}
    assert seen["clean"] and seen["not_looked_at"] == sorted(f"{plural} in namespace shop" for plural in kinds - may)
    with pytest.raises(AttackError, match="may not list configmaps"):
        look(kube.cluster, [])


@pytest.mark.parametrize("option", ["id", "run_id"])
def test_everything_is_not_narrowed_by_an_attack_or_a_run(kube, option: str) -> None:
    with pytest.raises(BadOption, match="^all: True is refused: give one of id, run_id and all"):
        halt(kube, **{option: "run-1"})
    assert kube.requests == []
