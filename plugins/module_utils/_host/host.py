# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The target, as an attack sees it: run a program by argv, read the kernel's files, know the control path."""

import collections
import ipaddress
import os
import re
import struct

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

# Nothing that a user can write to is searched for tools.
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SPACE = " \t\r\f\v"
SSH_SERVERS = ("sshd", "sshd-session", "dropbear")
ESTABLISHED, LISTENING = "01", "0A"  # TCP states as in /proc/net/tcp
Connection = collections.namedtuple("Connection", ("address", "port", "peer", "peer_port"))  # address and port: the local end

# tool -> (Debian/Ubuntu package, RHEL-family package); named in errors, never installed by an attack.
PACKAGES = {
    "tc": ("iproute2", "iproute-tc"),
    "ip": ("iproute2", "iproute"),
    "unshare": ("util-linux", "util-linux"),
    "nsenter": ("util-linux", "util-linux"),
    "rtcwake": ("util-linux-extra", "util-linux"),
    "systemctl": ("systemd", "systemd"),
    "systemd-run": ("systemd", "systemd"),
    "date": ("coreutils", "coreutils"),
}


class Host:
    """Runs programs and reads state. Wraps an AnsibleModule; holds no state of its own but caches."""

    def __init__(self, module):
        self._module = module
        self._tools = {}
        os.environ["PATH"] = SAFE_PATH

    @property
    def check_mode(self):
        return self._module.check_mode

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
                raise AttackError(f"{name} is not installed on the target: install the package {debian} (Debian, Ubuntu) or {redhat} (RHEL, Rocky, Alma)")
            self._tools[name] = path
        return self._tools[name]

    def has_tool(self, name):
        return self._module.get_bin_path(name) is not None

    def run(self, argv, check=True, data=None):
        """Run argv, never a shell. Returns (rc, stdout, stderr); with check a non-zero rc raises. What cannot even be started raises."""
        try:
            rc, out, err = self._module.run_command(list(argv), data=data, environ_update={"LC_ALL": "C", "LANG": "C"}, handle_exceptions=False)
        except OSError as error:  # no process, memory or file left; it must not end us before the undo
            raise AttackError(f"{argv[0]} cannot be run: {error}")
        if check and rc != 0:
            raise AttackError("%s failed with rc %d: %s" % (" ".join(argv), rc, (err or out).strip()), rc=rc)
        return rc, out, err

    def ask(self, argv, seconds=60):
        """As run() without check, of a program that may hang, for we may hold a lock meanwhile. Errors: AttackError when it takes too long."""
        limited = [self.tool("timeout"), "-k", "5", "%d" % seconds] if self.has_tool("timeout") else []
        rc, out, err = self.run(limited + list(argv), check=False)
        if limited and rc in (124, 137):
            raise AttackError("%s does not end: %d seconds were not enough" % (" ".join(argv), seconds))
        return rc, out, err

    def output(self, argv, counters=()):
        """Stdout of argv, lines sorted, without "COUNTER number": the form in which states are compared (see Same in _undo/steps.py)."""
        text = self.run(argv)[1]
        for counter in counters:
            text = re.sub(f" {re.escape(counter)} [0-9]*", "", text)
        lines = [line.rstrip(SPACE) for line in text.split("\n")]  # as sed and sort in the C locale see them
        return "\n".join(sorted((line for line in lines if line), key=lambda line: line.encode("utf-8", "surrogateescape")))

    @staticmethod
    def read(path, default=""):
        """Content of a small file, or the default when it cannot be read."""
        try:
            with open(path, encoding="utf-8", errors="replace") as handle:
                return handle.read()
        except OSError:
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

    @staticmethod
    def control_connections():
        """The SSH connections that this task may have come by: its own where it can be told, else all there are."""
        servers = SshServers()
        return servers.ours() or servers.connections()

    def control_path(self):
        """The same as [(local port, peer address)]."""
        return [(each.port, each.peer) for each in self.control_connections()]

    def control_ports(self):
        """Local TCP ports of SSH here: those that servers listen on, the one our own connection came in by, and 22."""
        servers = SshServers()
        return sorted(set([22]) | servers.ports | set(each.port for each in servers.ours()))


class SshServers:
    """The SSH servers of this network namespace (/proc/net shows no other): their ports, and who is connected.

    Our own connection is that of a parent of ours: become strips SSH_CONNECTION, sockets stay. A task with async has left its parents, and
    without become keeps SSH_CONNECTION. With both nobody can tell which connection it is.
    """

    def __init__(self):
        self._connected = {}
        for local, peer, inode in tcp_sockets(ESTABLISHED):
            self._connected[inode] = Connection(address(local[0]), local[1], address(peer[0]), peer[1])
        listening = dict((inode, local[1]) for local, _peer, inode in tcp_sockets(LISTENING))
        self.ports, held, self._sessions = set(), set(), []
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            if is_ssh_server(pid):
                inodes = socket_inodes(pid)
                held |= inodes
                heard = set(listening[inode] for inode in inodes if inode in listening)
                sessions = [self._connected[inode] for inode in inodes if inode in self._connected]
                self._sessions += sessions
                if heard.issuperset(each.port for each in sessions):  # else it is a session that listens for what it forwards (ssh -R)
                    self.ports |= heard
        others = set(port for inode, port in listening.items() if inode not in held)  # inetd, and systemd with Accept=yes, listen for sshd
        self.ports |= others.intersection(each.port for each in self._sessions)

    def connections(self):
        """Those of everybody who came by SSH."""
        found = [each for each in self._connected.values() if each.port in self.ports]
        return found or self._sessions  # of servers that do not listen any more

    def ours(self):
        """Our own connection, as far as it can be told; more than one if it forwards as well."""
        inodes = set().union(*[socket_inodes(pid) for pid in ancestors() if is_ssh_server(pid)])
        found = [each for inode, each in self._connected.items() if inode in inodes]
        peer, _space, rest = os.environ.get("SSH_CONNECTION", "").partition(" ")
        told = [peer.partition("%")[0]] + rest.split()[0::2]  # peer, its port, our address, our port; maybe of a connection that is gone
        found += [each for each in self._connected.values() if told == [str(each.peer), str(each.peer_port), str(each.port)]]
        return [each for each in found if each.port in self.ports] or found


def is_ssh_server(pid):
    return Host.read("/proc/%d/comm" % pid).strip() in SSH_SERVERS


def uptime():
    with open("/proc/uptime") as handle:
        return float(handle.read().split()[0])


def ancestors():
    """Our own pid and all our parents', nearest first."""
    pids, pid = [], os.getpid()
    while pid > 0 and pid not in pids:
        pids.append(pid)
        pid = parent(pid)
    return pids


def start_time(pid):
    """The process's start in clock ticks since boot, None when there is none (or only a zombie). With the pid it is an identity."""
    if _stat_field(pid, 3, "Z", str) in ("Z", "X"):
        return None
    return _stat_field(pid, 22, None)


def state(pid):
    """The letter of /proc/PID/stat: R, S, D, T when stopped, t when a debugger holds it, Z; empty when there is none."""
    return _stat_field(pid, 3, "", str)


def parent(pid):
    """The pid of a process's parent, 0 when there is none."""
    return _stat_field(pid, 4, 0)


def _stat_field(pid, number, default, kind=int):
    """Field of /proc/PID/stat, numbered as in proc(5); the name may hold spaces and brackets, so count from its end."""
    try:
        with open("/proc/%d/stat" % pid, errors="replace") as handle:
            text = handle.read()
    except OSError:
        return default
    return kind(text.rpartition(")")[2].split()[number - 3])


def socket_inodes(pid):
    """Inodes of the sockets that a process holds, as text."""
    found = set()
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if link.startswith("socket:["):
                found.add(link[8:-1])
    except OSError:
        pass  # it ended, or is not ours to look into
    return found


def tcp_sockets(state):
    """(local, peer, inode) of each TCP socket in a state; the ends are (address in hex, port)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Host.read(table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == state:
                yield _end(fields[1]), _end(fields[2]), fields[9]


def _end(text):
    number, _colon, port = text.partition(":")
    return number, int(port, 16)


def address(text):
    """The IP address that /proc/net/tcp writes as 32-bit words in the machine's byte order; IPv4 in IPv6 becomes IPv4."""
    words = [text[start : start + 8] for start in range(0, len(text), 8)]
    packed = b"".join(struct.pack("=I", int(word, 16)) for word in words)
    found = ipaddress.ip_address(packed)
    return getattr(found, "ipv4_mapped", None) or found
