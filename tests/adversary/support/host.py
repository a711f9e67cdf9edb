# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests need of a host, whatever it is made of."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol


class Result(NamedTuple):
    rc: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.rc == 0


class Broken(NamedTuple):
    """A program that an undo calls, and lines of sh that run before it: `exit 1` in them makes it fail."""

    name: str
    script: str


class Job:
    """A module that runs; at a crash point stop@NAME it stops until go() or kill()."""

    def __init__(self, answer: Callable[[float], dict], go: Callable[[int], Any], kill: Callable[[int], Any]) -> None:
        self._answer, self._go, self._kill = answer, go, kill
        self._pid = 0
        self._told: dict | None = None
        self.kib, self.cpu = 0, 0.0  # once it has ended: the most memory that it had, and the seconds of processor time

    def stopped(self, timeout: float = 60) -> bool:
        """Wait until it stops or ends; whether it has stopped."""
        told = self._answer(timeout)
        self._pid = told.get("stopped", 0)
        self._told = None if self._pid else told
        return bool(self._pid)

    def go(self) -> None:
        self._go(self._pid)

    def kill(self) -> None:
        self._kill(self._pid)

    def end(self, timeout: float = 120) -> dict:
        """The result; {"failed": true} of a module that ended without one."""
        told = self._told or self._answer(timeout)
        self.kib, self.cpu = told.get("kib", 0), told.get("cpu", 0.0)
        with contextlib.suppress(ValueError, KeyError):  # no output at all: its own dead-man ended it
            return json.loads(told["out"])
        return {"failed": True, "killed": told.get("rc") == 137, "msg": f"no result: {told}"}


def clock_offset(look: dict[str, list[str]], begun: float) -> dict[str, list[str]]:
    """A look whose clock is told by how far it is off, in seconds: 0 when it is between the begin and the end of the look."""
    (there,) = map(float, look["clock"])
    off = max(0.0, there - time.time()) or min(0.0, there - begun)
    return {**look, "clock": [f"{off:.2f}"]}


MALLORY = 5000  # a user of every host, without rights


def as_mallory(line: str) -> str:
    """A line of sh, to be run by that user."""
    return f"setpriv --reuid {MALLORY} --regid {MALLORY} --clear-groups sh -c {shlex.quote(line)}"


class Host(Protocol):
    name: str
    kind: str

    def sh(self, line: str, stdin: str = "", check: bool = True, timeout: float = 60) -> Result:
        """Run a line of sh as root."""

    def put(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file."""

    def module(self, name: str, args: Mapping[str, Any] | None = None, crash: str = "", timeout: float = 120, uid: int = 0) -> dict:
        """Run a module as root, or as another user; its result."""

    def start(self, name: str, args: Mapping[str, Any] | None = None, crash: str = "", uid: int = 0) -> Job:
        """Start a module that stops at a crash point."""

    def look(self) -> dict[str, list[str]]:
        """See look.py."""

    def wrap(self) -> None:
        """Wrap the programs that undos call."""

    def act_at(self, call: int, script: str) -> None:
        """Run a script before that call of a wrapped program."""

    def acted(self) -> bool | None:
        """Whether that script did what it is for; None when its turn did not come."""

    def broken(self, *programs: Broken) -> contextlib.AbstractContextManager[None]:
        """Calls of wrapped programs fail meanwhile."""

    def close(self) -> None:
        """The host is not used any more."""
