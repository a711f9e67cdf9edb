# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What a network namespace has, read from the kernel by netlink: interfaces, tc filters, nft tables and chains.

It starts no program, and a hostile namespace, which may hold very much, costs no more than the time given.
"""

import ctypes
import os
import socket
import struct
import time
from contextlib import contextmanager

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_ROUTE, _NETFILTER = 0, 12
_DUMP, _INTERRUPTED = 0x301, 0x10  # NLM_F_REQUEST | NLM_F_DUMP; NLM_F_DUMP_INTR
_ERROR, _DONE = 2, 3
_GET_LINK, _GET_QDISC, _GET_FILTER = 18, 38, 46
_GET_TABLE, _GET_CHAIN = 0xA01, 0xA04  # of the subsystem nf_tables
_NOT_SUPPORTED = (22, 95)  # EINVAL, EOPNOTSUPP: the kernel has no nf_tables, or no queueing disciplines
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_HOOKS = {"egress": 0xFFFFFFF3, "ingress": 0xFFFFFFF2, "root": 0}
# Root qdiscs without classes: the kernel adds them by itself, and attacks never put a filter on one.
_WITHOUT_FILTERS = ("noop", "noqueue", "mq", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel")
_TURNS, _MOST = 5, 50000


@contextmanager
def inside(door):
    """The block sees the network namespace of a door: sockets it opens stay there. Errors: OSError. This process must have one thread."""
    own, there = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC), None
    try:
        there = os.open(door, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        _enter(there)
        try:
            yield
        finally:
            try:
                _enter(own)
            except OSError:
                os._exit(1)  # nothing may be done in the wrong place
    finally:
        for handle in (own, there):
            if handle is not None:
                os.close(handle)


def _enter(handle):
    if ctypes.CDLL(None, use_errno=True).setns(handle, _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Network:
    """The namespace in which it is made. seconds: for all that is asked. Errors of all methods: OSError."""

    def __init__(self, seconds, filters=True):
        self._until = time.monotonic() + seconds
        self._route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE)
        self._filter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) if filters else None

    def close(self):
        for each in (self._route, self._filter):
            if each is not None:
                each.close()

    def interfaces(self):
        """[(index, name, description)]"""

        def read(body):
            words = _attributes(body[16:], (3, 20))
            return struct.unpack_from("=i", body, 4)[0], words.get(3, ""), words.get(20, "")

        return self._dump(self._route, _GET_LINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0), read)

    def hooks(self):
        """[(index, hook)] of what may hold filters of attacks. A filter goes with its qdisc, and netem adds some only to clsact or to a qdisc with classes."""

        def read(body):
            index, _handle, parent = struct.unpack_from("=iII", body, 4)
            return index, parent, _attributes(body[20:], (1,)).get(1, "")

        found = []
        for index, parent, kind in self._dump(self._route, _GET_QDISC, _traffic(0, 0), read):
            if kind in ("clsact", "ingress"):
                found += [(index, hook) for hook in (("egress", "ingress") if kind == "clsact" else ("ingress",))]
            elif parent == 0xFFFFFFFF and kind not in _WITHOUT_FILTERS:
                found.append((index, "root"))
        return found

    def preferences(self, index, hook):
        """The preferences of the filters on a hook of an interface."""
        return set(self._dump(self._route, _GET_FILTER, _traffic(index, _HOOKS[hook]), lambda body: struct.unpack_from("=I", body, 16)[0] >> 16))

    def tables(self):
        """[(family, table)] of nft, those of iptables-nft included."""
        return self._nft(_GET_TABLE, lambda body: (_FAMILIES.get(bytearray(body)[0], "?"), _attributes(body[4:], (1,)).get(1, "")))

    def chains(self):
        """[(table, chain)] of nft, those of iptables-nft included."""

        def read(body):
            words = _attributes(body[4:], (1, 3))
            return words.get(1, ""), words.get(3, "")

        return self._nft(_GET_CHAIN, read)

    def _nft(self, kind, read):
        return self._dump(self._filter, kind, struct.pack("=BBH", 0, 0, 0), read) if self._filter else []

    def _dump(self, connection, kind, body, read):
        """What is read from each message of the kernel's answer; asked again when what it lists changed meanwhile."""
        for _turn in range(_TURNS):
            found, changed = [], 0
            connection.send(struct.pack("=IHHII", 16 + len(body), kind, _DUMP, 0, 0) + body)
            for flags, answer in _messages(connection, self._until):
                found.append(read(answer))
                changed |= flags & _INTERRUPTED
                if len(found) > _MOST:
                    raise OSError("it holds too much to be looked through")
            if not changed:
                return found
        raise OSError("it changes all the time")


def _traffic(index, parent):
    return struct.pack("=BxxxiIII", 0, index, 0, parent, 0)


def _messages(connection, until):
    """Yields flags and body of each message. Errors: OSError, also when the time is over."""
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise OSError("it holds too much to be looked through")
        connection.settimeout(left)
        data, at = connection.recv(1 << 16), 0
        while at + 16 <= len(data):
            length, kind, flags = struct.unpack_from("=IHH", data, at)
            body = data[at + 16 : at + length]
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", body)[0]
                if number in _NOT_SUPPORTED:
                    return
                raise OSError(number, os.strerror(number))
            yield flags, body
            at += (max(length, 16) + 3) & ~3


def _attributes(data, wanted):
    """{number: text} of the wanted attributes."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if kind & 0x3FFF in wanted:
            found[kind & 0x3FFF] = data[at + 4 : at + length].rstrip(b"\0").decode("utf-8", "surrogateescape")
        at += (max(length, 4) + 3) & ~3
    return found
