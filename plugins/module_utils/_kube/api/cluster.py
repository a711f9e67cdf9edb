# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A client for the API of a cluster, as attacks need it. Uses the public methods of the official client.

Objects are plain dictionaries, as the API sends them. Lists are paged, and contain only metadata where possible.
"""

import email.utils
import json
import random
import time

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import errors
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import api_client, configuration
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, KubeError, NotFound, Refused
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import path

try:
    import kubernetes
    import kubernetes.dynamic
    import urllib3
except ImportError:
    kubernetes = None  # _kube/api/connection.py reports it


PAGE = 500
TIMEOUT = (5.0, 30.0)  # seconds to connect, to read
_TRIES = 5
_WAIT = 0.25  # seconds before the second try; doubled each time, at most 4
# Messages of servers when a test of a JSON patch failed; other invalid patches have other messages.
_FAILED_TEST = ("the server rejected our request due to an error in our request", "testing value /")
# Messages when the uid precondition of a delete failed, in the strategy or in the storage of the server.
_ANOTHER_UID = ("the UID in the precondition (", "Precondition failed: UID in precondition: ")
_BUSY = (429, 500, 502, 503, 504)
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"


class _NoDiscovery:
    """Disables API discovery, which costs some twenty requests: the code names API versions itself."""

    def __init__(self, client, cache_file):
        pass


class Cluster:
    """The API of one cluster."""

    def __init__(self, params, settings=None, timeout=TIMEOUT, tries=_TRIES):
        self.params = params
        self.timeout, self.tries = timeout, tries  # of each request
        self.settings = settings or configuration(params)
        self.host = self.settings.host
        self.api_client = api_client(self.settings, params)
        self._client = kubernetes.dynamic.DynamicClient(self.api_client, discoverer=_NoDiscovery)
        self._ahead = None  # seconds by which the clock of the server is ahead of the local monotonic clock
        self._served = {}

    # --- one request ----------------------------------------------------------------------------

    def request(self, method, where, body=None, query=(), content_type=None, accept=None, repeat=True):
        """Send a request and return the answer as a dictionary; retried while the server is busy. Errors: KubeError and its subclasses."""
        wait, tries = _WAIT, self.tries if repeat else 1
        while True:
            tries -= 1
            try:
                return self._once(method, where, body, query, content_type, accept)
            except KubeError as error:
                again = error.status in _BUSY and not _is_budget(error) or error.status == 0 and method == "GET"
                if not again or tries <= 0:
                    raise
            time.sleep(wait * (0.75 + random.random() / 2))
            wait = min(2 * wait, 4.0)

    def _once(self, method, where, body, query, content_type, accept):
        more = {"body": body, "query_params": list(query), "header_params": {"Accept": accept or "application/json"}}
        if content_type:
            more["content_type"] = content_type
        try:
            answer = self._client.request(method.lower(), where, serialize=False, _request_timeout=self.timeout, **more)
            data = answer.data
        except kubernetes.client.ApiException as error:
            if not error.status:
                raise errors.unreachable(self.host, error.reason if isinstance(error.reason, Exception) else Exception(error.reason))
            self._see_clock(error.headers)
            body = error.body if isinstance(error.body, bytes) else (error.body or "").encode("utf-8")
            raise errors.from_answer(method, where, self.host, error.status, body)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.unreachable(self.host, error)
        self._see_clock(answer.headers)
        try:
            return json.loads(data.decode("utf-8")) if data else {}
        except ValueError:
            raise errors.Unreachable(f"{self.host} answers, but not as an API server does: look at host and proxy")

    def _see_clock(self, headers):
        """Update the clock offset. The header is truncated to whole seconds, so the largest difference seen is the most accurate."""
        told = headers.get("Date") if headers else None
        parsed = email.utils.parsedate_tz(told) if told else None
        if parsed:
            ahead = email.utils.mktime_tz(parsed) - time.monotonic()
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def now(self):
        """Seconds since the epoch by the clock of the API server, a common clock for all machines. Up to some tenths slow."""
        if self._ahead is None:
            self.request("GET", "/version")
        return time.time() if self._ahead is None else time.monotonic() + self._ahead

    # --- objects --------------------------------------------------------------------------------

    def get(self, kind, name, namespace=None):
        return self.request("GET", path(kind, namespace, name))

    def find(self, kind, name, namespace=None):
        """The object or None."""
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def create(self, kind, body, namespace=None):
        """Create an object. Errors: Conflict when it exists."""
        body = dict({"apiVersion": kind.api_version, "kind": kind.kind}, **body)
        return self.request("POST", path(kind, namespace), body=body)

    def replace_fields(self, kind, name, namespace, operations):
        """Apply a JSON patch atomically. Errors: Conflict when one of its tests fails or the object has another version."""
        try:
            return self.request("PATCH", path(kind, namespace, name), body=operations, content_type="application/json-patch+json")
        except Conflict:
            raise
        except KubeError as error:
            if error.status == 422 and any(words in error.said.lower() for words in _FAILED_TEST):
                raise Conflict(str(error), error.status, error.reason, error.said)
            raise

    def merge(self, kind, name, namespace, body):
        """Apply a merge patch."""
        return self.request("PATCH", path(kind, namespace, name), body=body, content_type="application/merge-patch+json")

    def delete(self, kind, name, namespace, uid, grace=None, propagation="Background"):
        """Delete the object with this uid. Returns whether it existed; an object of the same name with another uid is kept."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", path(kind, namespace, name), body=options)
        except NotFound:
            return False
        except Conflict as error:
            if not is_other_object(error):
                raise
            return False
        return True

    def serving(self, kinds):
        """The first of some kinds that this cluster serves, or None."""
        for kind in kinds:
            if kind.api_version not in self._served:
                try:
                    told = self.request("GET", ("/apis/" if "/" in kind.api_version else "/api/") + kind.api_version)
                except NotFound:
                    told = {}
                self._served[kind.api_version] = dict((each.get("name"), each) for each in told.get("resources") or [])
            if kind.plural in self._served[kind.api_version]:
                return kind
        return None

    # --- lists ----------------------------------------------------------------------------------

    def rows(self, kind, namespace=None, labels=None, fields=None):
        """List objects with their metadata only."""
        return self._pages(kind, namespace, labels, fields, _METADATA, "items")

    def whole(self, kind, namespace=None, labels=None, fields=None):
        """List whole objects; only for selectors that match few."""
        return self._pages(kind, namespace, labels, fields, None, "items")

    def table(self, kind, namespace=None, labels=None, fields=None):
        """List (metadata, {column: cell}) of objects, the table that kubectl shows. Far smaller than the objects."""
        found = []
        for columns, row in self._pages(kind, namespace, labels, fields, _TABLE, "rows"):
            found.append(((row.get("object") or {}).get("metadata") or {}, dict(zip(columns, row.get("cells") or []))))
        return found

    def _pages(self, kind, namespace, labels, fields, accept, key):
        """Read all pages; restart from the first when the continue token has expired (410)."""
        for _attempt in range(3):
            found, token, columns = [], None, []
            try:
                while True:
                    query = [("limit", str(PAGE))]
                    query += [("labelSelector", labels)] if labels else []
                    query += [("fieldSelector", fields)] if fields else []
                    query += [("continue", token)] if token else []
                    page = self.request("GET", path(kind, namespace), query=query, accept=accept)
                    columns = [each["name"] for each in page.get("columnDefinitions") or []] or columns
                    entries = page.get(key) or []
                    found += [(columns, each) for each in entries] if key == "rows" else entries
                    token = (page.get("metadata") or {}).get("continue")
                    if not token:
                        return found
            except KubeError as error:
                if error.status != 410:
                    raise
        raise KubeError(f"the list of {kind.plural} changes faster than it can be read", 410)


def is_other_object(error):
    """Whether the uid precondition failed: the name now belongs to another object. Whole phrases are compared, as conflicts may quote any name."""
    return any(words in error.said for words in _ANOTHER_UID)


def _is_budget(error):
    """Whether a 429 is the refusal of a disruption budget, where an immediate retry does not help."""
    return isinstance(error, Refused) and "disruption budget" in error.said.lower()
