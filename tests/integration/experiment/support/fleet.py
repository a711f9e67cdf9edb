# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of simulated hosts on this machine: directories, with a connection that can be cut.

The role, the playbooks and the controller plugins are the real ones; the modules that act on targets are stand-ins.
The ansible-core of the Python that runs pytest is the one under test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parents[1]
CHECKOUT = HERE.parents[2]
STANDINS = HERE / "standins"
REAL = {"action": "steady_state.py"}  # the stand-in wraps it


def build_tree(root: Path) -> None:
    """Create a collection of links into the checkout, in which stand-ins replace some plugins."""
    place = root / "ansible_collections/faultline/chaos"
    (place / "plugins").mkdir(parents=True)
    for name in ("galaxy.yml", "meta", "roles", "playbooks"):
        (place / name).symlink_to(CHECKOUT / name)
    for kind in ("modules", "action", "connection", "module_utils", "plugin_utils", "doc_fragments", "filter"):
        (place / "plugins" / kind).mkdir()
        standins = {path.name for path in (STANDINS / kind).glob("*.py")}
        for path in (CHECKOUT / "plugins" / kind).glob("[!_]*" if kind == "modules" else "*"):
            name = f"real_{path.name}" if path.name in standins and REAL.get(kind) == path.name else path.name
            if name not in standins and path.name != "__pycache__":
                (place / "plugins" / kind / name).symlink_to(path)
        for name in standins:
            (place / "plugins" / kind / name).symlink_to(STANDINS / kind / name)


class Result:
    """One finished ansible-playbook."""

    def __init__(self, rc: int, output: str, reports: Path) -> None:
        self.rc, self.output = rc, output.replace("''", "'")  # YAML doubles them
        self.records = [json.loads(path.read_text()) for path in sorted(reports.glob("*/record.json"))]

    @property
    def record(self) -> dict[str, Any]:
        [record] = self.records
        return record

    @property
    def attacks(self) -> list[dict[str, Any]]:
        return [phase for phase in self.record["phases"] if phase["kind"] == "attack"]

    def outcomes(self, number: int = -1) -> dict[str, str]:
        return {entry["host"]: entry["outcome"] for entry in self.attacks[number]["hosts"]}


class Fleet:
    """Simulated hosts n1.. in the group web, and a host behind a closed port in the group away."""

    def __init__(self, root: Path, tree: Path, hosts: int = 4) -> None:
        self.root, self.tree = root, tree
        self.reports = root / "reports"
        lines = ["[web]"]
        for number in range(1, hosts + 1):
            place = root / f"n{number}"
            place.mkdir()
            python = root / f"python{number}"
            python.write_text(f'#!/bin/sh\nPRETEND_HOST={place} exec {sys.executable} "$@"\n')
            python.chmod(0o755)
            lines.append(f"n{number} ansible_connection=faultline.chaos.cuttable ansible_host=n{number}.example ansible_python_interpreter={python}")
        # The address of a host derives from its name, as in many inventories; a task delegated to it would reach another host.
        lines += ["[web:vars]", f"pretend_host={root}/{{{{ inventory_hostname }}}}"]
        lines += ["[away]", "gone ansible_host=127.0.0.1 ansible_port=1", "[all:vars]", "ansible_ssh_common_args=-o BatchMode=yes"]
        (root / "inventory.ini").write_text("\n".join(lines) + "\n")

    def behave(self, host: str, *words: str) -> None:
        (self.root / host / "behaviour").write_text(" ".join(words))

    def log(self, host: str) -> list[str]:
        path = self.root / host / "log"
        return path.read_text().splitlines() if path.exists() else []

    def active(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.glob("n*/active.*"))

    def plan(self, **more: Any) -> dict[str, Any]:
        step = {"name": "pretend", "attack": "pretend", "hosts": "web", "select": {"percent": 100}, "duration": "1s", **more.pop("step", {})}
        return {
            "title": "The shop stays open",
            "steady_state": [{"name": "open", "type": "command", "argv": ["true"]}],
            "observe": {"window": "1s", "interval": "200ms", "settle": "1s"},
            "method": [step],
            "report": {"dir": str(self.reports)},
            # Long limits, because the test machine may be busy.
            "safety": {"grace": "10m", "max_duration": "30m", **more.pop("safety", {})},
            **more,
        }

    def command(self, playbook: str, *args: str) -> list[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        return [sys.executable, str(program), playbook, "-i", str(self.root / "inventory.ini"), *args]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(self.tree),
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.root / "home"),
            "ANSIBLE_FORKS": "5",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEVEL_WARNING": "0",
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "COLUMNS": "200",
            "LC_ALL": "C.UTF-8",
            **more,
        }

    def play(self, playbook: str, *args: str, **environment: str) -> Result:
        done = subprocess.run(
            self.command(playbook, *args), cwd=self.root, env=self.environment(**environment), capture_output=True, text=True, timeout=120, check=False
        )
        return Result(done.returncode, done.stdout + done.stderr, self.reports)

    def write_plan(self, plan: Any) -> Path:
        path = self.root / "plan.yml"
        path.write_text(yaml.safe_dump({"experiment_plan": plan}))
        return path

    def experiment(self, plan: Any, *args: str, **environment: str) -> Result:
        return self.play("faultline.chaos.experiment", "-e", f"@{self.write_plan(plan)}", *args, **environment)
