# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""I/O limits of a control group: io.max (version 2) or blkio.throttle.* (version 1), read and written in the kernel's format."""

import os
import stat

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup, mounts, process as host_process
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import ancestors, write_proc
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import protected
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX

KEYS = ("rbps", "wbps", "riops", "wiops")
V1_FILES = {
    "rbps": "blkio.throttle.read_bps_device",
    "wbps": "blkio.throttle.write_bps_device",
    "riops": "blkio.throttle.read_iops_device",
    "wiops": "blkio.throttle.write_iops_device",
}
NONE = {2: "max", 1: "0"}


def hierarchy(text=None):
    """(mount point, version) of the control group hierarchy that can limit I/O. Errors: AttackError."""
    unified = None
    for line in (Host.read("/proc/self/mountinfo") if text is None else text).split("\n"):
        left, _dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if len(fields) > 4 and len(kind) > 2 and kind[0] == "cgroup" and "blkio" in kind[2].split(","):
            return fields[4], 1
        if len(fields) > 4 and kind[:1] == ["cgroup2"] and unified is None:
            unified = fields[4]
    if unified is None:
        raise AttackError("control groups are not mounted on the target")
    return unified, 2


def refuse_place(option, value, directory, point):
    """Errors: BadOption for the path of a group that is never limited, whether it exists or not."""
    if directory == point or not mounts.below(directory, point):
        raise BadOption(option, value, "the top of all control groups cannot be limited")
    if os.path.basename(directory) in ("system.slice", "init.scope") or os.path.basename(directory).startswith(PREFIX):
        raise BadOption(option, value, "the dead-man timers run in there: choose one of its services")


def refuse_group(option, value, directory, point):
    """The pids in a group. Errors: BadOption when it does not exist, or contains a process that the host, the control path or an undo needs."""
    refuse_place(option, value, directory, point)
    if not os.path.isdir(directory):
        raise BadOption(option, value, f"there is no control group {directory}")
    pids = set()
    for place, _directories, _files in os.walk(directory):
        pids.update(int(word) for word in Host.read(os.path.join(place, "cgroup.procs")).split())
    return refuse_processes(option, value, pids)


def refuse_processes(option, value, pids):
    """The same pids, sorted. Errors: BadOption when the host, the control path or an undo needs one of them."""
    ours = set(ancestors())
    for process in host_process.processes():
        if process.pid in pids and (process.pid in ours or process.pid == 1 or protected(process.name)):
            raise BadOption(option, value, "%s (pid %d) is in it, which keeps the host or its control path alive" % (process.name, process.pid))
    return sorted(pids)


def without_controller(directory, point):
    """Directories, from the top down to the parent of a group, that do not enable the io controller for their children. Errors: AttackError."""
    if "io" not in Host.read(os.path.join(point, "cgroup.controllers")).split():
        raise AttackError("the kernel of the target has no io controller for control groups (CONFIG_BLK_CGROUP, CONFIG_BLK_DEV_THROTTLING)")
    found, place = [], os.path.dirname(directory)
    while mounts.below(place, point):
        if "io" not in Host.read(os.path.join(place, "cgroup.subtree_control")).split():
            found.insert(0, place)
        if place == point:
            break
        place = os.path.dirname(place)
    return found


class OwnGroup:
    """A managed control group (version 1) for a unit that has none in this hierarchy, as is usual unless systemd was configured for it.

    unit: systemd's path of the unit's group. The unit's processes are moved in, and the undo moves them back to the single group they came from.
    """

    def __init__(self, attack_id, unit, point):
        self.path = os.path.join(point, PREFIX + attack_id)
        self.unit = unit.rstrip("/")
        self.point = point
        self._hierarchy = cgroup.hierarchies(controllers=("blkio",))["blkio"]

    def processes(self):
        """{pid: directory of its group in this hierarchy} for the unit's processes."""
        found = {}
        for process in host_process.processes():
            groups = cgroup.membership(Host.read("/proc/%d/cgroup" % process.pid))
            if any((groups.get(tree, "") + "/").startswith(self.unit + "/") for tree in ("name=systemd", "")):
                found[process.pid] = self._hierarchy.directory(groups.get("blkio", "/"))
        return found

    def back(self):
        """The directory of the group that its processes are in. Errors: AttackError unless that is exactly one group."""
        places = sorted(set(self.processes().values()) - set([self.path]))
        if len(places) != 1:
            told = "%s has its processes in %d control groups of blkio (%s): use the option cgroup for one of them"
            raise AttackError(told % (self.unit, len(places), ", ".join(places) or "none"), option="service")
        if os.path.basename(places[0]).startswith(PREFIX):
            raise AttackError(f"another attack has {self.unit} in {places[0]}: revert it first, or ask one attack for all limits", option="service")
        return places[0]

    def fill(self):
        """Move the unit's processes in. Errors: AttackError when it starts processes faster than they can be moved."""
        for _again in range(20):
            outside = [pid for pid, place in self.processes().items() if place != self.path]
            if not outside:
                return
            for pid in outside:
                write_proc(os.path.join(self.path, "cgroup.procs"), str(pid))
        raise AttackError(f"{self.unit} starts processes quicker than they can be moved into {self.path}")


def device(option, value, real):
    """MAJOR:MINOR of the whole disk that holds a device, or the file system of a directory. Errors: BadOption."""
    try:
        found = os.stat(real)
    except OSError:
        raise BadOption(option, value, "there is no such device or directory on the target")
    if stat.S_ISBLK(found.st_mode):
        number = "%d:%d" % (os.major(found.st_rdev), os.minor(found.st_rdev))
    else:
        mount = mounts.mount_of(real)
        number = mount.device
        if number.startswith("0:"):
            number = _source(mount.source)
        if number is None:
            raise BadOption(option, value, f"{mount.point} ({mount.kind}) is on no block device: name the device")
    system = os.path.realpath(f"/sys/dev/block/{number}")
    if os.path.exists(os.path.join(system, "partition")):
        number = Host.read(os.path.join(os.path.dirname(system), "dev")).strip()
    return number


def _source(path):
    """MAJOR:MINOR of a mount's source device, for file systems with several devices or with anonymous device numbers."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return "%d:%d" % (os.major(found.st_rdev), os.minor(found.st_rdev)) if path.startswith("/dev/") and stat.S_ISBLK(found.st_mode) else None


def device_name(number):
    for line in Host.read(f"/sys/dev/block/{number}/uevent").split("\n"):
        if line.startswith("DEVNAME="):
            return "/dev/" + line[8:]
    return number


class Change:
    """One write to a file of the group: the line before (None: no line), the line to write, and the line that restores it."""

    def __init__(self, path, before, write, after, restore):
        self.path = path
        self.before = before
        self.write = write
        self.after = after  # as the kernel shows the written line
        self.restore = restore


def line_of(text, number):
    """The line of a device in a limit file, or None."""
    for line in text.split("\n"):
        if line.split(" ")[0] == number:
            return line.rstrip()
    return None


def parse(line):
    """{"rbps": "1048576", ...} from a line of io.max; without a line all are "max"."""
    found = dict((key, "max") for key in KEYS)
    for word in (line or "").split(" ")[1:]:
        key, _equals, value = word.partition("=")
        if key in found:
            found[key] = value
    return found


def changes(directory, version, number, limits, read=Host.read):
    """The Changes for limits such as {"rbps": 1048576}; other limits stay unchanged."""
    if version == 2:
        path = os.path.join(directory, "io.max")
        before = line_of(read(path), number)
        was = parse(before)
        now = dict(was, **dict((key, str(value)) for key, value in limits.items()))
        write = " ".join([number] + ["%s=%d" % (key, limits[key]) for key in KEYS if key in limits])
        return [Change(path, before, write, _line(number, now), _line(number, was))]
    found = []
    for key in KEYS:
        if key in limits:
            path = os.path.join(directory, V1_FILES[key])
            before = line_of(read(path), number)
            told = "%s %d" % (number, limits[key])
            found.append(Change(path, before, told, told, before or f"{number} {NONE[1]}"))
    return found


def _line(number, values):
    return " ".join([number] + [f"{key}={values[key]}" for key in KEYS])
