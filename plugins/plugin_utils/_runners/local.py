# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Runs commands on the controller, and kills processes."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import typing as t
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import OUTPUT_LIMIT, Completed

_CHUNK = 1 << 16


class ControllerRunner:
    """Runs commands on the controller, from any thread."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def close(self) -> None:
        """Kills the commands that still run, with their children."""
        for pid in list(self._running):
            kill([pid, *descendants(pid)])

    def run(self, argv: list[str], timeout: float) -> Completed:
        """The command's status and output. Errors: TimeoutError."""
        deadline = monotonic() + timeout
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._running.add(child.pid)
        try:
            stdout, stderr = _read(child, deadline)
            rc = child.wait(max(0.0, deadline - monotonic()))
        except (OSError, subprocess.TimeoutExpired) as error:
            kill([child.pid, *descendants(child.pid)])
            child.wait()  # returns at once: it was killed
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError from error
            raise
        finally:
            self._running.discard(child.pid)
            for pipe in (child.stdout, child.stderr):
                if pipe is not None:
                    pipe.close()
        return Completed(rc if rc >= 0 else 128 - rc, stdout, stderr)


def _read(child: subprocess.Popen[bytes], deadline: float) -> tuple[str, str]:
    """Reads both outputs until both are closed. Errors: TimeoutError at the deadline."""
    found: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    with selectors.DefaultSelector() as selector:
        for name in found:
            selector.register(getattr(child, name), selectors.EVENT_READ, name)
        while selector.get_map():
            left = deadline - monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                raise TimeoutError
            for key, _events in ready:
                chunk = os.read(key.fd, _CHUNK)
                if chunk:
                    found[key.data] += chunk
                else:
                    selector.unregister(key.fileobj)
                if len(found[key.data]) > OUTPUT_LIMIT:
                    raise OSError(f"more than {OUTPUT_LIMIT >> 10} KiB of output")
    return found["stdout"].decode(errors="replace"), found["stderr"].decode(errors="replace")


def descendants(pid: int) -> list[int]:
    """All living descendants of a process, from the controller's /proc; none where there is no /proc."""
    children = defaultdict(list)
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for number in numbers:
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it ended meanwhile
        children[parent].append(int(number))
    found: list[int] = []
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            found.append(child)
            todo.append(child)
    return found


def marked(token: str) -> list[int]:
    """The descendants of this process whose command line contains the token, and their descendants."""
    found: list[int] = []
    for pid in descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if token.encode() in file.read():
                    found += [pid, *descendants(pid)]
        except OSError:
            continue
    return list(dict.fromkeys(found))


def kill(pids: list[int]) -> None:
    """Sends SIGKILL; processes that ended or belong to another user are ignored."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


@contextmanager
def ending(close: Callable[[], None]) -> Iterator[None]:
    """Calls `close` at the end of the block and, in the main thread, before a signal ends the process."""

    def on_signal(number: int, _frame: object) -> None:
        close()
        signal.signal(number, before[number])
        os.kill(os.getpid(), number)

    before: dict[int, t.Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        close()
