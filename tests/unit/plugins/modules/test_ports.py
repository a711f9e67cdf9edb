# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that port_occupy and socket_exhaustion refuse before they touch anything."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._network import sockets
from ansible_collections.faultline.chaos.plugins.modules import port_occupy
from ansible_collections.faultline.chaos.plugins.modules.port_occupy import PortOccupy
from ansible_collections.faultline.chaos.plugins.modules.socket_exhaustion import SocketExhaustion
from tests.unit.support.ssh_servers import Servers


class Target:
    """As much of a Host as these ask."""

    def __init__(self, is_root: bool = True, **files: str) -> None:
        self.is_root = is_root
        self.files = files

    def read(self, path: str, default: str = "") -> str:
        return self.files.get(path.rpartition("/")[2], default)


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_occupy, "SshServers", Servers)


def occupy(host: Target | None = None, **params) -> PortOccupy:
    return PortOccupy({"ports": ["8080"], "protocol": "tcp", "address": None, **params}, host or Target())


def exhaust(host: Target | None = None, **params) -> SocketExhaustion:
    return SocketExhaustion({"percent": 80, "protocol": "tcp", "reserve": 500, **params}, host)


@pytest.mark.parametrize("ports", [[], [""], ["0"], ["65536"], ["80-22"], ["-1"], ["80;id"], ["080"], ["http"], ["1-257"], ["80", "x"], ["80-"]])
def test_ports_that_are_refused(ports: list[str]) -> None:
    with pytest.raises(BadOption, match="^ports: "):
        occupy(ports=ports).validate()


def test_ports_are_sorted_and_each_is_held_once() -> None:
    found = occupy(ports=["9001", "9000-9002", "80"])
    found.validate()
    assert found.ports == [80, 9000, 9001, 9002]
    assert found.resources()[0] == "port:tcp:80"


@pytest.mark.parametrize("address", ["", "300.1.1.1", "localhost", "10.0.0.0/8", "::ffff:1.2.3.4", "fe80::1", "fe80::1%eth0", "1.2.3.4; id"])
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(BadOption, match="^address: "):
        occupy(address=address).validate()


@pytest.mark.parametrize("ports", [["22"], ["20-30"], ["2222"]])
def test_ssh_is_never_held(ports: list[str]) -> None:
    found = occupy(ports=ports)
    found.validate()
    with pytest.raises(AttackError, match="is SSH on this target"):
        found.guard()
    udp = occupy(ports=ports, protocol="udp", address="127.0.0.1")
    udp.validate()
    udp.guard()


def test_low_ports_need_root() -> None:
    found = occupy(Target(is_root=False, ip_unprivileged_port_start="1024"), ports=["1023"])
    found.validate()
    with pytest.raises(AttackError, match="^ports: 1023 .*need root"):
        found.guard()


def test_an_address_that_is_not_here_is_refused() -> None:
    found = occupy(address="192.0.2.1")
    found.validate()
    with pytest.raises(AttackError, match="^address: 192.0.2.1 "):
        found.guard()


def test_a_port_in_use_is_refused_by_name() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        found = occupy(ports=[str(server.getsockname()[1])])
        found.validate()
        with pytest.raises(AttackError, match=r"is in use by .*\(pid "):
            found.guard()


@pytest.mark.parametrize("percent", [0, 0.5, 101, -1, "50 %", "", None, True, "all", [80], "80; id"])
def test_percentages_that_are_refused(percent) -> None:
    with pytest.raises(BadOption, match="^percent: "):
        exhaust(percent=percent).validate()


@pytest.mark.parametrize("reserve", [0, 49, -1, 65001, True, None])
def test_reserves_that_are_refused(reserve) -> None:
    with pytest.raises(BadOption, match="^reserve: "):
        exhaust(reserve=reserve).validate()


FILES = {
    "ip_local_port_range": "30000 39999\n",
    "meminfo": "MemTotal: 1000000 kB\nMemAvailable: 500000 kB\n",
    "file-nr": "1000\t0\t1000000\n",
}


@pytest.mark.parametrize(
    ("files", "params", "in_use", "message"),
    [
        ({}, {"reserve": 9000}, 1000, "^reserve: 9000 .*only 9000 of 10000"),
        ({}, {"percent": 20}, 2000, "^percent: 20 .*2000 of 10000"),
        ({"meminfo": "MemTotal: 200000 kB\nMemAvailable: 60000 kB\n"}, {}, 0, "^percent: 8000 ports take about 31 MiB"),
        ({"file-nr": "1000 0 9000"}, {}, 0, "^percent: 8000 ports need as many file descriptors"),
    ],
)
def test_what_the_target_cannot_carry(monkeypatch: pytest.MonkeyPatch, files: dict, params: dict, in_use: int, message: str) -> None:
    monkeypatch.setattr(sockets, "ports_in_use", lambda _protocol, ports: set(ports[:in_use]))
    found = exhaust(Target(**{**FILES, **files}), **params)
    found.validate()
    with pytest.raises(AttackError, match=message):
        found.guard()


def test_few_descriptors_need_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "ports_in_use", lambda _protocol, ports: set(ports[:100]))
    monkeypatch.setattr(sockets, "files_allowed", lambda: 1000)
    found = exhaust(Target(**FILES))
    found.validate()
    found.guard()
    assert (found.count, len(found.shares)) == (7900, 8)
    found.duration = 30.0
    found.journal, found.id = SimpleNamespace(directory=lambda attack_id: f"/nowhere/{attack_id}"), "a"
    plan = found.plan({})
    assert plan.before == "tcp  9900 of 10000 ephemeral ports free"
    assert plan.after == "tcp  2000 of 10000 ephemeral ports free"
    assert plan.workers[0].pid is None  # nothing runs yet
