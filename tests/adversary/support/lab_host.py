# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of the lab, for attacks that want netem, systemd or a clock of their own. Two of them are never equal, so what a look gives is what has
changed since the case began, with the names of the host replaced.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.adversary.support import look as looks
from tests.adversary.support.host import Broken, Job, Result, clock_offset
from tests.adversary.support.namespaces import WRAPPED, WRAPPER
from tests.lab.support import direct
from tests.lab.support.fingerprint import NOISE
from tests.lab.support.lab import Lab, address
from tests.support import crash

LOOK = Path(looks.__file__).read_text()
WORK, REAL = "/mnt/turn", "/mnt/real"
# Sections that a live host changes all the time, or that its network does.
_MOVING = ("space",)
_NOISE = (*NOISE, "/run/systemd/", "/tmp/ssh-", "ansible", "/run/dbus", "/run/lock", "kworker", "sftp-server", "(sd-", "python3", "/run/initctl")
_ENVIRONMENT = f"{crash.VARIABLE}=stop@"
# What cases leave on purpose; a host that is not as before even so gets a new disk.
CLEAN = f"""
for environ in $(grep -lsz '^{crash.VARIABLE}=' /proc/[0-9]*/environ); do pid=${{environ#/proc/}}; kill -KILL ${{pid%/environ}} 2>/dev/null; done
rm -rf {WORK} {REAL}; for name in {" ".join(WRAPPED)}; do rm -f /usr/local/sbin/$name; done
[ ! -e /var/lib/faultline/control.sh ] || sh /var/lib/faultline/control.sh revert-all
ip netns del box; ip netns del other; for device in wire0 spare0 inner0 renamed0 swap0 br0 peer0; do ip link del $device; done
systemctl stop 'faultline-*'; rm -f /etc/systemd/system/faultline* /etc/systemd/system/*/faultline* /etc/systemd/system/other.service
rm -rf /srv/* /var/lib/faultline; systemctl daemon-reload; systemctl reset-failed
:
"""


class LabHost:
    """One lab host, used for one case after the other. See host.py."""

    kind = "lab"

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name
        self._before: dict[str, list[str]] = {}

    def begin(self, prepare: str) -> None:
        """Before a case: clean, with what the case needs, and the look that others are compared with."""
        self.lab.ready(self.name)
        direct.install(self.lab, self.name)
        self.sh(f"exec 2>/dev/null\n{CLEAN}date -s @{time.time():.3f}", timeout=180)
        self.sh(prepare, timeout=120)
        time.sleep(1)
        self._before = self._look()

    def close(self) -> None:
        """After a case."""
        self.sh(f"exec 2>/dev/null\n{CLEAN}", check=False, timeout=180)

    def reset(self) -> None:
        self.lab.reset(self.name)

    # -- actions -----------------------------------------------------------------------------------

    def sh(self, line: str, stdin: str = "", check: bool = True, timeout: float = 60) -> Result:
        told = self.lab.run(self.name, line, check=check, timeout=timeout, stdin=stdin)
        return Result(told.rc, told.out, told.err)

    def put(self, path: str, text: str, mode: str = "644") -> None:
        self.lab.write(self.name, path, text, mode)

    def module(self, name: str, args: Mapping[str, Any] | None = None, crash: str = "", timeout: float = 180, uid: int = 0) -> dict:
        assert not uid, "modules run as root on the lab"
        return direct.run(self.lab, self.name, f"faultline.chaos.{name}", dict(args or {}), crash_at=crash, timeout=timeout)

    def start(self, name: str, args: Mapping[str, Any] | None = None, crash: str = "", uid: int = 0) -> Job:
        told: list[dict] = []
        thread = threading.Thread(target=lambda: told.append(self.module(name, args, crash, uid=uid)), daemon=True)
        thread.start()
        stopped = [False]

        def answer(timeout: float) -> dict:
            until = time.monotonic() + timeout
            while time.monotonic() < until:
                thread.join(0.5)
                if not thread.is_alive():
                    return {"rc": 0, "out": json.dumps(told[0])} if told else {"rc": 1, "out": ""}
                pid = "" if stopped[0] else self._stopped()
                if pid:
                    stopped[0] = True
                    return {"stopped": int(pid)}
            raise TimeoutError(f"{name} on {self.name} gave no result within {timeout} s")

        return Job(answer, lambda pid: self.sh(f"kill -CONT {pid}"), lambda pid: self.sh(f"kill -KILL {pid}"))

    def _stopped(self) -> str:
        line = f"""for each in $(grep -lsz '^{_ENVIRONMENT}' /proc/[0-9]*/environ); do
            process=${{each%/environ}}
            grep -q ') T ' $process/stat && grep -q python $process/cmdline && echo ${{process#/proc/}}
        done"""
        return self.sh(line, check=False).out.strip().partition("\n")[0]

    # -- look --------------------------------------------------------------------------------------

    def _look(self) -> dict[str, list[str]]:
        begun = time.time()
        told = self.lab.run(self.name, f"python3 - {shlex.quote(json.dumps({'srv': '/srv', 'etc': '/etc'}))}", stdin=LOOK, timeout=120)
        found = clock_offset(json.loads(told.out), begun)
        words = {self.name: "HOST", address(self.name): "ADDRESS"}
        for section, lines in found.items():
            for word, instead in words.items():
                lines = [line.replace(word, instead) for line in lines]
            found[section] = [line for line in lines if section == "clock" or not any(each in line for each in _NOISE)]
        return {section: lines for section, lines in found.items() if section not in _MOVING}

    def look(self) -> dict[str, list[str]]:
        now, changes = self._look(), {}
        for section, lines in now.items():
            if section == "clock":
                changes[section] = lines
                continue
            before, after = Counter(self._before[section]), Counter(lines)
            changes[section] = sorted([f"now {line}" for line in (after - before).elements()] + [f"gone {line}" for line in (before - after).elements()])
        return changes

    # -- between the steps of an undo --------------------------------------------------------------

    def wrap(self) -> None:
        line = f"""mkdir -p {WORK} {REAL}; cat >{WORK}/wrapper; chmod 755 {WORK}/wrapper
        for name in {" ".join(WRAPPED)}; do
            real=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v $name) || continue
            ln -sf $(readlink -f $real) {REAL}/$name
            cp {WORK}/wrapper /usr/local/sbin/$name
        done"""
        self.sh(line, stdin=WRAPPER)

    def act_at(self, call: int, script: str) -> None:
        self.sh(f"cat >{WORK}/act; rm -f {WORK}/rc; echo {call} >{WORK}/at", stdin=script)

    def acted(self) -> bool | None:
        told = self.sh(f"rm -f {WORK}/at; cat {WORK}/rc", check=False).out.strip()
        return told == "0" if told else None

    @contextlib.contextmanager
    def broken(self, *programs: Broken) -> Iterator[None]:
        for each in programs:
            self.put(f"{WORK}/break-{each.name}", each.script)
        yield
        self.sh(f"rm -f {WORK}/break-*", check=False)
