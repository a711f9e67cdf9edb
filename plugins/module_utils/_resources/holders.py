# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Many small things held by a few processes of ours, as many as is right at each moment: process slots, file handles.

A leader looks several times a second how many should be held, and tells its holders; they take or give back one by one. All of them
are one process group, and each ends at its own deadline.
"""

import mmap
import os
import signal
import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes

LOOK = 0.2  # seconds between two looks
STALLED = 4.0  # seconds without growth


def wanted(count, held, available, reserve):
    """How many to hold now, when held are held and so many are free: what was asked for, but the reserve stays free (None: whatever others do)."""
    if reserve is None:
        return count
    return max(0, min(count, held + available - reserve))


def shares(count, most):
    """How many each holder has at the end: as few holders as will do, none with more than most."""
    holders = max(1, -(-count // most))
    each, more = divmod(count, holders)
    return [each + (number < more) for number in range(holders)]


def lead(parts, begin, now, over):
    """The leader: steer the holders until over() is true.

    begin() makes a holder's store, which has take() (False when the kernel refuses), give() and len(); now(held) is how many to hold.
    """
    numbers = memoryview(mmap.mmap(-1, 16 * len(parts))).cast("q")  # shared: what each shall have, then what each has
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a holder that the OOM killer took stays dead, and no zombie
    leader = os.getpid()
    for index in range(len(parts)):
        try:
            if os.fork() == 0:
                try:
                    _follow(numbers, index, len(parts), begin(), leader, over)
                finally:
                    os._exit(0)
        except OSError:
            break  # no process for it; the module tells how many are held
    total = sum(parts)
    while not over():
        part = now(sum(numbers[len(parts) :]))
        for index, share in enumerate(parts):
            numbers[index] = min(share, -(-share * part // max(1, total)))
        time.sleep(LOOK)


def _follow(numbers, index, holders, store, leader, over):
    """A holder. Ends with its leader, and at its own deadline."""
    while os.getppid() == leader and not over():
        while len(store) < numbers[index] and store.take():
            numbers[holders + index] = len(store)  # each one: the leader must not take ours for those of others
        while len(store) > numbers[index]:
            store.give()
            numbers[holders + index] = len(store)
        time.sleep(LOOK / 2)


def members(leader):
    """Pids of a leader and its holders."""
    found = []
    for process in processes():
        try:
            if os.getpgid(process.pid) == leader:
                found.append(process.pid)
        except OSError:
            continue  # it just ended
    return found


def settle(measure, asked, close, seconds):
    """Measure until it is close to what was asked for, stopped growing, or the time is over: (the last measure, whether it still grows)."""
    until, since, best = time.monotonic() + seconds, time.monotonic(), -1
    while True:
        found = measure()  # may take seconds itself on a host that is short of everything
        now = time.monotonic()
        if found > best:
            best, since = found, now
        if abs(found - asked) <= close * asked or now - since > STALLED:
            return found, False
        if now > until:
            return found, True
        time.sleep(LOOK)
