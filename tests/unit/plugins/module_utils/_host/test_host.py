# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that are run on a host."""

from __future__ import annotations

import inspect
import os
import re
import signal
import time

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import parent
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one


def test_a_program_that_cannot_be_started_is_an_error_like_others(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SystemExit it once passed by the undo of what had been injected."""
    with pytest.raises(AttackError, match="/nowhere cannot be run: .*No such file"):
        bench.host.run(["/nowhere"])
    bench.publish("a")
    monkeypatch.setattr(bench.host, "run", lambda *_args, **_more: (one for one in ()).throw(AttackError("no process left")))
    outcome = revert_one(bench.host, bench.journal, "a")
    assert (outcome.clean, outcome.reason) == (False, "no process left")


@pytest.mark.parametrize("argv", [["sleep", "61"], ["sh", "-c", "trap : TERM; sleep 61 & wait; sleep 61"]], ids=["program", "script"])
def test_a_program_that_hangs_is_one_error_that_names_it(bench, argv: list[str]) -> None:
    """With all that it started, and no process more while it runs: an alarm, not timeout(1)."""
    assert bench.host.ask(["sh", "-c", "exit 3"])[0] == 3
    for run in (bench.host.run, bench.host.ask):
        began = time.monotonic()
        with pytest.raises(AttackError, match=f"^{re.escape(' '.join(argv))} does not end: 1 seconds were not enough$"):
            run(argv, seconds=1)
        assert time.monotonic() - began < 5
    assert all(command[0] in ("sh", argv[0]) for command in bench.host._module.commands)
    time.sleep(0.2)
    assert not [each for each in processes() if each.argv[-1] == "61" and parent(each.pid) in (1, os.getpid())]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0) and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_every_program_of_guard_and_snapshot_has_the_limit() -> None:
    assert inspect.signature(Host.run).parameters["seconds"].default == 60
