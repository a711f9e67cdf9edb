# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A bounded surge of read requests to an API server, which slows down when the server reports overload."""

import threading
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

_LOOK = 1.0  # seconds between two reads of the journal
LOOK_TIMEOUT = (2.0, 2.0)  # seconds to connect, to read; short, because the journal is read from the server under pressure
_LATE = 0.5
_REST = 1.0  # seconds without any request after a 429
_SLOWEST = 0.5  # requests per second; never zero, so that a recovery of the server is noticed
_RISE = 1.02  # factor of the rate after each answer that is no refusal
_REFUSED = (429, 503)


class Pace:
    """A rate limiter, shared by all threads."""

    def __init__(self, rate, now=time.monotonic):
        self.most = rate
        self.rate = rate
        self._now = now
        self._next = now()
        self._rested = 0.0
        self._lock = threading.Lock()

    def take(self):
        """Seconds to wait before the next request. Missed requests are not caught up."""
        with self._lock:
            now = self._now()
            at = max(now, self._next)
            self._next = at + 1.0 / self.rate
            return at - now

    def answered(self, status):
        """Halve the rate after a refusal, raise it slowly after other answers. Refusals within _REST count once."""
        with self._lock:
            now = self._now()
            if status not in _REFUSED:
                self.rate = min(self.most, self.rate * _RISE)
            elif now >= self._rested:
                self.rate = max(_SLOWEST, self.rate / 2.0)
                self._rested = now + _REST
                self._next = max(self._next, self._rested)


class Surge:
    """Threads that send the requests until they are stopped."""

    def __init__(self, cluster, where, query, rate, workers):
        self.cluster = cluster
        self.where = where
        self.query = query
        self.pace = Pace(rate)
        self.workers = workers
        self.began = time.monotonic()
        self._until = self.began  # checked by the sending threads themselves, because a read of the journal may hang
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.sent, self.refused, self.failed, self.slowest = 0, 0, 0, 0.0

    def run(self, until, still_wanted):
        """Send until a monotonic time. still_wanted(until) may return another time; None ends the surge at once."""
        self._until = until
        threads = [threading.Thread(target=self._work, daemon=True) for _number in range(self.workers)]
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            self._stop.wait(min(_LOOK, max(0.0, until - time.monotonic())))
            if until - time.monotonic() < _LATE:
                continue  # a read of the journal could take longer than the time left
            moved = still_wanted(until)
            if moved is None:
                break
            self._until = until = moved
        self._stop.set()

    def _work(self):
        while not self._stop.wait(self.pace.take()):
            began, status = time.monotonic(), 200
            if began >= self._until:
                continue
            try:
                self.cluster.request("GET", self.where, query=self.query, repeat=False)
            except AttackError as error:
                status = getattr(error, "status", 0)
            self.pace.answered(status)
            with self._lock:
                self.sent += 1
                self.refused += status in _REFUSED
                self.failed += status != 200 and status not in _REFUSED
                self.slowest = max(self.slowest, time.monotonic() - began)

    def told(self):
        """Counts so far."""
        with self._lock:
            seconds = max(0.001, time.monotonic() - self.began)
            return {
                "measured": round(self.sent / seconds, 1),
                "sent": self.sent,
                "refused": self.refused,
                "failed": self.failed,
                "slowest": round(self.slowest, 3),
            }
