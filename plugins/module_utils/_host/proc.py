# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Reading and writing small files of the kernel: /proc, /sys, control groups."""

import collections
import os

_KERNEL = 0x00200000  # PF_KTHREAD
Stat = collections.namedtuple("Stat", "name state parent threads start kernel")  # of /proc/PID/stat


def read(path, default="", most=-1):
    """Content of a small file (most: its first characters), or the default when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="\n") as handle:
            return handle.read(most)
    except OSError:
        return default


def uptime():
    with open("/proc/uptime") as handle:
        return float(handle.read().split()[0])


def ancestors():
    """The pids of this process and all its ancestors, nearest first."""
    pids, pid = [], os.getpid()
    while pid > 0 and pid not in pids:
        pids.append(pid)
        pid = parent(pid)
    return pids


def stat_of(pid):
    """The Stat of a process, None when there is none. Its name may hold line breaks and brackets."""
    head, _bracket, rest = read("/proc/%d/stat" % pid, most=4096).rpartition(") ")
    told = rest.split()
    if len(told) < 20:
        return None
    return Stat(head.partition("(")[2], told[0], int(told[1]), int(told[17]), int(told[19]), bool(int(told[6]) & _KERNEL))


def start_of(found):
    """The start in clock ticks since boot; None when it ended. Pid and start identify a process. Its first thread may end before the others."""
    return None if found is None or found.state in ("Z", "X") and found.threads <= 1 else found.start


def start_time(pid):
    return start_of(stat_of(pid))


def alive(pid, start):
    """Whether the process of that start time runs still."""
    return start is not None and start_time(pid) == start


def state(pid):
    """The letter of /proc/PID/stat: R, S, D, T when stopped, t when a debugger holds it, Z; empty when there is none."""
    found = stat_of(pid)
    return found.state if found else ""


def parent(pid):
    """The pid of a process's parent, 0 when there is none."""
    found = stat_of(pid)
    return found.parent if found else 0


def write_proc(path, text):
    """Write a small file of /proc. Returns whether that succeeded; without root some are not writable."""
    try:
        with open(path, "w") as handle:
            handle.write(text)
        return True
    except OSError:
        return False
