# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Sockets as a resource: which process holds which port, ports held by a worker, and the number of free ephemeral ports."""

import os
import resource
import socket
import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host, lines
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._host.tcp import LISTENING, address, socket_inodes

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
RANGE = "/proc/sys/net/ipv4/ip_local_port_range"  # also valid for IPv6
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
BYTES_PER_SOCKET = 4096  # of memory: socket, inode, file, bind bucket and Python object; 3.7 KiB measured for TCP
STRIDE = 16  # number of passes of free_ports()
SPARE_FILES = 64  # descriptors that a holder keeps for other uses


class Socket:
    """One line of /proc/net/tcp, tcp6, udp or udp6."""

    __slots__ = ("_address", "port", "state", "inode")

    def __init__(self, line):
        fields = line.split()
        self._address, _colon, port = fields[1].partition(":")
        self.port = int(port, 16)
        self.state = fields[3]
        self.inode = fields[9]

    @property
    def address(self):
        return address(self._address)

    def overlaps(self, ip):
        """Whether this socket conflicts with a bind to an address (None: all addresses)."""
        return ip is None or self.address.is_unspecified or self.address == ip or ip.is_unspecified and ip.version == self.address.version


def sockets(protocol):
    """All tcp or udp sockets with a port, both families."""
    for name in (protocol, protocol + "6"):
        for line in lines(Host.read("/proc/net/" + name))[1:]:
            yield Socket(line)


def holders(inodes):
    """ "name (pid N)" of the processes that hold the given sockets, for people."""
    found = ["%s (pid %d)" % (process.name, process.pid) for process in processes() if inodes & socket_inodes(process.pid)]
    return ", ".join(found) or "a process that cannot be seen from here (of another user, or in another namespace)"


def in_the_way(protocol, ip, ports, connected=False):
    """{port: its processes} for ports that cannot be bound to an address (None: all). TCP: only listeners, with connected all sockets."""
    found = {}
    for each in sockets(protocol):
        if each.port in ports and (protocol == "udp" or connected or each.state == LISTENING) and each.overlaps(ip):
            found.setdefault(each.port, set()).add(each.inode)
    return dict((port, holders(inodes)) for port, inodes in found.items())


def bind(protocol, ip, port, reuse=False):
    """A socket bound to a port of an address; None means all addresses of both families. Errors: OSError.

    reuse: connections of an ended server (TIME_WAIT) do not conflict; a listener still does.
    """
    if ip is None:
        family = socket.AF_INET6 if Host.read("/proc/net/if_inet6", None) is not None else socket.AF_INET
        where = "::" if family == socket.AF_INET6 else "0.0.0.0"
    else:
        family, where = (socket.AF_INET if ip.version == 4 else socket.AF_INET6), str(ip)
    found = socket.socket(family, KINDS[protocol])
    try:
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if ip is None else 1)
        if reuse:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((where, port))
    except OSError:
        found.close()
        raise
    return found


def problem_of(ip):
    """Why no socket can be bound to an address here, or None."""
    try:
        bind("udp", ip, 0).close()
    except OSError as error:
        return error.strerror
    return None


# --- ports held one by one --------------------------------------------------------------------------


def occupy(protocol, ip, ports, until):
    """The worker: hold ports. until: in seconds since boot. TCP ports listen; nothing is accepted or read.

    It ends at once when somebody has destroyed a socket (ss -K), so that the ports are missed.
    """
    held = []
    for port in ports:
        found = bind(protocol, ip, port, reuse=protocol == "tcp")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the smallest receive buffer that the kernel allows
        if protocol == "tcp":
            found.listen(0)
        held.append(found)
    while uptime() < until:
        if protocol == "tcp" and any(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != int(LISTENING, 16) for each in held):
            os._exit(1)
        time.sleep(max(0.0, min(2.0, until - uptime())))


# --- ephemeral ports --------------------------------------------------------------------------------


def ephemeral(text, reserved=""):
    """Ports that the kernel assigns automatically, from the texts of ip_local_port_range and ip_local_reserved_ports."""
    low, high = [int(word) for word in text.split()]
    ports = set(range(low, high + 1))
    for each in reserved.strip().split(","):
        first, dash, last = each.partition("-")
        if first:
            ports.difference_update(range(int(first), int(last if dash else first) + 1))
    return sorted(ports)


def ports_in_use(protocol, ports):
    """The given ports that are used by any socket of a protocol."""
    return set(each.port for each in sockets(protocol)) & set(ports)


def to_take(usable, in_use, percent, reserve):
    """How many more ports to take until percent of the usable ports are in use, with at least reserve left."""
    return max(0, min(int(usable * percent / 100.0), usable - reserve) - in_use)


def files_allowed():
    """Descriptors that one helper may open; it raises only its own soft limit, up to the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return (1 << 20 if hard == resource.RLIM_INFINITY else hard) - SPARE_FILES


class Bound:
    """Sockets bound to the given free ports, one by one: the store of a holder, see _resources/holders.py.

    Ports are bound, not connected: no packet is sent, and the kernel assigns a bound port to no other socket of either family.
    """

    def __init__(self, protocol, ports):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._protocol = protocol
        self._ports = list(reversed(ports))
        self._held = []

    def __len__(self):
        return len(self._held)

    def take(self):
        while self._ports:
            try:
                self._held.append(bind(self._protocol, None, self._ports.pop()))
                self._held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                return True
            except OSError:
                continue  # another process just took it
        return False

    def give(self):
        self._held.pop().close()


def held_by(leader):
    """The number of sockets that a leader's helpers hold."""
    total = 0
    for process in processes():
        try:
            if process.pid != leader and os.getpgid(process.pid) == leader:
                total += len(socket_inodes(process.pid))
        except OSError:
            continue  # it just ended
    return total


def free_ports(protocol, ports, patience=2.0):
    """The number of the given ports that are free, measured by binding each for a moment.

    In passes of every 16th port; when patience (seconds) is exceeded after a pass, the result is extrapolated to the remaining ports.
    """
    ports, asked, free, until = list(ports), 0, 0, time.monotonic() + patience
    for first in range(STRIDE):
        for port in ports[first::STRIDE]:
            asked += 1
            try:
                bind(protocol, None, port).close()
                free += 1
            except OSError:
                continue
        if time.monotonic() > until:
            break
    return int(round(float(free) * len(ports) / max(1, asked)))
