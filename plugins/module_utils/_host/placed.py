# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Where a network attack acts: on the host itself, or in another network namespace of it, for example a container's.

Commands are prefixed with nsenter. The undo finds the namespace by its number, through whatever still leads to it. So it works after the first
process has ended, and never enters a later namespace that got the number.
"""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import NetworkNamespace

# Mirrors the doc fragment _namespace.
OPTIONS = {"netns": {"type": "str"}, "container": {"type": "str"}}
EXCLUSIVE = [("netns", "container")]

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z"
_CONTAINER = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z"
_ID = r"(?:^|[-:])([0-9a-f]{64})\Z"
# Commands that print the pid of a container's first process; all of them run without a shell.
_INSPECT = (
    ("docker", ["inspect", "--type", "container", "--format", "{{.State.Pid}}"]),
    ("podman", ["inspect", "--type", "container", "--format", "{{.State.Pid}}"]),
    ("crictl", ["inspect", "--output", "go-template", "--template", "{{.info.pid}}"]),
)


class AttackedNamespace(namespace.Namespace):
    """A network namespace in which an attack acts, and its undo."""

    def __init__(self, host, door, label):
        super().__init__(host, door, label)
        self.key = "@" + self.number
        self._host, self._guards = host, ()

    @property
    def guards(self):
        self._guards = self._guards or (NetworkNamespace(self.number, self.door, birth(self._said(["cat", "/proc/net/netlink"]))),)
        return self._guards

    def _said(self, argv):
        return self._host.run(self.argv(argv), check=False)[1]

    def undo_argv(self, argv):
        return [self._nsenter, "--net=" + NetworkNamespace.OPEN] + list(argv)

    def check(self):
        """Errors: AttackError when the door leads somewhere else by now."""
        if namespace.number(self.door) != self.number:
            raise AttackError(f"{self.label} is gone: its network namespace ended meanwhile")


def birth(netlink):
    """The inode of the kernel's own routing socket, from a namespace's /proc/net/netlink; each new namespace has a new one. Empty where it is not shown."""
    for line in netlink.split("\n"):
        fields = line.split()
        if fields[1:3] == ["0", "0"] and len(fields) > 9:  # protocol and process
            return fields[9]
    return ""


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
        return namespace.HERE
    if door is None or namespace.number(door) is None:
        raise AttackError(f"{option}: there is no {label} on the target", option=option)
    if namespace.number(door) == namespace.number(namespace.OWN):
        raise AttackError(f"{option}: {label} has the network of the target itself: leave the option out to attack that", option=option)
    return AttackedNamespace(host, door, label)


class Placed:
    """For an attack with the options netns and container, before Attack in its bases: where it acts."""

    _place = None

    def place(self):
        """namespace.HERE or an AttackedNamespace; looked for once. Errors: AttackError."""
        if self._place is None:
            self._place = find(self.host, self.params)
        return self._place


def _door(netns):
    if netns.isdigit():
        return "/proc/%d/ns/net" % int(netns)
    for directory in namespace.DIRECTORIES:
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
        paths = [line.split(":", 2)[2] for line in host.read("/proc/%d/cgroup" % process.pid).split("\n") if line]
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
