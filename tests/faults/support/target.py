# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host under test: run commands, attack it, measure by its own clock when it was clean again, list the residue."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.faults.support.attacks import VICTIM, VICTIM_HERE, VICTIM_SCRIPT, VICTIM_START, VICTIM_UNIT, Attack
from tests.faults.support.programs import ALIVE, CLEAN_UP, END_HANGING, LEFT, MONITOR, STATE, WORK, waiting_until_nothing
from tests.lab.support import direct, fingerprint
from tests.lab.support.lab import Lab, Play, Result, beyond_the_inventory
from tests.support import crash as crash_points

PROMISE = 2.0  # seconds after the deadline, on a host with enough CPU time
NO_CONNECTION = 255  # exit status of ssh without a connection
QUIET_FORK = 25.0  # milliseconds for a fork and exec on a lab host with enough CPU time, while the monitor runs
# The history, which grows by design; files of the tests themselves; files that systemd changes by itself.
IGNORE = ("/var/lib/faultline", "fltest", "flvictim-", "_payload_", "time", "systemd-timesyncd", "/run/crond", "/run/initctl")


@dataclass
class Measured:
    """Times in seconds of uptime of the target; late and closing are relative to the deadline."""

    active: float | None
    deadline: float | None
    clean: float | None
    closed: float | None
    fork_ms: float

    @property
    def late(self) -> float:
        return self.clean - self.deadline

    @property
    def closing(self) -> float:
        return self.closed - self.deadline

    @property
    def allowed(self) -> float:
        return PROMISE * max(1.0, self.fork_ms / QUIET_FORK)


# Values that the kernel and systemd derive from the memory size at boot, which differs at each boot.
_BY_MEMORY = re.compile(
    r"\b(pids\.max|size|nr_inodes)=\d+|^(fs/(file-max|epoll/max_user_watches)|kernel/threads-max|net/ipv4/(inet_peer_threshold|tcp_max_orphans|"
    r"tcp_max_tw_buckets|tcp_mem|tcp_rmem|tcp_wmem|udp_mem)|vm/(admin_reserve|min_free|user_reserve)_kbytes) = .*"
)


def _of_any_boot(fingerprint: dict) -> dict:
    """A fingerprint without values that differ between boots."""
    return {name: [_BY_MEMORY.sub("", line) for line in lines] for name, lines in fingerprint.items()}


class Target:
    """A lab host."""

    python = "/usr/bin/python3"
    victim = VICTIM
    slack = 3.0  # the duration of an attack as a multiple of the run time of a module here, so that a test can act before the deadline

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        self.name = name
        self.rows: list[tuple] = []  # rows of the table printed at the end
        self.duration = 4.0  # duration of an attack in seconds: long enough for its injection on this machine
        self._before: dict[str, dict] = {}

    # -- run commands ------------------------------------------------------------------------------------------

    def sh(self, line: str, check: bool = True, timeout: float = 60, stdin: str | None = None) -> Result:
        return self.lab.run(self.name, line, check=check, timeout=timeout, stdin=stdin)

    @cached_property
    def has_systemd(self) -> bool:
        return self.sh("[ -d /run/systemd/system ]", check=False).ok

    @property
    def play_on(self) -> dict:
        return {"hosts": self.name, "gather_facts": False}

    @property
    def known(self) -> tuple[str, ...]:
        """Hosts that are missing in the inventory of the lab."""
        return beyond_the_inventory(self.name)

    def play(self, tasks: list[dict]) -> list[dict]:
        return [{"name": "fault", **self.play_on, "tasks": tasks}]

    def playbook(self, tasks: list[dict], **other) -> Play:
        return self.lab.playbook(self.play(tasks), hosts=self.known, **other)

    def played(self, name: str, args: dict | None = None, crash: str = "") -> dict:
        """The result of one module that ansible-playbook runs; {} when it was killed before it could give one."""
        play = self.playbook([task(name, args or {}, crash)], timeout=180)
        return next(iter(play.results("task", self.play_on["hosts"])), {})

    def module(self, name: str, args: dict | None = None, crash: str = "") -> dict:
        """The result of one module that runs without a controller; see tests/lab/support/direct.py."""
        return direct.run(self.lab, self.name, name, args or {}, crash_at=crash)

    def attack(self, attack: Attack, crash: str = "", **options) -> dict:
        return self.module(attack.name, self.options(attack, **options), crash)

    def options(self, attack: Attack, **options) -> dict:
        named = json.loads(json.dumps(attack.options).replace(VICTIM, self.victim))
        return {"id": attack.module, "duration": self.duration + attack.longer, **named, **options}

    @contextlib.contextmanager
    def controller(self, tasks: list[dict]) -> Iterator[subprocess.Popen]:
        """An ansible-playbook that a test may kill; it is killed at the end of the context."""
        process = self.lab.popen(self.lab.playbook_argv(self.play(tasks), hosts=self.known), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # -- inspect ---------------------------------------------------------------------------------------------

    def left(self) -> str:
        """The residue of all attacks; empty when there is none."""
        return self.sh(LEFT, check=False).out.strip()

    def wait_left(self, timeout: float = 10) -> str:
        """The residue after waiting for processes that are ending. One call, because each call costs a lab host several forks."""
        return self.sh(waiting_until_nothing(timeout), check=False, timeout=timeout + 60).out.strip()

    def fingerprint(self) -> dict:
        return self.lab.fingerprint(self.name)

    def remember(self) -> None:
        """Take the reference fingerprint, once per boot; kept as long as tests restore that state."""
        if not self._before or self.boot_id() not in self._before:
            boot = self.boot_id()
            self._before = {boot: self._settled()}

    def _settled(self) -> dict:
        """A fingerprint that is stable over one second."""
        found = self.fingerprint()
        for _again in range(5):
            time.sleep(1)
            last, found = found, self.fingerprint()
            if not fingerprint.compare(last, found, IGNORE):
                break
        return found

    def differs(self) -> str:
        """The differences from the reference fingerprint. Checked again after 2 s, because some processes end by themselves."""
        boot = self.boot_id()
        before = self._before.get(boot) or _of_any_boot(next(iter(self._before.values())))
        for wait in (0, 2):
            time.sleep(wait)
            after = self.fingerprint()
            text = fingerprint.compare(before, after if boot in self._before else _of_any_boot(after), IGNORE)
            if not text:
                break
        return text

    def forget(self) -> None:
        self._before = {}

    def history(self) -> list[dict]:
        text = self.sh(f"cat {STATE}/history.jsonl 2>/dev/null", check=False).out
        lines = [line.lstrip("\0") for line in text.splitlines()]  # a power cut may leave zero bytes instead of a line
        return [each for each in (json.loads(line) for line in lines if line) if each.get("event") != "began"]

    def boot_id(self) -> str:
        return self.sh("cat /proc/sys/kernel/random/boot_id").out.strip()

    def exists(self, path: str) -> bool:
        return self.sh(f"[ -e {shlex.quote(path)} ]", check=False).ok

    def wait(self, line: str, timeout: float = 60) -> None:
        """Wait until a shell line succeeds on the host."""
        loop = f"n=0; until {line}; do n=$((n + 1)); [ $n -lt {int(timeout * 5)} ] || exit 1; sleep 0.2; done 2>/dev/null"
        assert self.sh(loop, check=False, timeout=timeout + 30).ok, f"not within {timeout} s on {self.name}: {line}"

    def wait_point(self, attack: Attack, point: str) -> None:
        """Wait until a module has reached the step at which it hangs, judged by its traces."""
        if point in NO_JOURNAL_TRACES:
            self.wait(NO_JOURNAL_TRACES[point])
        elif point == "journalled":
            self.wait(f"[ -d {STATE}/{attack.module} ]")
        elif point == "verified":
            self.wait(f"[ -e {STATE}/{attack.module}/effect ]")
        elif self.has_systemd:
            self.wait(f"systemctl is-active --quiet faultline-{attack.module}.timer")
        else:
            self.wait(f"[ -e {STATE}/{attack.module}/watchers ]")
        time.sleep(0.5)

    # -- measure ---------------------------------------------------------------------------------------------------

    def watch(self, attack: Attack, seconds: float = 100) -> None:
        """Start the monitor on the host; it needs no connection."""
        self.watch_id(attack, attack.module, seconds)

    def watch_id(self, attack: Attack, attack_id: str, seconds: float = 100) -> None:
        argv = f"{self.python} {WORK}/m.py {STATE}/{attack_id} {seconds} {WORK}/m"
        line = f"mkdir -p {WORK}; rm -f {WORK}/*; cat >{WORK}/m.py; setsid {argv} </dev/null >/dev/null 2>&1 &"
        self.sh(line, stdin=MONITOR.replace("ACTIVE", attack.active.replace(VICTIM, self.victim)))

    def measured(self, seconds: float = 130) -> Measured:
        self.wait(f"[ -e {WORK}/m.done ]", seconds)
        found = json.loads(self.sh(f"cat {WORK}/m.done; rm -rf {WORK}").out)
        return Measured(**found)

    def never_in_effect(self) -> None:
        """Stop the monitor; assert that the attack was never in effect."""
        self.sh(f"touch {WORK}/m.stop")
        found = self.measured()
        assert found.active is None, f"it was in effect: {found}"

    def in_time(self, fault: str, attack: Attack, closing: float | None = None) -> Measured:
        """Assert that the attack was in effect, ended on time and left no residue. closing: seconds until its record is closed."""
        found = self.measured()
        assert found.deadline, f"no attack was ever in the journal: {found}"
        assert found.clean and found.closed, f"still there: {found}\n{self.left()}"
        assert found.active, f"the attack was never in effect: {found}"
        self.row(fault, attack, found)
        assert found.late <= found.allowed, f"{found.late:.2f} s after the deadline, {found.allowed:.1f} s allowed: {found}"
        assert found.closing <= (closing or found.allowed) + 5 * found.allowed, found
        self.as_before()
        return found

    def row(self, fault: str, attack: Attack | str, found: Measured) -> None:
        self.rows.append((fault, str(attack), self.name, found.late, found.closing, found.fork_ms))

    def as_before(self) -> None:
        left = self.wait_left()
        assert not left, f"left on {self.name}:\n{left}"
        differs = self.differs()
        assert not differs, f"not as before on {self.name}:\n{differs}"

    def nothing_happened(self, attack: Attack) -> None:
        """Assert that there is no journal and no effect."""
        assert not self.exists(f"{STATE}/{attack.module}")
        self.as_before()

    # -- prepare and clean -----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Start the victim of process_kill. Also restores a host from any state that a failed test left."""
        self.lab.ready(self.name)
        start = f"#!/bin/sh\n[ -d /run/systemd/system ] && exec systemctl start {VICTIM}\nsetsid /usr/local/bin/{VICTIM} 1000000 </dev/null >/dev/null 2>&1 &\n"
        self.sh(f"[ -e /usr/local/bin/{VICTIM} ] || cp /bin/sleep /usr/local/bin/{VICTIM}; cat >{VICTIM_START}; chmod 755 {VICTIM_START}", stdin=start)
        if self.has_systemd:
            unit = f"/etc/systemd/system/{VICTIM}.service"
            self.sh(f"[ -e {unit} ] || {{ cat >{unit}; systemctl daemon-reload; systemctl -q enable {VICTIM}; }}", stdin=VICTIM_UNIT)
        else:
            self.sh(f"[ -e /etc/rc2.d/S99{VICTIM} ] || ln -s {VICTIM_START} /etc/rc2.d/S99{VICTIM}")
            self.sh(f"cat >/etc/init.d/{VICTIM}; chmod 755 /etc/init.d/{VICTIM}", stdin=VICTIM_SCRIPT)
        self.run_victim()
        direct.install(self.lab, self.name)

    def run_victim(self) -> None:
        self.wait(f"{{ {self.running()} || {{ {VICTIM_START}; {self.running()}; }}; }}", 20)

    def running(self) -> str:
        return f"{ALIVE} {self.victim} >/dev/null"

    def clean_up(self) -> bool:
        """After a test: end hanging modules, undo everything. False when the host is still not clean and needs a new disk."""
        try:
            told = self.sh(CLEAN_UP, check=False)
            if told.rc == NO_CONNECTION:
                self.lab.ready(self.name)
                self.sh(CLEAN_UP, check=False)
            self.run_victim()
            return not self.wait_left(20)
        except (AssertionError, subprocess.SubprocessError):
            return False

    def reset(self) -> None:
        self.lab.reset(self.name)
        self.forget()
        self.prepare()


class Here(Target):
    """This machine: no systemd as its first process, Ansible without a connection. Only processes of the tests are attacked."""

    python = sys.executable
    victim = VICTIM_HERE
    slack = 1.5  # a multiple of the run time of a whole playbook
    start = VICTIM_START.replace(VICTIM, VICTIM_HERE)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "here")

    def module(self, name: str, args: dict | None = None, crash: str = "") -> dict:
        return self.played(name, args, crash)

    def sh(self, line: str, check: bool = True, timeout: float = 60, stdin: str | None = None) -> Result:
        return self.lab.local(["sh", "-c", line], check=check, timeout=timeout, stdin=stdin)

    has_systemd = False

    @property
    def play_on(self) -> dict:
        return {"hosts": "localhost", "connection": "local", "gather_facts": False}

    @property
    def known(self) -> tuple[str, ...]:
        return ()

    def fingerprint(self) -> dict:
        """Only victims and cron files, because other programs change this machine."""
        victim = self.sh(f"{ALIVE} {self.victim} | wc -l").out.strip()
        return {"victims": [victim], "cron": self.sh("ls -la --time-style=+ /etc/cron.d").out.splitlines()}

    def prepare(self) -> None:
        start = f"#!/bin/sh\nsetsid /usr/local/bin/{self.victim} 1000000 </dev/null >/dev/null 2>&1 &\n"
        self.sh(f"[ -e /usr/local/bin/{self.victim} ] || cp /bin/sleep /usr/local/bin/{self.victim}; cat >{self.start}; chmod 755 {self.start}", stdin=start)
        self.run_victim()

    def run_victim(self) -> None:
        self.sh(f"{self.running()} || {self.start}")
        self.wait(self.running(), 20)

    def clean_up(self) -> bool:
        self.sh(END_HANGING, check=False)
        self.sh(f"rm -rf {WORK}; [ ! -e {STATE}/control.sh ] || sh {STATE}/control.sh revert-all", check=False)
        self.run_victim()
        return not self.wait_left(20)

    def reset(self) -> None:
        raise AssertionError(f"cannot be cleaned:\n{self.left()}")

    def leave(self) -> None:
        """Remove all traces of the tests from this machine."""
        self.sh(f"for p in $({ALIVE} {self.victim}); do kill -KILL $p; done", check=False)
        self.sh(f"rm -f /usr/local/bin/{self.victim} {self.start} {STATE}/control.sh {STATE}/lock {STATE}/history.jsonl; rmdir {STATE}", check=False)


NO_JOURNAL_TRACES = {
    # The lock of the journal is taken just before the guards.
    "guarded": f"[ -e {STATE}/lock ] && ! flock -n {STATE}/lock true",
    "written": f"[ -d {STATE}/.new-* ] && ! flock -n {STATE}/lock true",
    "prepared": f"[ -e {STATE}/lock ] && ! flock -n {STATE}/lock true && {{ [ ! -d /run/systemd/system ] || systemctl is-active --quiet faultline-sweep.timer; }}",  # noqa: E501
}


def task(module: str, args: dict, crash: str = "", **other) -> dict:
    return {"name": "task", module: args, "environment": {crash_points.VARIABLE: crash} if crash else {}, **other}


def here_is_possible() -> bool:
    """Whether this process is root and there is no systemd as process 1."""
    return os.geteuid() == 0 and not Path("/run/systemd/system").is_dir()
