# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The choice of processes to attack: by exact criteria, and never one that keeps the host, its control path or an undo alive."""

import os
import pwd
import re

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import ancestors, parent, read, stat_of
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import SHOWN, Process, processes
from ansible_collections.faultline.chaos.plugins.module_utils._host.tcp import LISTENING, socket_inodes, tcp_sockets
from ansible_collections.faultline.chaos.plugins.module_utils._host.trusted import small_file
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX

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
_PROTECTED_BEGINNINGS = ("systemd", "(sd-")

CUT = 15  # bytes of a process's name that the kernel keeps
_PID_FILE = 64  # bytes at the most

# The options that choose processes: the criteria, how many, and in which order.
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


def listeners(port):
    """Pids that hold a listening TCP socket on a port."""
    inodes = set(inode for local, _peer, inode in tcp_sockets(LISTENING) if local[1] == port)
    return set(int(name) for name in os.listdir("/proc") if name.isdigit() and inodes & socket_inodes(int(name)))


def choose(name=None, command_line=None, pid_file=None, user=None, port=None):
    """Processes that meet every given criterion exactly, oldest first; patterns are not supported. Errors: AttackError."""
    found = processes()
    if name is not None:
        found = [process for process in found if has_name(process, name)]
    if command_line is not None:
        found = [process for process in found if has_line(process, command_line)]
    if pid_file is not None:
        found = _noted(pid_file, found)
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


def _noted(pid_file, found):
    """Of the processes found, the one that a file names; a file of an ordinary user may only name one of that user. Errors: AttackError."""
    try:
        text, owner = small_file(pid_file, _PID_FILE)
    except (OSError, ValueError) as error:
        raise AttackError("pid_file: {} is not trusted: {}".format(pid_file, getattr(error, "strerror", None) or error), option="pid_file")
    if not re.match(r"[0-9]{1,18}\Z", text.strip()):
        raise AttackError(f"pid_file: {pid_file} holds no process number", option="pid_file")
    found = [process for process in found if process.pid == int(text)]
    for process in found:
        if owner not in (0, os.geteuid()) and process.uid != owner:
            raise AttackError(
                "pid_file: %s belongs to the user %d, and names pid %d (%s) of the user %d" % (pid_file, owner, process.pid, process.name, process.uid),
                option="pid_file",
            )
    return found


def protected(name, uid=None):
    """Whether no process of this name may be a victim. uid: its user, since anybody may give a process the name of our workers."""
    return name in _PROTECTED or name.startswith(_PROTECTED_BEGINNINGS) or name.startswith(PREFIX) and uid in (0, os.geteuid())


def check_selection(params):
    """Errors: BadOption for a criterion that can never match, or that names a protected process."""
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
    """(the processes that the options of an attack choose, all that meet its criteria). Errors: AttackError."""
    found = choose(**dict((key, params[key]) for key in CRITERIA))
    if params["order"] == "newest":
        found.reverse()
    taken = found[: params["count"]] if params["count"] else found
    if len(taken) < len(found):
        _refuse_doubt(params, firsts(found))
    return taken, found


def firsts(found):
    """Those whose parent is not among them: one for each program, however many children of its own kind it has."""
    pids = set(process.pid for process in found)
    return [process for process in found if parent(process.pid) not in pids]


def _refuse_doubt(params, found):
    """Errors: AttackError when an age alone would choose between processes of root and of others; anybody can give a process any name."""
    users = set(process.uid for process in found)
    if 0 in users and len(users) > 1:
        raise AttackError(
            "{} is met by processes of root and of other users: {}. Say which with user{}, or take all with count: 0".format(
                selection(params), "; ".join(_told(found)), "" if params["pid_file"] else " or pid_file"
            )
        )


def doubts(found):
    """Notes on processes that meet the same criteria and differ in user or program file."""
    alike = firsts(found)
    if len(set((process.uid, _program(process)) for process in alike)) < 2:
        return []
    return ["what is chosen differs in user or program, narrow it (user, pid_file, command_line, port) if that is not meant: " + "; ".join(_told(alike))]


def _told(found):
    return ["pid %d of the user %d, %s" % (process.pid, process.uid, _program(process) or "?") for process in found[:10]]


def _program(process):
    try:
        return os.readlink("/proc/%d/exe" % process.pid)
    except OSError:
        return None


def refuse_protected(victims):
    """Errors: AttackError when a victim keeps the host, the control path or an undo alive."""
    ours = set(ancestors())
    for process in victims:
        if process.pid == 1 or protected(process.name, process.uid):
            raise AttackError("%s (pid %d) is protected: it keeps the host or its control path alive" % (process.name, process.pid))
        if process.pid in ours:
            raise AttackError("%s (pid %d) is a parent of this very attack" % (process.name, process.pid))
        if any(_is_deadman(each) for each in (process, Process(parent(process.pid)))):  # or a child it waits for
            raise AttackError("pid %d belongs to a dead-man of faultline.chaos" % process.pid)


def _is_deadman(process):
    return any(word.endswith(("/revert.sh", "/control.sh")) for word in process.argv)


def has_line(process, text):
    """Whether this is its command line, blanks at the end aside: titles are padded with them."""
    told = read("/proc/%d/cmdline" % process.pid, most=len(text) + SHOWN).rstrip("\0").replace("\0", " ")
    return told.rstrip(" ") == text.rstrip(" ")


def has_name(process, name):
    """Exact name, also where the kernel cut it to 15 bytes: then the program's or the script's own decides."""
    cut = name.encode("utf-8", "surrogateescape")[:CUT].decode("utf-8", "replace")
    return process.name == cut and (cut == name or any(os.path.basename(word) == name for word in process.argv[:3]))


def is_kernel_thread(pid):
    found = stat_of(pid)
    return found is not None and found.kernel


def descendants(parents):
    """Children of processes, their children and so on; oldest first, without the parents themselves."""
    known = set(process.pid for process in parents)
    found, rest, more = [], processes(), True
    while more:
        more = [process for process in rest if process.pid not in known and parent(process.pid) in known]
        known.update(process.pid for process in more)
        found += more
    return sorted(found, key=lambda process: (process.start, process.pid))
