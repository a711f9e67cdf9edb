# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The target, as an attack sees it: run a program by argv, read the kernel's files, know the control path."""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

# Nothing that a user can write to is searched for tools.
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# tool -> (Debian/Ubuntu package, RHEL-family package); named in errors, never installed by an attack.
PACKAGES = {
    "tc": ("iproute2", "iproute-tc"),
    "ip": ("iproute2", "iproute"),
    "unshare": ("util-linux", "util-linux"),
    "nsenter": ("util-linux", "util-linux"),
    "rtcwake": ("util-linux-extra", "util-linux"),
    "systemctl": ("systemd", "systemd"),
    "systemd-run": ("systemd", "systemd"),
}


class Host(object):
    """Runs programs and reads state. Wraps an AnsibleModule; holds no state of its own but caches."""

    def __init__(self, module):
        self._module = module
        self._tools = {}
        os.environ["PATH"] = SAFE_PATH

    @property
    def is_root(self):
        return os.geteuid() == 0

    @property
    def has_systemd(self):
        """True when systemd is the running init (sd_booted(3)) and we may talk to it."""
        return self.is_root and os.path.isdir("/run/systemd/system")

    def tool(self, name):
        """Path of a program; the error names the package that brings it."""
        if name not in self._tools:
            path = self._module.get_bin_path(name)
            if not path:
                debian, redhat = PACKAGES.get(name, (name, name))
                raise AttackError(
                    "%s is not installed on the target: install the package %s (Debian, Ubuntu) or %s (RHEL, Rocky, Alma)"
                    % (name, debian, redhat)
                )
            self._tools[name] = path
        return self._tools[name]

    def has_tool(self, name):
        return self._module.get_bin_path(name) is not None

    def run(self, argv, check=True, data=None):
        """Run argv, never a shell. Returns (rc, stdout, stderr); with check a non-zero rc raises."""
        rc, out, err = self._module.run_command(list(argv), data=data, environ_update={"LC_ALL": "C", "LANG": "C"})
        if check and rc != 0:
            raise AttackError("%s failed with rc %d: %s" % (" ".join(argv), rc, (err or out).strip()), rc=rc)
        return rc, out, err

    def output(self, argv):
        """Stdout of argv, with its lines sorted: the form in which states are compared (see Same in _undo.py)."""
        return sorted_lines(self.run(argv)[1])

    @staticmethod
    def read(path, default=""):
        """Content of a small file, or the default when it cannot be read."""
        try:
            with open(path) as handle:
                return handle.read()
        except (IOError, OSError, UnicodeDecodeError):
            return default

    @property
    def boot_id(self):
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    @property
    def uptime(self):
        """Seconds since boot, suspend included; the clock of every deadline, for nobody can set it."""
        return uptime()

    def kernel(self):
        """The running kernel's version as a tuple, (5, 14) for 5.14.0-70.el9."""
        found = re.match(r"(\d+)\.(\d+)", os.uname()[2])
        return (int(found.group(1)), int(found.group(2))) if found else (0, 0)

    def control_ports(self):
        """Local TCP ports of the SSH servers here: the port our own connection came in by, and 22."""
        ports = set([22])
        for pid in ancestors():
            if self.read("/proc/%d/comm" % pid).strip() in ("sshd", "sshd-session", "dropbear"):
                ports.update(_socket_ports(pid))
        return sorted(ports)


def sorted_lines(text):
    return "\n".join(sorted(line.rstrip() for line in text.splitlines() if line.strip()))


def uptime():
    with open("/proc/uptime") as handle:
        return float(handle.read().split()[0])


def ancestors():
    """Our own pid and all our parents', nearest first."""
    pids, pid = [], os.getpid()
    while pid > 0 and pid not in pids:
        pids.append(pid)
        pid = _stat_field(pid, 4, 0)
    return pids


def start_time(pid):
    """The process's start in clock ticks since boot, None when there is none (or only a zombie). With the pid it is an identity."""
    if _stat_field(pid, 3, "Z", str) in ("Z", "X"):
        return None
    return _stat_field(pid, 22, None)


def _stat_field(pid, number, default, kind=int):
    """Field of /proc/PID/stat, numbered as in proc(5); the name may hold spaces and brackets, so count from its end."""
    try:
        with open("/proc/%d/stat" % pid, errors="replace") as handle:
            text = handle.read()
    except (IOError, OSError):
        return default
    return kind(text.rpartition(")")[2].split()[number - 3])


def _socket_ports(pid):
    """Local ports of the established TCP sockets that a process holds."""
    inodes = set()
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    except (IOError, OSError):
        return set()
    ports = set()
    for local, inode in tcp_sockets("01"):
        if inode in inodes:
            ports.add(local[1])
    return ports


def tcp_sockets(state):
    """((address in hex, port), inode) of each TCP socket in a state ("01" established, "0A" listening), v4 and v6."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Host.read(table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == state:
                address, _colon, number = fields[1].partition(":")
                yield (address, int(number, 16)), fields[9]
