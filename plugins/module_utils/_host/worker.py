# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Detached processes that perform an attack on a host."""

import os
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.detached import detach, rename
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import alive, start_time

LINGER = 5.0  # seconds that a worker stays after its work, for the undo at the deadline to see that nobody ended it before


class Worker:
    """A background process that performs the attack.

    It starts parked, so that the journal has its identity before it does anything; it begins when released, and ends by
    itself when the module dies before that. The kernel's OOM killer takes it first.
    lasts: the effect is in place only while it runs, so it is missed when it has ended before the undo.
    """

    def __init__(self, name, function, lasts=True):
        self.name = name
        self.function = function
        self.lasts = lasts
        self.pid = None
        self.start = None
        self._gate = None

    def park(self):
        read_end, self._gate = os.pipe()
        gate = self._gate

        def begin():
            if os.read(read_end, 1) == b"g":
                os.close(read_end)
                rename(self.name)
                self.function()
                time.sleep(LINGER)

        self.pid = detach(begin, oom_score=1000, name="ready", keep=(read_end,))
        os.close(read_end)
        os.set_inheritable(gate, False)
        self.start = start_time(self.pid)
        if self.start is None:
            raise AttackError(f"the worker {self.name} did not start")

    def release(self):
        try:
            os.write(self._gate, b"g")
        except OSError:
            raise AttackError(f"the worker {self.name} ended before it began")
        self._close()

    def abandon(self):
        """End a parked worker by closing its gate."""
        self._close()

    def _close(self):
        if self._gate is not None:
            os.close(self._gate)
            self._gate = None

    def alive(self):
        return alive(self.pid, self.start)
