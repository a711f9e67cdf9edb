# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Memory that is really used, stays at the requested amount, and is released before the host runs out.

A worker holds private pages, all written with unique content, so that the kernel cannot share (KSM, the zero page), compress (zram, zswap)
or collapse them. Five times a second it reads how much memory is available, and takes or releases pages.
"""

import collections
import mmap
import os
import resource
import struct
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime

MIB = 1 << 20
LOOK = 0.2  # seconds between two looks
WORKER = 64 * MIB  # upper bound for the worker itself; part of its address space limit
_COUNTER = struct.Struct("=Q")

# total and available in bytes. limited: the values are those of an enclosing control group, which allows less than the host has.
View = collections.namedtuple("View", "total available limited")


def meminfo(text=None):
    """{field of /proc/meminfo: bytes}."""
    found = {}
    for line in (Host.read("/proc/meminfo") if text is None else text).split("\n"):
        name, _colon, value = line.partition(":")
        words = value.split()
        if words and words[0].isdecimal():
            found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def look(limited=True):
    """The memory for all processes. limited=False ignores control groups, because the worker's own one must not count. Errors: AttackError."""
    found = meminfo()
    if "MemTotal" not in found or "MemAvailable" not in found:
        raise AttackError("the kernel of the target does not say how much memory is available (MemAvailable in /proc/meminfo)")
    total, available, inside = found["MemTotal"], found["MemAvailable"], False
    for limit, used in cgroup.memory_limits() if limited else []:
        inside = inside or limit < found["MemTotal"]
        total, available = min(total, limit), min(available, max(0, limit - used))
    return View(total, available, inside)


def default_reserve(total):
    """512 MiB, or a quarter of the memory on hosts with less than 2 GiB."""
    return min(512 * MIB, total // 4)


def least_reserve(total):
    """128 MiB, or a tenth of the memory on hosts with less than 1.25 GiB."""
    return min(128 * MIB, total // 10)


class Goal:
    """How much to hold: amount bytes, or until the use by all programs is used bytes. rate: bytes per second, None for at once."""

    def __init__(self, reserve, amount=None, used=None, rate=None):
        self.amount = amount
        self.used = used
        self.reserve = reserve
        self.rate = rate

    @property
    def most(self):
        """Upper bound of what is held, whatever other programs do."""
        return self.used if self.amount is None else self.amount

    def wanted(self, held, view, elapsed):
        """Bytes to hold now, given the bytes held and the View of the host."""
        want = self.amount if self.used is None else held + self.used - (view.total - view.available)
        if self.rate is not None:
            want = min(want, self.rate * elapsed)
        return int(max(0, min(want, self.most, held + view.available - self.reserve)))

    @property
    def chunk(self):
        """Bytes taken or released at once: whole pages, a small part of the total, but not too many chunks."""
        size = min(32 * MIB, max(64 * 1024, self.most // 512))
        return size - size % mmap.PAGESIZE


class Hold:
    """Private pages with unique content."""

    def __init__(self, chunk):
        self.chunk = chunk
        self._pieces = []
        self._content = os.urandom(chunk)
        self._pages = 0

    @property
    def held(self):
        return len(self._pieces) * self.chunk

    def grow(self):
        """Errors: OSError, MemoryError or ValueError (depends on the version of Python) when the kernel refuses."""
        piece = mmap.mmap(-1, self.chunk, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):  # otherwise a released part of a huge page stays in use
            try:
                piece.madvise(mmap.MADV_NOHUGEPAGE)
            except OSError:
                pass  # a kernel without huge pages
        piece[:] = self._content
        for offset in range(0, self.chunk, mmap.PAGESIZE):
            self._pages += 1
            _COUNTER.pack_into(piece, offset, self._pages)
        self._pieces.append(piece)

    def shrink(self):
        self._pieces.pop().close()


def hold(goal, limited, over, figures):
    """The worker: control the held amount until over() is true. figures: keep the bytes that were held."""
    own = status(os.getpid())["VmSize"] + goal.most + WORKER
    resource.setrlimit(resource.RLIMIT_AS, (own, own))
    pages = Hold(goal.chunk)
    begun = uptime()
    while not over():
        view = adjust(pages, goal, limited, uptime() - begun)
        figures.hold(pages.held if goal.used is None else view.total - view.available)
        figures.keep()
        time.sleep(LOOK)


def adjust(pages, goal, limited, elapsed):
    """Take or release chunks until the wanted amount is reached, for at most LOOK seconds before the next measurement. Returns the View before it."""
    pause, view = time.monotonic() + LOOK, look(limited)
    want = goal.wanted(pages.held, view, elapsed)
    while pages.held >= want + pages.chunk:
        pages.shrink()
    while pages.held + pages.chunk <= want and time.monotonic() < pause:
        try:
            pages.grow()
        except (OSError, MemoryError, ValueError):
            break  # the kernel refuses more for now; the held pages stay
    return view


def status(pid):
    """{field of /proc/PID/status: bytes} of a process's memory; all fields are 0 when the process has ended."""
    found = collections.defaultdict(int)
    found.update(meminfo(Host.read("/proc/%d/status" % pid)))
    return found


def resident(pid):
    """(bytes in memory, bytes swapped out) of a process's private memory."""
    found = status(pid)
    return found["RssAnon"] or found["VmRSS"], found["VmSwap"]
