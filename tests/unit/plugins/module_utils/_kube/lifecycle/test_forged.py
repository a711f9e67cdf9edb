# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may write ConfigMaps, or takes marks off: every case ends as before, or not clean and named; cases 12, 13 and 15 of the adversaries."""

from __future__ import annotations

import base64
import copy
import json
import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NODE
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack as kube_attack, deadman
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import KubePlan
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.overview import status
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import Seal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import AddTaint
from ansible_collections.faultline.chaos.plugins.modules.k8s_attack_info import look
from ansible_collections.faultline.chaos.plugins.modules.k8s_revert import revert
from tests.unit.support.kube_attacks import MAPS, Wall, Write, call, content, prepare
from tests.unit.support.kube_server import Answer

JOURNAL, THEIRS, N1 = f"{MAPS}/faultline-w", f"{MAPS}/theirs", "/api/v1/nodes/n1"
WALL = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/wall"
MARK = "faultline.chaos/attack"


class Taint(Write):
    """Taints a node, as k8s_node_taint does."""

    name = "k8s_node_taint"

    def namespaces(self):
        return []

    def snapshot(self):
        return self.cluster.get(NODE, "n1")

    def plan(self, before):
        return KubePlan("", "", [AddTaint(before, {"key": "chaos", "effect": "NoExecute"})])


ATTACKS = {"fields": (Write, THEIRS), "taint": (Taint, N1), "made": (Wall, WALL)}


@pytest.fixture(autouse=True)
def cluster(kube, monkeypatch: pytest.MonkeyPatch):
    kube.put("/api/v1/nodes", "n1", spec={})
    monkeypatch.setattr(deadman, "_LOOK", 0.05)
    monkeypatch.setattr(deadman, "_AGAIN", 0.05)
    return prepare(kube, monkeypatch)


@pytest.fixture(params=ATTACKS)
def attacked(kube, request: pytest.FixtureRequest) -> SimpleNamespace:
    """An active attack w of the run r; before: what was there, as content() tells it; place: its journal."""
    before = content(kube)
    attack, path = ATTACKS[request.param]
    made = call(kube, attack, id="w", run_id="r", journal_namespace="shop")
    assert made["status"] == "active"
    return SimpleNamespace(attack=attack, path=path, before=before, fault=copy.deepcopy(kube.objects[path]), kind=request.param)


def undo(kube, **params: Any) -> dict:
    given = {"host": kube.url, "id": None, "run_id": None, "all": False, "namespaces": [], **params}
    return revert(SimpleNamespace(params=given, check_mode=False, warn=lambda _text: None))


def forge(kube, namespace: str, **record: Any) -> None:
    """The journal of w once more, in another namespace, with another record."""
    found = copy.deepcopy(kube.objects[JOURNAL])
    told = json.loads(found["data"]["record.json"])
    data = {**found["data"], "record.json": json.dumps({**told, **record})}
    kube.put(f"/api/v1/namespaces/{namespace}/configmaps", "faultline-w", metadata={"labels": found["metadata"]["labels"]}, data=data)


def rewrite(kube, **record: Any) -> None:
    data = kube.objects[JOURNAL]["data"]
    data["record.json"] = json.dumps({**json.loads(data["record.json"]), **record})


def later_by(kube, seconds: float) -> None:
    """Move the clock of the server, as we know it."""
    kube.cluster.now()
    kube.cluster._ahead += seconds


def watch(kube, begun: bool = True, seconds: float = 60.0) -> None:
    """What the watcher does after so many seconds: a fork from before the first change, which was told when that began."""
    later_by(kube, seconds)
    entry, steps, seal = kube.memories["w"]
    for step in steps:
        step.mine = False
    parent, child = socket.socketpair()
    with parent, child:
        if begun:
            parent.sendall(b"b")
        began = time.monotonic()
        deadman._wait_and_revert(kube.cluster, Journal(kube.cluster), entry, (steps, seal), child)
        assert time.monotonic() - began < 10


# --- the mark -------------------------------------------------------------------------------------------------------


def test_a_mark_binds_the_journal_and_its_undo(kube, attacked) -> None:
    attack_id, uid, checksum, run = kube.objects[attacked.path]["metadata"]["annotations"][MARK].split(":")
    assert (attack_id, uid, run) == ("w", kube.objects[JOURNAL]["metadata"]["uid"], "r") and len(checksum) == 32
    assert undo(kube, id="w")["reverted"] == ["w"] and content(kube) == attacked.before


@pytest.mark.parametrize("record", [{}, {"undo": []}], ids=["a copy", "without undo"])
def test_a_journal_forged_elsewhere_touches_nothing_and_hides_nothing(kube, attacked, record: dict) -> None:
    forge(kube, "evil", **record)
    result = undo(kube, all=True, namespaces=["evil"])
    assert result["clean"] is bool(record)  # without undo it is only deleted
    assert kube.objects[attacked.path] == attacked.fault and not look(kube.cluster, [])["clean"]
    result = undo(kube, id="w")
    kube.objects.pop("/api/v1/namespaces/evil/configmaps/faultline-w", None)
    assert result["reverted"] == ["w"] and content(kube) == attacked.before


def test_a_forged_journal_does_not_stand_for_a_deleted_one(kube, attacked) -> None:
    forge(kube, "evil", undo=[])
    del kube.objects[JOURNAL]
    result = undo(kube, id="w")
    assert result["clean"] == (attacked.kind == "made") and (content(kube) == attacked.before or kube.objects[attacked.path] == attacked.fault)


def test_an_administrators_cordon_is_not_lifted(kube) -> None:
    kube.objects[N1]["spec"] = {"unschedulable": True}
    step = {"step": "RestoreFields", "kind": list(NODE), "namespace": None, "name": "n1", "uid": kube.objects[N1]["metadata"]["uid"], "mark": "w"}
    call(kube, id="w")
    forge(kube, "evil", module="k8s_node_drain", undo=[{**step, "together": False, "changes": [{"at": "/spec/unschedulable", "after": True}]}])
    [stuck] = undo(kube, id="w", namespaces=["evil"])["stuck"]
    assert "Node n1 is as w set it (/spec/unschedulable), but bears no mark" in stuck["reason"] and "delete configmap faultline-w" in stuck["reason"]
    assert kube.objects[N1]["spec"] == {"unschedulable": True}


# --- a journal that was rewritten, deleted or made anew ---------------------------------------------------------------


@pytest.mark.parametrize("way", ["id", "run_id", "all", "absent"])
@pytest.mark.parametrize("record", [{"undo": []}, {"module": "k8s_x", "undo": []}, {"version": 1}, {"version": 1, "undo": []}])
def test_a_rewritten_journal_is_not_clean_and_named(kube, attacked, record: dict, way: str) -> None:
    rewrite(kube, **record)
    if way == "absent":
        with pytest.raises(AttackError, match="rewritten"):
            call(kube, attacked.attack, id="w", state="absent", journal_namespace="shop")
    else:
        result = undo(kube, **{"id": {"id": "w"}, "run_id": {"run_id": "r"}, "all": {"all": True}}[way])
        assert not result["clean"] and "rewritten" in result["stuck"][0]["reason"] and "kubectl " in result["stuck"][0]["reason"]
    assert kube.objects[attacked.path] == attacked.fault and JOURNAL in kube.objects


def may_not_list(kube, *plurals: str) -> None:
    """As without the layers of docs/rbac, these kinds; undone by kube.trouble.clear()."""
    kube.trouble.append(
        lambda method, path, _body: (
            Answer(403, "Forbidden", "forbidden: User x cannot") if method == "GET" and path.partition("?")[0].rpartition("/")[2] in plurals else None
        )
    )


def without_undo(kube) -> None:
    rewrite(kube, undo=[])


def other_uid(kube) -> None:
    [step] = json.loads(kube.objects[JOURNAL]["data"]["record.json"])["undo"]
    rewrite(kube, undo=[{**step, "uid": "another"}])


@pytest.mark.parametrize("way", ["id", "run_id", "all", "absent", "overdue"])
@pytest.mark.parametrize("meddle", [without_undo, other_uid])
def test_an_undo_without_proof_is_stuck_where_not_everything_may_be_listed(kube, meddle, way: str) -> None:
    call(kube, Taint, id="w", run_id="r", journal_namespace="shop")
    fault = copy.deepcopy(kube.objects[N1])
    meddle(kube)
    may_not_list(kube, "nodes")
    if way == "absent":
        with pytest.raises(AttackError, match="w is stuck: nothing proves .* may not list nodes: grant it"):
            call(kube, Taint, id="w", state="absent", journal_namespace="shop")
    elif way == "overdue":
        later_by(kube, 3600)
        with pytest.raises(AttackError, match="is held by the active attack w"):
            call(kube, Write, id="next")
        assert Journal(kube.cluster).find("shop", "w").stuck.startswith("nothing proves")
    else:
        result = undo(kube, **{"id": {"id": "w"}, "run_id": {"run_id": "r"}, "all": {"all": True}}[way])
        [stuck] = result["stuck"]
        assert stuck["id"] == "w" and "the credentials may not list nodes: grant it (see docs/rbac)" in stuck["reason"]
        assert "kubectl -n shop delete configmap faultline-w" in stuck["reason"]
        assert not result["clean"] and result["already_gone"] == result["reverted"] == [] and result["not_looked_at"] == ["nodes"]
    assert JOURNAL in kube.objects and kube.objects[N1] == fault
    kube.trouble.clear()
    [stuck] = undo(kube, id="w")["stuck"]
    assert "the mark of w on Node n1 is left" in stuck["reason"] and JOURNAL in kube.objects


def test_an_undo_with_proof_needs_no_more_than_its_own_rights(kube, attacked) -> None:
    may_not_list(kube, "secrets", "services", "nodes", "networkpolicies", "deployments")
    result = undo(kube, id="w")
    assert result["clean"] and result["reverted"] == ["w"] and content(kube) == attacked.before


def test_what_is_gone_is_gone_once_everything_was_listed(kube) -> None:
    call(kube, id="w")
    del kube.objects[THEIRS]
    may_not_list(kube, "nodes")
    assert not undo(kube, id="w")["clean"]
    kube.trouble.clear()
    assert undo(kube, id="w")["already_gone"] == ["w"] and JOURNAL not in kube.objects


def test_who_comes_just_after_the_watcher_needs_no_proof(kube) -> None:
    before = content(kube)
    call(kube, id="w")
    may_not_list(kube, "nodes")

    def watcher(method: str, path: str, _body: Any) -> None:
        if (method, path) == ("GET", THEIRS) and kube.objects.pop(JOURNAL, None):
            kube.objects[THEIRS] = copy.deepcopy(before[THEIRS])
            kube.objects[THEIRS]["metadata"]["resourceVersion"] = "99"

    kube.trouble.append(watcher)
    assert undo(kube, id="w")["clean"] and content(kube) == before


def test_without_a_journal_nothing_is_gone_that_may_not_be_listed(kube) -> None:
    call(kube, Taint, id="w", journal_namespace="shop")
    del kube.objects[JOURNAL]
    may_not_list(kube, "nodes")
    warned: list[str] = []
    params = {"host": kube.url, "id": "w", "run_id": None, "all": False, "namespaces": []}
    result = revert(SimpleNamespace(params=params, check_mode=False, warn=warned.append))
    assert result["already_gone"] == [] and result["not_looked_at"] == ["nodes"]
    assert warned == ["There is no journal. What was left behind was not looked for where these credentials may not list: nodes."]
    told = call(kube, Taint, id="w", state="absent", journal_namespace="shop")
    assert told["status"] == "absent" and told["notes"] == ["without its journal nobody knows what is left where the credentials may not list: nodes"]


def test_an_api_that_is_served_no_more_is_not_an_object_that_is_gone(kube) -> None:
    """As autoscaling/v2beta2 after an upgrade of the cluster: its paths answer 404, and name nothing."""
    call(kube, id="w")
    gone = Answer(404, "NotFound", "404 page not found")
    kube.trouble.append(lambda _method, path, _body: gone if path.endswith("/theirs") else None)
    [stuck] = undo(kube, id="w")["stuck"]
    assert "get configmaps theirs in namespace shop failed (404)" in stuck["reason"] and JOURNAL in kube.objects


def test_another_value_is_not_put_back(kube) -> None:
    call(kube, id="w")
    [step] = json.loads(kube.objects[JOURNAL]["data"]["record.json"])["undo"]
    rewrite(kube, undo=[{**step, "changes": [{"at": "/data/a", "before": "evil", "after": "2"}]}])
    assert not undo(kube, id="w")["clean"] and kube.objects[THEIRS]["data"] == {"a": "2"}


def test_the_secret_of_an_undo_is_bound_too(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Write, "secret", True)
    before = content(kube)
    call(kube, id="w")
    [path] = [each for each in kube.objects if "/secrets/" in each]
    good = kube.objects[path]["data"]["undo.json"]
    bad = base64.b64decode(good).replace(b'"1"', b'"evil"')
    kube.objects[path]["data"]["undo.json"] = base64.b64encode(bad).decode()
    assert not undo(kube, id="w")["clean"] and kube.objects[THEIRS]["data"] == {"a": "2"}
    kube.objects[path]["data"]["undo.json"] = good
    assert undo(kube, id="w")["clean"] and content(kube) == before


@pytest.mark.parametrize("way", ["id", "run_id", "all", "absent"])
def test_a_deleted_journal_is_not_clean_and_named(kube, attacked, way: str) -> None:
    del kube.objects[JOURNAL]
    assert not look(kube.cluster, [])["clean"]
    if way == "absent" and attacked.kind == "made":
        assert call(kube, attacked.attack, id="w", state="absent")["changed"]  # its Job goes, and all that the Job owns
    elif way == "absent":
        with pytest.raises(AttackError, match="w has no journal any more, and left the mark of w on .*kubectl .*annotate") as raised:
            call(kube, attacked.attack, id="w", state="absent", journal_namespace="shop")
        assert raised.value.details["stuck"] == ["w"]
    else:
        result = undo(kube, **{"id": {"id": "w"}, "run_id": {"run_id": "r"}, "all": {"all": True}}[way])
        assert result["already_gone"] == [] and result["clean"] == (attacked.kind == "made")
    if attacked.kind == "made":
        assert content(kube) == attacked.before
    else:
        assert kube.objects[attacked.path] == attacked.fault


def test_a_journal_made_anew_is_refused(kube, attacked) -> None:
    """The same text under another uid, as after kubectl replace --force."""
    forge(kube, "shop")
    if attacked.kind == "made":
        kube.objects[JOURNAL]["metadata"].pop("ownerReferences", None)
    result = undo(kube, id="w")
    assert not result["clean"] and "forged, rewritten or made anew" in result["stuck"][0]["reason"]
    if attacked.kind == "made":  # ours by its labels, and no journal is that of it
        assert result["removed"] == ["NetworkPolicy shop/wall"] and attacked.path not in kube.objects
    else:
        assert kube.objects[attacked.path] == attacked.fault


# --- marks and objects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [None, "x:y:z:"], ids=["taken off", "of another"])
def test_a_mark_that_was_taken_off_is_not_clean_and_named(kube, attacked, other: str | None) -> None:
    marks = kube.objects[attacked.path]["metadata"]["annotations"]
    marks.update({MARK: other}) if other else marks.pop(MARK)
    result = undo(kube, id="w")
    assert not result["clean"] and "took" in result["stuck"][0]["reason"] and "kubectl -n shop delete configmap faultline-w" in result["stuck"][0]["reason"]
    assert JOURNAL in kube.objects and kube.objects[attacked.path]["metadata"]["uid"] == attacked.fault["metadata"]["uid"]
    assert status(kube.cluster, Journal(kube.cluster).find("shop", "w")) == "stuck"


def test_what_somebody_wrote_into_a_mark_is_printed_without_controls(kube) -> None:
    kube.objects[THEIRS]["metadata"]["annotations"] = {MARK: "w\x1b]0;x\n\u202e:u:h:r"}
    assert look(kube.cluster, [])["residue"] == ["the mark of w?]0;x?? on ConfigMap shop/theirs"]


def test_what_is_as_before_needs_no_mark(kube) -> None:
    """Somebody put it right by hand and took the mark off, or a revert died before it closed the journal."""
    before = content(kube)
    call(kube, id="w")
    kube.objects[THEIRS].update(data={"a": "1"})
    kube.objects[THEIRS]["metadata"]["annotations"] = {}
    assert undo(kube, id="w")["clean"] and content(kube) == before


def test_an_object_made_anew_is_as_it_is(kube) -> None:
    call(kube, id="w")
    kube.put(MAPS, "theirs", data={"a": "2"})
    result = undo(kube, id="w")
    assert result["clean"] and kube.objects[THEIRS]["data"] == {"a": "2"} and JOURNAL not in kube.objects


def test_what_was_made_and_is_made_anew_by_somebody_is_named(kube) -> None:
    call(kube, Wall, id="w")
    kube.put(WALL.rpartition("/")[0], "wall", spec={}, metadata={"creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    result = undo(kube, id="w")
    assert not result["clean"] and "NetworkPolicy shop/wall is there and does not bear the nonce of w" in result["stuck"][0]["reason"]
    assert WALL in kube.objects


# --- the watcher -------------------------------------------------------------------------------------------------------


def deleted(kube) -> None:
    del kube.objects[JOURNAL]


def replaced(kube) -> None:
    forge(kube, "shop", undo=[])


def no_number(kube) -> None:
    kube.objects[JOURNAL]["data"].update(deadline="nan")


def endless(kube) -> None:
    kube.objects[JOURNAL]["data"].update(deadline="inf", limit="inf")


def later(kube) -> None:
    kube.objects[JOURNAL]["data"].update(deadline=str(time.time() + 9999), limit=str(time.time() + 9999))


def unmarked(kube) -> None:
    for path in (THEIRS, N1):
        kube.objects[path]["metadata"]["annotations"] = {}


@pytest.mark.parametrize("meddle", [deleted, replaced, without_undo, no_number, endless, later, unmarked])
@pytest.mark.parametrize("attack", [Write, Taint])
def test_the_watcher_obeys_its_own_memory(kube, attack, meddle) -> None:
    before = content(kube)
    call(kube, attack, id="w", journal_namespace="shop")
    meddle(kube)
    watch(kube)
    kube.objects.pop(JOURNAL, None)  # a foreign one stays
    assert content(kube) == before


def test_the_watcher_of_who_died_before_the_change_keeps_an_equal_one(kube) -> None:
    call(kube, id="w")
    unmarked(kube)
    watch(kube, begun=False)
    assert kube.objects[THEIRS]["data"] == {"a": "2"} and JOURNAL not in kube.objects


def test_a_lease_still_moves_the_deadline(kube) -> None:
    call(kube, id="w", lease="20s")
    journal = Journal(kube.cluster)
    journal.renew(journal.find("shop", "w"), kube.cluster.now() + 50)
    thread = threading.Thread(target=watch, args=(kube, True, 25.0))
    thread.start()
    time.sleep(1)
    assert kube.objects[THEIRS]["data"] == {"a": "2"}
    later_by(kube, 30)
    thread.join(20)
    assert kube.objects[THEIRS]["data"] == {"a": "1"} and JOURNAL not in kube.objects


@pytest.mark.parametrize("values", [{"deadline": "nan"}, {"limit": "inf"}, {"deadline": "-inf"}])
def test_times_that_are_none_are_damage(kube, values: dict) -> None:
    call(kube, id="w")
    kube.objects[JOURNAL]["data"].update(values)
    entry = Journal(kube.cluster).find("shop", "w")
    assert status(kube.cluster, entry) == "damaged" and "is no time" in entry.damage


def test_what_the_parent_is_told_and_when_it_begins(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real process: armed, begun, and the attack is undone though its journal is deleted."""
    monkeypatch.undo()
    monkeypatch.setattr(deadman, "_LOOK", 0.05)
    before = content(kube)
    call(kube, id="w")
    del kube.objects[JOURNAL]
    kube.objects[THEIRS]["metadata"]["annotations"] = {}
    until = time.monotonic() + 30
    while content(kube) != before and time.monotonic() < until:
        time.sleep(0.05)
    assert content(kube) == before


# --- attacks of the version before -------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", [Write, Taint, Wall])
def test_an_attack_that_was_active_before_the_upgrade_is_reverted(kube, monkeypatch: pytest.MonkeyPatch, attack) -> None:
    before = content(kube)
    with monkeypatch.context() as patch:
        patch.setattr(kube_attack, "VERSION", 1)
        patch.setattr(kube_attack, "seal_of", lambda record, *_words: Seal(record["id"]))
        call(kube, attack, id="w", journal_namespace="shop")
    if attack is Wall:
        del kube.objects[WALL]["metadata"]["annotations"][MARK]
    assert not look(kube.cluster, [])["clean"]
    assert undo(kube, id="w")["reverted"] == ["w"] and content(kube) == before
