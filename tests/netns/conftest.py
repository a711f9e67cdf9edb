# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network attacks on network namespaces of this machine: real kernels and tools, nothing of the machine itself is touched.

Run as root: python -m pytest -n 0 tests/netns
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import VERSION
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.publishing import OpenJournal
from ansible_collections.faultline.chaos.plugins.module_utils._undo.script import render
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from tests.netns.support.lan import Lan

NO_PROCESS = itertools.count(2**22 + 1)  # the injector of a record; nobody has such a number

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


class Module:
    """As much of an AnsibleModule as Host uses."""

    check_mode = False
    more = ""  # a directory with programs of the test

    def get_bin_path(self, name: str) -> str | None:
        return shutil.which(name) or shutil.which(name, path=self.more)

    def run_command(
        self,
        argv: list[str],
        data: str | None = None,
        environ_update: dict | None = None,
        handle_exceptions: bool = True,
        before_communicate_callback: Callable[[subprocess.Popen], None] = lambda _child: None,
    ) -> tuple[int, str, str]:
        child = subprocess.Popen(argv, text=True, errors="surrogateescape", **PIPES)
        before_communicate_callback(child)
        out, err = child.communicate(data)
        return child.returncode, out, err


class Undoing:
    """Publishes undos in a state directory of its own and runs their scripts, as the dead-man would."""

    def __init__(self, path: Path, host: Host) -> None:
        self.host, self.journal = host, OpenJournal(str(path / "state"))

    def publish(self, undo: Undo, attack_id: str = "a", boot_id: str | None = None) -> None:
        now = int(uptime() * 100)
        times = {"started": "2026-01-01T00:00:00Z", "deadline": "2026-01-01T00:01:00Z", "began_cs": now - 1, "deadline_cs": now + 6000, "limit_cs": now + 6000}
        record = {"version": VERSION, "id": attack_id, "module": "test", "run_id": None, "identity": "x", "resources": [], "injector": [next(NO_PROCESS), 1]}
        record = {**record, **times, "boot_id": boot_id or self.host.boot_id, "deadman": "watcher", "undo": undo.to_dict()}
        with self.journal.locked():
            self.journal.open_place()
            self.journal.publish({**record, "script": render(record, undo, self.journal.path)})
        self.journal.let_go()

    def run(self, attack_id: str = "a") -> subprocess.CompletedProcess:
        return subprocess.run(["sh", self.journal.script(attack_id), "module"], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def lan() -> Iterator[Lan]:
    lan = Lan()
    yield lan
    lan.close()


# iptables-legacy as it was in 1.4.21: iptables waits for the lock, but not for so many seconds. iptables-restore takes no such word, and is refused
# when others are at it. FAULTLINE_OLD_IPTABLES in the environment: a directory with the six programs of an iptables that is really old, to be taken instead.
OLD = {
    "": """case " $* " in *' -w '[0-9]*) echo "Bad argument" >&2; exit 2 ;; esac""",
    "-restore": """case " $* " in *' --help '*) echo 'Usage: [ --noflush ]' >&2; exit 1 ;; *' -w'*) echo 'unrecognized option' >&2; exit 1 ;; esac
flock -n /run/xtables.lock true || { echo 'Resource temporarily unavailable' >&2; exit 4; }""",
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    module = Module()
    module.more = str(tmp_path / "programs")
    (tmp_path / "programs").mkdir()
    for family in ("iptables", "ip6tables"):
        for end, refuse in OLD.items():
            program = tmp_path / "programs" / f"{family}-old{end}"
            real = os.environ.get("FAULTLINE_OLD_IPTABLES")
            line = f"exec {real}/{family}{end}" if real else f"{refuse}\nexec {family}-legacy{end}"
            program.write_text(f'#!/bin/sh\n{line} "$@"\n')
            program.chmod(0o755)
    return Host(module)


@pytest.fixture
def undoing(tmp_path: Path, host: Host) -> Undoing:
    return Undoing(tmp_path, host)
