# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Small resources (process slots, file handles, ports) held in large numbers by a few processes, the holders.

Several times a second a leader computes how many should be held and informs its holders, which take or release them one by one. All of
them are one process group, and each of them checks the deadline itself.
"""

import mmap
import os
import signal
import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes

LOOK = 0.2  # seconds between two looks
STALLED = 4.0  # seconds without growth


def wanted(count, held, available, reserve):
    """How many to hold now, given the numbers held and available: count, but the reserve stays free (None: no reserve)."""
    if reserve is None:
        return count
    return max(0, min(count, held + available - reserve))


def shares(count, most):
    """The final number for each holder: as few holders as possible, none with more than most."""
    holders = max(1, -(-count // most))
    each, more = divmod(count, holders)
    return [each + (number < more) for number in range(holders)]


def lead(parts, begin, now, over, figures):
    """The leader: control the holders until over() is true.

    begin(index) makes a holder's store, which has take() (False when the kernel refuses), give() and len(); now(held) returns how many to hold.
    figures: keep how many were held.
    """
    numbers = memoryview(mmap.mmap(-1, 16 * len(parts))).cast("q")  # shared: the wanted number of each holder, then the actual numbers
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a holder killed by the OOM killer is not restarted and leaves no zombie
    leader, children = os.getpid(), {}
    for index in range(len(parts)):
        try:
            child = os.fork()
            if child == 0:
                try:
                    _follow(numbers, index, len(parts), begin(index), leader, over)
                finally:
                    os._exit(0)
            children[child] = index
        except OSError:
            break  # no process left for it; the module reports how many are held
    figures.asked = total = sum(parts)
    while not over():
        for child in [child for child in children if _ended(child, leader)]:
            numbers[len(parts) + children.pop(child)] = 0
        held = sum(numbers[len(parts) :])
        figures.hold(held)
        figures.keep()
        part = now(held)
        for index, share in enumerate(parts):
            numbers[index] = min(share, -(-share * part // max(1, total)))
        time.sleep(LOOK)


def _ended(child, leader):
    """Whether a holder has ended; without a file, for there may be no handle left."""
    try:
        return os.getpgid(child) != leader
    except OSError:
        return True


def _follow(numbers, index, holders, store, leader, over):
    """A holder. It ends with its leader, or at the deadline."""
    while os.getppid() == leader and not over():
        while len(store) < numbers[index] and store.take():
            numbers[holders + index] = len(store)  # after every take: the leader must not count these as used by other processes
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
    """Measure until the value is close to asked, stops growing, or the time is over: (last value, whether it still grows)."""
    until, since, best = time.monotonic() + seconds, time.monotonic(), -1
    while True:
        found = measure()  # may take seconds on an exhausted host
        now = time.monotonic()
        if found > best:
            best, since = found, now
        if abs(found - asked) <= close * asked or now - since > STALLED:
            return found, False
        if now > until:
            return found, True
        time.sleep(LOOK)
