# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an experiment, a plan over a large inventory, an audit and a halt cost on the controller, beside the least that Ansible can do.

Two floors: a playbook that runs the same two trivial modules on the same hosts, and one that runs ansible.builtin.ping twice.

    python -m pytest -s tests/bench/fleet                        100 hosts, one round
    FLEET_HOSTS=500 FLEET_REPEAT=1 python -m pytest -s tests/bench/fleet
    FLEET_INVENTORY=50000 python -m pytest -s tests/bench/fleet -k planning

The hosts are directories on this machine. CPU time counts all processes, the modules included, so it does not depend on what else
the machine is doing as much as the wall clock does. The windows in which an experiment just watches are taken off its wall time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.integration.experiment.support.fleet import Fleet, build_tree
from tests.netns.support.box import Box
from tests.support.paths import CHECKOUT, COLLECTIONS

HOSTS = int(os.environ.get("FLEET_HOSTS", "100"))
REPEAT = int(os.environ.get("FLEET_REPEAT", "3"))
MOST = 1.3
MOST_OF_PINGS = 1.12
INVENTORY = int(os.environ.get("FLEET_INVENTORY", "10000"))
SELECTED = 10
MOST_OF_A_LISTING, MOST_MORE_S, MOST_MIB = 1.5, 3.0, 200.0  # times what ansible --list-hosts takes, and seconds; peak memory of a process
LOOKED_AT = 20
MOST_OF_A_PING = 1.15  # an audit or a halt, for each host
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

PINGS = """
- hosts: web
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.ping:
    - ansible.builtin.ping:
"""
ONE_PING = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""


@dataclass
class Cost:
    wall: float
    cpu: float
    memory: float = 0.0  # MiB, of the largest process so far


def measure(command: list[str], cwd: Path, environment: dict[str, str], watched: float = 0.0) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Cost(wall - watched, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024)


def show(name: str, costs: list[Cost]) -> Cost:
    """Print all runs of one row; their medians."""
    print(f"\n{name}: wall/CPU seconds: " + ", ".join(f"{cost.wall:.1f}/{cost.cpu:.1f}" for cost in costs), end="")
    return Cost(median(cost.wall for cost in costs), median(cost.cpu for cost in costs), max(cost.memory for cost in costs))


def test_an_experiment_costs_little_more_than_its_two_modules(tmp_path: Path) -> None:
    build_tree(tmp_path / "collections")
    (tmp_path / "fleet").mkdir()
    fleet = Fleet(tmp_path / "fleet", tmp_path / "collections", HOSTS)
    plan = fleet.write_plan(fleet.plan(safety={"grace": "30m", "max_duration": "1h"}))
    books = {"floor": FLOOR, "pings": PINGS}
    for name, text in books.items():
        (fleet.root / f"{name}.yml").write_text(text)
    environment = fleet.environment(ANSIBLE_FORKS="10")
    costs: dict[str, list[Cost]] = {"floor": [], "pings": [], "experiment": []}
    for _turn in range(REPEAT):
        for name in books:
            costs[name].append(measure(fleet.command(f"{name}.yml"), fleet.root, environment))
        command = fleet.command("faultline.chaos.experiment", "-e", f"@{plan}")
        costs["experiment"].append(measure(command, fleet.root, environment, WATCHED))
    found = {name: show(f"{name}, {HOSTS} hosts", each) for name, each in costs.items()}
    ratios = {name: found["experiment"].cpu / found[name].cpu for name in books}
    for name in books:
        print(f"\nexperiment / {name}: wall {found['experiment'].wall / found[name].wall:.2f}, CPU {ratios[name]:.2f}", end="")
    assert ratios["floor"] <= MOST
    assert ratios["pings"] <= MOST_OF_PINGS


def test_planning_costs_little_more_than_listing_the_hosts(tmp_path: Path) -> None:
    """Some of very many hosts, in check mode. What the same experiment takes in an inventory of those few is taken off."""
    build_tree(tmp_path / "collections")
    found = {}
    for number in (SELECTED, INVENTORY):
        (tmp_path / f"fleet{number}").mkdir()
        fleet = Fleet(tmp_path / f"fleet{number}", tmp_path / "collections", SELECTED)
        inventory = fleet.root / "inventory.ini"
        more = "".join(f"more{at:06d} ansible_host=10.{at >> 16}.{at >> 8 & 255}.{at & 255}\n" for at in range(number - SELECTED))
        # The hosts that can be attacked are in a group of their own: drawn from all others they would not answer.
        inventory.write_text(f"[crowd]\n{more}[everybody:children]\nweb\ncrowd\n{inventory.read_text()}")
        safety = {"protected": ["crowd"]} if more else {}
        plan = fleet.write_plan(fleet.plan(step={"hosts": "everybody", "select": {"count": SELECTED}}, safety=safety))
        environment, listing = fleet.environment(ANSIBLE_FORKS="10"), [sys.executable, str(Path(sys.executable).with_name("ansible"))]
        listed, planned = [], []
        for _turn in range(REPEAT):
            listed.append(measure([*listing, "all", "-i", str(inventory), "--list-hosts"], fleet.root, environment))
            planned.append(measure(fleet.command("faultline.chaos.experiment", "-e", f"@{plan}", "--check"), fleet.root, environment))
        found[number] = (show(f"ansible --list-hosts, {number} hosts", listed), show(f"{SELECTED} of {number} hosts", planned))
    (listed_all, planned_all), (_listed, few) = found[INVENTORY], found[SELECTED]
    print(f"\nplanning: CPU {planned_all.cpu - few.cpu:.1f} s more than for {SELECTED} hosts, peak memory {planned_all.memory:.0f} MiB")
    assert planned_all.cpu - few.cpu <= MOST_OF_A_LISTING * listed_all.cpu + MOST_MORE_S
    assert planned_all.memory <= MOST_MIB


def test_audit_and_halt_cost_little_more_than_a_ping(tmp_path: Path) -> None:
    """The real modules, as root, on a box that has many names. What a play over one host takes is taken off."""
    (tmp_path / "ping.yml").write_text(ONE_PING)
    names = [f"n{number} ansible_connection=local ansible_python_interpreter=/usr/bin/python3" for number in range(LOOKED_AT + 1)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    box = Box()
    try:
        costs: dict[tuple[str, int], list[Cost]] = {}
        for _turn in range(REPEAT):
            for hosts in (1, LOOKED_AT + 1):
                (tmp_path / "inventory.ini").write_text("\n".join(names[:hosts]) + "\n")
                for book in (str(tmp_path / "ping.yml"), "faultline.chaos.audit", "faultline.chaos.halt"):
                    words = [sys.executable, str(Path(sys.executable).with_name("ansible-playbook")), book, "-i", str(tmp_path / "inventory.ini")]
                    words += ["-e", "audit_become=false", "-e", "halt_become=false"]
                    costs.setdefault((book.rpartition(".")[2], hosts), []).append(measure(box.argv(words), tmp_path, environment))
    finally:
        box.close()
    each = {}
    for book in ("yml", "audit", "halt"):
        one, many = (show(f"{book}, {hosts} hosts", costs[book, hosts]).cpu for hosts in (1, LOOKED_AT + 1))
        each[book] = (many - one) / LOOKED_AT
    for book in ("audit", "halt"):
        print(f"\n{book}: {each[book]:.3f} CPU seconds a host, {each[book] / each['yml']:.2f} times a ping", end="")
    assert max(each["audit"], each["halt"]) <= MOST_OF_A_PING * each["yml"]
