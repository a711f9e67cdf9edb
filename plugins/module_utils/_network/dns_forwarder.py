# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A DNS forwarder as a worker: it answers some names wrongly, late or not at all, and forwards all other queries.

Three processes: the leader holds the sockets and restarts the others when they end; the server answers queries without root privileges;
the watcher runs the undo when the leader is gone, so that no redirect to a closed port stays on the host.
"""

import collections
import heapq
import mmap
import os
import resource
import selectors
import signal
import socket
import struct
import threading
import time

from ansible_collections.faultline.chaos.plugins.module_utils._host.detached import detach
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime, write_proc
from ansible_collections.faultline.chaos.plugins.module_utils._network import dns

MOST_WAITING = 1024  # queries that wait for a resolver; the oldest are dropped
MOST_CONNECTIONS = 64  # TCP
PATIENCE = 15.0  # seconds that a query may wait for a resolver
MEMORY = 768 << 20  # bytes: limit of the server's address space, of which it uses a fraction
LATE = 60.0  # seconds that the server keeps running after the deadline, so that the undo removes the redirect first
RESPAWNS = 20


class Fault:
    """What happens to queries for some domains."""

    def __init__(self, mode, domains, delay=0.0, addresses=()):
        self.mode = mode
        self.domains = domains
        self.delay = delay
        self.addresses = list(addresses)

    def hits(self, query):
        return query is not None and query.name in self.domains

    def answer(self, data, query, room=65535):
        """The answer in bytes, no longer than room, or None for no answer."""
        if self.mode == "timeout":
            return None
        return dns.answer(data, query, dns.RCODES.get(self.mode, 0), self.addresses, room)


class Endpoint:
    """The stand-in for one resolver, on its own loopback port."""

    def __init__(self, resolver, port):
        self.resolver = resolver
        self.port = port
        self.family = socket.AF_INET if resolver.address.version == 4 else socket.AF_INET6
        self.upstream = (str(resolver.address), dns.PORT)
        self.udp = self.tcp = None

    def listen(self):
        where = ("127.0.0.1" if self.family == socket.AF_INET else "::1", self.port)
        self.udp = socket.socket(self.family, socket.SOCK_DGRAM)
        self.tcp = socket.socket(self.family, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for each in (self.udp, self.tcp):
            each.bind(where)
            each.setblocking(False)
        self.tcp.listen(MOST_CONNECTIONS)


# --- the processes --------------------------------------------------------------------------------------


class Hits:
    """How many queries the fault has met, but for those that the module asked itself; shared by the processes."""

    def __init__(self):
        self._numbers = memoryview(mmap.mmap(-1, 16)).cast("q")

    def count(self):
        self._numbers[0] += 1

    def forget(self):
        """Those so far were the module's own."""
        self._numbers[1] = self._numbers[0]

    @property
    def met(self):
        return self._numbers[0] - self._numbers[1]


def run(endpoints, fault, uid, script, until, hits, figures):
    """The leader. script: the undo, run when the forwarder fails; until: the deadline in seconds since boot. figures: keep the hits."""
    for each in endpoints:
        each.listen()
    leader = os.getpid()
    roles = {"watch": lambda: _watch(leader, script, until), "serve": lambda: _serve(endpoints, fault, uid, until + LATE, hits)}
    children, starts = {}, 0
    while uptime() < until + LATE:
        for role in sorted(set(roles) - set(children.values())):
            if starts >= RESPAWNS:
                return _undo(script)
            starts += 1
            children[_fork(roles[role])] = role
        figures.met = hits.met
        figures.keep()  # before the first pause, for the undo may come at once
        time.sleep(0.2)
        for pid in list(children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del children[pid]
    return None


def _fork(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(0)
    return pid


def _watch(leader, script, until):
    write_proc("/proc/self/oom_score_adj", "0")
    while os.getppid() == leader and uptime() < until + 5:
        time.sleep(0.2)
    _undo(script)  # the leader is gone, or the dead-man timer did not fire
    time.sleep(LATE)


def _undo(script):
    """Run the undo in its own session, because it kills this process."""
    argv = ["/bin/sh", script, "worker"]
    detach(lambda: os.execv(argv[0], argv), oom_score=-1000)


def _serve(endpoints, fault, uid, until, hits):
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    threading.stack_size(512 * 1024)
    Server(endpoints, fault, until, hits).run()


# --- the server -----------------------------------------------------------------------------------------


class Server:
    """Serves all endpoints. until: in seconds since boot."""

    def __init__(self, endpoints, fault, until, hits):
        self.endpoints = endpoints
        self.hits = hits
        self.fault = fault
        self.until = until
        self.selector = selectors.DefaultSelector()
        self.waiting = collections.OrderedDict()  # socket to a resolver -> (endpoint, client, bytes of the query, expiry)
        self.later = []  # heap of (due, number, endpoint, bytes, client)
        self.number = 0
        self.passed = {}  # (name, type) -> one expiry per delayed query, which may pass a second endpoint until then
        self.connections = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def run(self):
        for each in self.endpoints:
            self.selector.register(each.udp, selectors.EVENT_READ, (self._query, each))
            self.selector.register(each.tcp, selectors.EVENT_READ, (self._accept, each))
        while uptime() < self.until:
            pause = 0.5 if not self.later else min(0.5, max(0.0, self.later[0][0] - time.monotonic()))
            for key, _events in self.selector.select(pause):
                action, what = key.data
                try:
                    action(key.fileobj, what)
                except OSError:
                    continue  # affects only one query or client
            self._due()

    # UDP: all in this thread

    def _query(self, sock, endpoint):
        data, client = sock.recvfrom(65535)
        query = dns.parse(data)
        if not self._hits(endpoint, query):
            self._forward(endpoint, data, client)
        elif self.fault.mode == "delay":
            self.number += 1
            heapq.heappush(self.later, (time.monotonic() + self.fault.delay, self.number, endpoint, data, client))
        else:
            told = self.fault.answer(data, query, query.room)
            if told is not None:
                sock.sendto(told, client)

    def _hits(self, endpoint, query):
        if not self.fault.hits(query):
            return False
        # When a local stub resolver forwards a query that was already delayed, do not delay it again.
        if self.fault.mode == "delay" and endpoint.resolver.behind and self._delayed_already(query):
            return False
        self.hits.count()
        return True

    def _delayed_already(self, query):
        """Whether an equal query was delayed and forwarded recently; uses up its entry."""
        passed = self.passed.get((query.name, query.kind), [])
        while passed:
            if time.monotonic() < passed.pop():
                return True
        return False

    def _passes_now(self, endpoint, query):
        if query is not None and not endpoint.resolver.behind:
            if len(self.passed) > MOST_WAITING:
                self.passed.clear()
            self.passed.setdefault((query.name, query.kind), []).append(time.monotonic() + PATIENCE)

    def _forward(self, endpoint, data, client):
        sock = socket.socket(endpoint.family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(endpoint.upstream)
            sock.send(data)
        except OSError:
            sock.close()
            self._failed(endpoint, data, client)
            return
        self.selector.register(sock, selectors.EVENT_READ, (self._reply, None))
        self.waiting[sock] = (endpoint, client, data, time.monotonic() + PATIENCE)
        if len(self.waiting) > MOST_WAITING:
            self._forget(next(iter(self.waiting)))

    def _reply(self, sock, _nothing):
        if sock not in self.waiting:
            return  # just dropped in favour of newer queries
        endpoint, client, query, _expiry = self.waiting[sock]
        try:
            data = sock.recv(65535)
        except BlockingIOError:
            return
        except OSError:
            self._forget(sock)
            self._failed(endpoint, query, client)
            return
        if data[:2] == query[:2]:
            self._forget(sock)
            endpoint.udp.sendto(data, client)

    def _forget(self, sock):
        self.selector.unregister(sock)
        sock.close()
        del self.waiting[sock]

    def _failed(self, endpoint, data, client):
        """The resolver cannot be reached: answer SERVFAIL, so that the client learns it at once, as without the attack."""
        query = dns.parse(data)
        if query is not None:
            endpoint.udp.sendto(dns.answer(data, query, dns.RCODES["servfail"]), client)

    def _due(self):
        """Forward the queries whose delay is over, drop those whose resolver did not answer in time."""
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            _due, _number, endpoint, data, client = heapq.heappop(self.later)
            self._passes_now(endpoint, dns.parse(data))
            self._forward(endpoint, data, client)
        while self.waiting:
            sock, entry = next(iter(self.waiting.items()))
            if entry[3] > now:
                break
            self._forget(sock)

    # TCP: a thread for each connection

    def _accept(self, sock, endpoint):
        client = sock.accept()[0]
        if not self.connections.acquire(False):
            client.close()
            return
        threading.Thread(target=self._connection, args=(endpoint, client), daemon=True).start()

    def _connection(self, endpoint, client):
        upstream = None
        try:
            client.settimeout(PATIENCE * 2)
            while True:
                data = _receive(client)
                query = dns.parse(data)
                if self._hits(endpoint, query):
                    if self.fault.mode == "delay":
                        time.sleep(self.fault.delay)
                        self._passes_now(endpoint, query)
                    else:
                        told = self.fault.answer(data, query)
                        if told is not None:
                            client.sendall(struct.pack("!H", len(told)) + told)
                        continue
                upstream, told = _ask_by_tcp(endpoint, upstream, data)
                client.sendall(struct.pack("!H", len(told)) + told)
        except (OSError, EOFError):
            pass  # one end closed the connection
        finally:
            for each in (client, upstream):
                if each is not None:
                    each.close()
            self.connections.release()


def _ask_by_tcp(endpoint, upstream, data):
    """(connection, answer). Reconnects when the server closed the connection after one query. Errors: EOFError, OSError."""
    if upstream is not None:
        try:
            upstream.sendall(struct.pack("!H", len(data)) + data)
            return upstream, _receive(upstream)
        except (OSError, EOFError):
            upstream.close()
    upstream = socket.create_connection(endpoint.upstream, PATIENCE)
    try:
        upstream.sendall(struct.pack("!H", len(data)) + data)
        return upstream, _receive(upstream)
    except (OSError, EOFError):
        upstream.close()
        raise


def _receive(sock):
    """One message of a TCP connection. Errors: EOFError, OSError."""
    return _exactly(sock, struct.unpack("!H", _exactly(sock, 2))[0])


def _exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
