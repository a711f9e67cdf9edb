# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Processes of the target: identities, victims by exact criteria, and detached workers of our own."""

import os
import pwd
import signal

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import (
    LISTENING,
    Host,
    ancestors,
    parent,
    socket_inodes,
    start_time,
    state,
    tcp_sockets,
)

# Never a victim: they keep the control path, the host or its undo alive. Names as in /proc/PID/comm (15 characters).
_PROTECTED = frozenset(
    (
        "init",
        "dbus-daemon",
        "dbus-broker",
        "sshd",
        "sshd-session",
        "dropbear",
        "cron",
        "crond",
        "linux.uml",
        "NetworkManager",
        "wpa_supplicant",
        "dhclient",
        "dhcpcd",
        "udhcpc",
        "connmand",
        "wickedd",
        "netifd",
        # VPNs, by which the controller may reach the host
        "openvpn",
        "wireguard-go",
        "boringtun",
        "boringtun-cli",
        "charon",
        "charon-systemd",
        "charon-nm",
        "starter",
        "pluto",
        "tailscaled",
        "zerotier-one",
        "nebula",
        "tincd",
        "vpnc",
        "openconnect",
    )
)
_PROTECTED_BEGINNINGS = ("systemd", "(sd-", "faultline-")
_KTHREADD = 2  # the parent of all other threads of the kernel
WORKER_NAME = "faultline-%s"
CLUSTER_WATCHER = "kube"  # the dead-man of an attack on a cluster: its journal is there, not here

# How an attack on processes chooses them: its criteria, and its options with how many and in which order.
CRITERIA = ("name", "command_line", "pid_file", "user", "port")
SELECTION = {
    "name": {"type": "str"},
    "command_line": {"type": "str"},
    "pid_file": {"type": "path"},
    "user": {"type": "str"},
    "port": {"type": "int"},
    "count": {"type": "int", "default": 1},
    "order": {"type": "str", "choices": ["oldest", "newest"], "default": "oldest"},
}
SELECTION_NEEDS = {"required_one_of": [("name", "command_line", "pid_file", "port")]}


class Process:
    """One process: its identity (pid and start time) and what it can be chosen by."""

    def __init__(self, pid):
        self.pid = pid
        self.start = start_time(pid)
        self.name = Host.read("/proc/%d/comm" % pid).strip()
        self.argv = Host.read("/proc/%d/cmdline" % pid).rstrip("\0").split("\0")
        try:
            self.uid = os.stat("/proc/%d" % pid).st_uid
        except OSError:
            self.uid = -1

    @property
    def has_no_program(self):
        """A thread of the kernel, or a program that was started without even its own name."""
        return self.argv == [""]

    def alive(self):
        return self.start is not None and start_time(self.pid) == self.start

    def stopped(self):
        return state(self.pid) == "T"

    def describe(self):
        return {"pid": self.pid, "name": self.name, "command_line": " ".join(self.argv)}


def processes():
    """All living processes, oldest first."""
    found = [Process(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    return sorted((process for process in found if process.start is not None), key=lambda process: (process.start, process.pid))


def has_name(process, name):
    """Exact name, also where the kernel cut it to 15 characters."""
    if len(name) <= 15:
        return process.name == name
    return process.name == name[:15] and os.path.basename(process.argv[0]) == name


def is_kernel_thread(pid):
    """Whether it is kthreadd or a child of it; in a container process 2 is anybody."""
    return _KTHREADD in (pid, parent(pid)) and Host.read("/proc/%d/comm" % _KTHREADD).strip() == "kthreadd"


def listeners(port):
    """Pids that hold a listening TCP socket on a port."""
    inodes = set(inode for local, _peer, inode in tcp_sockets(LISTENING) if local[1] == port)
    return set(int(name) for name in os.listdir("/proc") if name.isdigit() and inodes & socket_inodes(int(name)))


def choose(name=None, command_line=None, pid_file=None, user=None, port=None):
    """Processes that meet every given criterion exactly, oldest first; no pattern ever. Errors: AttackError."""
    found = processes()
    if name is not None:
        found = [process for process in found if has_name(process, name)]
    if command_line is not None:
        found = [process for process in found if " ".join(process.argv) == command_line]
    if pid_file is not None:
        pid = Host.read(pid_file).strip()
        if not pid.isdigit():
            raise AttackError(f"pid_file: {pid_file} holds no process number", option="pid_file")
        found = [process for process in found if process.pid == int(pid)]
    if user is not None:
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            raise AttackError(f"user: there is no user {user} on the target", option="user")
        found = [process for process in found if process.uid == uid]
    if port is not None:
        pids = listeners(port)
        found = [process for process in found if process.pid in pids]
    programs = [process for process in found if not process.has_no_program]
    if not programs:
        for process in found:
            if is_kernel_thread(process.pid):
                raise AttackError("%s (pid %d) is a thread of the kernel, and protected" % (process.name, process.pid))
    return programs


def protected(name):
    """Whether no process of this name may be a victim."""
    return name in _PROTECTED or name.startswith(_PROTECTED_BEGINNINGS)


def check_selection(params):
    """Errors: BadOption for a criterion that could never choose, or would choose what is protected."""
    for option in ("name", "command_line", "user"):
        value = params[option]
        if value is not None and (not value.strip() or "\n" in value or "\0" in value):
            raise BadOption(option, value, "give the exact text, not an empty one and no line break")
    if params["name"] is not None and (set(params["name"]) & set("*?[]^$|\\") or "/" in params["name"]):
        raise BadOption("name", params["name"], "give the exact name of the program; patterns and paths are not used")
    if params["name"] is not None and protected(params["name"]):
        raise BadOption("name", params["name"], "it keeps the host or its control path alive and is protected")
    if params["pid_file"] is not None and not params["pid_file"].startswith("/"):
        raise BadOption("pid_file", params["pid_file"], "give an absolute path")
    if params["port"] is not None:
        _units.port("port", params["port"])
    _units.integer("count", params["count"], 0, 10000)


def selection(params):
    """The criteria as text, the same for every attack on the same processes."""
    return ",".join(f"{key}={params[key]}" for key in CRITERIA if params[key] is not None)


def selected(params):
    """The processes that the options of an attack choose. Errors: AttackError."""
    found = choose(**dict((key, params[key]) for key in CRITERIA))
    if params["order"] == "newest":
        found.reverse()
    return found[: params["count"]] if params["count"] else found


def descendants(parents):
    """Children of processes, their children and so on; oldest first, without the parents themselves."""
    known = set(process.pid for process in parents)
    found, rest, more = [], processes(), True
    while more:
        more = [process for process in rest if process.pid not in known and parent(process.pid) in known]
        known.update(process.pid for process in more)
        found += more
    return sorted(found, key=lambda process: (process.start, process.pid))


def refuse_protected(victims):
    """Errors: AttackError when a victim keeps the host, the control path or an undo alive."""
    ours = set(ancestors())
    for process in victims:
        if process.pid == 1 or protected(process.name):
            raise AttackError("%s (pid %d) is protected: it keeps the host or its control path alive" % (process.name, process.pid))
        if process.pid in ours:
            raise AttackError("%s (pid %d) is a parent of this very attack" % (process.name, process.pid))
        if any(_is_deadman(each) for each in (process, Process(parent(process.pid)))):  # or what it waits for
            raise AttackError("pid %d belongs to a dead-man of faultline.chaos" % process.pid)


def _is_deadman(process):
    return any(word.endswith(("/revert.sh", "/control.sh")) for word in process.argv)


def detach(function, oom_score=None, name=None, keep=()):
    """Run a function in a process that outlives us: own session and process group, no open files but keep. Returns its pid."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                os.setsid()
                _report_pid(write_end)
                _bare(set(keep))
                if oom_score is not None:
                    write_proc("/proc/self/oom_score_adj", str(oom_score))
                if name is not None:
                    rename(name)
                function()
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end) as stream:
        pid = stream.read()
    if not pid:
        raise AttackError("a background process could not be started: the target is out of processes or memory")
    return int(pid)


def _report_pid(write_end):
    os.write(write_end, str(os.getpid()).encode("ascii"))


def _bare(keep):
    """Close every inherited file (or ssh would wait for us), forget handlers, leave every directory free."""
    null = os.open(os.devnull, os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(null, target)
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                continue
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")


def rename(name):
    """What ps shows for this very process."""
    write_proc("/proc/self/comm", (WORKER_NAME % name)[:15])


def write_proc(path, text):
    """Write a small file of /proc where we are allowed to; without root some are not ours to change."""
    try:
        with open(path, "w") as handle:
            handle.write(text)
        return True
    except OSError:
        return False


class Worker:
    """A process of ours that does the attack in the background.

    It is started parked, so that its identity is in the journal before it does anything; it begins when released, and
    ends by itself when we die before that. It is the first thing the kernel's OOM killer takes.
    """

    def __init__(self, name, function):
        self.name = name
        self.function = function
        self.pid = None
        self.start = None
        self._gate = None

    def park(self):
        read_end, self._gate = os.pipe()
        gate = self._gate

        def begin():
            if os.read(read_end, 1) == b"g":
                os.close(read_end)
                rename(self.name)
                self.function()

        self.pid = detach(begin, oom_score=1000, name="ready", keep=(read_end,))
        os.close(read_end)
        os.set_inheritable(gate, False)
        self.start = start_time(self.pid)
        if self.start is None:
            raise AttackError(f"the worker {self.name} did not start")

    def release(self):
        try:
            os.write(self._gate, b"g")
        except OSError:
            raise AttackError(f"the worker {self.name} ended before it began")
        self._close()

    def abandon(self):
        """End a parked worker: it reads the end of the gate."""
        self._close()

    def _close(self):
        if self._gate is not None:
            os.close(self._gate)
            self._gate = None

    def alive(self):
        return self.start is not None and start_time(self.pid) == self.start
