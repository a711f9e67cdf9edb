# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A pool of threads for work that may hang: started on demand, reused when idle, never joined."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable


class Crew:
    """Runs calls in daemon threads, without a limit to their number. A call must not raise."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._size = 0

    def start(self, call: Callable[[], object]) -> None:
        """Runs the call soon, in an idle thread or in a new one."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._size += 1
                # ansible-core keeps the current task in a context variable; each thread gets its own copy.
                work = contextvars.copy_context()
                threading.Thread(target=work.run, args=(self._work,), name=f"faultline-{self._size}", daemon=True).start()
            self._calls.put(call)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                return
            call()
            del call
            with self._lock:
                self._idle += 1

    def dismiss(self) -> None:
        """Ends idle threads now and busy ones after their call; threads that hang end with the process."""
        for _each in range(self._size):
            self._calls.put(None)
