# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of the Redis protocol as a careful client needs: one connection, and the question who the primary is."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

TIMEOUT = 0.7
SENTINEL_PORT = 26379


class ServerError(Exception):
    """The server answered with an error, such as NOREPLICAS."""


@dataclass(frozen=True, order=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Connection:
    """Raises OSError when the server cannot be spoken to, ServerError when it refuses."""

    def __init__(self, address: Address, timeout: float = TIMEOUT) -> None:
        self._socket = socket.create_connection((address.host, address.port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, *words: object) -> Any:
        return self.calls([words])[0]

    def calls(self, commands: Iterable[Iterable[object]]) -> list[Any]:
        """Sends all commands at once; all answers are read before an error is raised."""
        commands = [[str(word).encode() for word in words] for words in commands]
        self._socket.sendall(b"".join(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words) for words in commands))
        answers = [self._answer() for _command in commands]
        for answer in answers:
            if isinstance(answer, ServerError):
                raise answer
        return answers

    def _answer(self) -> Any:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ServerError(rest.decode())
        if kind == b":":
            return int(rest)
        size = int(rest)
        if kind == b"$":
            if size < 0:
                return None
            body = self._file.read(size + 2)
            if len(body) < size + 2:
                raise ConnectionResetError("the server hung up")
            return body[:-2].decode()
        if kind == b"*":
            return None if size < 0 else [self._answer() for _item in range(size)]
        raise OSError(f"not the Redis protocol: {line[:40]!r}")


@dataclass(frozen=True)
class View:
    """What one sentinel knows of the primary."""

    primary: str
    healthy: bool
    replicas: int
    other_sentinels: int


class Sentinels:
    """The sentinels that watch one primary."""

    def __init__(self, hosts: Iterable[str], name: str) -> None:
        self._addresses = [Address(host, SENTINEL_PORT) for host in hosts]
        self._name = name

    def _ask(self, question: str) -> Iterator[list[str]]:
        for address in self._addresses:
            try:
                with Connection(address) as sentinel:
                    answer = sentinel.call("SENTINEL", question, self._name)
            except (OSError, ServerError):
                continue
            if answer:
                yield answer

    def views(self) -> list[View]:
        """The primary as each sentinel that answers sees it."""
        found = []
        for words in self._ask("MASTER"):
            fields = dict(zip(words[::2], words[1::2], strict=True))
            found.append(View(f"{fields['ip']}:{fields['port']}", fields["flags"] == "master", int(fields["num-slaves"]), int(fields["num-other-sentinels"])))
        return found

    def primary(self) -> tuple[Address, Connection] | None:
        """A connection to the one that most sentinels name, if it is there and says that it is the primary."""
        votes = Counter(Address(words[0], int(words[1])) for words in self._ask("GET-MASTER-ADDR-BY-NAME"))
        for address, _votes in votes.most_common():
            try:
                connection = Connection(address)
            except OSError:
                continue
            try:
                if connection.call("ROLE")[0] == "master":
                    return address, connection
            except (OSError, ServerError):
                pass
            connection.close()
        return None
