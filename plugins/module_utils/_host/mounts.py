# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The mounts of the target."""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import read

PSEUDO = frozenset(("proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "bpf", "autofs", "efivarfs"))
IN_MEMORY = frozenset(("tmpfs", "ramfs"))
NETWORK = frozenset(("nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "lustre", "afs"))
_FREED_LATE = frozenset(("btrfs", "zfs", "bcachefs"))  # what is removed there counts as used until the next commit
_ESCAPE = r"\\([0-7]{3})"


def below(place, tree):
    """Whether a normal path is a tree or in it."""
    return place == tree or place.startswith(tree.rstrip("/") + "/")


class Mount:
    """The file system that a path is on."""

    def __init__(self, point, kind, source, options, device, more=""):
        self.point = point
        self.kind = kind
        self.source = source
        self.options = options
        self.in_memory = kind in IN_MEMORY  # or what an overlay writes to is
        self.upper = _plain((re.findall("(?:^|,)upperdir=([^,]+)", more) + [""])[0])  # of an overlay
        self.device = device  # MAJOR:MINOR as the kernel writes it; major 0 is no block device

    def home(self):
        """What identifies the file system again: see home in _undo/inodes.py."""
        name = getattr(os.statvfs(self.point), "f_fsid", 0)  # from Python 3.7
        low, high = name & 0xFFFFFFFF, name >> 32  # as stat -f prints it; without an upper half it is only the number of a device
        fsid = f"{low << 32 | high:x}" if high else ""
        memory = 0 if not self.in_memory else 1 if self.kind in IN_MEMORY else 2
        return [self.device, fsid, self.point, f"{self.source} ({self.kind}), mounted on {self.point}", memory, int(self.kind in _FREED_LATE)]

    def refuse(self, option, value):
        """Errors: BadOption when it cannot or must not be written to."""
        if self.kind in PSEUDO:
            raise BadOption(option, value, f"{self.point} is a file system of the kernel ({self.kind})")
        if "ro" in self.options.split(",") or os.statvfs(self.point).f_flag & os.ST_RDONLY:
            raise BadOption(option, value, f"{self.point} is mounted read-only")


def mounts(text=None):
    """All mounts, in the order in which they were made; text is that of /proc/self/mountinfo."""
    found = []
    for line in (read("/proc/self/mountinfo") if text is None else text).split("\n"):
        left, _dash, right = line.partition(" - ")
        fields, last = left.split(" "), right.split(" ")
        if len(fields) >= 6 and len(last) >= 2:
            found.append(Mount(_plain(fields[4]), last[0], _plain(last[1]), fields[5], fields[2], last[2] if len(last) > 2 else ""))
    return found


def _plain(text):
    return re.sub(_ESCAPE, lambda found: chr(int(found.group(1), 8)), text)


def mount_of(real, text=None):
    """The mount that a real path is on: the deepest one, and of several on the same point the last one made."""
    found = mounts(text)
    best = _deepest(real, found)
    if best is None:
        raise AttackError(f"{real}: its mount is not in /proc/self/mountinfo")
    if best.upper and os.path.isdir(best.upper):  # in a container it is a path of the host, and not there
        best.in_memory = _deepest(best.upper, found).kind in IN_MEMORY
    return best


def _deepest(real, found):
    best = None
    for each in found:
        if below(real, each.point) and (best is None or len(each.point) >= len(best.point)):
            best = each
    return best
