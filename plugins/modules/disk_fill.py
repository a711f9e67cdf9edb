#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: disk_fill
version_added: 0.1.0
short_description: Fill a file system, or use up its inodes
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Fills the file system of a directory to a percentage, by a size, or until so much is left, as C(df) counts it; blocks that are reserved
    for root count as neither used nor available.
  - The space is allocated in steps with C(fallocate), which takes seconds, and looks at what is available before each of them. Where the file system
    does not support that, random bytes are written; RV(effect.method) says which.
  - The files are in a directory of the attack beneath O(path), which only root can enter and whose random name begins with C(.faultline-). The
    undo ends the filling process, waits for its end, and removes the directory only if device and inode are those that were noted. Directory and files are
    found by them wherever they were moved to on the file system; while that is not mounted, the attack is stuck.
  - The undo needs no space. What it writes itself has a reserve beside the journal, which it frees first.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  path:
    description:
      - A directory on the file system to fill. The file system of this very directory is filled, also when it is a mount point.
      - Absolute, without C(..). C(/proc), C(/sys), C(/dev), C(/run), C(/boot) and symbolic links that a user could have put there are refused.
      - Mandatory with O(state=present).
    type: str
  percent:
    description:
      - Fill until so much is used, in percent, as the column C(Use%) of C(df) says.
    type: raw
  size:
    description:
      - Fill so much, for example V(500MiB) or V(2GB); with O(inodes) the number of files.
    type: raw
  leave_free:
    description:
      - Fill until no more than this is available, for example V(1GiB); with O(inodes) the number of inodes.
    type: raw
  inodes:
    description:
      - Make empty files instead, which use up inodes and hardly any space.
      - Refused where the file system has no fixed number of them.
    type: bool
    default: false
  floor:
    description:
      - What stays available in any case, as a size; with O(inodes) the number of inodes. Whatever would go below it is refused.
      - The default is 5 % of the file system, at the most V(1GiB) or 1000 inodes. Lower it knowingly, to V(0) for a file system that is quite full.
      - On file systems that hold C(/), C(/tmp), C(/var/log) and the like, 16 MiB and 256 inodes stay available even so, for logins, journals and Ansible.
    type: raw
notes:
  - Not covered are programs that hold deleted files, quotas of users, and reserved blocks, which root can still use.
  - The quota of a directory (a project quota of XFS or ext4) counts as its file system, as it does for C(df).
  - What other programs write during the attack can use up the rest. When they delete, the attack does not fill again.
  - A file system in memory (C(tmpfs)) fills the memory. 10 % of the memory stay available, or the attack is refused.
  - Ansible needs a little space on the target for every task unless pipelining is on.
  - What is left without a journal is found in mount points and in the directories of the history. Elsewhere, look for directories named C(.faultline-*).
seealso:
  - module: faultline.chaos.io_stress
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Fill the file system of /var/tmp to 90 % for five minutes
  faultline.chaos.disk_fill:
    path: /var/tmp
    percent: 90
    duration: 5m

- name: End that before the five minutes are over
  faultline.chaos.disk_fill:
    path: /var/tmp
    percent: 90
    state: absent

- name: Take 200 MiB away for a minute
  faultline.chaos.disk_fill:
    path: /var/tmp
    size: 200MiB
    duration: 1m

- name: What would using up most inodes come to?
  faultline.chaos.disk_fill:
    path: /var/tmp
    percent: 90
    inodes: true
    duration: 1m
  check_mode: true
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: disk_fill-1f2e3d4c5b
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
  sample: /var/lib/faultline/disk_fill-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["space:/", "disk_fill:/var/tmp"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what was measured when the module returned.
  returned: when active
  type: dict
  contains:
    asked:
      description: What was asked for.
      type: dict
      sample: {"percent": 90.0}
    percent:
      description: Used space (or inodes) in percent, as C(df) counts it.
      type: float
      sample: 90.0
    available:
      description: What is still available, in bytes or inodes.
      type: int
      sample: 2147483648
    added:
      description: What the attack uses, in bytes or files.
      type: int
      sample: 8589934592
    before_percent:
      description: Used space (or inodes) before the attack, in percent.
      type: float
      sample: 41.2
    method:
      description: V(fallocate), V(writing) where that is not supported, or V(files).
      type: str
      sample: fallocate
    complete:
      description: Whether what was asked for is reached. V(false) when the filling still goes on in the background.
      type: bool
      sample: true
    mount:
      description: Mount point of the file system.
      type: str
      sample: /
    file_system:
      description: Its kind.
      type: str
      sample: ext4
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import filesystem, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import disk_fill
from ansible_collections.faultline.chaos.plugins.module_utils._resources.own_files import OwnFiles
from ansible_collections.faultline.chaos.plugins.module_utils._undo.filled import Filled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.own_directory import RemoveOwn
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Undo

AMOUNTS = ("percent", "size", "leave_free")
LONGEST_WAIT = 120.0  # seconds; on slow disks the filling continues in the background
MOST_FILES = 10000000
CLOSE = 1.0  # percentage points: tolerated shortfall when the file system grants no more space


class DiskFill(OwnFiles, Attack):
    name = "disk_fill"
    options = {
        "path": {"type": "str"},
        "percent": {"type": "raw"},
        "size": {"type": "raw"},
        "leave_free": {"type": "raw"},
        "inodes": {"type": "bool", "default": False},
        "floor": {"type": "raw"},
    }
    constraints = {
        "mutually_exclusive": [AMOUNTS],
        "required_if": [("state", "present", ["path"]), ("state", "present", AMOUNTS, True)],
    }

    def validate(self):
        params = self.params
        self.path = filesystem.path("path", params["path"])
        self.asked = {}
        if params["percent"] is not None:
            self.asked["percent"] = _units.percent("percent", params["percent"], 1.0, 100.0)
        if params["size"] is not None:
            self.asked["size"] = self._amount("size", 1)
        if params["leave_free"] is not None:
            self.asked["leave_free"] = self._amount("leave_free", 0)
        self.floor = None if params["floor"] is None else self._amount("floor", 0)

    def _amount(self, option, minimum):
        if self.params["inodes"]:
            return _units.integer(option, self.params[option], minimum, MOST_FILES)
        return _sizes.size(option, self.params[option], minimum)

    def resources(self):
        place, mount = self.where()
        return [
            "{}:{}".format("inodes" if self.params["inodes"] else "space", mount.point),
            "disk_fill{}:{}".format("-inodes" if self.params["inodes"] else "", place),
        ]

    def guard(self):
        place, mount = self.where()
        inodes, option = self.params["inodes"], list(self.asked)[0]
        mount.refuse("path", self.path)
        self.before = filesystem.space(place, inodes)
        if self.before.total <= 0:
            raise BadOption("inodes" if inodes else "path", self.path, f"{mount.point} ({mount.kind}) does not tell how many it has")
        hard = filesystem.hard_floor(place, self.journal.path, inodes)
        if self.floor is None:
            self.floor = filesystem.default_floor(self.before, inodes)
        self.floor = max(self.floor, hard)
        self.add = self.before.to_add(**self.asked)
        told = self.params[option]
        if self.add <= 0:
            raise BadOption(option, told, f"that is there already: {self._line(mount, self.before)}")
        if self.before.available - self.add < self.floor:
            most = self.before.available - self.floor
            raise BadOption(
                option,
                told,
                "{} available would be left, and the floor is {}: at the most {} can be added now; the option floor moves it{}".format(
                    self._human(max(0, self.before.available - self.add)),
                    self._human(self.floor),
                    self._human(max(0, most)),
                    f", but not below {self._human(hard)} here" if hard else "",
                ),
            )
        if inodes and self.add > MOST_FILES:
            raise BadOption(option, told, "that would be %d files, the most is %d" % (self.add, MOST_FILES))
        filesystem.refuse_memory(option, told, mount, self.add * 1024 if inodes else self.add)

    def _human(self, amount):
        return "%d inodes" % amount if self.params["inodes"] else _sizes.human_size(amount)

    def snapshot(self):
        return self.before

    def plan(self, before):
        place, mount = self.where()
        until = uptime() + self.duration
        directory = filesystem.OwnDirectory(place, self.id)
        progress = disk_fill.Progress()
        exact = self.add if "size" in self.asked else None
        goal = disk_fill.Goal(exact, before.available - self.add, self.floor)
        worker = Worker("fill", lambda: disk_fill.fill(directory, goal, self.params["inodes"], until, progress), lasts=False)
        holds = {"files" if self.params["inodes"] else "size": self.add}
        after = filesystem.Space(before.used + self.add, before.available - self.add, before.total)
        plan = Plan(
            before=self._line(mount, before),
            after=f"{self._line(mount, after)}\n{directory.path} holds {self._human(self.add)}",
            undo=Undo(
                [RemoveOwn(f"remove what fills {mount.point}", directory.path, mount.home(), **holds)],
                [Gone(directory.path, [Exists(directory.path)])],
                readings=[Filled(directory.path, 0 if self.params["inodes"] else self.add >> 20)],
            ),
            workers=[worker],
        )
        if mount.kind in mounts.NETWORK:
            plan.notes.append(f"{mount.point} is a network file system: everybody who uses it is hit")
        plan.directory, plan.progress = directory, progress
        return plan

    def _line(self, mount, figures):
        return f"{mount.point}  {mount.kind}  {figures.percent:.1f} % used, {self._human(figures.available)} available"

    def verify(self, plan):
        _place, mount = self.where()
        progress = disk_fill.wait(plan.progress, plan.workers[0].alive, min(LONGEST_WAIT, self.duration / 2))
        now = filesystem.space(_place, self.params["inodes"])
        if progress.phase == disk_fill.FAILED:
            raise AttackError(f"{mount.point} cannot be filled: {disk_fill.reason(progress)}")
        if progress.phase == disk_fill.FILLING and not plan.workers[0].alive():
            raise AttackError("the filling process was ended by somebody, or by the kernel for want of memory")
        missing = 100.0 * (self.add - progress.added) / self.before.total
        if progress.phase == disk_fill.STOPPED and missing > CLOSE:
            raise AttackError(
                f"{mount.point} stops at {self._human(progress.added)} of {self._human(self.add)}: {disk_fill.reason(progress)}; is there a quota?"
            )
        return {
            "asked": self.asked,
            "percent": round(now.percent, 2),
            "available": now.available,
            "added": progress.added,
            "before_percent": round(self.before.percent, 2),
            "method": disk_fill.HOW[progress.how],
            "complete": progress.phase != disk_fill.FILLING,
            "mount": mount.point,
            "file_system": mount.kind,
        }


def main():
    run_attack(DiskFill)


if __name__ == "__main__":
    main()
