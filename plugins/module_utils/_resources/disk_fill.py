# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Filling a file system step by step, down to a floor of free space: with allocated blocks, written blocks, or files (inodes)."""

import ctypes
import errno
import mmap
import os
import struct
import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.filesystem import space
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime

CHUNK = 1 << 20
BIGGEST_STEP = 1 << 30
FILES_PER_DIRECTORY = 1000
FILES_PER_LOOK = 100
FULL = (errno.ENOSPC, errno.EDQUOT)

FILLING, REACHED, STOPPED, FAILED = 1, 2, 3, 4
HOW = {0: "", 1: "fallocate", 2: "writing", 3: "files"}
_FORMAT = "=iiiq"  # phase, how, errno, added; bytes or files


class Progress:
    """The state that a worker reports to the module that started it, in shared memory."""

    def __init__(self):
        self._memory = mmap.mmap(-1, struct.calcsize(_FORMAT))
        self.phase, self.how, self.error, self.added = FILLING, 0, 0, 0
        self.tell()

    def tell(self):
        self._memory.seek(0)
        self._memory.write(struct.pack(_FORMAT, self.phase, self.how, self.error, self.added))

    def read(self):
        self._memory.seek(0)
        self.phase, self.how, self.error, self.added = struct.unpack(_FORMAT, self._memory.read(struct.calcsize(_FORMAT)))
        return self


class Goal:
    """How much to add: an amount (add), or until the available amount is until_available. The available amount never falls below floor."""

    def __init__(self, add, until_available, floor):
        self.add = add
        self.until_available = until_available
        self.floor = floor

    def left(self, added, figures):
        """How much is still to be added; other processes write and delete meanwhile."""
        wanted = figures.available - self.until_available if self.add is None else self.add - added
        return min(wanted, figures.available - self.floor)


def fill(directory, goal, inodes, until, progress):
    """The worker. It ends when the goal is reached; its files stay until the undo removes them."""
    try:
        directory.enter()
        (_add_files if inodes else _add_bytes)(directory, goal, until, progress)
    except OSError as error:
        progress.error = error.errno or 0
        progress.phase = STOPPED if error.errno in FULL else FAILED
    progress.tell()


def can_allocate(handle):
    """Whether the file system allocates blocks without writing them. posix_fallocate() would silently write instead."""
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)  # without large file support off_t is a long
        return call(handle, 0, 0, 4096) == 0
    except (OSError, AttributeError):
        return False


def _add_bytes(directory, goal, until, progress):
    number = 0
    while progress.phase == FILLING:
        name = "fill.%d" % number
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        number += 1
        try:
            directory.keep_too(name)
            if progress.how == 0:
                progress.how = 1 if can_allocate(handle) else 2
            if not _fill_file(handle, goal, until, progress):
                return
        finally:
            os.close(handle)


def _fill_file(handle, goal, until, progress):
    """Fill one file. True when it has the maximum size of the file system and another file is needed."""
    size, most = 0, BIGGEST_STEP
    block = os.fstatvfs(handle).f_frsize
    words = os.urandom(CHUNK)  # no zeros, because some file systems do not store them
    base = progress.added
    while uptime() < until:
        left = goal.left(progress.added, space("."))
        if left < block:
            progress.phase = REACHED
            return False
        step = min(left, most) // block * block
        try:
            if progress.how == 1:
                os.posix_fallocate(handle, size, step)
            else:
                step = os.write(handle, words[: min(step, CHUNK)])
                if (size + step) // (64 * CHUNK) != size // (64 * CHUNK):
                    os.fsync(handle)  # blocks with delayed allocation are not yet counted as used
        except OSError as error:
            if error.errno == errno.EFBIG and size:
                return True
            if error.errno not in FULL or step <= block or progress.how == 2:
                raise
            most = max(block, step // 2 // block * block)  # a quota may leave less than the file system reports
            continue
        size += step
        progress.added = base + size
        progress.tell()
    progress.phase = STOPPED
    return False


def _add_files(directory, goal, until, progress):
    progress.how = 3
    while uptime() < until:
        left = goal.left(progress.added, space(".", inodes=True))
        if left <= 0:
            progress.phase = REACHED
            return
        for _each in range(min(left, FILES_PER_LOOK)):
            place, number = "d%06d" % (progress.added // FILES_PER_DIRECTORY), progress.added % FILES_PER_DIRECTORY
            if number == 0:
                os.mkdir(place, 0o700)
                directory.mark_too(place)
            os.close(os.open("%s/f%03d" % (place, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            progress.added += 1
        progress.tell()
    progress.phase = STOPPED


def wait(progress, alive, seconds):
    """Wait until a worker is done, at most for some seconds. Returns its last progress."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if progress.read().phase != FILLING or not alive():
            break
        time.sleep(0.05)
    return progress.read()


def reason(progress):
    """Why a worker ended."""
    return os.strerror(progress.error) if progress.error else "its time is over"
