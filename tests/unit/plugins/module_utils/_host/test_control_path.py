# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is connected by SSH is found from sockets and processes, also by a task that has left its parents (async) and its environment (become)."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import control_path
from ansible_collections.faultline.chaos.plugins.module_utils._host.control_path import SshServers
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._network.way_in import WayIn, tunnel

# A server by the name of its first argument: takes a connection and hands it to a session in a process of its own, as sshd does.
# The session also listens (ssh -R), and is connected to the port of the third argument (ssh -L), for what it forwards.
# With "inetd" it is another program that listens, and with "gone" nobody does any more.
SERVER = """
import os, socket, sys
name, six, service = sys.argv[1], sys.argv[2] == "6", int(sys.argv[3])
def rename(name):
    with open("/proc/self/comm", "w") as comm:
        comm.write(name)
def listener():
    made = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    made.bind(("::1" if six else "127.0.0.1", 0))
    made.listen(8)
    return made
rename("inetd" if "inetd" in sys.argv else name)
if "caller" in sys.argv:
    os.setresuid(5000, 0, 0)  # as in a program with setuid
server = listener()
if "5000" in sys.argv:
    os.setresuid(5000, 5000, 5000)
print(server.getsockname()[1], flush=True)
session = server.accept()[0]
if os.fork() == 0:
    if "inetd" in sys.argv:
        rename(name)
    server.close()
    forwarded, far = listener(), socket.create_connection(("127.0.0.1", service))
    print(forwarded.getsockname()[1], far.getsockname()[1], os.getpid(), flush=True)
else:
    session.close()
    if "gone" in sys.argv:
        server.close()
sys.stdin.read()
"""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., SimpleNamespace]]:
    """Starts such a server and a client of it; gives their ports. We ourselves came by no connection at all."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr(control_path, "ancestors", lambda: [os.getpid()])
    service = socket.create_server(("127.0.0.1", 0))
    open_things: list = [service]
    children: list[subprocess.Popen] = []

    def start(name: str = "sshd", family: int = 4, *words: str, program: str = "") -> SimpleNamespace:
        """program: the name of the file that runs, as its name by default."""
        copy = tmp_path / (program or name)
        if not copy.exists():
            shutil.copy(os.path.realpath(sys.executable), copy)
        argv = [str(copy), "-c", SERVER, name, str(family), str(service.getsockname()[1]), *words]
        home = {**os.environ, "PYTHONHOME": sys.base_prefix}
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=home)
        children.append(child)
        assert child.stdin is not None and child.stdout is not None
        open_things.extend([child.stdin, child.stdout])
        port = int(child.stdout.readline())
        client = socket.create_connection(("::1" if family == 6 else "127.0.0.1", port))
        open_things.append(client)
        forwarded, far, session = map(int, child.stdout.readline().split())
        return SimpleNamespace(port=port, forwarded=forwarded, far=far, session=session, server=child.pid, client=client.getsockname()[:2])

    yield start
    for each in open_things:
        each.close()
    for child in children:
        child.wait(10)


def host() -> Host:
    return Host(SimpleNamespace(check_mode=False))


def clients() -> set[tuple[str, int]]:
    return {(str(each.peer), each.peer_port) for each in SshServers().of_this_task()}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", ["sshd", "sshd-session", "dropbear"])
def test_whoever_came_by_ssh_is_found_without_parents_and_environment(serve, name: str, family: int) -> None:
    made = serve(name, family)
    assert made.port in SshServers().control_ports()
    assert made.client in clients()
    assert (made.port, ipaddress.ip_address(made.client[0])) in [(each.port, each.peer) for each in SshServers().of_this_task()]


def test_what_a_session_forwards_is_not_ssh(serve) -> None:
    made = serve()
    assert not {made.forwarded, made.far} & set(SshServers().control_ports())
    assert made.far not in {each.port for each in SshServers().of_this_task()}


def test_a_session_outlives_its_listener(serve) -> None:
    made = serve("sshd", 4, "gone")
    assert made.client in clients()


def test_a_listener_of_another_name_that_hands_over_to_sshd(serve) -> None:
    made = serve("sshd", 4, "inetd")
    assert made.port in SshServers().control_ports() and made.client in clients()
    assert made.forwarded not in SshServers().control_ports()


def test_other_servers_are_not_ssh(serve) -> None:
    made = serve("nginx")
    assert made.port not in SshServers().control_ports() and made.client not in clients()


@pytest.mark.parametrize(("words", "program"), [(["5000"], ""), (["caller"], ""), ([], "sudo")])
def test_a_process_that_anybody_can_name_sshd_is_none(serve, words: list[str], program: str) -> None:
    """Of another user, of another caller, or another program."""
    made = serve("sshd", 4, *words, program=program)
    assert made.port not in SshServers().control_ports() and made.client not in clients()


def test_what_this_task_came_through_is_one_whoever_runs_it(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    made = serve("sshd", 4, "5000")
    monkeypatch.setattr(control_path, "ancestors", lambda: [os.getpid(), made.session, made.server, 1])
    assert made.port in SshServers().control_ports() and clients() == {made.client}


def test_the_ports_that_pass_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = SshServers()
    servers.ports = set(range(2000, 2000 + control_path.MOST_PORTS))
    with pytest.raises(AttackError, match="33 ports of the target have SSH servers"):
        servers.control_ports()


def test_our_own_connection_is_told_from_others_by_our_parents(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = serve(), serve()
    monkeypatch.setattr(control_path, "ancestors", lambda: [os.getpid(), ours.session, 1])
    assert clients() == {ours.client}
    assert {ours.port, other.port} <= set(SshServers().control_ports())


def test_our_own_connection_is_told_from_others_by_the_environment(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = serve(), serve("sshd", 6)
    for made in (ours, other):
        monkeypatch.setenv("SSH_CONNECTION", f"{made.client[0]} {made.client[1]} {made.client[0]} {made.port}")
        assert clients() == {made.client}


@pytest.mark.parametrize("told", ["192.0.2.1 4711 192.0.2.2 22", "x", "", "1 2 3 4 5", "::1 22"])
def test_an_environment_that_tells_of_no_connection_is_not_believed(serve, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    made = serve()
    monkeypatch.setenv("SSH_CONNECTION", told)
    assert made.client in clients()


def test_a_server_of_an_unknown_name_is_known_by_the_environment(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    made = serve("tinysshd")
    monkeypatch.setenv("SSH_CONNECTION", f"127.0.0.1 {made.client[1]} 127.0.0.1 {made.port}")
    assert clients() == {made.client} and made.port in SshServers().control_ports()


def test_the_way_back_to_whoever_came_by_ssh_is_never_taken_down(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    made = serve()
    target = host()
    asked = []

    def run(argv, check=True, data=None):
        asked.append(argv)
        return (0, "127.0.0.1 dev eth7 src 127.0.0.1\n", "") if "route" in argv else (0, "8: eth8    inet 127.0.0.1/8 scope host eth8\n", "")

    monkeypatch.setattr(target, "run", run)
    monkeypatch.setattr(target, "tool", lambda name: name)
    found = WayIn(target, SshServers().of_this_task(), []).devices
    assert ["ip", "-o", "route", "get", made.client[0]] in asked
    assert found["eth7"] == "the way back to 127.0.0.1" and "127.0.0.1" in found["eth8"]


HEAD = "7: t0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/"
# As ip -o -d link shows a tunnel, what wg says, and the other ends.
TUNNELS = [
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    vxlan id 5 remote 192.0.2.9 dev eth0 srcport 0 0 dstport 4789", "", ["192.0.2.9"]),
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    geneve id 5 remote 2001:db8::9 ttl auto", "", ["2001:db8::9"]),
    ("ipip 192.0.2.1 peer 192.0.2.9 promiscuity 0 \\    ipip any remote 192.0.2.9 local 192.0.2.1 ttl inherit", "", ["192.0.2.9"]),
    ("gre 192.0.2.1 peer 192.0.2.9 promiscuity 0 \\    gre remote 192.0.2.9 local 192.0.2.1 dev eth0 ttl inherit", "", ["192.0.2.9"]),
    ("gre 0.0.0.0 brd 0.0.0.0 promiscuity 0 \\    gre remote any local any ttl inherit", "", None),
    ("none  promiscuity 0 \\    wireguard addrgenmode none", "k=\t192.0.2.9:51820\nl=\t[2001:db8::9]:51820\nm=\t(none)\n", ["192.0.2.9", "2001:db8::9"]),
    ("none  promiscuity 0 \\    wireguard addrgenmode none", "", None),
    ("none  promiscuity 0 \\    tun type tun pi off vnet_hdr off persist off", "", None),
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    veth addrgenmode eui64", "", []),
    ("ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 addrgenmode eui64 \\    alias tun vxlan", "", []),
]


@pytest.mark.parametrize(("shown", "wg", "ends"), TUNNELS)
def test_the_other_ends_of_tunnels(monkeypatch: pytest.MonkeyPatch, shown: str, wg: str, ends: list[str] | None) -> None:
    """None: there is one, and it cannot be told. What eth0 is for is known from the route to it."""
    target = host()

    def run(argv, check=True, data=None):
        if argv[0] == "wg":
            return 0, wg, ""
        if "route" in argv:
            return 0, f"{argv[-1]} dev {'t0' if argv[-1] == '10.9.0.2' else 'eth0'} src 192.0.2.1", ""
        return 0, HEAD + shown + "\n" if argv[-1] == "t0" else "", ""

    monkeypatch.setattr(target, "run", run)
    monkeypatch.setattr(target, "tool", lambda name: name)
    monkeypatch.setattr(target, "has_tool", lambda name: True)
    connection = control_path.Connection(ipaddress.ip_address("10.9.0.1"), 22, ipaddress.ip_address("10.9.0.2"), 4711)
    way = WayIn(target, [connection], [])
    assert sorted(map(str, way.outer)) == (ends or []) and bool(way.unclear) == (ends is None)
    assert ("eth0" in way.devices) == bool(ends)
    if ends is None:
        for attacked, refused in (("eth0", True), (None, True), ("t0", False)):
            if refused:
                with pytest.raises(AttackError, match="name the other end of that tunnel in control_addresses"):
                    way.refuse_unclear("interface", attacked)
            else:
                way.refuse_unclear("interface", attacked)
    if ends == []:
        assert tunnel(HEAD + shown) is None
