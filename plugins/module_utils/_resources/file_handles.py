# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""File handles: the system-wide number, holding some of them, and the limit of one process."""

import collections
import os
import resource

from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._resources import holders

COST = 512  # bytes of an open file in the kernel, including its slot in the descriptor table
LEAST_RESERVE = 100
MOST_HOLDERS = 64
CAP_SYS_RESOURCE = 24
_SPARE = 64  # descriptors that a holder needs for itself

Table = collections.namedtuple("Table", "limit used")


def table(text=None):
    """fs.file-max, and how many handles are in use."""
    used, _unused, limit = (int(word) for word in (Host.read("/proc/sys/fs/file-nr") if text is None else text).split())
    return Table(limit, used)


def free(found):
    return max(0, found.limit - found.used)


def default_reserve(limit):
    """A tenth of the limit, at least 500."""
    return max(500, limit // 10)


def per_holder():
    """Descriptors that one holder may open: the hard limit, or fs.nr_open where the limit may be raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = int(Host.read("/proc/sys/fs/nr_open", "1048576"))
    if hard == resource.RLIM_INFINITY or capable(CAP_SYS_RESOURCE):
        return most - _SPARE
    return min(hard, most) - _SPARE


def capable(number):
    """Whether this process has a capability; root in a container often lacks some."""
    for line in Host.read("/proc/self/status").split("\n"):
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


class Handles:
    """Open files: /dev/null is opened repeatedly (a duplicated descriptor would share one handle)."""

    def __init__(self):
        most = per_holder() + _SPARE
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._open = []

    def __len__(self):
        return len(self._open)

    def take(self):
        try:
            self._open.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return False  # none left now
        return True

    def give(self):
        os.close(self._open.pop())


def hold(count, reserve, over, figures):
    """The leader of the attack; runs until over() is true. reserve: None to leave no free handles to other processes."""
    shares = holders.shares(count, per_holder())
    holders.lead(shares, lambda _index: Handles(), lambda held: holders.wanted(count, held, free(table()), reserve), over, figures)


def held(leader):
    """The number of handles on /dev/null that a leader's holders have."""
    return sum(len([each for each in descriptors(pid) if each > 2]) for pid in holders.members(leader) if pid != leader)


def descriptors(pid):
    """Numbers of a process's open descriptors."""
    try:
        return sorted(int(name) for name in os.listdir("/proc/%d/fd" % pid))
    except OSError:
        return []


def ceiling(used, leave):
    """The soft limit that allows a process with the descriptors used to open leave more. The limit applies to the lowest free number."""
    taken, number = set(used), 0
    while True:
        if number not in taken:
            if leave == 0:
                return number
            leave -= 1
        number += 1


def limits(pid):
    """(soft, hard) limit of a process's descriptors, as texts for prlimit(1)."""
    return tuple("unlimited" if each == resource.RLIM_INFINITY else str(each) for each in resource.prlimit(pid, resource.RLIMIT_NOFILE))


def set_soft(pid, soft):
    """Errors: OSError."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
