# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""I/O that reaches the disk: a leader and workers with one data file each, which bypass the page cache where the file system allows it."""

import errno
import mmap
import os
import random
import struct
import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime

LAYOUT_BLOCK = 1 << 20
PREPARING, RUNNING, FAILED = 0, 1, 2
_FORMAT = "=qqqii"  # bytes read, bytes written, operations, phase or errno, direct
_SIZE = struct.calcsize(_FORMAT)


class Job:
    """The work of each worker. rate: bytes per second and worker, None for no limit."""

    def __init__(self, mode, random_access, block_size, file_size, rate, fsync, until):
        self.mode = mode
        self.random_access = random_access
        self.block_size = block_size
        self.file_size = file_size
        self.rate = rate
        self.fsync = fsync
        self.until = until


class Counts:
    """The workers' counters, in memory shared with the module."""

    def __init__(self, workers):
        self.workers = workers
        self._memory = mmap.mmap(-1, _SIZE * workers)

    def tell(self, worker, read, written, operations, phase, direct):
        struct.pack_into(_FORMAT, self._memory, _SIZE * worker, read, written, operations, phase, direct)

    def each(self):
        return [struct.unpack_from(_FORMAT, self._memory, _SIZE * worker) for worker in range(self.workers)]

    def sums(self):
        """(bytes read, bytes written, operations) of all workers."""
        return tuple(sum(row[column] for row in self.each()) for column in range(3))

    def phases(self):
        return [row[3] for row in self.each()]

    def direct(self):
        return all(row[4] for row in self.each())


def drive(directory, job, counts, figures):
    """The leader: starts the workers in its process group and waits for them to end. figures: keep the operations."""
    directory.enter()
    leader = os.getpid()
    children = []
    for number in range(counts.workers):
        child = os.fork()
        if child == 0:
            try:
                _work(directory, number, leader, job, counts)
            finally:
                os._exit(0)
        children.append(child)
    while children:
        children = [child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0]
        figures.met = counts.sums()[2]
        figures.keep()
        time.sleep(0.2)


def _work(directory, number, leader, job, counts):
    direct, totals = 0, [0, 0, 0]
    try:
        name = "io.%d" % number
        handle, direct = _open(name)
        directory.keep_too(name)
        buffer = mmap.mmap(-1, max(job.block_size, LAYOUT_BLOCK))  # page-aligned, as O_DIRECT requires
        buffer.write(os.urandom(len(buffer)))
        if job.mode == "write":
            _claim(handle, job.file_size)
        else:
            _lay_out(handle, buffer, job.file_size)
        counts.tell(number, 0, 0, 0, RUNNING, direct)
        _run(handle, direct, buffer, number, leader, job, counts, totals)
    except OSError as error:
        counts.tell(number, totals[0], totals[1], totals[2], FAILED + (error.errno or 0), direct)


def _open(name):
    """(handle, direct) of a new file, opened with O_DIRECT where the file system supports it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(name, flags | getattr(os, "O_DIRECT", 0), 0o600), 1 if hasattr(os, "O_DIRECT") else 0
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(name, (flags & ~os.O_EXCL), 0o600), 0  # the first attempt may have created it


def _claim(handle, size):
    """Allocate all blocks at once: if they were allocated by the writes, the attack and other processes together could fill the disk."""
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        os.ftruncate(handle, size)


def _lay_out(handle, buffer, size):
    """Write real data: reads of blocks that are only allocated do not reach the disk."""
    at = 0
    while at < size:
        step = min(LAYOUT_BLOCK, size - at)
        at += os.writev(handle, [memoryview(buffer)[:step]])
    os.fsync(handle)


def _run(handle, direct, buffer, number, leader, job, counts, totals):
    chance = random.Random(os.getpid())
    blocks = job.file_size // job.block_size
    view = memoryview(buffer)[: job.block_size]
    begun, at = time.monotonic(), 0
    while os.getppid() == leader and uptime() < job.until:
        at = chance.randrange(blocks) if job.random_access else (at + 1) % blocks
        reads = job.mode == "read" or job.mode == "mixed" and chance.random() < 0.5
        os.lseek(handle, at * job.block_size, os.SEEK_SET)
        if reads:
            totals[0] += os.readv(handle, [view])
            if not direct:
                os.posix_fadvise(handle, at * job.block_size, job.block_size, os.POSIX_FADV_DONTNEED)
        else:
            struct.pack_into("=q", buffer, 0, totals[2])  # makes the content of every block unique
            totals[1] += os.writev(handle, [view])
            if job.fsync or not direct:
                os.fdatasync(handle)
        totals[2] += 1
        counts.tell(number, totals[0], totals[1], totals[2], RUNNING, direct)
        if job.rate:
            ahead = (totals[0] + totals[1]) / job.rate - (time.monotonic() - begun)
            if ahead > 0:
                time.sleep(min(ahead, 1.0))


def wait_running(counts, alive, seconds):
    """Wait until every worker has its file ready, at most for some seconds. Returns whether all are ready."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and alive():
        phases = counts.phases()
        if all(phase == RUNNING for phase in phases) or any(phase >= FAILED for phase in phases):
            break
        time.sleep(0.1)
    return all(phase == RUNNING for phase in counts.phases())


def failure(counts):
    """Why a worker failed, or None."""
    for phase in counts.phases():
        if phase >= FAILED:
            return os.strerror(phase - FAILED)
    return None


def measure(counts, seconds):
    """[bytes read, bytes written, operations] per second."""
    before, begun = counts.sums(), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    return [(after - was) / passed for was, after in zip(before, counts.sums())]
