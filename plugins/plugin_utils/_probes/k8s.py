# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The probe of a Kubernetes cluster: workloads, pods, claims and events in the API server.

The library is imported when the first such probe is read, since it is large and most experiments have none.
"""

from __future__ import annotations

import calendar
import json
import os
import sys
import threading
import time
import typing as t

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import kinds, labels
from ansible_collections.faultline.chaos.plugins.module_utils._units import integer, percent
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.rules import Rules, read_expression

Object = dict[str, t.Any]
WORKLOADS = {"deployment": kinds.DEPLOYMENT, "statefulset": kinds.STATEFUL_SET, "daemonset": kinds.DAEMON_SET}
POD, CLAIM, EVENT = "pod", "persistentvolumeclaim", "event"
KINDS = (*WORKLOADS, POD, CLAIM, EVENT)
_OBJECT_KINDS = {**WORKLOADS, POD: kinds.POD, CLAIM: kinds.PERSISTENT_VOLUME_CLAIM, EVENT: kinds.EVENT}
_SECRET = ("api_key", "password")
_ENDED = ("Succeeded", "Failed")  # phases of pods that never become ready again
_HIDDEN = "(not shown)"


class _Unusable(BadOption):
    """An error of the connection, prefixed with the name of the probe."""

    def __init__(self, where: str, error: AttackError) -> None:
        super().__init__(where, None, "")
        self.args = (f"{where}: {error}",)


class ClusterProbe(Probe):
    """Succeeds when the objects of one kind in a namespace are as expected."""

    type = "k8s"

    def read(self, options: Options) -> None:
        self._settings, self._params = _connection(options)
        self._kind = options.choice("kind", KINDS, REQUIRED)
        self._namespace = self._name(options, "namespace", REQUIRED, "name the namespace")
        self._object = self._name(options, "object", None, "name one object")
        self._labels, self._fields = self._selectors(options)
        if self._kind in WORKLOADS and not (self._object or self._labels):
            raise options.refusal("object", None, f"name the {self._kind}, or give a label_selector")
        if self._object and (self._labels or self._fields):
            raise options.refusal("object", self._object, "it names one object already: leave the selectors out")
        expect = options.section("expect")
        self._read_expect(expect)
        expect.done()
        self._lock = threading.Lock()
        self._cluster: t.Any = None
        self._began: float | None = None  # time of the API server
        self._restarts: dict[tuple[str, str], list[int]] = {}  # by pod and container: the count at the beginning, the most restarts since

    # --- options --------------------------------------------------------------------------------

    @staticmethod
    def _name(options: Options, name: str, default: t.Any, fix: str) -> t.Any:
        value = options.text(name, default, fix, most=253)
        if value is not None:
            try:
                labels.check_name(options.label(name), value)
            except BadOption as error:
                raise options.refusal(name, value, "give one exact name, of a-z, 0-9, - and .; no pattern") from error
        return value

    def _selectors(self, options: Options) -> tuple[str | None, str | None]:
        found = []
        for name, check in (("label_selector", labels.check_label_selector), ("field_selector", labels.check_field_selector)):
            text = options.text(name)
            if text is not None:
                try:
                    check(options.label(name), text)
                except BadOption as error:
                    raise options.refusal(name, text, "write a selector such as app=web,tier!=cache") from error
            found.append(text)
        return found[0], found[1]

    def _read_expect(self, expect: Options) -> None:
        self._least, self._most_restarts, self._rule = expect.take("ready_min"), None, None
        self._share: float | None = None
        if self._least is not None:
            if self._kind not in (*WORKLOADS, POD):
                raise expect.refusal("ready_min", self._least, f"a {self._kind} is never ready; it is for workloads and pods")
            if isinstance(self._least, str) and self._least.strip().endswith("%"):
                self._share = percent(expect.label("ready_min"), self._least)
            else:
                self._least = integer(expect.label("ready_min"), self._least, 0, 1_000_000)
        restarts = expect.whole("restarts_max", 0, 1_000_000, None)
        if restarts is not None and self._kind != POD:
            raise expect.refusal("restarts_max", restarts, "only pods restart: choose kind pod, with the labels of the workload")
        self._most_restarts = restarts
        if self._kind == EVENT:
            expect.take("json", REQUIRED, "write a JMESPath expression")
        if expect.has("json"):
            self._rule = Rules(expect, {"json": read_expression})
            self.has_rules = True
        else:
            expect.take("json")

    @property
    def target(self) -> str:
        what = self._object or " and ".join(word for word in (self._labels, self._fields) if word) or "all"
        return f"{self._kind} {self._namespace}/{what} of {self._settings.host}"

    # --- measuring ------------------------------------------------------------------------------

    def attempt(self, timeout: float) -> Measurement:
        deadline = time.monotonic() + timeout
        cluster = self._connected(timeout)
        try:
            found = self._find(cluster)
        except AttackError as error:
            return Measurement(False, None, str(error)[:300])
        if not found and self._kind != EVENT:
            return Measurement(False, 0, f"there is no {self._kind} {self._object or self._labels or ''} in namespace {self._namespace}".replace("  ", " "))
        outcome = self._judge(found)
        if outcome.ok and self._rule is not None:
            problem = self._rule.problem(json.dumps(found[0] if self._object else found), self._kind, deadline - time.monotonic())
            outcome = Measurement(not problem, outcome.value, problem)
        return outcome

    def _connected(self, timeout: float) -> t.Any:
        from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster

        with self._lock:
            if self._cluster is None:
                self._cluster = Cluster(self._params, self._settings, timeout=(timeout, timeout), tries=1)
            return self._cluster

    def _find(self, cluster: t.Any) -> list[Object]:
        kind = _OBJECT_KINDS[self._kind]
        if self._object:
            one = cluster.find(kind, self._object, self._namespace)
            return [one] if one is not None else []
        found: list[Object] = cluster.whole(kind, self._namespace, self._labels, self._fields)
        if self._kind == EVENT:
            with self._lock:
                if self._began is None:
                    self._began = float(int(cluster.now()))  # events have timestamps in whole seconds
            return [event for event in found if _last_seen(event) >= self._began]
        return found

    def _judge(self, found: list[Object]) -> Measurement:
        if self._kind == EVENT:
            return Measurement(True, len(found))
        if self._kind == CLAIM:
            loose = [f"{_name_of(one)} is {(one.get('status') or {}).get('phase')}" for one in found if (one.get("status") or {}).get("phase") != "Bound"]
            return Measurement(not loose, len(found) - len(loose), ", ".join(loose[:3]) or None)
        ready, wanted, problem = _workloads(found) if self._kind in WORKLOADS else _pods(found)
        least = wanted if self._least is None else _at_least(self._share, wanted) if self._share is not None else self._least
        if self._least is None and least == 0:
            least = 1  # no pod is ready: that is good only if the plan has ready_min: 0
        if ready < least:
            return Measurement(False, ready, f"{ready} of {wanted} are ready, at least {least} expected" + (f": {problem}" if problem else ""))
        if self._kind == POD and self._most_restarts is not None:
            restarts, where = self._count_restarts(found)
            if restarts > self._most_restarts:
                words = "1 restart" if restarts == 1 else f"{restarts} restarts"
                return Measurement(False, ready, f"{words} since the probe began, at most {self._most_restarts} expected: {where}")
        if self._least is None and self._kind in WORKLOADS and problem:
            return Measurement(False, ready, problem)
        return Measurement(True, ready)

    def _count_restarts(self, pods: list[Object]) -> tuple[int, str]:
        """The number of container restarts since the first sample, and an example. For a pod that is newer, all restarts count."""
        with self._lock:
            first = self._began is None
            self._began = self._began or 1.0
            where = ""
            for pod in pods:
                for status in (pod.get("status") or {}).get("containerStatuses") or []:
                    count = int(status.get("restartCount") or 0)
                    seen = self._restarts.setdefault((pod["metadata"]["uid"], status["name"]), [count if first else 0, 0])
                    seen[1] = max(seen[1], count - seen[0])
                    if seen[1] > 0:
                        where = f"container {status['name']} of pod {_name_of(pod)}"
            return sum(seen[1] for seen in self._restarts.values()), where


def _connection(options: Options) -> tuple[t.Any, dict[str, t.Any]]:
    """The client's configuration, and the options that it was made from. Names and defaults are those of the modules."""
    from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import connection as kube_connection

    params: dict[str, t.Any] = {}
    auth_options: t.Mapping[str, t.Any] = kube_connection.AUTH_OPTIONS
    for name, spec in auth_options.items():
        variable = spec["fallback"][1][0]
        if spec["type"] == "bool":
            told = os.environ.get(variable)
            params[name] = options.flag(name, True if told is None else told.lower() not in ("0", "n", "no", "false", "off"))
            continue
        value = options.take(name)
        if name == "kubeconfig" and isinstance(value, dict):
            params[name] = value
            continue
        if spec["type"] == "list":
            words = value.split(",") if isinstance(value, str) else value or (os.environ.get(variable) or "").split(",")
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise options.refusal(name, value, "write a list of texts")
            params[name] = [word.strip() for word in words if word.strip()] or None
            continue
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise options.refusal(name, _HIDDEN if name in _SECRET else value, "write text")
        value = value or os.environ.get(variable) or None
        params[name] = os.path.expanduser(value) if value and (spec["type"] == "path" or name == "kubeconfig") else value
    if kube_connection.LIBRARY_ERROR is not None:
        raise options.refusal("type", "k8s", f"it needs the Python library kubernetes on the controller: {sys.executable} -m pip install kubernetes")
    try:
        return kube_connection.configuration(params), params
    except AttackError as error:
        raise _Unusable(options.where, error) from error


def _name_of(one: Object) -> str:
    return str(one["metadata"]["name"])


def _at_least(share: float, wanted: int) -> int:
    """A percentage of the wanted number, rounded up: 99% of 3 is 3."""
    return -int(-(share * wanted) // 100)


def _workloads(found: list[Object]) -> tuple[int, int, str]:
    """(ready, wanted, the first problem) of Deployments, StatefulSets or DaemonSets."""
    ready = wanted = 0
    problem = ""
    for one in found:
        spec, status = one.get("spec") or {}, one.get("status") or {}
        daemon = "desiredNumberScheduled" in status
        wanted += int(status["desiredNumberScheduled"] if daemon else spec.get("replicas", 1))
        ready += int(status.get("numberReady" if daemon else "readyReplicas") or 0)
        if int(status.get("observedGeneration") or 0) < int(one["metadata"].get("generation") or 0):
            problem = problem or f"{_name_of(one)} has changed and its controller has not seen it yet"
    return ready, wanted, problem


def _pods(found: list[Object]) -> tuple[int, int, str]:
    """(ready, wanted, the first that is not ready and why). Pods that have ended do not count."""
    running = [one for one in found if (one.get("status") or {}).get("phase") not in _ENDED]
    waiting = [one for one in running if one["metadata"].get("deletionTimestamp") or not _is_ready(one)]
    return len(running) - len(waiting), len(running), f"{_name_of(waiting[0])} {_why(waiting[0])}" if waiting else ""


def _is_ready(pod: Object) -> bool:
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in (pod.get("status") or {}).get("conditions") or [])


def _why(pod: Object) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    status = pod.get("status") or {}
    for each in status.get("containerStatuses") or []:
        reason = ((each.get("state") or {}).get("waiting") or {}).get("reason")
        if reason:
            return f"waits: {reason}"
    return f"is {status.get('phase') or 'Unknown'} and not ready"


def _last_seen(event: Object) -> float:
    """The last time of an event, in seconds since the epoch."""
    series = event.get("series") or {}
    for text in (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp")):
        if text:
            whole = text.partition(".")[0].rstrip("Z")
            return float(calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")))
    return 0.0
