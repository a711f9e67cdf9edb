# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An injector that dies, and answers that get lost: what is there is never taken for active, nor for somebody else's, and nothing is left."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import revert_entry
from tests.unit.support.kube_attacks import Wall, Write, call, content, prepare


@pytest.fixture(autouse=True)
def cluster(kube, monkeypatch: pytest.MonkeyPatch):
    return prepare(kube, monkeypatch)


@pytest.mark.parametrize("attack", [Write, Wall])
def test_an_attack_that_died_before_it_did_anything_is_not_active(kube, monkeypatch: pytest.MonkeyPatch, attack) -> None:
    class Killed(BaseException):
        pass

    def die(_self, _plan):
        raise Killed

    before = content(kube)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(attack, "inject", die)
        call(kube, attack, id="w")
    for check in (True, False):
        with pytest.raises(AttackError, match="^w is being applied by somebody else, or who applied it died: .*k8s_revert, id: w"):
            call(kube, attack, check=check, id="w")
    call(kube, attack, id="w", state="absent")
    assert content(kube) == before and call(kube, attack, id="w")["status"] == "active"


def lose_the_answer(kube, collection: str, times: int = 1, status: int = 504, then=None) -> None:
    """The server stores what is sent, and its answer does not come through; then() happens with that."""
    from tests.unit.support.kube_server import Answer

    left = [times]

    def lose(method, url, body):
        path = url.partition("?")[0]
        if method == "POST" and path.endswith(collection) and left[0]:
            left[0] -= 1
            if f"{path}/{body['metadata']['name']}" not in kube.objects:
                kube._post(path, {}, body, "")
            if then:
                then()
            return Answer(status, "", "the answer was lost")
        return None

    kube.trouble.append(lose)


@pytest.mark.parametrize("collection", ["/configmaps", "/secrets", "/jobs", "/networkpolicies"])
def test_our_own_second_try_is_nobody_elses(kube, monkeypatch: pytest.MonkeyPatch, collection: str) -> None:
    attack = Write if collection == "/secrets" else Wall
    monkeypatch.setattr(Write, "secret", attack is Write)
    before = content(kube)
    lose_the_answer(kube, collection)
    made = call(kube, attack)
    assert made["status"] == "active" and len(kube.names("configmaps")) == 2
    assert call(kube, attack)["changed"] is False and call(kube, attack, state="absent")["status"] == "reverted"
    assert content(kube) == before


@pytest.mark.parametrize("collection", ["/configmaps", "/secrets", "/jobs", "/networkpolicies"])
def test_what_was_made_although_it_failed_is_deleted(kube, monkeypatch: pytest.MonkeyPatch, collection: str) -> None:
    """The journal before its Secret."""
    attack = Write if collection in ("/secrets", "/configmaps") else Wall
    monkeypatch.setattr(Write, "secret", True)
    before = content(kube)
    lose_the_answer(kube, collection, times=99)
    with pytest.raises(AttackError, match="the answer was lost"):
        call(kube, attack)
    assert content(kube) == before
    deleted = [path.rsplit("/", 2)[1] for method, path in kube.requests if method == "DELETE"]
    assert collection != "/configmaps" or deleted == ["configmaps", "secrets"]


def test_a_journal_that_may_be_there_keeps_its_secret(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.support.kube_server import Answer

    monkeypatch.setattr(Write, "secret", True)
    before = content(kube)
    lose_the_answer(kube, "/configmaps", times=99, then=lambda: kube.fail(99, Answer(503, "", "away"), "", "faultline-w"))
    with pytest.raises(AttackError, match="whether ConfigMap shop/faultline-w was made is not known.*is stuck") as caught:
        call(kube, id="w")
    assert caught.value.details["stuck"] == ["w"] and len(kube.names("secrets")) == 1
    kube.trouble.clear()
    journal = Journal(kube.cluster)
    assert revert_entry(kube.cluster, journal, journal.find("shop", "w")).clean and content(kube) == before
