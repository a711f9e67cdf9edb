# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""blackhole on real kernels: every chosen packet is lost and no other, SSH passes whatever is asked, prior rules come out byte by byte the same.

These kernels carry iptables-legacy alone; the other back-ends are in tests/netns.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

PRIOR = """
iptables-legacy -N OTHERS
iptables-legacy -A INPUT -p tcp --dport 9999 -j DROP
iptables-legacy -A INPUT -j OTHERS
iptables-legacy -A OTHERS -p udp --dport 9998 -j DROP
iptables-legacy -t nat -A OUTPUT -p udp --dport 9953 -j REDIRECT --to-ports 9954
ip6tables-legacy -A OUTPUT -p tcp --dport 9997 -j DROP
"""
FORGET = "for t in iptables-legacy ip6tables-legacy; do $t -F; $t -X; $t -t nat -F; done"
SAVED = "for t in iptables-legacy ip6tables-legacy; do $t-save | sed '/^#/d; s/\\[[0-9:]*\\]//'; done"
COUNTERS = "for t in iptables-legacy ip6tables-legacy; do $t -w -nvxL; done"
SEND = """
import socket, sys
for address in sys.argv[1:]:
    each = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(200):
        try:
            each.sendto(b"x", (socket.gethostbyname(address) if ":" not in address else address, 8000))
        except OSError:
            pass
"""
CONNECT = """
import socket, sys, time
begin = time.monotonic()
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close(); word = "open"
except ConnectionRefusedError:
    word = "refused"
except OSError:
    word = "silent"
print(word, round(time.monotonic() - begin, 2))
"""
# UDP packets to ports where nobody listens, IPv4 and IPv6: those that arrived.
ARRIVED = "awk '/^Udp: [0-9]/ {print $3} $1 == \"Udp6NoPorts\" {print $2}' /proc/net/snmp /proc/net/snmp6"


@pytest.fixture
def prior(lab: Lab, n1: str) -> Iterator[str]:
    lab.run(n1, PRIOR)
    yield lab.run(n1, SAVED).out
    lab.run(n1, FORGET)


@pytest.fixture
def attack(lab: Lab, n1: str):
    """Apply blackhole on n1 for a test's length; reverted whatever happens."""

    def apply(**options) -> dict:
        result = lab.module(n1, "faultline.chaos.blackhole", {"duration": "10m", **options})
        assert not result.get("failed"), result
        return result

    yield apply
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


def arrived(lab: Lab, host: str) -> int:
    return sum(int(each) for each in lab.run(host, ARRIVED).out.split())


def connect(lab: Lab, host: str, address: str, port: int) -> tuple[str, float]:
    word, seconds = lab.run(host, ["python3", "-c", CONNECT, address, str(port)]).out.split()
    return word, float(seconds)


@pytest.mark.smoke
def test_steps_and_every_packet_is_lost(lab: Lab, n1: str, n2: str, prior: str, tell) -> None:
    send = ["python3", "-c", SEND, "n2", "fd77::12"]
    begin = arrived(lab, n2)
    lab.run(n1, send)
    plain = arrived(lab, n2) - begin
    options = {"peers": ["n2", "fd77::12"], "ports": ["7000-8100"], "direction": "egress", "duration": "10m"}
    begin = arrived(lab, n2)
    found = steps(lab, n1, "blackhole", options, measure=["sh", "-c", f'python3 -c "$0" n2 fd77::12; {COUNTERS}', SEND])
    during = arrived(lab, n2) - begin
    dropped = sum(int(packets) for packets in re.findall(r"^\s*(\d+)\s+\d+ DROP\s.*udp dpts:7000:8100", found["measured"], re.M))
    effect = found["real"]["effect"]
    print(f"sent 400: without the attack {plain} arrived, with it {during}; asked to drop 400, counted {dropped}; {effect}")
    tell("blackhole", "packets lost, of those that arrive without it", 100, 100 * (1 - during / plain), "%")
    tell("blackhole", "packets that the kernel counted as dropped, of 400", 400, dropped, "packets")
    assert plain > 390 and (during, dropped) == (0, 400)
    assert effect["backend"].startswith("iptables") and effect["passes"][0].startswith("ssh port") and effect["rules"] > 20
    assert lab.run(n1, SAVED).out == prior


@pytest.mark.smoke
def test_a_total_blackhole_of_the_control_interface_leaves_ssh(lab: Lab, n1: str, n2: str, prior: str, attack) -> None:
    attack(interface="eth0")
    lab.run(n2, "ip neigh flush all")
    for address in ("n1", "fd77::11"):
        assert " 0 received" in lab.run(n2, ["ping", "-c", "2", "-W", "1", address], check=False).out
        assert connect(lab, n2, address, 22)[0] == "open"
        assert connect(lab, n2, address, 80)[0] == "silent"
    assert connect(lab, n1, "n2", 22)[0] == "silent" and connect(lab, n1, "fd77::12", 22)[0] == "silent"
    assert lab.answers(n1), "a new ssh connection was locked out"
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
    assert connect(lab, n1, "n2", 22)[0] == "open" and lab.run(n1, SAVED).out == prior


def test_reject_says_no_at_once(lab: Lab, n1: str, n2: str, attack) -> None:
    attack(names=["n2"], ports=["22"], protocols=["tcp"], action="reject")
    word, seconds = connect(lab, n1, "n2", 22)
    print(f"rejected after {seconds} s")
    assert word == "refused" and seconds < 1
    assert connect(lab, n1, "fd77::12", 22)[0] == "open"


def test_names_are_followed(lab: Lab, n1: str, n2: str, n3: str, attack) -> None:
    hosts = lab.read(n1, "/etc/hosts")
    address = {each: lab.run(n1, ["getent", "ahostsv4", each]).out.split()[0] for each in (n2, n3)}
    try:
        lab.write(n1, "/etc/hosts", f"{hosts}\n{address[n2]} fl-dependency\n")
        result = attack(peers=["fl-dependency"], resolve_interval="1s", direction="egress", protocols=["tcp"])
        assert result["effect"]["names"] == {"fl-dependency": [address[n2]]}
        assert connect(lab, n1, address[n2], 22)[0] == "silent" and connect(lab, n1, address[n3], 22)[0] == "open"
        lab.write(n1, "/etc/hosts", f"{hosts}\n{address[n3]} fl-dependency\n")
        wait_until(lambda: connect(lab, n1, address[n3], 22)[0] == "silent", 60, "the new address is cut off")
        assert connect(lab, n1, address[n2], 22)[0] == "silent", "the old address is not cut off any more"
        assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
        assert connect(lab, n1, address[n3], 22)[0] == "open"
    finally:
        lab.write(n1, "/etc/hosts", hosts)


def test_the_timer_ends_it(lab: Lab, n1: str, n2: str, prior: str) -> None:
    result = lab.module(n1, "faultline.chaos.blackhole", {"peers": ["n2"], "direction": "egress", "duration": "25s"})
    assert not result.get("failed"), result
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 90, "the dead-man reverts it")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"][-1]
    assert (history["id"], history["by"], history["result"]) == (result["id"], "timer", "reverted")
    assert lab.run(n1, SAVED).out == prior


def test_the_controller_itself_is_refused(lab: Lab, n1: str) -> None:
    controller = lab.run(n1, "echo $SSH_CLIENT").out.split()[0]
    elsewhere = [{place: name, "protocols": ["udp"]} for place, name in (("container", "fl-no-such"), ("netns", "1"))]
    for options in ({"peers": [controller]}, {"local_ports": ["22"]}, {"ports": ["22"]}, *elsewhere):
        result = lab.module(n1, "faultline.chaos.blackhole", {"duration": "30s", **options})
        assert result["failed"] and result["msg"].startswith(next(iter(options))), result
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.blackhole").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "active", "planned"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
