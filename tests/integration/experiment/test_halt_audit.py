# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks halt and audit."""

from __future__ import annotations

import pytest

from tests.integration.experiment.support.fleet import Fleet

HALT, AUDIT = "faultline.chaos.halt", "faultline.chaos.audit"


def attack(fleet: Fleet, *hosts: str) -> None:
    for host in hosts:
        (fleet.root / host / "active.x").write_text("some-run")


def test_halt_reverts_everything(fleet: Fleet) -> None:
    attack(fleet, "n1", "n3")
    result = fleet.play(HALT, "-e", "halt_hosts=web")
    assert result.rc == 0, result.output
    assert fleet.active() == []
    assert "Halt: all 4 clean" in result.output
    assert "n1: x" in result.output and "clean, nothing was there: 2 hosts" in result.output
    # One module task on a host.
    assert fleet.log("n1") == ["revert x"] and fleet.log("n2") == ["revert "]


def test_halt_goes_on_past_stuck_and_unreachable_hosts(fleet: Fleet) -> None:
    attack(fleet, "n1", "n2", "n3", "n4")
    fleet.behave("n2", "stuck")
    (fleet.root / "n3" / "cut").touch()
    result = fleet.play(HALT)
    assert result.rc != 0
    assert fleet.active() == ["n2", "n3"]
    text = " ".join(result.output.split())
    assert "STUCK: 1 n2: x: rc 2" in text
    assert "UNREACHABLE, left to their timers: 2" in text and "n3 (unreachable" in text and "gone (unreachable" in text
    assert "Halt: NOT CLEAN" in text


def test_halt_in_check_mode_does_nothing(fleet: Fleet) -> None:
    attack(fleet, "n1")
    result = fleet.play(HALT, "-e", "halt_hosts=web", "--check")
    assert result.rc == 0, result.output
    assert fleet.active() == ["n1"] and fleet.log("n1") == []
    assert "would be reverted: 1" in result.output


def test_audit(fleet: Fleet) -> None:
    for extra in ([], ["--check"]):
        result = fleet.play(AUDIT, "-e", "audit_hosts=web", *extra)
        assert result.rc == 0, result.output
        assert "Audit: all 4 clean" in result.output
    attack(fleet, "n2")
    (fleet.root / "n3" / "residue").touch()
    result = fleet.play(AUDIT)
    assert result.rc != 0
    text = " ".join(result.output.split())
    assert "n2: x (pretend) is active, deadline 2026-01-01T00:00:00Z" in text
    assert "n3: file residue" in text
    assert "UNREACHABLE, nothing is known: 1 gone" in text
    assert fleet.active() == ["n2"]


def test_an_audit_prints_no_name_that_a_terminal_would_obey(fleet: Fleet) -> None:
    (fleet.root / "n3" / "hostile").touch()
    result = fleet.play(AUDIT, "-e", "audit_hosts=web")
    assert result.rc != 0
    assert r"  n3: file \x1b]0;owned\x07\u202e\u200b\nn9: clean" in result.output
    assert not set(result.output) & set("\x07\u202e\u200b") and not [line for line in result.output.splitlines() if line.strip().startswith("n9")]


@pytest.mark.parametrize("playbook, variable", [(HALT, "halt_hosts"), (AUDIT, "audit_hosts")])
@pytest.mark.parametrize("args, words", [([], "no host or group wbe"), (["--limit", "away"], "--limit away leaves none")])
def test_hosts_that_do_not_exist_are_an_error(fleet: Fleet, playbook: str, variable: str, args: list[str], words: str) -> None:
    result = fleet.play(playbook, "-e", f"{variable}={'web' if args else 'wbe'}", *args)
    assert result.rc != 0
    text = " ".join(result.output.split())
    assert variable in text and words in text
