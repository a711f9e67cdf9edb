# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Reading and writing small files of the kernel: /proc, /sys, control groups."""

import os


def read(path, default=""):
    """Content of a small file, or the default when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
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


def start_time(pid):
    """The process's start in clock ticks since boot; None when there is none (or only a zombie). Pid and start time identify a process."""
    if _stat_field(pid, 3, "Z", str) in ("Z", "X"):
        return None
    return _stat_field(pid, 22, None)


def alive(pid, start):
    """Whether the process of that start time runs still."""
    return start is not None and start_time(pid) == start


def state(pid):
    """The letter of /proc/PID/stat: R, S, D, T when stopped, t when a debugger holds it, Z; empty when there is none."""
    return _stat_field(pid, 3, "", str)


def parent(pid):
    """The pid of a process's parent, 0 when there is none."""
    return _stat_field(pid, 4, 0)


def _stat_field(pid, number, default, kind=int):
    """Field of /proc/PID/stat, numbered as in proc(5); the name may hold spaces and brackets, so count from its end."""
    try:
        with open("/proc/%d/stat" % pid, errors="replace") as handle:
            text = handle.read()
    except OSError:
        return default
    return kind(text.rpartition(")")[2].split()[number - 3])


def write_proc(path, text):
    """Write a small file of /proc. Returns whether that succeeded; without root some are not writable."""
    try:
        with open(path, "w") as handle:
            handle.write(text)
        return True
    except OSError:
        return False
