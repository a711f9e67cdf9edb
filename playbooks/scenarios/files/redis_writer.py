# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client that writes numbered keys to Redis and remembers each write that was acknowledged.

    redis_writer.py start DIRECTORY --sentinels HOST[,HOST...] [--name NAME] [--rate N] [--limit SECONDS] [--port N]
    redis_writer.py stop DIRECTORY

A write is acknowledged when SET said OK and WAIT said that one replica has it. The primary is whom the sentinels name.
Documents on http://127.0.0.1:PORT, JSON:
    /status     acknowledged, attempted, seconds_since_ack, longest_pause, primary
    /ledger     reads every acknowledged key back from the present primary: acknowledged, intact, lost, first_lost, last_lost, primary
    /sentinels  what the sentinels say: answers, primaries (each once), healthy, replicas, other_sentinels
While there is no primary its name is null. `start` prints the pid and the port.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path
from typing import Any

import background
from redis_protocol import Address, Connection, Sentinels, ServerError

WAIT_MS = 500
BATCH = 500
KEY = "faultline:%d"


class Ledger:
    """The numbers of the acknowledged writes, and when the last of them was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: list[int] = []
        self._last = time.monotonic()
        self._longest = 0.0
        self.attempted = 0

    def add(self, number: int) -> None:
        with self._lock:
            now = time.monotonic()
            if self._numbers:
                self._longest = max(self._longest, now - self._last)
            self._last = now
            self._numbers.append(number)

    def numbers(self) -> list[int]:
        with self._lock:
            return list(self._numbers)

    def status(self) -> dict[str, Any]:
        with self._lock:
            silence = time.monotonic() - self._last
            return {
                "acknowledged": len(self._numbers),
                "attempted": self.attempted,
                "seconds_since_ack": round(silence, 3),
                "longest_pause": round(max(self._longest, silence), 3),
            }


class Writer:
    """One connection at a time; after any trouble it asks the sentinels again."""

    def __init__(self, sentinels: Sentinels, ledger: Ledger, rate: float) -> None:
        self._sentinels, self._ledger, self._pause = sentinels, ledger, 1.0 / rate
        self._token = f"{time.time():.6f}"
        self.primary: Address | None = None

    def run(self) -> None:
        connection: Connection | None = None
        number = 0
        while True:
            began = time.monotonic()
            try:
                if connection is None:
                    connection = self._connect()
                number += 1
                self._ledger.attempted = number
                done, replicas = connection.calls([("SET", KEY % number, self.value(number)), ("WAIT", 1, WAIT_MS)])
                if done == "OK" and replicas >= 1:
                    self._ledger.add(number)
            except (OSError, ServerError):
                if connection:
                    connection.close()
                connection, self.primary = None, None
            time.sleep(max(self._pause - (time.monotonic() - began), 0 if connection else 0.1))

    def _connect(self) -> Connection:
        found = self._sentinels.primary()
        if found is None:
            raise ConnectionError("no primary")
        self.primary = found[0]
        return found[1]

    def value(self, number: int) -> str:
        return f"{self._token}:{number}"


class Reader:
    """Reads the ledger back from the present primary. While there is none, the last finding stands."""

    def __init__(self, sentinels: Sentinels, ledger: Ledger, writer: Writer) -> None:
        self._sentinels, self._ledger, self._writer = sentinels, ledger, writer
        self._lost: list[int] = []

    def finding(self) -> dict[str, Any]:
        numbers = self._ledger.numbers()
        found = self._sentinels.primary()
        primary = None
        if found:
            try:
                with found[1] as connection:
                    self._lost = self._missing(connection, numbers)
                primary = str(found[0])
            except (OSError, ServerError):
                pass
        lost = self._lost
        return {
            "acknowledged": len(numbers),
            "intact": not lost,
            "lost": len(lost),
            "first_lost": lost[0] if lost else None,
            "last_lost": lost[-1] if lost else None,
            "primary": primary,
        }

    def _missing(self, connection: Connection, numbers: list[int]) -> list[int]:
        missing: list[int] = []
        for begin in range(0, len(numbers), BATCH):
            batch = numbers[begin : begin + BATCH]
            values = connection.call("MGET", *(KEY % number for number in batch))
            missing += [number for number, value in zip(batch, values, strict=True) if value != self._writer.value(number)]
        return missing


def agreement(sentinels: Sentinels) -> dict[str, Any]:
    """The fewest replicas and sentinels that any of them knows, and whether all of them find the primary healthy."""
    views = sentinels.views()
    return {
        "answers": len(views),
        "primaries": sorted({view.primary for view in views}),
        "healthy": all(view.healthy for view in views),
        "replicas": min((view.replicas for view in views), default=0),
        "other_sentinels": min((view.other_sentinels for view in views), default=0),
    }


def run(options: argparse.Namespace) -> None:
    sentinels = Sentinels(options.sentinels.split(","), options.name)
    ledger = Ledger()
    writer = Writer(sentinels, ledger, options.rate)
    reader = Reader(sentinels, ledger, writer)
    threading.Thread(target=writer.run, daemon=True, name="writer").start()
    routes = {
        "/status": lambda: {**ledger.status(), "primary": str(writer.primary) if writer.primary else None},
        "/ledger": reader.finding,
        "/sentinels": lambda: agreement(sentinels),
    }
    server = background.http_server(routes, options.port)
    background.announce(options.directory, server.server_address[1], options.limit)
    server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["start", "run", "stop"])
    parser.add_argument("directory", type=lambda text: Path(text).resolve())
    parser.add_argument("--sentinels", default="127.0.0.1", help="hosts of the sentinels, separated by commas")
    parser.add_argument("--name", default="faultline", help="what the sentinels call the primary")
    parser.add_argument("--rate", type=float, default=50.0, help="writes per second")
    parser.add_argument("--limit", type=float, default=900.0, help="ends by itself after so many seconds")
    parser.add_argument("--port", type=int, default=0, help="of the documents; 0 takes a free one")
    options = parser.parse_args()
    if options.verb == "stop":
        print("stopped" if background.stop(options.directory) else "nothing ran")
    elif options.verb == "run":
        run(options)
    else:
        words = ["run", str(options.directory)]
        for name in ("sentinels", "name", "rate", "limit", "port"):
            words += [f"--{name}", str(getattr(options, name))]
        print(json.dumps(background.start(str(Path(__file__).resolve()), words, options.directory)))


if __name__ == "__main__":
    main()
