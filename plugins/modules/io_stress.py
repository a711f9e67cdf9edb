#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: io_stress
version_added: 0.1.0
short_description: Keep a disk busy with reads and writes
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Reads and writes blocks of data files of its own, with one process for each of O(workers), as fast as the disk or O(rate) allows.
  - The page cache is passed by (C(O_DIRECT)) where the file system can do that. Where it cannot, every write is followed by C(fdatasync), and what was read is
    dropped from the cache. RV(effect.direct) says which.
  - The files are in a directory of the attack beneath O(path), which only root can enter and whose random name begins with C(.faultline-). The
    undo ends the processes, waits for their end, and removes the directory only if device and inode are those that were noted. Directory and files are
    found by them wherever they were moved to on the file system; while that is not mounted, the attack is stuck.
  - Needs no tool on the target. The processes are the first that the kernel ends when memory runs out, and each ends by itself after O(duration).
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  path:
    description:
      - A directory on the disk to keep busy.
      - Absolute, without C(..). C(/proc), C(/sys), C(/dev), C(/run), C(/boot) and symbolic links that a user could have put there are refused.
    type: str
    default: /var/tmp
  mode:
    description:
      - Whether blocks are read, written, or one or the other by chance.
    type: str
    choices: [read, write, mixed]
    default: mixed
  pattern:
    description:
      - Which block is next, any of the file or the following one.
    type: str
    choices: [random, sequential]
    default: random
  workers:
    description:
      - How many processes, each with a file of its own. From 1 to 64.
    type: int
    default: 1
  block_size:
    description:
      - Bytes of each read and write, for example V(4KiB) or V(1MiB). A multiple of 4 KiB, at most V(16MiB).
    type: raw
    default: 64KiB
  file_size:
    description:
      - Size of each file, for example V(64MiB). At least O(block_size). All of them together must leave 5 % of the file system available, at the most V(1GiB).
      - In the modes V(read) and V(mixed) it is written before the stress begins, in the mode V(write) it is allocated where the file
        system can do that. Caches of the disk itself serve what is smaller than they are.
    type: raw
    default: 64MiB
  rate:
    description:
      - The most that all processes together read and write in a second, for example V(10MiB). Without it there is no limit.
    type: raw
  fsync:
    description:
      - Make each write reach the medium with C(fdatasync), as a database does for each transaction.
    type: bool
    default: false
notes:
  - The undo waits for a process that hangs in the kernel. What writes have reached the disk's own queue is not taken back from there.
  - A file system in memory (C(tmpfs)) has no disk. There this attack only copies memory.
  - What is left without a journal is found in mount points and in the directories of the history. Elsewhere, look for directories named C(.faultline-*).
seealso:
  - module: faultline.chaos.io_throttle
  - module: faultline.chaos.disk_fill
"""

EXAMPLES = r"""
- name: Read and write at random on the disk of /var/tmp for a minute, 4 KiB at a time
  faultline.chaos.io_stress:
    path: /var/tmp
    block_size: 4KiB
    file_size: 32MiB
    workers: 2
    duration: 1m

- name: End that before the minute is over
  faultline.chaos.io_stress:
    path: /var/tmp
    block_size: 4KiB
    file_size: 32MiB
    workers: 2
    state: absent

- name: Write 2 MiB a second, each block to the medium
  faultline.chaos.io_stress:
    mode: write
    rate: 2MiB
    fsync: true
    file_size: 16MiB
    duration: 30s
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: io_stress-1f2e3d4c5b
status:
  description: V(active), V(planned) in check mode, V(reverted) or V(absent).
  returned: success
  type: str
  sample: active
deadline:
  description:
    - When the target reverts the attack, including renewals of the lease known at that time.
    - In UTC, by the clock that the target had before the attack.
  returned: when active
  type: str
  sample: "2026-11-22T14:03:20Z"
remaining:
  description: Seconds until RV(deadline).
  returned: when active
  type: float
  sample: 59.6
deadman:
  description: What reverts the attack at the deadline, a timer of V(systemd) or a V(watcher) process.
  returned: when active or planned
  type: str
  sample: systemd
undo:
  description: The script that reverts the attack. It can be run by hand at any time.
  returned: when active or planned
  type: str
  sample: /var/lib/faultline/io_stress-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["io:/", "io_stress:/var/tmp"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what was measured when the module returned, over two seconds.
  returned: when active
  type: dict
  contains:
    asked:
      description: What was asked for.
      type: dict
      sample: {"mode": "mixed", "rate": null}
    read_bytes_per_second:
      description: What all processes read.
      type: int
      sample: 10485760
    written_bytes_per_second:
      description: What all processes wrote.
      type: int
      sample: 10485760
    operations_per_second:
      description: Reads and writes together.
      type: float
      sample: 320.0
    direct:
      description: Whether the page cache is passed by.
      type: bool
      sample: true
    workers:
      description: How many processes work.
      type: int
      sample: 1
    files_bytes:
      description: Space that the files take.
      type: int
      sample: 67108864
    mount:
      description: Mount point of the file system.
      type: str
      sample: /
    source:
      description: The device or other source of that mount.
      type: str
      sample: /dev/sda2
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import filesystem, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.figures import Figures
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import disk_io
from ansible_collections.faultline.chaos.plugins.module_utils._resources.own_files import OwnFiles
from ansible_collections.faultline.chaos.plugins.module_utils._undo.own_directory import RemoveOwn
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Undo

PAGE = 4096  # alignment that is sufficient for O_DIRECT on every device
LONGEST_WAIT = 120.0  # seconds until the files must be ready
LOOK = 2.0  # seconds over which the effect is measured


class IoStress(OwnFiles, Attack):
    name = "io_stress"
    options = {
        "path": {"type": "str", "default": "/var/tmp"},
        "mode": {"type": "str", "choices": ["read", "write", "mixed"], "default": "mixed"},
        "pattern": {"type": "str", "choices": ["random", "sequential"], "default": "random"},
        "workers": {"type": "int", "default": 1},
        "block_size": {"type": "raw", "default": "64KiB"},
        "file_size": {"type": "raw", "default": "64MiB"},
        "rate": {"type": "raw"},
        "fsync": {"type": "bool", "default": False},
    }

    def validate(self):
        params = self.params
        self.path = filesystem.path("path", params["path"])
        self.workers = _units.integer("workers", params["workers"], 1, 64)
        self.block_size = _sizes.size("block_size", params["block_size"], PAGE, 16 << 20)
        if self.block_size % PAGE:
            raise BadOption("block_size", params["block_size"], "write a multiple of 4 KiB")
        self.file_size = _sizes.size("file_size", params["file_size"], self.block_size, 1 << 40)
        self.file_size -= self.file_size % self.block_size
        self.rate = None if params["rate"] is None else _sizes.size("rate", params["rate"], PAGE)

    def resources(self):
        place, mount = self.where()
        return [f"io:{mount.point}", f"io_stress:{place}"]

    def guard(self):
        place, mount = self.where()
        mount.refuse("path", self.path)
        figures, total = filesystem.space(place), self.workers * self.file_size
        floor = filesystem.default_floor(figures)
        if figures.available - total < floor:
            raise BadOption(
                "file_size",
                self.params["file_size"],
                "%d files of it leave %s of %s available, and the floor is %s"
                % (self.workers, _sizes.human_size(max(0, figures.available - total)), mount.point, _sizes.human_size(floor)),
            )
        filesystem.refuse_memory("file_size", self.params["file_size"], mount, total)

    def plan(self, before):
        place, mount = self.where()
        directory = filesystem.OwnDirectory(place, self.id)
        counts = disk_io.Counts(self.workers)
        each = None if self.rate is None else self.rate / float(self.workers)
        job = disk_io.Job(
            self.params["mode"], self.params["pattern"] == "random", self.block_size, self.file_size, each, self.params["fsync"], uptime() + self.duration
        )
        limit = "" if self.rate is None else f", at most {_sizes.human_size(self.rate)}/s"
        remove = RemoveOwn("remove the data files", directory.path, mount.home(), size=self.workers * self.file_size)
        figures = Figures(self.journal, self.id)
        plan = Plan(
            before=f"{mount.point}  {mount.source}  no stress of ours",
            after="%s  %s  %s, %s, %d workers, %s blocks of files of %s in %s%s"
            % (
                mount.point,
                mount.source,
                self.params["mode"],
                self.params["pattern"],
                self.workers,
                _sizes.human_size(self.block_size),
                _sizes.human_size(self.file_size),
                directory.path,
                limit,
            ),
            undo=Undo([remove], [Gone(directory.path, [Exists(directory.path)])], readings=[figures.reading()]),
            workers=[Worker("io", lambda: disk_io.drive(directory, job, counts, figures))],
        )
        if mount.in_memory:
            plan.notes.append(f"{mount.point} is in memory: this stresses no disk")
        if mount.kind in mounts.NETWORK:
            plan.notes.append(f"{mount.point} is a network file system: everybody who uses it is hit")
        plan.directory, plan.counts = directory, counts
        return plan

    def verify(self, plan):
        _place, mount = self.where()
        leader, counts = plan.workers[0], plan.counts
        running = disk_io.wait_running(counts, leader.alive, min(LONGEST_WAIT, self.duration / 2))
        why = disk_io.failure(counts)
        if why:
            raise AttackError(f"path: {self.path}: {why}")
        if not leader.alive():
            raise AttackError("the workers were ended by somebody, or by the kernel for want of memory")
        if not running:
            raise AttackError("file_size: the files could not be written in time: make them smaller, or the duration longer")
        read, written, operations = disk_io.measure(counts, min(LOOK, self.duration / 4))
        if disk_io.failure(counts) or not leader.alive():
            raise AttackError("the workers ended at once: %s" % (disk_io.failure(counts) or "killed"))
        return {
            "asked": {"mode": self.params["mode"], "rate": self.rate},
            "read_bytes_per_second": int(read),
            "written_bytes_per_second": int(written),
            "operations_per_second": round(operations, 1),
            "direct": counts.direct(),
            "workers": self.workers,
            "files_bytes": self.workers * self.file_size,
            "mount": mount.point,
            "source": mount.source,
        }


def main():
    run_attack(IoStress)


if __name__ == "__main__":
    main()
