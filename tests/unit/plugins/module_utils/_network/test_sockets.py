# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ports are in the way of which bind, and how many ephemeral ports are taken."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from ansible_collections.faultline.chaos.plugins.module_utils._network import sockets

LINE4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0"
ANY6 = "   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0"


def ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)


def test_a_line_of_the_kernel() -> None:
    found = sockets.Socket(LINE4)
    assert (str(found.address), found.port, found.state, found.inode) == ("127.0.0.1", 8080, "0A", "4242")


@pytest.mark.parametrize(
    ("line", "wanted", "overlaps"),
    [
        (LINE4, None, True),
        (LINE4, "127.0.0.1", True),
        (LINE4, "0.0.0.0", True),
        (LINE4, "127.0.0.2", False),
        (LINE4, "::1", False),
        (LINE4, "::", False),
        (ANY6, None, True),
        (ANY6, "::1", True),
        (ANY6, "127.0.0.1", True),  # a socket of both families is in the way of both
    ],
)
def test_overlaps(line: str, wanted: str | None, overlaps: bool) -> None:
    assert sockets.Socket(line).overlaps(wanted and ip(wanted)) is overlaps


def test_a_port_in_use_names_its_process() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert sockets.in_the_way("tcp", ip("127.0.0.1"), {port}) == {}  # bound is not in the way of who may wait for it
        server.listen()
        found = sockets.in_the_way("tcp", ip("127.0.0.1"), {port})
        assert f"(pid {os.getpid()})" in found[port]
        assert sockets.in_the_way("tcp", ip("127.0.0.2"), {port}) == {}
        assert sockets.in_the_way("udp", None, {port}) == {}
        with pytest.raises(OSError):
            sockets.bind("tcp", ip("127.0.0.1"), port, reuse=True)


def test_a_bind_to_all_addresses_holds_both_families() -> None:
    with sockets.bind("tcp", None, 0) as held:
        port = held.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            if sockets.problem_of(ip(address)) is None:
                with pytest.raises(OSError):
                    sockets.bind("tcp", ip(address), port).close()


def test_an_address_of_somebody_else_is_a_problem() -> None:
    assert sockets.problem_of(ip("127.0.0.1")) is None
    assert "assign" in sockets.problem_of(ip("192.0.2.1"))


def test_ephemeral_ports_leave_out_the_reserved_ones() -> None:
    assert sockets.ephemeral("100\t105\n") == [100, 101, 102, 103, 104, 105]
    assert sockets.ephemeral("100 105", "102,104-200\n") == [100, 101, 103]
    assert sockets.ephemeral("100 101", "\n") == [100, 101]


@pytest.mark.parametrize(
    ("usable", "in_use", "percent", "reserve", "expected"),
    [
        (1000, 0, 50, 100, 500),
        (1000, 200, 50, 100, 300),  # what others have counts
        (1000, 500, 50, 100, 0),
        (1000, 600, 50, 100, 0),
        (1000, 0, 100, 100, 900),  # the reserve stays, whatever is asked for
        (1000, 950, 100, 100, 0),
        (40, 0, 100, 50, 0),
        (1000, 0, 12.55, 50, 125),
    ],
)
def test_to_take(usable: int, in_use: int, percent: float, reserve: int, expected: int) -> None:
    assert sockets.to_take(usable, in_use, percent, reserve) == expected


def test_free_ports_asks_the_kernel() -> None:
    with sockets.bind("udp", None, 0) as one:
        port = one.getsockname()[1]
        assert sockets.free_ports("udp", [port]) == 0
        assert port in sockets.ports_in_use("udp", [port, 1])
    assert sockets.free_ports("udp", [port]) == 1


def test_free_ports_takes_a_share_when_it_gets_late(mocker: MockerFixture) -> None:
    bound = mocker.Mock()

    def bind(_protocol: str, _ip: None, port: int) -> object:
        if port >= 3000:
            raise OSError
        return bound

    mocker.patch.object(sockets, "bind", side_effect=bind)
    ports = list(range(1000, 5000))
    assert sockets.free_ports("tcp", ports, patience=600.0) == 2000 and sockets.bind.call_count == 4000
    sockets.bind.reset_mock()
    assert abs(sockets.free_ports("tcp", ports, patience=-1.0) - 2000) <= 16 and sockets.bind.call_count == 250


def test_a_process_moves_no_limit_but_its_own_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets.resource, "getrlimit", lambda _kind: (1024, 4096))
    assert sockets.files_allowed() == 4096 - sockets.SPARE_FILES
    monkeypatch.setattr(sockets.resource, "getrlimit", lambda _kind: (1024, sockets.resource.RLIM_INFINITY))
    assert sockets.files_allowed() > 65535


def test_the_files_of_the_kernel_are_there() -> None:
    assert all(Path(each).exists() for each in (sockets.RANGE, sockets.RESERVED))


def test_a_store_of_bound_ports_leaves_out_what_somebody_else_took() -> None:
    with sockets.bind("tcp", None, 0) as taken:
        free = sockets.bind("tcp", None, 0)
        port = free.getsockname()[1]
        free.close()
        store = sockets.Bound("tcp", [taken.getsockname()[1], port])
        assert store.take() and len(store) == 1 and not store.take()
        assert sockets.free_ports("tcp", [port]) == 0
        store.give()
        assert len(store) == 0 and sockets.free_ports("tcp", [port]) == 1


def test_a_port_whose_socket_was_destroyed_is_not_held_any_more() -> None:
    """ss -K needs rights; shutdown() leaves the same state behind."""
    destroyed = []
    child = os.fork()
    if child == 0:
        listen = sockets.bind

        def bind(*told, **how):
            destroyed.append(listen(*told, **how))
            return destroyed[-1]

        sockets.bind = bind
        sockets.time.sleep = lambda _seconds: destroyed[0].shutdown(socket.SHUT_RDWR)
        sockets.occupy("tcp", ip("127.0.0.1"), [0], sockets.uptime() + 10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] >> 8 == 1
