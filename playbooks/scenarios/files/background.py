# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program of a scenario in the background: started detached, with a time limit of its own, and stopped by its own pid.

`start` and `stop` are for the one who runs the scenario, `announce` and `http_server` for the program itself. They meet in a
directory: state.json says who runs and on which port, log holds what went wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STATE, LOG = "state.json", "log"


def start(program: str, words: list[str], directory: Path, patience: float = 15.0) -> dict[str, Any]:
    """Runs the program detached and gives back its state as soon as it has written one; an error is a SystemExit."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop(directory)
    with open(directory / LOG, "wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-B", program, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/", start_new_session=True
        )
    until = time.monotonic() + patience
    while time.monotonic() < until and child.poll() is None:
        state = read_state(directory)
        if state:
            return state
        time.sleep(0.05)
    child.kill()
    lines = (directory / LOG).read_text(errors="replace").strip().splitlines()
    raise SystemExit(f"{Path(program).name} did not start: {lines[-1] if lines else 'no word from it'}")


def stop(directory: Path, patience: float = 5.0) -> bool:
    """Ends the program that the directory tells of, and forgets it. False when nothing ran."""
    state = read_state(directory)
    if state is None:
        return False
    running = _is(state)
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, patience)):
        until = time.monotonic() + seconds
        if _is(state):
            os.kill(state["pid"], number)
        while _is(state) and time.monotonic() < until:
            time.sleep(0.05)
    (directory / STATE).unlink(missing_ok=True)
    return running


def read_state(directory: Path) -> dict[str, Any] | None:
    try:
        return json.loads((directory / STATE).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _is(state: dict[str, Any]) -> bool:
    """Whether the process still is the one that wrote the state: a number can be given to a stranger."""
    try:
        os.kill(state["pid"], 0)
    except (ProcessLookupError, PermissionError):
        return False
    return _birth(state["pid"]) == state["birth"]


def _birth(pid: int) -> str | None:
    """The start time of a process that has not ended; None also where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def announce(directory: Path, port: int, limit: float, at_end: Callable[[], object] = lambda: None) -> None:
    """Writes the state of this process; from now on it ends on SIGTERM or after `limit` seconds, with `at_end` as its last act."""

    def end(*_args: Any) -> None:
        at_end()
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, end)
    signal.alarm(max(1, int(limit)))
    pid = os.getpid()
    temporary = directory / f"{STATE}.{pid}"
    temporary.write_text(json.dumps({"pid": pid, "birth": _birth(pid), "port": port}))
    temporary.replace(directory / STATE)


def http_server(routes: dict[str, Callable[[], Any]], port: int = 0) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 that answers each path with its document as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            route = routes.get(self.path)
            body = json.dumps(route() if route else {"paths": sorted(routes)}).encode()
            self.send_response(200 if route else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    return Server(("127.0.0.1", port), Handler)
