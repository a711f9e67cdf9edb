# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Network namespaces of the host: which there are, and commands in them. Those of attacks: placed.py."""

import glob
import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import read

OWN = "/proc/self/ns/net"
DIRECTORIES = ("/run/netns", "/var/run/netns", "/run/docker/netns")
_MOUNTED = re.compile(r"^\S+ \S+ \S+ net:\[\d+\] ([^ \n]+) .* - nsfs ", re.M)  # in mountinfo


class _Here:
    """The network of the host itself."""

    guards = ()
    key = ""  # distinguishes its interfaces from those of other namespaces in the names of resources
    label = "the host"

    @staticmethod
    def argv(argv):
        """A command as the attack runs it."""
        return list(argv)

    @staticmethod
    def undo_argv(argv):
        """The same command as the undo runs it, behind the guards."""
        return list(argv)


HERE = _Here()


class Namespace:
    """Another network namespace, reached through a door: its file in /proc or in a directory of named namespaces. Errors: AttackError."""

    def __init__(self, host, door, label):
        self.door = door
        self.label = label
        self.number = number(door)
        if self.number is None:
            raise AttackError(f"{label} is gone: its network namespace ended meanwhile")
        self._nsenter = host.tool("nsenter")

    def argv(self, argv):
        return [self._nsenter, "--net=" + self.door] + list(argv)


def number(door):
    """DEVICE:INODE, which identifies a namespace as long as it exists; None when the door leads nowhere."""
    try:
        found = os.stat(door)
    except OSError:
        return None
    return "%d:%d" % (found.st_dev, found.st_ino)


def doors():
    """One door to every network namespace of the host except this process's, for the search for residue. As networks() in _undo/network.py finds them,
    but for mounts in other mount namespaces: a path through those may hang."""
    found = {}
    for pattern in ["/proc/[0-9]*/ns/net"] + [directory + "/*" for directory in DIRECTORIES]:
        for door in glob.glob(pattern):
            found.setdefault(number(door), door)
    for pattern in ("/proc/[0-9]*/task/[0-9]*/ns/net", "/proc/[0-9]*/fd/*"):
        for door in glob.iglob(pattern):
            try:
                link = os.readlink(door)
            except OSError:
                continue  # it ended
            if link.startswith("net:["):
                found.setdefault(number(door), door)
    for point in _MOUNTED.findall(read("/proc/self/mountinfo")):
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), point)
        found.setdefault(number(point), point)
    for known in (None, number(OWN)):
        found.pop(known, None)
    return sorted(found.values())
