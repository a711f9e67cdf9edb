# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fake API server over real HTTP, with the features that attacks need: uids, versions, pages, patches, and failures on demand."""

from __future__ import annotations

import copy
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import selector_parts


class Answer(Exception):
    """An unsuccessful answer of an API server."""

    def __init__(self, status: int, reason: str, message: str, kind: str = "", name: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message, "details": {"kind": kind, "name": name}}


class KubeServer:
    """objects: {path: object}. trouble: functions (method, path, body) that may return an Answer; called in order before each request."""

    def __init__(self) -> None:
        self.objects: dict[str, dict] = {}
        self.trouble: list = []
        self.requests: list[tuple[str, str]] = []
        self.headers: list[list[tuple[str, str]]] = []  # of each request
        self.ttl = True
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one segment: else each request waits 40 ms for a delayed acknowledgement

            def log_message(self, *words: Any) -> None:
                pass

            def _serve(self) -> None:
                outer.headers.append(list(self.headers.items()))
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                try:
                    status, told = 200, outer.answer(self.command, self.path, body, self.headers.get("Content-Type", ""))
                except Answer as refusal:
                    status, told = refusal.status, refusal.body
                data = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = _serve

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    # -- for tests: set up and inspect -------------------------------------------------------------

    def put(self, collection: str, name: str, **more: Any) -> dict:
        """Store a foreign object."""
        number = next(self._numbers)
        namespace = collection.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in collection else None
        meta = {"name": name, "uid": f"uid-{number}", "resourceVersion": str(number), "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
        meta |= {"namespace": namespace} if namespace else {}
        found = {"metadata": {**meta, **more.pop("metadata", {})}, **more}
        self.objects[f"{collection}/{name}"] = found
        return found

    def fail(self, times: int, answer: Answer, method: str = "", where: str = "") -> None:
        """Give this answer to the next requests of a method whose path contains where, the given number of times."""
        left = [times]

        def trouble(called: str, path: str, _body: Any) -> Answer | None:
            if left[0] > 0 and method in ("", called) and where in path:
                left[0] -= 1
                return answer
            return None

        self.trouble.append(trouble)

    def names(self, word: str) -> list[str]:
        return sorted(path.rsplit("/", 1)[1] for path in self.objects if f"/{word}/" in path)

    # -- the API -----------------------------------------------------------------------------------

    def answer(self, method: str, url: str, body: Any, content: str) -> dict:
        split = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        with self._lock:
            self.requests.append((method, split.path))
            for trouble in list(self.trouble):
                if refusal := trouble(method, url, body):
                    raise refusal
            return getattr(self, "_" + method.lower())(split.path, query, body, content)

    def _get(self, path: str, query: dict, _body: Any, _content: str) -> dict:
        if path == "/version":
            return {"major": "1"}
        if path == "/api/v1":
            return {"resources": [{"name": "pods/eviction", "group": "policy", "version": "v1beta1"}]}
        if path == "/apis/policy/v1":
            raise Answer(404, "NotFound", "the server could not find the requested resource")
        if path == "/apis/policy/v1beta1":
            return {"resources": [{"name": "poddisruptionbudgets"}]}
        if path in self.objects:
            return self.objects[path]
        if len([word for word in path.split("/") if word]) % 2 == (1 if path.startswith("/api/") else 0):
            return self._list(path, query)
        raise self._missing(path)

    def _list(self, path: str, query: dict) -> dict:
        kind = path.rsplit("/", 1)[1]
        prefix = path[: -len(kind)]
        fitting = [o for at, o in sorted(self.objects.items()) if at.startswith(prefix) and f"/{kind}/" in at and _fits(o, query.get("labelSelector"))]
        named = [part.partition("=")[2] for part in query.get("fieldSelector", "").split(",") if part.startswith("metadata.name=")]
        fitting = [o for o in fitting if not named or o["metadata"]["name"] in named]
        start, limit = int(query.get("continue") or 0), int(query.get("limit") or 1000)
        more = {"continue": str(start + limit)} if start + limit < len(fitting) else {}
        return {"metadata": more, "items": fitting[start : start + limit]}

    def _post(self, path: str, _query: dict, body: dict, _content: str) -> dict:
        if path.endswith("/eviction"):
            del self.objects[path.rpartition("/")[0]]
            return {"kind": "Status", "status": "Success"}
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            raise Answer(409, "AlreadyExists", f"{at} already exists")
        made = self.put(path, body["metadata"]["name"], **copy.deepcopy(body))
        made["metadata"]["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if path.endswith("/jobs"):
            made["status"] = {"startTime": made["metadata"]["creationTimestamp"], "active": 1}
            if not self.ttl:
                del made["spec"]["ttlSecondsAfterFinished"]
        return made

    def _patch(self, path: str, query: dict, body: Any, content: str) -> dict:
        if path not in self.objects:
            raise self._missing(path)
        changed = copy.deepcopy(self.objects[path])
        if "json-patch" in content:
            for each in body:
                _operate(changed, each)
        else:
            if body.get("metadata", {}).get("uid") not in (None, changed["metadata"]["uid"]):
                raise Answer(409, "Conflict", "Precondition failed: UID in precondition")
            _merge(changed, body)
        changed["metadata"]["resourceVersion"] = str(next(self._numbers))
        if query.get("dryRun") != "All":
            self.objects[path] = changed
        return changed

    def _delete(self, path: str, _query: dict, body: Any, _content: str) -> dict:
        if path not in self.objects:
            raise self._missing(path)
        uid = self.objects[path]["metadata"]["uid"]
        wanted = ((body or {}).get("preconditions") or {}).get("uid")
        if wanted not in (None, uid):
            raise Answer(409, "Conflict", f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}")
        del self.objects[path]
        for at in [at for at, o in self.objects.items() if any(each["uid"] == uid for each in o["metadata"].get("ownerReferences", []))]:
            del self.objects[at]
        return {"kind": "Status", "status": "Success"}

    @staticmethod
    def _missing(path: str) -> Answer:
        kind, name = path.split("/")[-2:]
        return Answer(404, "NotFound", f'{kind} "{name}" not found', kind, name)


def _fits(found: dict, selector: str | None) -> bool:
    labels = found["metadata"].get("labels") or {}
    for part in selector_parts(selector or ""):
        key, sign, value = part.partition("!=") if "!=" in part else part.partition("=")
        if part and (labels.get(key) == value) != (sign == "="):
            return False
    return True


def _operate(document: dict, operation: dict) -> None:
    words = [word.replace("~1", "/").replace("~0", "~") for word in operation["path"].split("/")[1:]]
    try:
        for word in words[:-1]:
            document = document[int(word)] if isinstance(document, list) else document[word]
        key = int(words[-1]) if isinstance(document, list) else words[-1]
        if operation["op"] == "test":
            if document[key] != operation["value"]:
                raise KeyError(key)
        elif operation["op"] == "remove":
            del document[key]
        else:
            document[key] = operation["value"]
    except (KeyError, IndexError, TypeError):
        raise Answer(422, "Invalid", "the server rejected our request due to an error in our request") from None


def _merge(target: dict, patch: dict) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
