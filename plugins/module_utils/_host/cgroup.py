# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Control groups, version 1 and 2: the mounted hierarchies, the limits that enclose this process, and the groups that attacks made."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host, lines
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX

CONTROLLERS = ("memory", "pids")
WITH_MARKS = CONTROLLERS + ("blkio",)  # hierarchies that may hold groups of attacks
NO_LIMIT = 1 << 60  # version 1 writes "none" as a number near 2^63


class Hierarchy:
    """The mount of one controller: its directory, the group of the kernel's tree that it shows, and the version."""

    def __init__(self, point, root, version):
        self.point = point
        self.root = root.rstrip("/")
        self.version = version

    def has(self, controller):
        """Whether groups below the root can have this controller's limits without enabling it first."""
        return self.version == 1 or controller in Host.read(os.path.join(self.point, "cgroup.subtree_control")).split()

    def directory(self, path):
        """The directory of a group from /proc/PID/cgroup; the root when the group lies outside of the mount."""
        if self.root and (path + "/").startswith(self.root + "/"):
            path = path[len(self.root) :]
        found = os.path.normpath(os.path.join(self.point, path.lstrip("/")))
        return found if (found + "/").startswith(self.point + "/") and os.path.isdir(found) else self.point

    def chain(self, directory):
        """A group's directory and its parents up to the mount point."""
        found = [directory]
        while found[-1] != self.point and found[-1] != "/":
            found.append(os.path.dirname(found[-1]))
        return found


def hierarchies(mountinfo=None, controllers=CONTROLLERS):
    """{controller: Hierarchy} of the mounted ones; a controller of version 1 is never in version 2 as well."""
    text = Host.read("/proc/self/mountinfo") if mountinfo is None else mountinfo
    found, unified = {}, None
    for line in text.split("\n"):
        left, _dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2" and unified is None:
            unified = Hierarchy(fields[4], fields[3], 2)
        elif kind[0] == "cgroup":
            for controller in set(kind[2].split(",")) & set(controllers):
                found.setdefault(controller, Hierarchy(fields[4], fields[3], 1))
    for controller in controllers:
        if unified is not None:
            found.setdefault(controller, unified)
    return found


def membership(text=None):
    """{controller: group} of this process; the key of version 2 is ""."""
    found = {}
    for line in (Host.read("/proc/self/cgroup") if text is None else text).split("\n"):
        _number, _colon, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        for controller in controllers.split(",") if colon else ():
            found[controller] = path
    return found


def own(controller, hierarchy):
    """The directory of this process's group."""
    groups = membership()
    return hierarchy.directory(groups.get("" if hierarchy.version == 2 else controller, "/"))


def number(path):
    """A limit or a count read from a file; None when it is unlimited or unreadable."""
    text = Host.read(path).strip()
    return int(text) if text.isdigit() and int(text) < NO_LIMIT else None


def memory_limits():
    """[(limit, in use)] in bytes of the groups that enclose this process, nearest first. Inactive page cache does not count as in use."""
    found = []
    hierarchy = hierarchies().get("memory")
    for directory in hierarchy.chain(own("memory", hierarchy)) if hierarchy else []:
        new = hierarchy.version == 2
        limit = number(os.path.join(directory, "memory.max" if new else "memory.limit_in_bytes"))
        used = number(os.path.join(directory, "memory.current" if new else "memory.usage_in_bytes"))
        if limit is not None and used is not None:
            stat = dict(line.split()[:2] for line in lines(Host.read(os.path.join(directory, "memory.stat"))))
            files = int(stat.get("inactive_file" if new else "total_inactive_file", 0))
            found.append((limit, max(0, used - files)))
    return found


def task_limits(from_top=False):
    """[(limit, tasks)] of the groups that enclose this process, or (from_top) of the root alone, where an attack creates its group."""
    found = []
    hierarchy = hierarchies().get("pids")
    if hierarchy is None:
        return found
    for directory in hierarchy.chain(hierarchy.point if from_top else own("pids", hierarchy)):
        limit, tasks = (number(os.path.join(directory, name)) for name in ("pids.max", "pids.current"))
        if limit is not None and tasks is not None:
            found.append((limit, tasks))
    return found


def make(journal, attack_id, path):
    """Make a control group of an attack, and note its inode, by which the undo finds it under another name. Errors: OSError."""
    os.mkdir(path, 0o755)
    journal.note(attack_id, "groups", "%s%d %s\n" % (journal.noted(attack_id, "groups"), os.stat(path).st_ino, path))


def attack_cgroups():
    """Directories of the control groups of all attacks on this host, known to a journal or not."""
    found = set()
    for hierarchy in hierarchies(controllers=WITH_MARKS).values():
        try:
            names = os.listdir(hierarchy.point)
        except OSError:
            continue
        found.update(os.path.join(hierarchy.point, name) for name in names if name.startswith(PREFIX))
    return sorted(path for path in found if os.path.isdir(path))
