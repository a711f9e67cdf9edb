# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the effect of an attack on a cluster was in place, told by what there was to undo."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import undo_all
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DONE, DRIFTED, GONE


class Step:
    def __init__(self, verdict: str, after_failure: bool = True) -> None:
        self.verdict, self.after_failure = verdict, after_failure

    def run(self, _cluster, _seal):
        if self.verdict == "fails":
            raise AttackError("no answer")
        return self.verdict, f"{self.verdict}: x"


@pytest.mark.parametrize(
    "verdicts, reading",
    [
        ([], None),
        ([DONE, DONE], {"in_place": True}),
        ([DONE, GONE], {"in_place": False, "lost": f"{GONE}: x"}),
        ([DRIFTED], {"in_place": False, "lost": f"{DRIFTED}: x"}),
        ([GONE, "fails"], None),
    ],
)
def test_by_what_there_was_to_undo(verdicts: list[str], reading: dict | None) -> None:
    assert undo_all(None, [Step(each) for each in verdicts], None).reading == reading


def test_the_job_of_the_dead_man_is_no_part_of_the_effect() -> None:
    assert undo_all(None, [Step(DONE), Step(GONE, after_failure=False)], None).reading == {"in_place": True}
