# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""TCP sockets of this network namespace, as /proc/net/tcp shows them, and the sockets that a process holds."""

import ipaddress
import os
import struct

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import read

ESTABLISHED, LISTENING = "01", "0A"  # TCP states as in /proc/net/tcp


def socket_inodes(pid):
    """Inodes of the sockets that a process holds, as text."""
    found = set()
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if link.startswith("socket:["):
                found.add(link[8:-1])
    except OSError:
        pass  # it ended, or permission is denied
    return found


def tcp_sockets(state):
    """(local, peer, inode) of each TCP socket in a state; the ends are (address in hex, port)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read(table).split("\n")[1:]:
            fields = line.split()
            if fields[3:4] == [state]:
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
