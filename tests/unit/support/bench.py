# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A state directory in a temporary place, with attacks whose undo scripts are real."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import VERSION
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.publishing import OpenJournal
from ansible_collections.faultline.chaos.plugins.module_utils._undo.script import render
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
NO_PROCESS = itertools.count(2**22 + 1)  # above the largest pid of the kernel, so that no real process is taken for an injector and killed

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


class Module:
    """The part of AnsibleModule that Host uses."""

    check_mode = False

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def get_bin_path(self, name: str) -> str | None:
        return shutil.which(name, path=os.environ["PATH"])

    def run_command(
        self,
        argv: list[str],
        data: str | None = None,
        environ_update: dict | None = None,
        handle_exceptions: bool = True,
        before_communicate_callback: Callable[[subprocess.Popen], None] = lambda _child: None,
    ) -> tuple[int, str, str]:
        self.commands.append(argv)
        child = subprocess.Popen(argv, env={**os.environ, **(environ_update or {})}, **PIPES)
        before_communicate_callback(child)
        # Like AnsibleModule, which leaves line ends as they are.
        out, err = child.communicate(None if data is None else data.encode(errors="surrogateescape"))
        return child.returncode, out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape")


class Bench:
    """Publishes attacks in a state directory of its own, and runs their scripts."""

    def __init__(self, path: Path) -> None:
        self.host = Host(Module())
        self.journal = OpenJournal(str(path / "state"))
        self.children: list[subprocess.Popen] = []

    @property
    def state(self) -> Path:
        return Path(self.journal.path)

    def record(self, attack_id: str, undo: Undo | None = None, seconds: float = 60, limit: float | None = None, run_id: str | None = None, **other) -> dict:
        now, undo = uptime(), undo or Undo()
        record = {
            "version": VERSION,
            "id": attack_id,
            "module": "test",
            "run_id": run_id,
            "identity": "x",
            "resources": [],
            "boot_id": self.host.boot_id,
            "injector": [next(NO_PROCESS), 1],
            "started": "2026-01-01T00:00:00Z",
            "deadline": "2026-01-01T00:01:00Z",
            "began_cs": int(now * 100) - 1,
            "deadline_cs": int((now + seconds) * 100),
            "limit_cs": int((now + (limit or seconds)) * 100),
            "deadman": "watcher",
            "undo": undo.to_dict(),
            **other,
        }
        return {**record, "script": render(record, undo, self.journal.path)}

    def publish(self, attack_id: str = "a", undo: Undo | None = None, hold: bool = False, edit: Callable[[str], str] = str, **values) -> Path:
        """Publish a journal; returns its directory. hold: as while its injector runs."""
        record = self.record(attack_id, undo, **values)
        record["script"] = edit(record["script"])
        with self.journal.locked():
            self.journal.open_place()
            self.journal.publish(record)
        if not hold:
            self.journal.let_go()
        return self.state / attack_id

    def start(self, argv: list, **values) -> subprocess.Popen:
        child = subprocess.Popen([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **values)
        self.children.append(child)
        return child

    def sh(self, shell: list[str], script: Path | str, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([*shell, str(script), *words], capture_output=True, text=True, timeout=60, check=False)

    def history(self) -> list[dict]:
        return self.journal.history()

    def close(self) -> None:
        self.journal.let_go()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()
