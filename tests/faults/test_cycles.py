# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault 25: an attack and its undo, two hundred times (FAULTLINE_CYCLES in the environment: another number), leave nothing that grows."""

from __future__ import annotations

import json
import os

import pytest

from tests.faults.support.attacks import ATTACKS, Attack
from tests.faults.support.programs import STATE, WORK
from tests.faults.support.target import Target
from tests.lab.support import direct

CYCLES = int(os.environ.get("FAULTLINE_CYCLES", "200"))
HISTORY_KEPT = 1000  # lines; see _lifecycle/journal.py
LONGEST = 15.0  # seconds that one cycle may take on a starved lab host

# Everything that could grow besides what the fingerprint compares.
SIZES = f"""
find {STATE} /run/faultline* 2>/dev/null | wc -l
systemctl list-units --all --no-legend | wc -l
find /sys/fs/cgroup -type d | wc -l
ls -d /proc/[0-9]* | wc -l
find /etc/systemd /run/systemd/system /run/systemd/transient /etc/cron.d | wc -l
"""
NAMES = ("state", "units", "cgroups", "processes", "unit files")

# Runs the module again and again, each time in a process of its own, whose start of Python and imports are shared, for they take longest.
# Arguments: its full name, how often. Standard input: a list of its options, which are given in turn.
DRIVER = """
import json, os, runpy, sys
name, cycles, options = sys.argv[1], int(sys.argv[2]), [json.dumps({"ANSIBLE_MODULE_ARGS": each}).encode() for each in json.load(sys.stdin)]
from ansible.module_utils import basic
import importlib
importlib.import_module(name)

def run(text):
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(into, 1)
        os.close(into)
        os.close(out)
        basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = text, "legacy"
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    os.close(into)
    said = b""
    while b"\\n" not in said.lstrip():
        more = os.read(out, 65536)
        if not more:
            break
        said += more
    os.close(out)
    os.waitpid(child, 0)
    return said.decode()

for cycle in range(1, cycles + 1):
    for text in options:
        said = run(text)
        if not json.loads(said or "{}").get("changed"):
            sys.exit("cycle %d: %s" % (cycle, said))
"""


# Of variants the last, which runs in a box.
@pytest.mark.parametrize("attack", {attack.module: attack for attack in ATTACKS}.values(), ids=str)
def test_cycles_leave_nothing_that_grows(target: Target, attack: Attack) -> None:
    options = [target.options(attack, duration="10m"), target.options(attack, duration="10m", state="absent")]
    sizes = target.sh(SIZES).out.split()
    target.sh(f"mkdir -p {WORK}; cat >{WORK}/driver.py", stdin=DRIVER)
    argv = f"PYTHONPATH={direct.PLACE} {target.python} -B {WORK}/driver.py {direct.full_name(attack.name)} {CYCLES}"
    target.sh(f"{argv} >{WORK}/out 2>&1 || {{ tail -c 3000 {WORK}/out; exit 1; }}", timeout=60 + LONGEST * CYCLES, stdin=json.dumps(options))
    target.sh(f"rm -rf {WORK}")
    history = target.history()
    assert {(each["id"], each["result"]) for each in history[-CYCLES:]} == {(attack.module, "reverted")} and len(history) <= HISTORY_KEPT + 1
    target.as_before()
    now = target.sh(SIZES).out.split()
    grown = {name: (was, is_) for name, was, is_ in zip(NAMES, sizes, now, strict=True) if int(is_) > int(was) + 3}
    assert not grown, f"grown in {CYCLES} cycles: {grown}"
