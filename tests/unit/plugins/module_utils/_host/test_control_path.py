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
