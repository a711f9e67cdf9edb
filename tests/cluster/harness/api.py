# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small client of the Kubernetes API for what stands in for parts of a node. Standard library only: a node has nothing else."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The server did not do it. status 0: it could not be reached."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class Api:
    """One connection per thread, made again when it breaks."""

    def __init__(self, server: str, ca: str, token_file: str) -> None:
        self.server = server
        self.tls = ssl.create_default_context(cafile=ca)
        self.headers = {"Authorization": f"Bearer {Path(token_file).read_text().strip()}", "Accept": "application/json"}
        self.mine = threading.local()

    def get(self, path: str) -> dict:
        return self.call("GET", path)

    def call(self, method: str, path: str, body: dict | None = None, content: str = "application/json") -> dict:
        data = json.dumps(body) if body is not None else None
        headers = {**self.headers, "Content-Type": content}
        for last in (False, True):
            try:
                if not hasattr(self.mine, "connection"):
                    self.mine.connection = self._connect()
                self.mine.connection.request(method, path, data, headers)
                answer = self.mine.connection.getresponse()
                text = answer.read().decode()
                break
            except (OSError, http.client.HTTPException) as e:
                if hasattr(self.mine, "connection"):
                    self.mine.connection.close()
                    del self.mine.connection
                if last:
                    raise ApiError(0, str(e)) from e
        if answer.status >= 300:
            raise ApiError(answer.status, text[:300])
        return json.loads(text)

    def watch(self, path: str, resource_version: str) -> Iterator[dict[str, Any]]:
        """Events until the server ends it, which it does after less than a minute."""
        connection = self._connect(timeout=60)
        try:
            connection.request("GET", f"{path}&watch=1&timeoutSeconds=50&resourceVersion={resource_version}", headers=self.headers)
            answer = connection.getresponse()
            while line := answer.readline():
                yield json.loads(line)
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise ApiError(0, str(e)) from e
        finally:
            connection.close()

    def _connect(self, timeout: float = 30) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.server, context=self.tls, timeout=timeout)
