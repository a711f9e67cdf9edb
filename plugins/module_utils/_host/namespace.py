# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Where a network attack acts: on the host itself, or in another network namespace of it, for example a container's.

Commands are prefixed with nsenter. The undo finds the namespace by its number, through any process or name that still leads
to it. So it works after the first process has ended, and never enters a foreign namespace whose process reuses the pid.
"""

import glob
import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import NetworkNamespace

# Mirrors the doc fragment _namespace.
OPTIONS = {"netns": {"type": "str"}, "container": {"type": "str"}}
EXCLUSIVE = [("netns", "container")]

OWN = "/proc/self/ns/net"
DIRECTORIES = ("/run/netns", "/var/run/netns", "/run/docker/netns")
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z"
_CONTAINER = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z"
_ID = r"(?:^|[-:])([0-9a-f]{64})\Z"
# Commands that print the pid of a container's first process; all of them run without a shell.
_INSPECT = (
    ("docker", ["inspect", "--type", "container", "--format", "{{.State.Pid}}"]),
    ("podman", ["inspect", "--type", "container", "--format", "{{.State.Pid}}"]),
    ("crictl", ["inspect", "--output", "go-template", "--template", "{{.info.pid}}"]),
)


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
        self.key = "@" + self.number
        self.guards = (NetworkNamespace(self.number, door),)
        self._nsenter = host.tool("nsenter")

    def argv(self, argv):
        return [self._nsenter, "--net=" + self.door] + list(argv)

    def undo_argv(self, argv):
        return [self._nsenter, "--net=" + NetworkNamespace.OPEN] + list(argv)

    def check(self):
        """Errors: AttackError when the door leads somewhere else by now."""
        if number(self.door) != self.number:
            raise AttackError(f"{self.label} is gone: its network namespace ended meanwhile")


def number(door):
    """DEVICE:INODE, which identifies a namespace as long as it exists; None when the door leads nowhere."""
    try:
        found = os.stat(door)
    except OSError:
        return None
    return "%d:%d" % (found.st_dev, found.st_ino)


def check_options(params):
    """Pure. Errors: BadOption."""
    netns, container = params["netns"], params["container"]
    if netns is not None and not re.match(_NAME, netns):
        raise BadOption("netns", netns, "give the name of a network namespace as ip netns lists it, or the number of a process in it")
    if container is not None and not re.match(_CONTAINER, container):
        raise BadOption("container", container, "give the name or the id of a container")


def find(host, params):
    """The place that the options netns and container name. Errors: AttackError."""
    if params["netns"] is not None:
        option, label, door = "netns", "network namespace {}".format(params["netns"]), _door(params["netns"])
    elif params["container"] is not None:
        option, label, door = "container", "container {}".format(params["container"]), "/proc/%d/ns/net" % container_pid(host, params["container"])
    else:
        return HERE
    if door is None or number(door) is None:
        raise AttackError(f"{option}: there is no {label} on the target", option=option)
    if number(door) == number(OWN):
        raise AttackError(f"{option}: {label} has the network of the target itself: leave the option out to attack that", option=option)
    return Namespace(host, door, label)


class Placed:
    """For an attack with the options netns and container, before Attack in its bases: where it acts."""

    _place = None

    def place(self):
        """HERE or a Namespace; looked for once. Errors: AttackError."""
        if self._place is None:
            self._place = find(self.host, self.params)
        return self._place


def _door(netns):
    if netns.isdigit():
        return "/proc/%d/ns/net" % int(netns)
    for directory in DIRECTORIES:
        if os.path.exists(os.path.join(directory, netns)):
            return os.path.join(directory, netns)
    return None


def container_pid(host, name):
    """The pid of a container's first process, from its engine or else from control groups. Errors: AttackError."""
    for tool, words in _INSPECT:
        if not host.has_tool(tool):
            continue
        rc, out, _err = host.ask([host.tool(tool)] + words + [name])
        if rc == 0 and re.match(r"[0-9]{1,18}\Z", out.strip()):
            if int(out) == 0:
                raise AttackError(f"container: {name} does not run", option="container")
            return int(out)
    for process in processes():
        paths = [line.split(":", 2)[2] for line in host.read("/proc/%d/cgroup" % process.pid).splitlines()]
        if any(is_container(part, name) for path in paths for part in path.split("/")):
            return process.pid
    raise AttackError(f"container: no container {name} runs on the target (asked docker, podman, crictl and the control groups)", option="container")


def is_container(part, name):
    """Whether a part of a control group's path is that of a container, by its id (12 digits or more) or its name in LXC and nspawn."""
    part = part[:-6] if part.endswith(".scope") else part
    if "conmon" in part:
        return False  # podman's monitor, outside of the container
    found = re.search(_ID, part)
    if found:
        return len(name) >= 12 and found.group(1).startswith(name)
    return part in ("lxc.payload." + name, "machine-" + name.replace("-", "\\x2d"))


def doors():
    """One door to every network namespace of the host except this process's, for the search for residue."""
    found = {}
    for pattern in ["/proc/[0-9]*/ns/net"] + [directory + "/*" for directory in DIRECTORIES]:
        for door in glob.glob(pattern):
            found.setdefault(number(door), door)
    for known in (None, number(OWN)):
        found.pop(known, None)
    return sorted(found.values())
