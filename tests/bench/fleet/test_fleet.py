# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an experiment costs on the controller, beside a playbook that runs the same two trivial modules on the same hosts.

    python -m pytest -s tests/bench/fleet                        100 hosts, one round
    FLEET_HOSTS=500 FLEET_REPEAT=1 python -m pytest -s tests/bench/fleet

The hosts are directories on this machine. CPU time counts all processes, the modules included, so it does not depend on what else
the machine is doing as much as the wall clock does. The windows in which an experiment just watches are taken off its wall time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent

from tests.integration.experiment.support.fleet import Fleet, build_tree  # noqa: E402

HOSTS = int(os.environ.get("FLEET_HOSTS", "100"))
REPEAT = int(os.environ.get("FLEET_REPEAT", "3"))
MOST = 1.3
WATCHED = 3.0  # before, during, after: a second each

# The least that Ansible can do with two modules on every host.
FLOOR = """
- hosts: web
  gather_facts: false
  become: true
  tasks:
    - faultline.chaos.pretend:
        id: floor
        run_id: floor
        duration: 60
    - faultline.chaos.revert:
        run_id: floor
"""


@dataclass
class Cost:
    wall: float
    cpu: float


def measure(fleet: Fleet, command: list[str], watched: float = 0.0) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=fleet.root, env=fleet.environment(ANSIBLE_FORKS="10"), capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Cost(wall - watched, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def test_an_experiment_costs_little_more_than_its_two_modules(tmp_path: Path) -> None:
    build_tree(tmp_path / "collections")
    (tmp_path / "fleet").mkdir()
    fleet = Fleet(tmp_path / "fleet", tmp_path / "collections", HOSTS)
    plan = fleet.write_plan(fleet.plan(safety={"grace": "30m", "max_duration": "1h"}))
    (fleet.root / "floor.yml").write_text(FLOOR)
    floors, experiments = [], []
    for _turn in range(REPEAT):
        floors.append(measure(fleet, fleet.command("floor.yml")))
        experiments.append(measure(fleet, fleet.command("faultline.chaos.experiment", "-e", f"@{plan}"), WATCHED))
    for name, costs in (("floor", floors), ("experiment", experiments)):
        shown = ", ".join(f"{cost.wall:.1f}/{cost.cpu:.1f}" for cost in costs)
        print(f"\n{name}: {HOSTS} hosts, wall/CPU seconds: {shown}", end="")
    wall = median(cost.wall for cost in experiments) / median(cost.wall for cost in floors)
    cpu = median(cost.cpu for cost in experiments) / median(cost.cpu for cost in floors)
    print(f"\nexperiment / floor: wall {wall:.2f}, CPU {cpu:.2f}")
    assert cpu <= MOST
