# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small service with a supervisor, for an experiment on a machine where nothing else may be touched.

    local_service.py start DIRECTORY [--limit SECONDS]
    local_service.py stop DIRECTORY

The service answers http://127.0.0.1:PORT/health. When it dies the supervisor starts it again after a moment. service.pid in the
directory is the process of the service; `start` prints the pid of the supervisor and the port.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import background

RESTART_AFTER = 0.5
PID_FILE = "service.pid"


def serve(port: int, limit: float) -> None:
    """The service: it goes when its supervisor goes, and at its time limit."""
    began, supervisor = time.monotonic(), os.getppid()

    def watch() -> None:
        while os.getppid() == supervisor and time.monotonic() - began < limit:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    background.http_server({"/health": lambda: {"status": "ok", "uptime": round(time.monotonic() - began, 3)}}, port).serve_forever()


def supervise(directory: Path, limit: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    child: subprocess.Popen[bytes] | None = None

    def end() -> None:
        # Runs in the midst of child.wait(), which holds a lock that Popen's own methods would wait for.
        if child and child.returncode is None:
            os.kill(child.pid, signal.SIGKILL)

    background.announce(directory, port, limit, end)
    while True:
        child = subprocess.Popen([sys.executable, __file__, "serve", str(directory), "--port", str(port), "--limit", str(limit)])
        (directory / PID_FILE).write_text(f"{child.pid}\n")
        child.wait()
        time.sleep(RESTART_AFTER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["start", "supervise", "serve", "stop"])
    parser.add_argument("directory", type=lambda text: Path(text).resolve())
    parser.add_argument("--limit", type=float, default=300.0, help="ends by itself after so many seconds")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.verb == "stop":
        print("stopped" if background.stop(options.directory) else "nothing ran")
    elif options.verb == "serve":
        serve(options.port, options.limit)
    elif options.verb == "supervise":
        supervise(options.directory, options.limit)
    else:
        words = ["supervise", str(options.directory), "--limit", str(options.limit)]
        print(json.dumps(background.start(str(Path(__file__).resolve()), words, options.directory)))


if __name__ == "__main__":
    main()
