# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Has rules evaluated in processes of their own, which are killed at their limit.

One process serves all rules. A second one is started only while the first is busy; the evaluations of one rule wait for one another,
so that a hostile service keeps one process busy and no rule of another probe waits for it.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from ansible_collections.faultline.chaos.plugins.module_utils._units import human
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rule_worker import LENGTHS, MOST_MEMORY

RULE_SECONDS = 1.0  # for the rules of one answer, and never more than the rest of the probe's timeout
MOST_TEXT = 8 << 20
_LEAST_SECONDS = 0.02
_START, _GRACE = 10.0, 0.2
_PROGRAM = Path(__file__).resolve().with_name("rule_worker.py")


class _Ended(Exception):
    """The process ended without an answer. The argument is its exit status."""


class _Worker:
    """One process, for one evaluation at a time."""

    def __init__(self) -> None:
        self._connection, other = socket.socketpair()
        with other:
            # -I: neither the environment nor the directory of the program decides what is imported, but the path of this process.
            argv = [sys.executable, "-I", str(_PROGRAM)]
            self._process = subprocess.Popen(argv, stdin=other.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._ask({"path": [str(place) for place in sys.path]}, b"", _START)
        except (TimeoutError, _Ended) as error:
            self.close()
            raise OSError("the process that evaluates rules cannot be started") from error

    def problem(self, rules: Sequence[tuple[str, str]], text: bytes, subject: str, seconds: float) -> str | None:
        """The problem or None. Errors: TimeoutError, _Ended."""
        return self._ask({"rules": rules, "subject": subject, "seconds": seconds}, text, seconds + _GRACE)

    def _ask(self, head: dict[str, object], text: bytes, seconds: float) -> str | None:
        deadline, written = monotonic() + seconds, json.dumps(head).encode()
        try:
            self._connection.settimeout(seconds)
            self._connection.sendall(LENGTHS.pack(len(written), len(text)) + written + text)
            size, _none = LENGTHS.unpack(self._received(LENGTHS.size, deadline))
            answer: str | None = json.loads(self._received(size, deadline))
        except (ConnectionError, EOFError):
            raise _Ended(self._process.wait()) from None
        return answer

    def _received(self, size: int, deadline: float) -> bytes:
        found = b""
        while len(found) < size:
            self._connection.settimeout(max(0.001, deadline - monotonic()))
            chunk = self._connection.recv(size - len(found))
            if not chunk:
                raise EOFError
            found += chunk
        return found

    def close(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()


class Evaluators:
    """The processes of this task; started on demand."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # close() may be called by a signal handler
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    def start(self) -> None:
        """Starts the first process, so that its start is not part of a sample."""
        if not self._all:
            self._idle.append(self._new())

    def close(self) -> None:
        """Kills all processes."""
        with self._lock:
            found, self._all, self._idle = self._all, set(), []
        for worker in found:
            worker.close()

    def problem(self, rules: Sequence[tuple[str, str]], text: str, subject: str, seconds: float, turn: threading.Lock) -> str | None:
        """The first rule that does not hold, in a sentence, or None. turn: the lock that the evaluations of these rules share."""
        content = text.encode("utf-8", "replace")
        if len(content) > MOST_TEXT:
            return f"{subject} is longer than {MOST_TEXT >> 20} MiB"
        limit = max(_LEAST_SECONDS, min(seconds, RULE_SECONDS))
        late = f"the rule for {subject} took longer than {human(round(limit, 2))} and was ended"
        if not turn.acquire(timeout=limit):
            return late
        try:
            worker = self._taken()
            try:
                found = worker.problem(rules, content, subject, limit)
            except TimeoutError:
                self._lose(worker)
                return late
            except _Ended as error:
                self._lose(worker)
                return late if error.args[0] == -signal.SIGALRM else f"the rule for {subject} ended its process; it may use {MOST_MEMORY >> 20} MiB"
            with self._lock:
                self._idle.append(worker)
            return found
        finally:
            turn.release()

    def _taken(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def _new(self) -> _Worker:
        worker = _Worker()
        with self._lock:
            self._all.add(worker)
        return worker

    def _lose(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.close()


EVALUATORS = Evaluators()
