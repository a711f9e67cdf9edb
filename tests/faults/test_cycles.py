# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault 25: an attack and its undo, two hundred times (FAULTLINE_CYCLES in the environment: another number), leave nothing that grows."""

from __future__ import annotations

import os

import pytest
from _attacks import ATTACKS, Attack
from _programs import STATE, WORK
from _target import Target, task

CYCLES = int(os.environ.get("FAULTLINE_CYCLES", "200"))
HISTORY_KEPT = 1000  # lines; see _journal.py
LONGEST = 12.0  # seconds that one cycle may take on a slow lab host

# Everything that could grow besides what the fingerprint compares.
SIZES = f"""
find {STATE} /run/faultline* 2>/dev/null | wc -l
systemctl list-units --all --no-legend | wc -l
find /sys/fs/cgroup -type d | wc -l
ls -d /proc/[0-9]* | wc -l
find /etc/systemd /run/systemd/system /run/systemd/transient /etc/cron.d | wc -l
"""


def payload(target: Target, attack: Attack, name: str, options: dict) -> str:
    """The module as Ansible sends it, with its arguments, kept on the target. Errors: AssertionError when it fails."""
    play = target.playbook([task(attack.name, options)], env={"ANSIBLE_KEEP_REMOTE_FILES": "1"})
    assert play.rc == 0, play
    path = f"{WORK}/{name}.py"
    target.sh(f"mkdir -p {WORK}; mv /root/.ansible/tmp/*/AnsiballZ_{attack.module}.py {path}; rm -rf /root/.ansible/tmp/*")
    return path


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_cycles_leave_nothing_that_grows(target: Target, attack: Attack) -> None:
    present = payload(target, attack, "present", target.options(attack, duration="10m"))
    absent = payload(target, attack, "absent", {"id": attack.module, "state": "absent"})
    sizes = target.sh(SIZES).out.split()
    target.sh(
        f"for i in $(seq {CYCLES}); do for f in {present} {absent}; do"
        f" {target.python} $f >{WORK}/out 2>&1 && grep -q '\"changed\": true' {WORK}/out || {{ echo $i $f; cat {WORK}/out; exit 1; }}; done; done",
        timeout=60 + LONGEST * CYCLES,
    )
    target.sh(f"rm -rf {WORK}")
    history = target.history()
    assert {(each["id"], each["result"]) for each in history[-CYCLES:]} == {(attack.module, "reverted")} and len(history) <= HISTORY_KEPT + 1
    target.as_before()
    now = target.sh(SIZES).out.split()
    names = ("state", "units", "cgroups", "processes", "unit files")
    grown = {name: (was, is_) for name, was, is_ in zip(names, sizes, now, strict=True) if int(is_) > int(was) + 3}
    assert not grown, f"grown in {CYCLES} cycles: {grown}"
