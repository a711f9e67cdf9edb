# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lifecycle of an attack on a cluster: whatever fails on the way, nothing is left; nothing is done before it can be undone."""

from __future__ import annotations

import copy
import json
import time
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _contract, _times
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman, lease
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.overview import describe, status
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import revert_entry
from ansible_collections.faultline.chaos.plugins.modules import k8s_lease
from tests.unit.support.kube_attacks import MAPS, Wall, Write, call, content, prepare
from tests.unit.support.returns import check_returned


@pytest.fixture(autouse=True)
def cluster(kube, monkeypatch: pytest.MonkeyPatch):
    return prepare(kube, monkeypatch)


@pytest.mark.parametrize("attack", [Write, Wall])
def test_from_beginning_to_end(kube, attack) -> None:
    before = content(kube)
    planned = call(kube, attack, check=True)
    assert planned["status"] == "planned" and planned["changed"] and "# undo:" in planned["diff"]["after"] and content(kube) == before
    made = call(kube, attack)
    assert made["status"] == "active" and 55 < made["remaining"] <= 60 and content(kube) != before
    assert kube.watchers == ([made["id"]] if attack is Write else [])
    again = call(kube, attack)
    assert not again["changed"] and again["id"] == made["id"] and again["status"] == "active"
    gone = call(kube, attack, state="absent", wait="2s")  # how long it was looked at makes it no other attack
    assert gone["changed"] and gone["status"] == "reverted" and content(kube) == before
    absent = call(kube, attack, state="absent")
    assert absent["status"] == "absent"
    for result in (planned, made, again, gone, absent):
        check_returned("cluster", result)


def test_the_journal_is_there_before_the_change(kube) -> None:
    seen = []

    def look(method, path, _body):
        if method == "PATCH" and "theirs" in path and "dryRun" not in path:
            seen.append(json.loads(kube.objects[MAPS + "/faultline-w"]["data"]["record.json"])["undo"])

    kube.trouble.append(look)
    call(kube, id="w")
    assert seen[0][0]["changes"] == [{"at": "/data/a", "before": "1", "after": "2"}]


def test_objects_and_journal_are_owned_by_the_job(kube) -> None:
    made = call(kube, Wall)
    job = kube.objects["/apis/batch/v1/namespaces/shop/jobs/faultline-" + made["id"]]
    assert job["spec"]["activeDeadlineSeconds"] == 60 and job["spec"]["ttlSecondsAfterFinished"] == 0
    for path in (MAPS + "/faultline-" + made["id"], "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/wall"):
        assert kube.objects[path]["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert made["deadman"] == "cluster" and kube.watchers == []


def test_a_lease_is_watched_and_the_job_ends_the_duration(kube) -> None:
    """The Job is never given more time: old Job controllers would not look at it again."""
    made = call(kube, Wall, lease="20s")
    job = kube.objects["/apis/batch/v1/namespaces/shop/jobs/faultline-" + made["id"]]
    assert job["spec"]["activeDeadlineSeconds"] == 60
    assert made["deadman"] == "watcher" and kube.watchers == [made["id"]] and 15 < made["remaining"] <= 20
    journal = Journal(kube.cluster)
    journal.renew(journal.find("shop", made["id"]), kube.cluster.now() + 40)
    assert 38 <= journal.find("shop", made["id"]).deadline - kube.cluster.now() <= 40
    journal.renew(journal.find("shop", made["id"]), kube.cluster.now() + 400)
    entry = journal.find("shop", made["id"])
    assert entry.deadline == entry.limit
    assert not any(method == "PATCH" and "/jobs/" in path for method, path in kube.requests)


@pytest.mark.parametrize("seconds, check_mode", [(40.0, False), (3600.0, False), (40.0, True)])
def test_a_renewed_deadline_is_what_is_reported(kube, seconds: float, check_mode: bool) -> None:
    made = call(kube, Wall, lease="20s", run_id="r")
    renewed = lease.renew(kube.cluster, {"id": None, "run_id": "r", "namespaces": ["shop"]}, seconds, check_mode)
    told = _times.iso(renewed[made["id"]])
    after = 20.0 if check_mode else min(seconds, 60.0)  # at most the duration
    assert after - 2 < renewed[made["id"]] - kube.cluster.now() <= after
    assert call(kube, Wall, lease="20s")["deadline"] == told
    [found] = [describe(kube.cluster, entry) for entry in Journal(kube.cluster).entries()]
    assert found["deadline"] == told and after - 2 < found["remaining"] <= after
    assert check_mode == (told == made["deadline"])


def test_the_module_returns_the_new_deadlines(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    made, results = call(kube, Wall, lease="20s", run_id="r"), []
    params = {"id": None, "run_id": "r", "namespaces": ["shop"], "lease": "30m"}
    module = SimpleNamespace(params=params, check_mode=False, exit_json=lambda **result: results.append(result))
    monkeypatch.setattr(k8s_lease, "AnsibleModule", lambda **_spec: module)
    monkeypatch.setattr(k8s_lease, "Cluster", lambda _params: kube.cluster)
    k8s_lease.main()
    [entry] = Journal(kube.cluster).entries()
    assert results == [{"changed": True, "renewed": [made["id"]], "deadlines": {made["id"]: _times.iso(entry.limit)}}]


def test_a_cluster_that_keeps_jobs_gets_a_watcher(kube) -> None:
    kube.ttl = False
    made = call(kube, Wall)
    assert made["deadman"] == "watcher" and kube.watchers == [made["id"]] and kube.names("jobs") == []


@pytest.mark.parametrize("where", ["jobs", "configmaps", "networkpolicies"])
def test_whatever_is_refused_leaves_nothing(kube, where: str) -> None:
    from tests.unit.support.kube_server import Answer

    before = content(kube)
    kube.fail(99, Answer(403, "Forbidden", "cannot"), "POST", where)
    with pytest.raises(AttackError, match=f"the credentials may not create {where} in namespace shop"):
        call(kube, Wall)
    assert content(kube) == before


def test_without_a_dead_man_nothing_is_injected(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(kube)

    def refuse(*_memory):
        raise AttackError("no more processes")

    monkeypatch.setattr(deadman, "start_watcher", refuse)
    with pytest.raises(AttackError, match="no more processes; undone at once, nothing is left"):
        call(kube)
    assert content(kube) == before
    assert not any(method == "PATCH" and "theirs" in path for method, path in kube.requests[:-1] if "dryRun" in path)


def test_a_failed_verify_undoes(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(kube)
    monkeypatch.setattr(Write, "verify", lambda _self, _plan: 1 / 0)
    with pytest.raises(AttackError, match="ZeroDivisionError: division by zero; undone at once"):
        call(kube)
    assert content(kube) == before


def test_reverted_while_it_was_made(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(kube)

    def halt(self, _plan):
        journal = Journal(self.cluster)
        revert_entry(self.cluster, journal, journal.find("shop", self.id))
        return {}

    monkeypatch.setattr(Write, "verify", halt)
    with pytest.raises(AttackError, match="reverted while it was being applied; undone at once"):
        call(kube)
    assert content(kube) == before


def test_an_undo_that_fails_stays_and_is_loud(kube) -> None:
    from tests.unit.support.kube_server import Answer

    made = call(kube)
    kube.fail(1, Answer(403, "Forbidden", "cannot"), "PATCH", "theirs")
    with pytest.raises(AttackError, match="is stuck: forbidden"):
        call(kube, state="absent")
    entry = Journal(kube.cluster).find("shop", made["id"])
    assert status(kube.cluster, entry) == "stuck" and "forbidden" in entry.stuck
    assert call(kube, state="absent")["status"] == "reverted"
    assert kube.objects[MAPS + "/theirs"]["data"] == {"a": "1"}


def test_an_undo_that_fails_at_once_is_stuck_for_everybody(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.support.kube_server import Answer

    def fail(_self, _plan):
        kube.fail(1, Answer(403, "Forbidden", "cannot"), "PATCH", "theirs")
        raise AttackError("no effect")

    before = content(kube)
    monkeypatch.setattr(Write, "verify", fail)
    with pytest.raises(AttackError, match="no effect; and the undo is stuck, the dead-man keeps trying: forbidden") as caught:
        call(kube)
    [attack_id] = caught.value.details["stuck"]
    entry = Journal(kube.cluster).find("shop", attack_id)
    assert status(kube.cluster, entry) == "stuck" and "forbidden" in entry.stuck
    assert call(kube, state="absent")["status"] == "reverted" and content(kube) == before


def test_an_undo_that_fails_keeps_the_job_that_owns_its_journal(kube) -> None:
    """The cluster deletes what a deleted Job owns: the journal would be gone, and with it what is left to undo."""
    from tests.unit.support.kube_server import Answer

    before = content(kube)
    made = call(kube, Wall)
    kube.fail(1, Answer(403, "Forbidden", "cannot"), "DELETE", "networkpolicies")
    with pytest.raises(AttackError, match="is stuck: forbidden"):
        call(kube, Wall, state="absent")
    assert status(kube.cluster, Journal(kube.cluster).find("shop", made["id"])) == "stuck"
    assert kube.names("jobs") == ["faultline-" + made["id"]] and kube.names("networkpolicies") == ["wall"]
    assert call(kube, Wall, state="absent")["status"] == "reverted" and content(kube) == before


def test_overlap_and_other_options(kube) -> None:
    made = call(kube)
    with pytest.raises(AttackError, match=f"write:shop is held by the active attack {made['id']}"):
        call(kube, value="3")
    with pytest.raises(AttackError, match="is active with other options"):
        call(kube, value="3", id=made["id"])


class Share(Write):
    """An attack of a certain size."""

    options = dict(Write.options, percent={"type": "raw"})


@pytest.mark.parametrize("spelled", [33, 33.0, "33"])
def test_the_spelling_of_an_option_makes_no_other_attack(kube, spelled: object) -> None:
    before = content(kube)
    made = call(kube, Share, percent=33)
    again = call(kube, Share, percent=spelled)
    assert (again["changed"], again["id"]) == (False, made["id"])
    gone = call(kube, Share, percent=spelled, state="absent")
    assert (gone["status"], gone["id"]) == ("reverted", made["id"]) and content(kube) == before


def test_another_size_is_another_attack(kube) -> None:
    made = call(kube, Share, percent=33)
    assert call(kube, Share, percent=34, state="absent")["status"] == "absent"
    with pytest.raises(AttackError, match=f"write:shop is held by the active attack {made['id']}"):
        call(kube, Share, percent=34)


def of_0_1(kube, monkeypatch: pytest.MonkeyPatch, **values) -> dict:
    """Makes an attack as version 0.1 did, when the spelling of its options was a part of its identity."""
    with monkeypatch.context() as patch:
        patch.setattr(_contract, "identity", _contract.checksum_of)
        return call(kube, Share, percent=33, **values)


@pytest.mark.parametrize("given", [{}, {"id": "w"}])
def test_an_attack_that_was_active_before_an_upgrade_is_known_again(kube, monkeypatch: pytest.MonkeyPatch, given: dict) -> None:
    before = content(kube)
    old = of_0_1(kube, monkeypatch, **given)
    again = call(kube, Share, percent=33, **given)
    assert (again["changed"], again["status"], again["id"]) == (False, "active", old["id"])
    gone = call(kube, Share, percent=33, state="absent", **given)
    assert (gone["changed"], gone["status"], gone["id"]) == (True, "reverted", old["id"]) and content(kube) == before
    assert (call(kube, Share, percent=33, **given)["id"] == old["id"]) is bool(given)


def test_the_later_of_two_gives_way(kube) -> None:
    """Somebody's journal of the same resource appears between our look and our own journal."""
    before = content(kube)
    call(kube, id="first")
    foreign = kube.objects.pop(MAPS + "/faultline-first")
    foreign["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    kube.objects[MAPS + "/theirs"] = copy.deepcopy(before[MAPS + "/theirs"])
    kube.objects[MAPS + "/theirs"]["metadata"]["resourceVersion"] = "1"

    def appear(method, path, _body):
        if method == "POST" and "configmaps" in path:
            kube.objects[MAPS + "/faultline-first"] = foreign

    kube.trouble.append(appear)
    with pytest.raises(AttackError, match="is held by the active attack first"):
        call(kube, id="second")
    assert kube.names("configmaps") == ["faultline-first", "theirs"] and kube.objects[MAPS + "/theirs"]["data"] == {"a": "1"}


def test_what_is_overdue_is_undone_by_who_comes_by(kube) -> None:
    made = call(kube)
    kube.objects[MAPS + "/faultline-" + made["id"]]["data"]["deadline"] = str(time.time() - 60)
    again = call(kube)
    assert again["changed"] and again["notes"] == [f"{made['id']} was overdue: undone now"]


@pytest.mark.parametrize("other", [{}, {"id": "other", "value": "3"}], ids=["itself", "another"])
def test_check_mode_takes_what_is_overdue_for_undone(kube, monkeypatch: pytest.MonkeyPatch, other: dict) -> None:
    made = call(kube)
    kube.objects[MAPS + "/faultline-" + made["id"]]["data"]["deadline"] = str(time.time() - 60)
    before = content(kube)
    planned = call(kube, check=True, **other)
    assert planned["status"] == "planned" and planned["notes"][0] == f"{made['id']} is overdue, and would be undone first"

    def refuse(_self):
        raise AttackError("it has so many already", option="value")

    monkeypatch.setattr(Write, "snapshot", refuse)
    with pytest.raises(AttackError, match="so many already .*is overdue, and would be undone first") as raised:
        call(kube, check=True, **other)
    assert raised.value.details == {"option": "value"} and content(kube) == before


def test_check_mode_is_still_refused_by_what_is_active_or_damaged(kube) -> None:
    made = call(kube)
    with pytest.raises(AttackError, match=f"write:shop is held by the active attack {made['id']}: revert it first$"):
        call(kube, check=True, value="3")
    kube.objects[MAPS + "/faultline-" + made["id"]]["data"]["record.json"] = "{"
    with pytest.raises(AttackError, match="cannot be read"):
        call(kube, check=True)


def test_secrets_are_not_in_the_config_map(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Write, "secret", True)
    before = content(kube)
    made = call(kube, value="hush-new")
    assert "hush" not in json.dumps(kube.objects[MAPS + "/faultline-" + made["id"]]) and "hush" not in json.dumps(made)
    record = json.loads(kube.objects[MAPS + "/faultline-" + made["id"]]["data"]["record.json"])
    assert kube.names("secrets") == [record["undo"]["secret"]] and record["undo"]["secret"].startswith("faultline-" + made["id"])
    assert call(kube, state="absent", value="hush-new")["status"] == "reverted" and content(kube) == before


def test_the_secret_goes_after_its_journal(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who dies in between leaves a Secret that nobody needs, and no journal whose undo is lost."""
    monkeypatch.setattr(Write, "secret", True)
    call(kube, id="w")
    call(kube, id="w", state="absent")
    deleted = [path.rsplit("/", 2)[1] for method, path in kube.requests if method == "DELETE"]
    assert deleted == ["configmaps", "secrets"]


def test_a_publish_that_died_is_in_nobodys_way(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Write, "secret", True)
    call(kube, id="w")
    del kube.objects[MAPS + "/faultline-w"]
    kube.objects[MAPS + "/theirs"].update(data={"a": "1"})
    kube.objects[MAPS + "/theirs"]["metadata"]["annotations"] = {}
    (left,) = kube.names("secrets")
    assert call(kube, id="w")["status"] == "active" and len(kube.names("secrets")) == 2
    assert call(kube, id="w", state="absent")["status"] == "reverted"
    assert kube.names("secrets") == [left] and kube.objects[MAPS + "/theirs"]["data"] == {"a": "1"}


@pytest.mark.parametrize("secret", [False, True])
def test_two_who_revert_at_once_are_both_done(kube, monkeypatch: pytest.MonkeyPatch, secret: bool) -> None:
    """A watcher and a halt: the slower one finds no Secret, or is refused, after the faster one has closed the journal."""
    from tests.unit.support.kube_server import Answer

    monkeypatch.setattr(Write, "secret", secret)
    call(kube, id="w")
    journal = Journal(kube.cluster)
    slow = journal.find("shop", "w")
    assert revert_entry(kube.cluster, journal, journal.find("shop", "w")).acted
    if not secret:
        kube.fail(1, Answer(403, "Forbidden", "cannot"), "GET", "theirs")
    outcome = revert_entry(kube.cluster, journal, slow)
    assert outcome.clean and not outcome.acted and kube.names("configmaps") == ["theirs"]


@pytest.mark.parametrize("damage", [{"record.json": "{"}, {"record.json": "{}"}, {"deadline": "soon"}])
def test_a_damaged_journal_is_not_acted_upon(kube, damage: dict) -> None:
    made = call(kube)
    kube.objects[MAPS + "/faultline-" + made["id"]]["data"].update(damage)
    entry = Journal(kube.cluster).find("shop", made["id"])
    assert status(kube.cluster, entry) == "damaged"
    assert not revert_entry(kube.cluster, Journal(kube.cluster), entry).clean
    assert kube.objects[MAPS + "/theirs"]["data"] == {"a": "2"}


def test_a_journal_that_would_be_too_large(kube) -> None:
    kube.objects[MAPS + "/theirs"]["data"]["a"] = "x" * 950000
    with pytest.raises(AttackError, match="attack fewer or smaller objects"):
        call(kube)
    assert kube.names("configmaps") == ["theirs"]


@pytest.mark.parametrize(
    ("values", "option"),
    [({"duration": value}, "duration") for value in (0, -1, "nan", 1e9, "5m; rm -rf /", None, True, "2h")]
    + [({"id": value}, "id") for value in ("/", "A", "a_b", "x" * 51, "", "-a")]
    + [({"run_id": value}, "run_id") for value in ("x" * 64, "a b", "-")]
    + [({"lease": "61s"}, "lease"), ({"max_duration": "25h"}, "max_duration")]
    + [({"namespace": value}, "namespace") for value in ("kube-system", "kube-public", "kube-node-lease", "*", "", "../x", "none")],
)
def test_bad_options_are_refused_before_anything_is_touched(kube, values: dict, option: str) -> None:
    before = content(kube)
    with pytest.raises(AttackError) as raised:
        call(kube, **values)
    assert raised.value.details["option"] == option
    assert isinstance(raised.value, BadOption) or values["duration"] is None
    assert content(kube) == before and all(method == "GET" for method, _path in kube.requests)


class Everywhere(Write):
    """In no namespace, as attacks on nodes are."""

    def namespaces(self):
        return []


@pytest.mark.parametrize("value", ["kube-system", "mine", "*", "", "../x"])
def test_the_namespace_of_the_journal_is_checked(kube, value: str) -> None:
    with pytest.raises(BadOption, match="^journal_namespace: "):
        call(kube, Everywhere, journal_namespace=value, protected=["mine"])
    assert kube.requests == []
    assert call(kube, journal_namespace=value, protected=["mine"])["status"] == "active"  # not used


def test_a_journal_in_a_namespace_of_its_own(kube) -> None:
    assert call(kube, Everywhere, journal_namespace="chaos")["journal"].startswith("chaos/")
