# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Redis experiment finds a real loss of data, and none where there is none. It leaves nothing on the hosts."""

from __future__ import annotations

import json
import os
import signal
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.lab.support.lab import Lab, Play, wait_until

SCENARIO = "faultline.chaos.scenarios.redis_failover"
LOSS = "no acknowledged write is lost"
UNITS = "systemctl list-units --all --plain --no-legend --state=active,activating 'redis-*@faultline*'"
FILES = "ls -d /etc/redis/*faultline* /etc/systemd/system/redis*faultline* /var/lib/redis/faultline 2>/dev/null"

pytestmark = pytest.mark.usefixtures("n1", "n2", "n3")


def run(lab: Lab, directory: Path, **variables: Any) -> tuple[Play, dict[str, Any]]:
    """One run of the scenario, and its outcome."""
    outcome = directory / "outcome.json"
    told = {"redis_report_dir": str(directory), "redis_outcome_file": str(outcome), **variables}
    play = lab.playbook(SCENARIO, told, env={"FAULTLINE_CACHE": str(directory)}, timeout=900)
    assert outcome.exists(), play
    for host in ("n1", "n2", "n3"):
        assert lab.run(host, f"{UNITS}; {FILES}", check=False).out == ""
    assert not (directory / "redis_writer" / "state.json").exists()
    return play, json.loads(outcome.read_text())


def failures(outcome: dict[str, Any]) -> list[str]:
    """The text of each failed case in the JUnit report."""
    cases = ET.parse(Path(outcome["report"]).with_name("junit.xml")).iter("testcase")
    return [f"{case.get('name')} {failure.get('message')} {failure.text}" for case in cases for failure in case.iter("failure")]


def lost_writes_are_found(play: Play, outcome: dict[str, Any]) -> None:
    assert (play.rc, outcome["verdict"]) == (2, "deviated"), play
    # All that had been written until the primary died, and nothing that was written to its empty successor.
    assert 100 < outcome["lost"] < outcome["acknowledged"]
    assert LOSS in outcome["reason"] and "acknowledged writes are gone" in outcome["reason"]
    found = [text for text in failures(outcome) if LOSS in text]
    assert any(f": {outcome['lost']} of " in text for text in found)
    page = Path(outcome["report"]).read_text()
    assert LOSS in page and f"{outcome['lost']} of " in page and "acknowledged writes are gone" in page


@pytest.mark.smoke
def test_default_configuration_loses_acknowledged_writes(lab: Lab, tmp_path: Path) -> None:
    play, outcome = run(lab, tmp_path, redis_configuration="default")
    lost_writes_are_found(play, outcome)
    assert outcome["primary_after"] == outcome["primary_before"]
    assert "acknowledged writes are gone" in play.out


@pytest.mark.smoke
def test_hardened_configuration_keeps_them(lab: Lab, tmp_path: Path) -> None:
    play, outcome = run(lab, tmp_path, redis_configuration="hardened")
    assert (play.rc, outcome["verdict"], outcome["lost"]) == (0, "held", 0), play
    assert outcome["acknowledged"] > 100
    assert 0 < outcome["longest_pause"] < 40
    assert failures(outcome) == []


def test_default_configuration_loses_them_by_a_reboot_too(lab: Lab, tmp_path: Path) -> None:
    # The sentinels are patient, so that a slow machine cannot make the host take longer to boot than they wait.
    play, outcome = run(lab, tmp_path, redis_configuration="default", redis_attack="reboot", redis_down_after=120, redis_pause_limit=110)
    lost_writes_are_found(play, outcome)


def test_starts_from_whatever_a_dead_controller_left(lab: Lab, tmp_path: Path) -> None:
    variables = {"redis_configuration": "hardened", "redis_report_dir": str(tmp_path)}
    killed = lab.popen(lab.playbook_argv(SCENARIO, variables), env={"FAULTLINE_CACHE": str(tmp_path)})
    assert killed.stdout
    for line in killed.stdout:
        if "Round 1 of 1" in line:
            break
    time.sleep(2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    client = json.loads((tmp_path / "redis_writer" / "state.json").read_text())["pid"]
    assert Path(f"/proc/{client}").exists()  # it has a time limit, and the next run ends it
    play, outcome = run(lab, tmp_path, redis_configuration="default")
    lost_writes_are_found(play, outcome)
    wait_until(lambda: not Path(f"/proc/{client}").exists(), 5, "the client of the dead controller has ended")
