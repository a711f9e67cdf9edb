# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that are run on a host."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one


def test_a_program_that_cannot_be_started_is_an_error_like_others(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SystemExit it once passed by the undo of what had been injected."""
    with pytest.raises(AttackError, match="/nowhere cannot be run: .*No such file"):
        bench.host.run(["/nowhere"])
    bench.publish("a")
    monkeypatch.setattr(bench.host, "run", lambda *_args, **_more: (one for one in ()).throw(AttackError("no process left")))
    outcome = revert_one(bench.host, bench.journal, "a")
    assert (outcome.clean, outcome.reason) == (False, "no process left")


def test_a_program_that_hangs_is_not_waited_for_for_ever(bench) -> None:
    assert bench.host.ask(["sh", "-c", "exit 3"])[0] == 3
    with pytest.raises(AttackError, match="sleep 60 does not end"):
        bench.host.ask(["sleep", "60"], seconds=1)
