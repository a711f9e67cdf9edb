# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Process slots: their number, and holding some of them while a reserve stays free.

Every process and every thread uses a slot: the kernel's limits count both alike. Sleeping threads hold the slots, because a thread costs a
third of a forked process, one signal ends all of them, and none stays in its slot as a zombie until its parent waits for it.
"""

import _thread
import collections
import os
import resource
import threading

from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import stat_of
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._resources import holders as resources_holders

FIRST_NUMBERS = 300  # pids that the kernel assigns only once after a boot
PER_HOLDER = 8000  # threads of one process; each needs two of its 65530 mappings
STACK = 64 * 1024  # bytes per thread, of which it touches a few pages
COST = 48 * 1024  # bytes that a sleeping thread needs, kernel memory included; measured: 35 to 45 KiB
HOLDER = 24 << 20  # maximum of bytes that a holder needs besides its threads

# One limit: its name for people, how many slots it allows, and how many are in use.
Pool = collections.namedtuple("Pool", "name limit used")


def threads(text=None):
    """The number of processes and threads on the host."""
    return int((Host.read("/proc/loadavg") if text is None else text).split()[3].partition("/")[2])


def pools(from_top):
    """The limits for a new process. from_top: as for a control group at the top, where a stressor's own group is."""
    used = threads()
    found = [
        Pool("kernel.pid_max", int(Host.read("/proc/sys/kernel/pid_max", "32768")) - FIRST_NUMBERS, used),
        Pool("kernel.threads-max", int(Host.read("/proc/sys/kernel/threads-max", "32768")), used),
    ]
    found += [Pool("pids.max of a control group", limit, tasks) for limit, tasks in cgroup.task_limits(from_top)]
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if os.geteuid() != 0 and most != resource.RLIM_INFINITY:
        found.append(Pool("the user's limit (ulimit -u)", most, _of_user(os.getuid())))
    return found


def _of_user(uid):
    total = 0
    for process in processes():
        if process.uid == uid:
            total += thread_count(process.pid)
    return total


def thread_count(pid):
    found = stat_of(pid)
    return found.threads if found else 0


def tightest(found):
    """The pool with the fewest free slots."""
    return min(found, key=free)


def free(pool):
    return max(0, pool.limit - pool.used)


def default_reserve(limit):
    """A tenth of the limit, at least 200: a login, sudo, Ansible and the undo together need less than 50."""
    return max(200, limit // 10)


LEAST_RESERVE = 100


def parts(count):
    """The number of threads for each holder, so that leader, holders and threads together use count slots."""
    holders = max(1, -(-(count - 1) // (PER_HOLDER + 1)))
    each, more = divmod(max(0, count - 1 - holders), holders)
    return [each + (number < more) for number in range(holders)]


class Sleepers:
    """Threads that sleep until they are released."""

    def __init__(self):
        threading.stack_size(STACK)
        self._locks = []

    def __len__(self):
        return len(self._locks)

    def take(self):
        lock = _thread.allocate_lock()
        lock.acquire()
        try:
            _thread.start_new_thread(lock.acquire, ())
        except (RuntimeError, MemoryError):
            return False  # no slot or no memory now
        self._locks.append(lock)
        return True

    def give(self):
        self._locks.pop().release()


def hold(count, reserve, from_top, over, figures):
    """The leader of the attack; runs until over() is true. reserve: None to leave no free slots to other processes."""
    shares = parts(count)
    total = sum(shares)

    def now(held):
        return resources_holders.wanted(total, held, free(tightest(pools(from_top))), reserve)

    resources_holders.lead(shares, lambda _index: Sleepers(), now, over, figures)


def held(leader):
    """The number of slots that a leader, its holders and their threads use."""
    return sum(thread_count(pid) for pid in resources_holders.members(leader))
