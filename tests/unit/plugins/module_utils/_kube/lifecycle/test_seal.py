# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a seal binds: each key by itself, since a journal may be rewritten in one place only."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import seal_of
from ansible_collections.faultline.chaos.plugins.module_utils._marks import MARK

RECORD = {"id": "w", "module": "k8s_pod_stress", "namespaces": ["shop"], "nonce": "0123abcd", "run_id": "r", "version": 2}
UNDO = [{"step": "RestoreFields", "name": "n1"}]


@pytest.mark.parametrize(
    ("key", "other"),
    [("id", "v"), ("module", "k8s_node_drain"), ("namespaces", ["evil", "shop"]), ("namespaces", []), ("nonce", "ffffffff")],
)
def test_each_key_of_the_record_is_bound(key: str, other: object) -> None:
    assert seal_of({**RECORD, key: other}, UNDO).checksum != seal_of(RECORD, UNDO).checksum


@pytest.mark.parametrize("undo", [[], [{**UNDO[0], "name": "n2"}], [*UNDO, *UNDO]], ids=["none", "another object", "one more step"])
def test_the_undo_is_bound(undo: list[dict]) -> None:
    assert seal_of(RECORD, undo).checksum != seal_of(RECORD, UNDO).checksum


@pytest.mark.parametrize(("uid", "run"), [("u2", "r"), ("u1", "s")])
def test_the_uid_of_the_journal_and_the_run_are_in_the_mark(uid: str, run: str) -> None:
    """An object with the mark of another one is never taken for ours, and with our id it is damage."""
    ours, theirs = seal_of(RECORD, UNDO, "u1"), seal_of({**RECORD, "run_id": run}, UNDO, uid)
    assert ours.checksum == theirs.checksum and ours.borne({"annotations": {MARK: ours.mark}}, "Node n1")
    with pytest.raises(JournalDamaged, match="does not fit the mark on Node n1"):
        ours.borne({"annotations": {MARK: theirs.mark}}, "Node n1")


def test_what_changes_while_an_attack_is_active_is_not_bound() -> None:
    assert seal_of({**RECORD, "deadline": 1, "stuck": "x"}, UNDO).mark == seal_of(RECORD, UNDO).mark
