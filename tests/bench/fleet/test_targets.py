# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every host module costs on its target, beside ansible.builtin.ping: CPU seconds of the process and of its programs, source shipped.

    python -m pytest -n 0 -s tests/bench/fleet/test_targets.py                  as root; the table is in tests/output/targets.txt
    TARGET_MODULES=netem,revert TARGET_REPEAT=15 python -m pytest -n 0 -s tests/bench/fleet/test_targets.py

The targets are namespaces of this machine, and what runs there is the payload that Ansible sends. Every turn runs ping and the module one
after the other, and the median of the ratios is shown, so that a machine with other work changes little.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.netns.support.box import Box
from tests.support.paths import CHECKOUT, COLLECTIONS, PLUGINS

REPEAT = int(os.environ.get("TARGET_REPEAT", "7"))
ONLY = os.environ.get("TARGET_MODULES")
PYTHON = "/usr/bin/python3"
OURS = "ansible_collections.faultline.chaos."
MOST, MOST_CONTROL = 1.25, 1.2  # of ping: attacks; revert, attack_info and lease
MOST_KIB = {"cpu_stress": 120.0, "k8s_": 190.0}

# Options by which an attack can be planned in the box; with real, it is also applied and reverted there.
ATTACKS: dict[str, tuple[dict[str, Any], bool]] = {
    "blackhole": ({"peers": ["192.0.2.53"], "ports": [8000]}, True),
    "clock_skew": ({"offset": "+300s"}, False),
    "cpu_stress": ({"load": 1, "cpus": ["0"]}, True),
    "custom": ({"inject": ["touch", "/mnt/custom"], "undo": ["rm", "-f", "/mnt/custom"], "check": ["test", "-e", "/mnt/custom"]}, True),
    "disk_fill": ({"path": "/mnt", "size": "1MiB"}, True),
    "dns_fault": ({"domains": ["fault.example.com"]}, True),
    "fd_exhaustion": ({"process": "flvictim", "leave": 3}, True),
    "file_fault": ({"path": "/mnt/file", "op": "remove"}, True),
    "host_power": ({"action": "reboot"}, False),
    "interface_down": ({"interface": "spare0"}, True),
    "io_stress": ({"path": "/mnt", "file_size": "1MiB", "rate": "4KiB"}, True),
    "memory_stress": ({"amount": "16MiB"}, False),
    "netem": ({"interface": "up0", "delay": "20ms"}, True),
    "pid_exhaustion": ({"count": 5}, False),
    "port_occupy": ({"ports": [47990]}, True),
    "process_freeze": ({"name": "flvictim"}, True),
    "process_kill": ({"name": "flvictim", "signal": "HUP", "interval": "60s"}, True),
    "socket_exhaustion": ({"percent": 1}, False),
}
CONTROL: dict[str, dict[str, Any]] = {"attack_info": {}, "revert": {"id": "bench"}, "lease": {"run_id": "bench", "lease": "60s"}}

# Runs payloads in turn and prints, for each run, its own CPU seconds, those of its programs, and its exit status.
TURNS = """
import json, os, sys
RUN = '''
import atexit, os, sys
def told():
    spent = os.times()
    os.write(int(sys.argv[2]), ("%f %f" % (spent.user + spent.system, spent.children_user + spent.children_system)).encode())
atexit.register(told)
sys.argv[0] = path = sys.argv[1]
exec(compile(open(path).read(), path, "exec"), {"__name__": "__main__", "__file__": path})
'''
for path in sys.argv[2:]:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open("/mnt/said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.set_inheritable(write_end, True)
        os.execv(sys.argv[1], [sys.argv[1], "-c", RUN, path, str(write_end)])
    os.close(write_end)
    status = os.waitpid(child, 0)[1]
    spent = os.read(read_end, 100).decode().split()
    print(json.dumps([float(spent[0]), float(spent[1]), status >> 8, open("/mnt/said").read()[:2000]]))
"""


class Target:
    """A box to which payloads are sent."""

    def __init__(self, box: Box, root: Path) -> None:
        self.box, self.root = box, root
        box.sh("ip link add spare0 type veth peer name spare1; ip link set spare0 up; ip link set spare1 up; echo text >/mnt/file; cp /bin/sleep /mnt/flvictim")
        box.sh("(trap '' HUP; exec /mnt/flvictim 100000) >/dev/null 2>&1 &")  # outlives process_kill

    def payload(self, module: str, options: dict[str, Any], real: bool = False) -> str:
        """What Ansible sends for a task in check mode; with real, the same without check mode."""
        place = self.root / f"{module}-{len(list(self.root.iterdir()))}"
        settings = {
            "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TMP": str(place), "ANSIBLE_PIPELINING": "0", "ANSIBLE_HOME": str(self.root / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        }  # fmt: skip
        ansible = [sys.executable, str(Path(sys.executable).with_name("ansible"))]
        words = ["localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={PYTHON}", "--check", "-m", module]
        words += ["-a", json.dumps(options)] if options else []
        subprocess.run(self.box.argv([*ansible, *words]), env={**os.environ, **settings}, capture_output=True, check=False)
        [path] = place.rglob("AnsiballZ_*.py")
        if real:
            text, changed = re.subn(r'(_ansible_check_mode\\*": *)true', r"\1false", path.read_text())
            assert changed == 1, path
            path.write_text(text)
        return str(path)

    def run(self, *payloads: str) -> list[tuple[float, float, int, str]]:
        lines = self.box.run([PYTHON, "-c", TURNS, PYTHON, *payloads]).splitlines()
        return [tuple(json.loads(line)) for line in lines]


def shipped(module: str) -> float:
    """KiB of source of this collection that Ansible sends with a module: its file and all that it imports."""
    ahead, known = [PLUGINS / "modules" / f"{module}.py"], set()
    while ahead:
        path = ahead.pop()
        if path not in known:
            known.add(path)
            ahead += _imported(path)
    return sum(path.stat().st_size for path in known) / 1024


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
            for name in (str(node.module), *(f"{node.module}.{each.name}" for each in node.names)):
                found = CHECKOUT / (name[len(OURS) :].replace(".", "/") + ".py")
                if found.exists():
                    yield found


def wanted(module: str) -> bool:
    return ONLY is None or module in ONLY.split(",")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    box = Box()
    try:
        yield Target(box, tmp_path)
    finally:
        box.close()


def row(target: Target, name: str, ping: str, before: list[str], payload: str, after: list[str]) -> tuple[str, float | None]:
    """One line of the table, and the ratio to ping; before and after run in every turn without being measured."""
    runs = []
    for _turn in range(REPEAT):
        found = target.run(ping, *before, payload, *after)
        runs.append((found[0], found[1 + len(before)]))
        if runs[-1][1][2]:
            message = re.sub(r".*?\"msg\": \"(.*?)\".*", r"\1", runs[-1][1][3].replace("\n", " "))
            return f"{name:26} not here: {message[:110]}", None
    ratio = median((own + programs) / (ping_own + ping_programs) for (ping_own, ping_programs, *_more), (own, programs, *_rest) in runs)
    own, programs = (median(run[1][at] for run in runs) for at in (0, 1))
    return f"{name:26} {ratio:5.2f} {own:7.3f} {programs:7.3f}", ratio


def test_a_module_costs_little_more_than_ping(target: Target) -> None:
    ping = target.payload("ansible.builtin.ping", {})
    control = {name: target.payload(f"faultline.chaos.{name}", options, real=True) for name, options in CONTROL.items()}
    done = target.run(ping)[0]
    lines, over = [f"{'module':26} {'/ping':>5} {'own s':>7} {'programs':>8}", f"{'ping':26} {1:5.2f} {done[0]:7.3f} {done[1]:7.3f}"], []

    def note(name: str, most: float, before: list[str], payload: str, after: list[str]) -> None:
        line, ratio = row(target, name, ping, before, payload, after)
        lines.append(line)
        print(line, flush=True)
        if ratio is not None and ratio > most:
            over.append(f"{name}: {ratio:.2f} times ping, at most {most}")

    holder = target.payload("faultline.chaos.custom", {**ATTACKS["custom"][0], "id": "bench", "run_id": "bench", "duration": "10m"}, real=True)
    for name in filter(wanted, CONTROL):
        note(name, MOST_CONTROL, [holder] if name != "attack_info" else [], control[name], [control["revert"]])
    for name in filter(wanted, ATTACKS):
        options, real = ATTACKS[name]
        told = {**options, "id": "bench", "duration": "10m"}
        note(f"{name} (check)", MOST, [], target.payload(f"faultline.chaos.{name}", told), [])
        if real:
            note(f"{name} (real)", MOST, [], target.payload(f"faultline.chaos.{name}", told, real=True), [control["revert"]])
    output = CHECKOUT / "tests/output"
    output.mkdir(exist_ok=True)
    (output / "targets.txt").write_text("\n".join(lines) + "\n")
    assert not over, "\n".join(over)


def test_what_is_shipped() -> None:
    over = []
    for path in sorted((PLUGINS / "modules").glob("[!_]*.py")):
        size = shipped(path.stem)
        print(f"{path.stem:26} {size:6.1f} KiB")
        over += [f"{path.stem}: {size:.1f} KiB, at most {most}" for prefix, most in MOST_KIB.items() if path.stem.startswith(prefix) and size > most]
    assert not over, "\n".join(over)
