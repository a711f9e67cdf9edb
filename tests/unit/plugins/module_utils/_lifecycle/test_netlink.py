# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from the kernel by netlink, and every way in which its answer can be cut, refused, changed meanwhile or too long."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterable

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import netlink

NEW, ERROR, DONE, INTERRUPTED = 16, 2, 3, 0x10
END = struct.pack("=IHHIIi", 20, DONE, 2, 0, 0, 0)


def attribute(kind: int, text: str) -> bytes:
    value = text.encode() + b"\0"
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(body: bytes, flags: int = 2) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), NEW, flags, 0, 0) + body + bytes(-len(body) % 4)


def interface(index: int, name: str, flags: int = 2, more: bytes = b"") -> bytes:
    return message(struct.pack("=BxHiII", 0, 1, index, 0, 0) + attribute(3, name) + more, flags)


def error(number: int) -> bytes:
    return struct.pack("=IHHIIi", 20 + 16, ERROR, 0, 0, 0, -number) + bytes(16)


class Kernel:
    """A socket that answers each question with the next list of datagrams; the last list is said again and again."""

    def __init__(self, answers: list[list[bytes]]) -> None:
        self.answers, self.asked, self.waits = answers, 0, [0.0]
        self.left: list[bytes] = []

    def send(self, _question: bytes) -> None:
        self.left = list(self.answers[min(self.asked, len(self.answers) - 1)])
        self.asked += 1

    def settimeout(self, seconds: float) -> None:
        self.waits.append(seconds)

    def recv(self, size: int) -> bytes:
        if not self.left:
            raise TimeoutError("timed out")
        return self.left.pop(0)[:size]

    def close(self) -> None:
        pass


@pytest.fixture(name="ask")
def fixture_ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[netlink.Network, Kernel]]:
    def made(*answers: Iterable[bytes], seconds: float = 5.0) -> tuple[netlink.Network, Kernel]:
        kernel = Kernel([list(each) for each in answers])
        monkeypatch.setattr(netlink.socket, "socket", lambda *_kind: kernel)
        return netlink.Network(seconds), kernel

    return made


def test_the_kernel_itself() -> None:
    network = netlink.Network(5, filters=False)
    try:
        assert ("lo", socket.if_nametoindex("lo")) in [(name, index) for index, name, _described in network.interfaces()]
        assert network.tables() == []  # not asked for
    finally:
        network.close()


def test_messages_of_several_datagrams(ask) -> None:
    network, kernel = ask([interface(1, "lo") + interface(2, "eth0", more=attribute(20, "netem-1")), interface(3, "ö"), END])
    assert network.interfaces() == [(1, "lo", ""), (2, "eth0", "netem-1"), (3, "ö", "")] and kernel.asked == 1
    assert all(0 < seconds <= 5 for seconds in kernel.waits[1:])


def test_what_changed_meanwhile_is_asked_again(ask) -> None:
    """The kernel says so in any of the messages, and what it said that time is dropped, for it may lack something."""
    network, kernel = ask([interface(1, "lo", 2 | INTERRUPTED) + interface(2, "old"), END], [interface(1, "lo") + interface(3, "new"), END])
    assert network.interfaces() == [(1, "lo", ""), (3, "new", "")] and kernel.asked == 2


def test_what_changes_all_the_time_is_not_taken_for_looked_at(ask) -> None:
    network, kernel = ask([interface(1, "lo", 2 | INTERRUPTED), END])
    with pytest.raises(OSError, match="it changes all the time"):
        network.interfaces()
    assert kernel.asked == 5


@pytest.mark.parametrize("number", [errno.EPERM, errno.EBUSY, errno.ENOMEM])
def test_an_error_is_told(ask, number: int) -> None:
    network, _kernel = ask([interface(1, "lo"), error(number)])
    with pytest.raises(OSError) as told:
        network.interfaces()
    assert told.value.errno == number


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_what_the_kernel_does_not_have_holds_nothing(ask, number: int) -> None:
    network, _kernel = ask([error(number)])
    assert network.tables() == [] and network.chains() == []


@pytest.mark.parametrize(
    ("more", "name", "described"),
    [
        (struct.pack("=HH", 400, 20) + b"cut", "lo", "cut"),  # longer than what there is
        (struct.pack("=HH", 0, 20) + attribute(3, "after"), "after", ""),  # without a length it takes its head
        (struct.pack("=HH", 2, 99) + attribute(20, "x"), "lo", "x"),
        (b"\x08", "lo", ""),  # not even a head
        (struct.pack("=HH", 4, 20), "lo", ""),
        (struct.pack("=HH", 6, 20 | 0x8000) + b"\xff\xfe\0\0", "lo", "\udcff\udcfe"),  # nested, and no UTF-8
    ],
    ids=["too long", "no length", "short", "no head", "empty", "no text"],
)
def test_an_attribute_that_is_cut_ends_and_costs_no_other(ask, more: bytes, name: str, described: str) -> None:
    network, _kernel = ask([interface(1, "lo", more=more), interface(2, "eth0"), END])
    assert network.interfaces() == [(1, name, described), (2, "eth0", "")]


def test_a_message_without_a_length_ends(ask) -> None:
    """It takes its head, and the next one is read."""
    network, _kernel = ask([struct.pack("=IHHII", 0, NEW, 0, 0, 0) + END])
    assert network.chains() == [("", "")]


def test_too_many_messages(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "_MOST", 100)
    network, kernel = ask([interface(number, "x") for number in range(1, 1000)] + [END])
    with pytest.raises(OSError, match="it holds too much"):
        network.interfaces()
    assert len(kernel.left) > 800  # the rest is not even read
    network, _kernel = ask([interface(number, "x") for number in range(1, 101)] + [END])
    assert len(network.interfaces()) == 100


def test_the_time_is_over(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all that is asked together, and also while the kernel goes on to answer."""
    network, kernel = ask([interface(1, "lo"), END], seconds=0)
    with pytest.raises(OSError, match="it holds too much"):
        network.interfaces()
    assert kernel.waits == [0.0]  # nothing was waited for
    network, _kernel = ask([interface(1, "lo")])  # without an end
    with pytest.raises(OSError):
        network.interfaces()
    clock = iter(range(100))
    monkeypatch.setattr(netlink.time, "monotonic", lambda: float(next(clock)))
    network, kernel = ask([interface(number, "x") for number in range(1, 1000)])
    with pytest.raises(OSError, match="it holds too much"):
        network.interfaces()
    assert len(kernel.left) > 900


def test_hooks_that_may_hold_filters_of_attacks(ask) -> None:
    def queue(index: int, parent: int, kind: str) -> bytes:
        return message(struct.pack("=BxxxiIII", 0, index, 0, parent, 0) + attribute(1, kind))

    root = 0xFFFFFFFF
    listed = [(1, root, "noqueue"), (2, root, "fq_codel"), (3, root, "prio"), (4, 0xFFFFFFF1, "clsact"), (5, 0xFFFFFFF1, "ingress"), (6, 0x10001, "netem")]
    network, _kernel = ask([b"".join(queue(*each) for each in listed), END])
    assert network.hooks() == [(3, "root"), (4, "egress"), (4, "ingress"), (5, "ingress")]


def test_preferences_tables_and_chains(ask) -> None:
    network, _kernel = ask([message(struct.pack("=BxxxiIII", 0, 1, 0, 0, (47001 << 16) | 0x300)) * 2, END])
    assert network.preferences(1, "root") == {47001}
    network, _kernel = ask([message(struct.pack("=BBH", family, 0, 0) + attribute(1, "t") + attribute(3, "c")) for family in (2, 10, 77)] + [END])
    assert network.tables() == [("ip", "t"), ("ip6", "t"), ("?", "t")] and network.chains() == [("t", "c")] * 3
