# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""port_occupy and socket_exhaustion on real kernels: what is asked is what programs meet, and nothing is held afterwards."""

from __future__ import annotations

import pytest

from tests.lab.support.lab import Lab
from tests.lab.support.steps import run_examples, steps

# Prints why a server cannot begin on a port, for both families, whether the first client is answered, and on how many ports nobody can begin.
SERVE = """
import socket
for family, where in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((where, 8080)); server.listen(); print("free")
    except OSError as error:
        print(error.strerror)
client = socket.socket(); client.settimeout(3)
client.connect(("127.0.0.1", 8080))
try:
    print(client.recv(1))
except socket.timeout:
    print("silent")
taken = 0
for port in (8078, 8079, 8080, 8081, 8998, 8999, 9000, 9001, 9002, 9003, 9004, 9005):
    try:
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("0.0.0.0", port))
            server.listen()
    except OSError:
        taken += 1
print(taken)
"""
# Opens connections to one server until there is no port left; prints how many and why.
CONNECT = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (8000, 8000))
server = socket.socket(); server.bind(("127.0.0.1", 901)); server.listen(4000)
held = []
try:
    while len(held) < 7000:
        held.append(socket.socket()); held[-1].connect(("127.0.0.1", 901))
except OSError as error:
    print(len(held) - 1, error.strerror)
"""
ASK = """
import socket
held = []
try:
    while True:
        held.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)); held[-1].bind(("::", 0))
except OSError as error:
    print(len(held) - 1, error.strerror)
"""


@pytest.fixture
def small_range(lab: Lab, n1: str):
    """A range of 4000 ports: opening thousands of connections on a lab host takes long."""
    before = lab.read(n1, "/proc/sys/net/ipv4/ip_local_port_range").split()
    lab.run(n1, "echo 30000 33999 >/proc/sys/net/ipv4/ip_local_port_range")
    lab.run(n1, "echo 4096 >/proc/sys/net/core/somaxconn")
    yield
    lab.run(n1, f"echo {' '.join(before)} >/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.smoke
def test_steps_and_a_service_cannot_begin(lab: Lab, n1: str, tell) -> None:
    found = steps(lab, n1, "port_occupy", {"ports": ["8080", "9000-9003"], "duration": "10m"}, measure=["python3", "-c", SERVE])
    *lines, taken = found["measured"].splitlines()
    tell("port_occupy", "ports that nobody can bind, of 12 around them", 5, int(taken), "ports")
    assert found["real"]["effect"]["held"] == [8080, 9000, 9001, 9002, 9003]
    assert lines == ["Address already in use", "Address already in use", "silent"]


def test_steps_of_udp_on_one_address(lab: Lab, n1: str) -> None:
    line = "import socket; s = socket.socket(2, 2); s.bind(('127.0.0.2', 8125)); print('free'); s = socket.socket(2, 2); s.bind(('127.0.0.1', 8125))"
    found = steps(lab, n1, "port_occupy", {"ports": [8125], "protocol": "udp", "address": "127.0.0.1", "duration": "10m"}, measure=["python3", "-c", line])
    assert found["measured"] == "free" and "Address already in use" in found["measure"]["stderr"]


def test_a_port_in_use_and_ssh_are_refused(lab: Lab, n1: str) -> None:
    lab.run(n1, "nohup python3 -m http.server 8081 >/dev/null 2>&1 & echo $! >/tmp/holder; sleep 2")
    try:
        used = lab.module(n1, "faultline.chaos.port_occupy", {"ports": ["8081"], "duration": "60s"})
        holder = lab.read(n1, "/tmp/holder").strip()
        assert used["failed"] and f"8081 is in use by python3 (pid {holder})" in used["msg"], used
        ssh = lab.module(n1, "faultline.chaos.port_occupy", {"ports": ["20-25"], "duration": "60s"}, check=True)
        assert ssh["failed"] and "22 is SSH" in ssh["msg"], ssh
    finally:
        lab.run(n1, "kill $(cat /tmp/holder); rm -f /tmp/holder")
    assert lab.module(n1, "faultline.chaos.attack_info", {})["clean"]


@pytest.mark.smoke
def test_steps_and_programs_run_out_of_ports(lab: Lab, n1: str, small_range: None, tell) -> None:
    options = {"percent": "90", "reserve": 100, "duration": "10m"}
    found = steps(lab, n1, "socket_exhaustion", options, measure=["python3", "-c", CONNECT])
    effect = found["real"]["effect"]
    opened, reason = found["measured"].split(maxsplit=1)
    print(f"module measured {effect['measured_free']} free, a program opened {opened}: {reason}")
    tell("socket_exhaustion", "connections that a program can open, of 4000 at 90 %", 400, int(opened), "connections")
    assert effect["usable"] == 4000 and abs(effect["asked_free"] - 400) <= 5
    assert abs(effect["measured_free"] - effect["asked_free"]) <= 20
    assert abs(int(opened) - effect["asked_free"]) <= 20 and "assign requested address" in reason


def test_all_udp_ports_but_the_reserve(lab: Lab, n1: str, small_range: None, tell) -> None:
    options = {"percent": 100, "protocol": "udp", "reserve": 150, "duration": "10m"}
    found = steps(lab, n1, "socket_exhaustion", options, measure=["python3", "-c", ASK])
    effect = found["real"]["effect"]
    opened, reason = found["measured"].split(maxsplit=1)
    print(f"module measured {effect['measured_free']} free, a program got {opened}: {reason}")
    tell("socket_exhaustion", "UDP ports that a program gets, but the reserve all are taken", 150, int(opened), "ports")
    assert abs(effect["measured_free"] - 150) <= 10 and abs(int(opened) - 150) <= 10
    assert lab.answers(n1), "a new ssh connection was locked out"


def test_the_whole_range_of_a_host(lab: Lab, n1: str) -> None:
    options = {"percent": 60, "duration": "10m"}
    try:
        result = lab.module(n1, "faultline.chaos.socket_exhaustion", options)
        assert not result.get("failed"), result
        effect = result["effect"]
        print(f"asked {effect['asked_free']} free, measured {effect['measured_free']}, in {effect['processes']} processes")
        assert abs(effect["measured_free"] - effect["asked_free"]) < 50 and lab.answers(n1)
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert lab.run(n1, "cat /proc/[0-9]*/comm 2>/dev/null | grep -cx faultline-ports", check=False).out.strip() == "0"


def test_examples_of_port_occupy_run_as_printed(lab: Lab, n1: str) -> None:
    assert run_examples(lab, n1, "port_occupy") == ["active", "reverted", "active"]


def test_examples_of_socket_exhaustion_run_as_printed(lab: Lab, n1: str, small_range: None) -> None:
    """On a small range of ports: the whole one takes a lab host longer than the minute of the example."""
    assert run_examples(lab, n1, "socket_exhaustion") == ["active", "reverted", "active"]
