# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The control path: the SSH servers of the target, and the connections that may carry this task."""

import collections
import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import ancestors, read
from ansible_collections.faultline.chaos.plugins.module_utils._host.tcp import ESTABLISHED, LISTENING, address, socket_inodes, tcp_sockets

SSH_SERVERS = ("sshd", "sshd-session", "dropbear")  # names of processes; their programs may have more behind, as in sshd.pam and dropbearmulti
MOST_PORTS = 32
Connection = collections.namedtuple("Connection", ("address", "port", "peer", "peer_port"))  # address and port: the local end


class SshServers:
    """The SSH servers of this network namespace (/proc/net shows no other): their ports and connections.

    Anybody can name a process sshd and listen, so servers are processes of root alone that run the program, and those that this task came through.
    An ancestor process holds the connection of this task: become strips SSH_CONNECTION, but sockets stay. A task with async is detached from
    its ancestors, but keeps SSH_CONNECTION without become. With both, its connection cannot be identified.
    """

    def __init__(self):
        self._connected = {}
        for local, peer, inode in tcp_sockets(ESTABLISHED):
            self._connected[inode] = Connection(address(local[0]), local[1], address(peer[0]), peer[1])
        listening = dict((inode, local[1]) for local, _peer, inode in tcp_sockets(LISTENING))
        self.ports, held, self._sessions = set(), set(), []
        own = ancestors()
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            if is_roots_ssh_server(pid) or pid in own and is_ssh_server(pid):
                inodes = socket_inodes(pid)
                held |= inodes
                heard = set(listening[inode] for inode in inodes if inode in listening)
                sessions = [self._connected[inode] for inode in inodes if inode in self._connected]
                self._sessions += sessions
                if heard.issuperset(each.port for each in sessions):  # else it is a session that listens on a forwarded port (ssh -R)
                    self.ports |= heard
        others = set(port for inode, port in listening.items() if inode not in held)  # inetd, and systemd with Accept=yes, listen for sshd
        self.ports |= others.intersection(each.port for each in self._sessions)

    def connections(self):
        """All SSH connections."""
        found = [each for each in self._connected.values() if each.port in self.ports]
        return found or self._sessions  # the servers do not listen any more

    def ours(self):
        """The connection of this task, where it can be identified; more than one if its session forwards as well."""
        inodes = set().union(*[socket_inodes(pid) for pid in ancestors() if is_ssh_server(pid)])
        found = [each for inode, each in self._connected.items() if inode in inodes]
        peer, _space, rest = os.environ.get("SSH_CONNECTION", "").partition(" ")
        told = [peer.partition("%")[0]] + rest.split()[0::2]  # peer, its port, local address and port; the connection may be gone
        found += [each for each in self._connected.values() if told == [str(each.peer), str(each.peer_port), str(each.port)]]
        return [each for each in found if each.port in self.ports] or found

    def of_this_task(self):
        """The connections that may carry this task: its own where they can be identified, otherwise all."""
        return self.ours() or self.connections()

    def control_ports(self):
        """Local TCP ports of SSH: those that servers listen on, those of this task's own connections, and 22. Errors: AttackError when there are too many."""
        found = sorted(set([22]) | self.ports | set(each.port for each in self.ours()))
        if len(found) > MOST_PORTS:
            raise AttackError("%d ports of the target have SSH servers, the most that can always pass is %d" % (len(found), MOST_PORTS))
        return found


def is_ssh_server(pid):
    return read("/proc/%d/comm" % pid).strip() in SSH_SERVERS


def is_roots_ssh_server(pid):
    """Whether an SSH server is root in every respect, and runs such a program: a program with setuid may hold a socket that its caller opened."""
    if not is_ssh_server(pid) or not re.search(r"^Uid:\s+0\s+0\s+0\s+0$", read("/proc/%d/status" % pid), re.M):
        return False
    try:
        return os.path.basename(os.readlink("/proc/%d/exe" % pid)).startswith(("sshd", "dropbear"))
    except OSError:
        return False  # it ended
