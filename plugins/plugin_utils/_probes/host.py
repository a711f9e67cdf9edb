# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Probes that run commands on the controller or on a host: command, process and service."""

from __future__ import annotations

import re
import typing as t
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import Rules
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import OUTPUT_LIMIT, Completed

CONTROLLER = "controller"
SERVICE_STATES = ("running", "stopped")
_COMM_MOST = 15  # bytes of a process name that the kernel keeps
_UNIT = re.compile(r"[A-Za-z0-9_@:][A-Za-z0-9_@:.\\-]{0,254}")

# The scripts are constants; text from the user is passed as "$1" only, so it is data and not code.
# Two forks for any number of processes. Processes in the states Z and X are dead and do not count.
_COUNT = 'cat /proc/[0-9]*/stat 2>/dev/null | LC_ALL=C grep -c -E -e "$1" || :'
_STATE = """if [ -d /run/systemd/system ]; then exec systemctl show -p LoadState -p ActiveState -- "$1"; fi
[ -e "/etc/init.d/$1" ] || { echo LoadState=not-found; exit 0; }
if "/etc/init.d/$1" status >/dev/null 2>&1; then echo ActiveState=active; else echo ActiveState=inactive; fi"""

# Runs "$@" and passes on no more than $1 bytes of each of its outputs; it gets SIGPIPE when it writes more. exec: no built-in of the shell.
CAPPED = """most=$1; shift; exec 3>&1 4>&2
status=$({ { { (exec "$@") </dev/null 3>&- 4>&- 5>&-; echo "$?" >&5; } 2>&6 6>&- | head -c "$most" >&3 5>&-; } 6>&1 | head -c "$most" >&4 5>&-; } 5>&1)
exit "${status:-1}\""""


def _extended(text: str) -> str:
    """A POSIX extended regular expression that matches exactly the text."""
    return "".join(c if c.isalnum() or c in "_/:@%, -" else rf"\{c}" if c in "^\\" else f"[{c}]" for c in text)


class _HostProbe(Probe):
    """Runs one command at a time on the host in `run_on`, since every login is a load for a host in trouble."""

    most_at_once = 1

    def _read_on(self, options: Options, default: t.Any) -> None:
        fix = f"name one inventory host, or {CONTROLLER} for the machine that runs ansible-playbook"
        self.on = options.text("run_on", default, fix, most=255)

    def _run(self, argv: list[str], timeout: float) -> Completed:
        return self.runner.run(argv, timeout)

    def _script(self, script: str, argument: str, timeout: float) -> str:
        ended = self._run(["/bin/sh", "-c", script, "faultline", argument], timeout)
        if ended.rc != 0:
            raise OSError(f"{self.on}: {_last_line(ended.stderr or ended.stdout) or f'exit status {ended.rc}'}")
        return ended.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:200]


class CommandProbe(_HostProbe):
    """Succeeds when the exit status and, if configured, the output are as expected. Runs an argument list, never a shell."""

    type = "command"
    reads_only = False

    def read(self, options: Options) -> None:
        fix = "write a list of words, the program first; there is no shell, so no pipes and no quotes"
        argv = options.take("argv", REQUIRED, fix)
        if not isinstance(argv, (list, tuple)) or not argv:
            raise options.refusal("argv", argv, fix)
        for word in argv:
            if isinstance(word, bool) or not isinstance(word, (str, int, float)) or "\0" in str(word):
                raise options.refusal("argv", word, "each word must be text or a number; put it in quotes")
        self._argv = [str(word) for word in argv]
        if not self._argv[0].strip() or self._argv[0].startswith("-"):
            raise options.refusal("argv", self._argv[0], "the first word must be a program")
        self._read_on(options, CONTROLLER)
        expect = options.section("expect")
        self._statuses = expect.wholes("rc", 0, 255, [0])
        self._rules = Rules(expect)
        self.has_rules = bool(self._rules)
        expect.done()

    @property
    def target(self) -> str:
        """Only the program, since its arguments may hold secrets."""
        return f"{self._argv[0]} on {self.on}"

    def attempt(self, timeout: float) -> Measurement:
        deadline = monotonic() + timeout
        argv = self._argv if self.on == CONTROLLER else ["/bin/sh", "-c", CAPPED, "faultline", str(OUTPUT_LIMIT + 1), *self._argv]
        ended = self._run(argv, timeout)
        for output in (ended.stdout, ended.stderr):
            if len(output.encode("utf-8", "surrogateescape")) > OUTPUT_LIMIT:
                raise OSError(f"more than {OUTPUT_LIMIT >> 10} KiB of output")
        value = _number(ended.stdout)
        if ended.rc not in self._statuses:
            return Measurement(False, value, f"exit status {ended.rc}")
        problem = self._rules.problem(ended.stdout, "output", deadline - monotonic()) if self._rules else None
        return Measurement(not problem, value, problem)


def _number(text: str) -> int | float | None:
    """The output as a number for the plot, or None."""
    word = text.strip()
    if re.fullmatch(r"-?[0-9]{1,15}", word):
        return int(word)
    return float(word) if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", word) else None


class ProcessProbe(_HostProbe):
    """Succeeds when the expected number of processes with that name run. `process` defaults to the name of the probe."""

    type = "process"

    def read(self, options: Options) -> None:
        fix = f"write the exact name of a process as `ps -o comm` shows it, at most {_COMM_MOST} letters"
        self._process = options.text("process", self.name, fix, most=255)
        if not self._process.isascii() or len(self._process) > _COMM_MOST:
            raise options.refusal("process", self._process, fix)
        self._read_on(options, REQUIRED)
        expect = options.section("expect")
        least = expect.whole("count_min", 0, 1_000_000, None)
        self._most = expect.whole("count_max", 0, 1_000_000, None)
        self._least = least if least is not None else 0 if self._most == 0 else 1
        if self._most is not None and self._most < self._least:
            raise expect.refusal("count_max", self._most, f"it must not be below count_min, {self._least}")
        expect.done()
        self._pattern = rf"^[0-9]+ \({_extended(self._process)}\) [^ZXx][-0-9 ]+$"  # a name may hold line breaks and all but the last bracket

    @property
    def target(self) -> str:
        return f"process {self._process} on {self.on}"

    def attempt(self, timeout: float) -> Measurement:
        output = self._script(_COUNT, self._pattern, timeout).strip()
        if not re.match(r"[0-9]{1,18}\Z", output):
            raise OSError(f"{self.on}: /proc cannot be read")
        count = int(output)
        if self._most is not None and count > self._most:
            return Measurement(False, count, f"{count} run, at most {self._most} expected")
        if count < self._least:
            return Measurement(False, count, f"{count} run, at least {self._least} expected" if count else "not running")
        return Measurement(True, count)


class ServiceProbe(_HostProbe):
    """Succeeds when systemd, or an init script where there is no systemd, reports the expected state.

    `service` defaults to the name of the probe.
    """

    type = "service"

    def read(self, options: Options) -> None:
        fix = "write the name of a service, such as redis-server"
        self._service = options.text("service", self.name, fix, most=255)
        if not _UNIT.fullmatch(self._service):
            raise options.refusal("service", self._service, fix)
        self._read_on(options, REQUIRED)
        expect = options.section("expect")
        self._state = expect.choice("state", SERVICE_STATES, "running")
        expect.done()

    @property
    def target(self) -> str:
        return f"service {self._service} on {self.on}"

    def attempt(self, timeout: float) -> Measurement:
        output = self._script(_STATE, self._service, timeout)
        found = dict(line.strip().partition("=")[::2] for line in output.splitlines())
        if found.get("LoadState") == "not-found":
            return Measurement(False, "not-found", "no such service")
        state = found.get("ActiveState") or "unknown"
        running = state in ("active", "reloading")
        stopped = state in ("inactive", "failed")
        ok = running if self._state == "running" else stopped
        return Measurement(ok, state, None if ok else f"is {state}")
