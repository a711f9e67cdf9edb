# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Renews the leases of an experiment while its steady state is watched.

Each place (a host or a cluster) has a thread, so one that hangs loses only its own lease.
"""

from __future__ import annotations

import math
import os
import queue
import re
import threading
import time
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.faultline.chaos.plugins.module_utils._times import iso
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Completed, Runner
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import error_words

NOTHING_ACTIVE = 3
LONGEST_RENEWAL = 10.0
RENEWAL_STAGGER = 0.02
_RENEW = """if [ "$(id -u)" = 0 ]; then state=/var/lib/faultline; else state=$HOME/.local/state/faultline; fi
[ -r "$state/control.sh" ] || { echo "there is no $state/control.sh" >&2; exit 3; }
exec sh "$state/control.sh" renew "$1" "$2\""""


@dataclass(frozen=True)
class Lease:
    """The leases to renew: those of one run. seconds: the lease time from each renewal on."""

    run_id: str
    seconds: float

    @property
    def argv(self) -> list[str]:
        """The command that renews them on a host. It needs only a POSIX shell there."""
        return ["/bin/sh", "-c", _RENEW, "faultline", self.run_id, str(math.ceil(self.seconds))]


class Renewal(t.Protocol):
    """Renews the leases of one place."""

    def renew(self, lease: Lease, timeout: float) -> Completed:
        """Exit status 0 and for each attack a line with its id and the seconds until it reverts; NOTHING_ACTIVE or another status with a message. May raise."""

    def close(self) -> None:
        """Ends a renewal that is still running."""


class HostRenewal:
    """Renews by a command on the host."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def renew(self, lease: Lease, timeout: float) -> Completed:
        return self._runner.run(lease.argv, timeout)

    def close(self) -> None:
        self._runner.close()


class ClusterRenewal:
    """Renews by the API of a cluster, from the controller. Errors: BadOption for a bad connection or a missing library."""

    def __init__(self, params: Mapping[str, t.Any]) -> None:
        from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import connection as kube_connection

        auth_options: Mapping[str, t.Any] = kube_connection.AUTH_OPTIONS
        given = {name: params.get(name) for name in ("namespaces", *auth_options)}
        for name, spec in auth_options.items():
            for word in spec.get("aliases", ()):
                given[name] = params.get(word) if given[name] is None else given[name]
            if given[name] is None:
                given[name] = os.environ.get(spec["fallback"][1][0]) or None
            if given[name] is not None and spec["type"] == "bool":
                given[name] = boolean(given[name])
            value = given[name]
            if isinstance(value, str) and spec["type"] == "list":
                given[name] = [word.strip() for word in value.split(",")]
        self._params = given
        self._settings = kube_connection.configuration(given)

    def renew(self, lease: Lease, timeout: float) -> Completed:
        from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster as kube_cluster
        from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import lease as kube_lease

        cluster = kube_cluster.Cluster(self._params, self._settings, timeout=(timeout, timeout), tries=1)
        renewed = kube_lease.renew(cluster, {**self._params, "id": None, "run_id": lease.run_id}, lease.seconds)
        lines = [f"{attack_id} {math.ceil(deadline - cluster.now())}\n" for attack_id, deadline in renewed.items()]
        return Completed(0 if renewed else NOTHING_ACTIVE, "".join(lines), "")

    def close(self) -> None:
        pass


class LeaseKeeper:
    """Renews at once, then after each third of the lease time, until it is stopped."""

    def __init__(self, lease: Lease, renewals: Mapping[str, Renewal], alive: Callable[[], bool], spawn: Callable[..., t.Any]) -> None:
        self._lease, self._alive = lease, alive
        self._stopped = threading.Event()
        self._lost: dict[str, str] = {}
        #: By place, then by the id of an attack: the deadline after the last successful renewal, in UTC by the clock of the controller.
        self.deadlines: dict[str, dict[str, str]] = {}
        #: Messages to show: (host, message).
        self.news: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        for position, (host, renewal) in enumerate(sorted(renewals.items())):
            spawn(lambda host=host, renewal=renewal, wait=position * RENEWAL_STAGGER: self._keep(host, renewal, wait))

    @property
    def lost(self) -> list[str]:
        """Hosts whose lease has expired, as far as the controller knows: their targets are reverting or have reverted."""
        return sorted(self._lost)

    def stop(self) -> None:
        """Ends the renewals; the leases then expire."""
        self._stopped.set()

    def _keep(self, host: str, renewal: Renewal, wait: float) -> None:
        pause = self._lease.seconds / 3
        due = renewed = monotonic() + wait
        while not self._stopped.wait(max(0.0, due - monotonic())) and self._alive():
            begun = monotonic()
            problem, gone = self._renew(host, renewal, min(pause, LONGEST_RENEWAL))
            if self._stopped.is_set():
                return
            if problem is None:
                renewed = begun  # a lower bound: the new lease began later than this
                if self._lost.pop(host, None):
                    self.news.put((host, "lease renewed again"))
            elif host not in self._lost and (gone or monotonic() - renewed >= self._lease.seconds):
                self._lost[host] = problem
                self.news.put((host, f"lease lost: {problem}"))
            due = max(due + (pause if problem is None else pause / 2), monotonic() + 0.1)

    def _renew(self, host: str, renewal: Renewal, timeout: float) -> tuple[str | None, bool]:
        """The error or None, and whether it proves that the lease is gone."""
        try:
            ended = renewal.renew(self._lease, timeout)
        except Exception as error:  # a connection plugin may raise anything; the thread must go on
            return error_words(error, timeout), False
        if ended.rc == 0:
            self.deadlines[host] = _deadlines(ended.stdout, time.time())
            return None, False
        words = (ended.stderr.strip() or ended.stdout.strip()).rpartition("\n")[2][:200]
        if ended.rc == NOTHING_ACTIVE:
            return words if words.startswith("there is no ") else f"nothing of run {self._lease.run_id} is active there", True
        return f"exit status {ended.rc}" + (f": {words}" if words else ""), False


def _deadlines(output: str, now: float) -> dict[str, str]:
    """The deadlines by id, from the output of a renewal that ended at `now`. Never too early, too late by at most the time of the answer."""
    found = (re.fullmatch(r"([a-z0-9][a-z0-9_-]*) ([0-9]{1,9})", line.strip()) for line in output.splitlines())
    return {line[1]: iso(now + int(line[2])) for line in found if line}
