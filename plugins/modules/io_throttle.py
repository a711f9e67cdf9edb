#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: io_throttle
version_added: 0.1.0
short_description: Make a disk slow for a service or a control group
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Limits the bytes or operations a second that the processes of a control group read from or write to a disk, as a slow or overloaded disk would.
  - Uses C(io.max) of control groups version 2, or C(blkio.throttle) of version 1. The limits of the group for this device are put back exactly,
    and so is their absence. Limits of other devices and of other kinds stay as they are.
  - The group of a service that was started again meanwhile is a new one, which never had the limit. The undo then changes nothing.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  service:
    description:
      - A systemd unit whose processes are limited, for example V(postgresql) or V(app.slice). A name without a suffix is a service. It must be running.
    type: str
  cgroup:
    description:
      - A control group instead, as C(/proc/PID/cgroup) names it, for example V(/machine.slice/app.scope).
    type: str
  device:
    description:
      - The disk, as a block device or as a directory on it. Of a partition, the whole disk is limited; of LVM and the like, the volume.
    type: str
    default: /
  read_bps:
    description:
      - Bytes a second that may be read, for example V(1MiB). At least 4 KiB.
    type: raw
  write_bps:
    description:
      - Bytes a second that may be written.
    type: raw
  read_iops:
    description:
      - Reads a second.
    type: int
  write_iops:
    description:
      - Writes a second.
    type: int
  enable_controller:
    description:
      - Switch the C(io) controller on in C(cgroup.subtree_control) of the groups above, where it is off, and off again in the undo unless somebody else
        uses it by then.
      - Without this, such a target is refused, for on hosts with systemd it is systemd who should switch it on (C(IOAccounting=yes)). It may switch it off
        again during the attack, which ends the effect.
      - On control groups of version 1 (RHEL 7 and 8) a service usually has no group of its own for its disk. Then the attack makes one, and puts the
        processes of the service into it; the undo puts them back and removes it.
    type: bool
    default: false
notes:
  - Reads from the page cache are not limited. Buffered writes are limited when they go to the disk, and only where the file system tells whose they are
    (ext4, XFS and Btrfs, version 2).
  - Network file systems, C(tmpfs) and the like are on no disk and are refused. A limit carries no mark, so without its journal it cannot be told from others.
  - Groups that hold an SSH server, the processes of this task or the dead-man timers are refused.
seealso:
  - module: faultline.chaos.io_stress
"""

EXAMPLES = r"""
- name: The disk gives a database 1 MiB and 100 operations a second
  faultline.chaos.io_throttle:
    service: mydatabase
    read_bps: 1MiB
    write_bps: 1MiB
    read_iops: 100
    write_iops: 100
    enable_controller: true
    duration: 2m

- name: End that before the two minutes are over
  faultline.chaos.io_throttle:
    service: mydatabase
    read_bps: 1MiB
    write_bps: 1MiB
    read_iops: 100
    write_iops: 100
    enable_controller: true
    state: absent
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: io_throttle-1f2e3d4c5b
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
  sample: /var/lib/faultline/io_throttle-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["io.max:/system.slice/mydatabase.service:8:0"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for, and what the kernel says.
  returned: when active
  type: dict
  contains:
    asked:
      description: The limits asked for, by the names of C(io.max).
      type: dict
      sample: {"rbps": 1048576}
    kernel:
      description: The lines of the device as the kernel reads them back.
      type: list
      elements: str
      sample: ["8:0 rbps=1048576 wbps=max riops=max wiops=max"]
    before:
      description: The same before the attack. Empty where there was no limit.
      type: list
      elements: str
    cgroup:
      description: Directory of the control group.
      type: str
      sample: /sys/fs/cgroup/system.slice/mydatabase.service
    device:
      description: The disk.
      type: str
      sample: /dev/sda
    processes:
      description: How many processes are in the group.
      type: int
      sample: 7
"""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup, filesystem, kernel_files
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import io_limits
from ansible_collections.faultline.chaos.plugins.module_utils._undo.cgroups import EmptyCgroup, FindGroup, RemoveCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import IsInode
from ansible_collections.faultline.chaos.plugins.module_utils._undo.io_controller import IoController, Members
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import HasLine, Put
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Part, SameBoot, Undo
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK

LIMITS = {"read_bps": "rbps", "write_bps": "wbps", "read_iops": "riops", "write_iops": "wiops"}
UNIT = r"^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*\Z"


class IoThrottle(Attack):
    name = "io_throttle"
    options = {
        "service": {"type": "str"},
        "cgroup": {"type": "str"},
        "device": {"type": "str", "default": "/"},
        "read_bps": {"type": "raw"},
        "write_bps": {"type": "raw"},
        "read_iops": {"type": "int"},
        "write_iops": {"type": "int"},
        "enable_controller": {"type": "bool", "default": False},
    }
    constraints = {
        "mutually_exclusive": [("service", "cgroup")],
        "required_if": [("state", "present", ("service", "cgroup"), True), ("state", "present", tuple(LIMITS), True)],
    }

    _found = None
    own = None  # the OwnGroup that the attack creates when the unit has no group

    def validate(self):
        params = self.params
        if params["service"] is not None:
            if not re.match(UNIT, params["service"]) or len(params["service"]) > 200:
                raise BadOption("service", params["service"], "give the name of a systemd unit, such as postgresql")
        else:
            filesystem.path("cgroup", params["cgroup"], trees=())
        self.device = filesystem.path("device", params["device"], trees=("/proc", "/sys"))
        self.limits = {}
        for option, key in LIMITS.items():
            if params[option] is not None:
                bytes_ = option.endswith("_bps")
                self.limits[key] = _sizes.size(option, params[option], 4096, 1 << 50) if bytes_ else _units.integer(option, params[option], 1, 10000000)

    def _where(self):
        """Directory of the group, mount point and version of the hierarchy, number of the device."""
        if self._found is None:
            point, version = io_limits.hierarchy()
            group = self.params["cgroup"]
            if group is None:
                group = self._group_of(self.params["service"])
            directory = os.path.normpath(os.path.join(point, group.strip("/")))
            real = filesystem.real_path("device", self.device, trees=("/proc", "/sys"))
            self._found = (directory, point, version, io_limits.device("device", self.params["device"], real))
        return self._found

    def _group_of(self, unit):
        if not self.host.has_systemd:
            raise BadOption("service", unit, "systemd is not running on the target: use the option cgroup")
        name = unit if re.search(r"\.(service|scope|slice)\Z", unit) else unit + ".service"
        group = self.host.run([self.host.tool("systemctl"), "show", "--property=ControlGroup", "--value", name])[1].strip()
        if not group:
            raise BadOption("service", unit, f"{name} is not running on the target")
        return group

    def resources(self):
        directory, point, _version, number = self._where()
        return [f"io.max:{directory[len(point) :]}:{number}"]

    def guard(self):
        directory, point, version, number = self._where()
        option = "cgroup" if self.params["service"] is None else "service"
        if version == 1 and option == "service" and not os.path.isdir(directory):
            io_limits.refuse_place(option, self.params[option], directory, point)
            self.own = io_limits.OwnGroup(self.id, directory[len(point) :], point)
            self.back = directory = self.own.back()
            self.pids = io_limits.refuse_processes(option, self.params[option], set(self.own.processes()))
            if not self.params["enable_controller"]:
                raise AttackError(
                    "{} has no control group of blkio: set BlockIOAccounting=yes for the unit (systemctl set-property --runtime UNIT BlockIOAccounting=yes), "
                    "or enable_controller: true".format(self.params["service"]),
                    option="enable_controller",
                )
        else:
            self.pids = io_limits.refuse_group(option, self.params[option], directory, point)
        self.off = io_limits.without_controller(directory, point) if version == 2 else []
        if self.off and not self.params["enable_controller"]:
            raise AttackError(
                "the io controller is off in {}: set IOAccounting=yes for the unit (systemctl set-property --runtime UNIT IOAccounting=yes), or "
                "enable_controller: true".format(", ".join(self.off)),
                option="enable_controller",
            )
        if version == 1 and not os.path.exists(os.path.join(directory, io_limits.V1_FILES["rbps"])):
            raise AttackError(f"the kernel of the target cannot throttle (CONFIG_BLK_DEV_THROTTLING): {directory} has no blkio.throttle files")

    @property
    def directory(self):
        return self.own.path if self.own else self._where()[0]

    def snapshot(self):
        _directory, _point, version, number = self._where()
        return io_limits.changes(self.directory, version, number, self.limits)

    def plan(self, before):
        if self.own:
            return self._plan_own(before)
        directory, point, _version, number = self._where()
        undo, identity = Undo(), os.stat(directory)
        ours = [FindGroup(directory, point, identity.st_ino)]
        for change in before:
            path = _in_group(change.path)
            there = ours + [Exists(path)]
            mark = there + [HasLine(path, change.after)]
            if change.before != change.after:
                undo.steps.append(Put(f"the limit of {number} as it was", path, change.restore, mark))
                undo.checks.append(Gone(f"the limit of {directory}", mark))
            undo.readings.append(Part(f"the limit in {change.path}", mark))
            if not self.off:  # otherwise the file appears and disappears with the controller
                undo.same(f"limits of {directory}", ["cat", path], self.host.output(["cat", change.path]), there)
        undo.readings.append(Members(LINK, ours))
        for place in reversed(self.off):
            found, path = os.stat(place), os.path.join(place, "cgroup.subtree_control")
            kept = [SameBoot(), IsInode(place, found.st_dev, found.st_ino)]
            undo.steps.append(Put(f"the io controller in {place}", path, "-io", kept + [IoController(place)]))
            undo.same(f"controllers in {place}", ["cat", path], self.host.output(["cat", path]), kept)
        plan = Plan(
            before="\n".join("{}  {}".format(change.path, change.before or "no limit") for change in before),
            after="\n".join([f"{place}  +io" for place in self.off] + [f"{change.path}  {change.after}" for change in before]),
            undo=undo,
            notes=[f"nothing is in {directory} at this moment"] if not self.pids else [],
        )
        plan.changes = before
        return plan

    def _plan_own(self, before):
        path, there = self.own.path, [FindGroup(self.own.path, self.own.point)]
        undo = Undo()
        undo.steps.append(EmptyCgroup("the processes of {} go back".format(self.params["service"]), LINK, self.back, self.own.point, there))
        undo.steps.append(RemoveCgroup("remove the control group of the attack", LINK, there))
        undo.checks.append(Gone(f"the control group {path}", there))
        undo.readings += [Part(f"the limit in {change.path}", there + [HasLine(_in_group(change.path), change.after)]) for change in before]
        undo.readings.append(Members(LINK, there))
        who = "%d processes of %s" % (len(self.pids), self.params["service"])
        plan = Plan(
            before=f"{self.back}  {who}",
            after="\n".join([f"{change.path}  {change.after}" for change in before] + [f"{path}  {who}"]),
            undo=undo,
        )
        plan.changes = before
        return plan

    def inject(self, plan):
        try:
            if self.own:
                cgroup.make(self.journal, self.id, self.own.path)
            for place in self.off:
                kernel_files.write(os.path.join(place, "cgroup.subtree_control"), "+io")
            crash_point("inject:0")
            for change in plan.changes:
                found = io_limits.line_of(self.host.read(change.path), self._where()[3])
                if found != change.before:
                    raise AttackError("{} was changed by somebody else meanwhile: it shows {}".format(change.path, found or "no limit"))
                kernel_files.write(change.path, change.write)
        except OSError as error:
            raise AttackError("{}: {}".format(error.filename or "the kernel refuses it", error.strerror))
        if self.own:
            self.own.fill()
        crash_point("inject:1")

    def verify(self, plan):
        number = self._where()[3]
        kernel = [io_limits.line_of(self.host.read(change.path), number) for change in plan.changes]
        for change, line in zip(plan.changes, kernel):
            if line != change.after:
                raise AttackError(f"{change.path} says {line} after writing {change.write}")
        return {
            "asked": self.limits,
            "kernel": kernel,
            "before": [change.before for change in plan.changes if change.before],
            "cgroup": self.directory,
            "device": io_limits.device_name(number),
            "processes": len(self.pids),
        }


def _in_group(path):
    """A file of a group, whatever the name of the group is then."""
    return os.path.join(LINK, os.path.basename(path))


def main():
    run_attack(IoThrottle)


if __name__ == "__main__":
    main()
