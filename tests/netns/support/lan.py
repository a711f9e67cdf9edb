# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two network namespaces that act as hosts, a wire between them, and servers in both."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

TARGET, PEER = "target", "peer"
ADDRESSES = {TARGET: ("192.0.2.1", "2001:db8::1"), PEER: ("192.0.2.2", "2001:db8::2")}
MORE = {PEER: ("198.51.100.7", "2001:db8:5::7")}  # behind the peer
PORTS = (22, 5353, 5432, 8000, 8080)

# Answers every UDP packet and accepts every TCP connection.
SERVER = """
import select, socket, sys
waiting = []
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        each = socket.socket(socket.AF_INET6, kind)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            each.listen(64)
        waiting.append(each)
print("ready", flush=True)
while True:
    for each in select.select(waiting, [], [])[0]:
        if each.type == socket.SOCK_STREAM:
            each.accept()[0].close()
        else:
            data, peer = each.recvfrom(2048)
            try:
                each.sendto(b"%d" % each.getsockname()[1], peer)
            except OSError:
                pass
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.4).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("silent")
"""
# Sends packets; prints how many were answered, and from which port.
PACKETS = """
import socket, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
each = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
each.settimeout(0.2)
answers = []
for number in range(count):
    try:
        each.sendto(b"x", (address, port))
    except OSError:
        pass
    if number % 20 == 19:
        try:
            while True:
                answers.append(each.recv(64).decode())
        except OSError:
            pass
print(len(answers), ",".join(sorted(set(answers))))
"""
# Sends one echo request; prints whether it was answered.
PING = """
import socket, struct, sys
six = ":" in sys.argv[1]
each = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
each.settimeout(0.4)
words = (128 << 8 if six else 8 << 8, 0, 4711, 1)
try:
    each.sendto(struct.pack("!4H", words[0], 0 if six else 0xFFFF - sum(words), *words[2:]), (sys.argv[1], 0))
    while True:
        packet = each.recv(2048)
        kind, _code, _sum, ours = struct.unpack("!BBHH", packet[0 if six else 20:][:6])
        if (kind, ours) == (129 if six else 0, 4711):
            print("answered")
            break
except OSError:
    print("silent")
"""
# Counts received packets of an IP protocol until it is stopped, and sends packets. An authentication header (51) declares no next header.
RAW_COUNT = """
import select, socket, sys
each = socket.socket(socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET, socket.SOCK_RAW, int(sys.argv[2]))
print("ready", flush=True)
count = 0
while True:
    ready = select.select([each, sys.stdin], [], [])[0]
    if each in ready:
        each.recv(2048)
        count += 1
    elif ready:
        break
print(count, flush=True)
"""
RAW_SEND = """
import socket, sys
each = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_RAW, int(sys.argv[2]))
for _number in range(int(sys.argv[3])):
    try:
        each.sendto(bytes([59, 1]) + bytes(30), (sys.argv[1], 0))
    except OSError:
        pass
"""


class Lan:
    def __init__(self) -> None:
        self.children: list[subprocess.Popen] = []
        self.pids: dict[str, int] = {}
        for name in (TARGET, PEER):
            self.pids[name] = self.start(["unshare", "--net", "sleep", "600"])
            self._wait_for_namespace(name)
        self.run(TARGET, ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(self.pids[PEER])])
        for name in (TARGET, PEER):
            self.run(name, ["ip", "link", "set", "lo", "up"])
            self.run(name, ["ip", "link", "set", "eth0", "up"])
            for address in ADDRESSES[name]:
                self.run(name, ["ip", "address", "add", address + ("/64" if ":" in address else "/24"), "dev", "eth0"] + ["nodad"] * (":" in address))
        for address in MORE[PEER]:
            self.run(PEER, ["ip", "address", "add", address, "dev", "lo"])
        for version, gateway in zip(("-4", "-6"), ADDRESSES[PEER], strict=True):
            self.run(TARGET, ["ip", version, "route", "add", "default", "via", gateway])
        for name in (TARGET, PEER):
            self.serve(name)

    def _wait_for_namespace(self, name: str) -> None:
        mine = Path("/proc/self/ns/net").readlink()
        for _each in range(100):
            if Path(f"/proc/{self.pids[name]}/ns/net").readlink() != mine:
                return
            time.sleep(0.05)
        raise AssertionError("unshare --net made no network namespace; the tests need root")

    def start(self, argv: list[str], **values) -> int:
        self.children.append(subprocess.Popen(argv, **values))
        return self.children[-1].pid

    def door(self, name: str) -> str:
        return f"/proc/{self.pids[name]}/ns/net"

    def enter(self, name: str, argv: list[str]) -> list[str]:
        return ["nsenter", f"--net={self.door(name)}", *argv]

    def run(self, name: str, argv: list[str], stdin: str | None = None, check: bool = True) -> str:
        done = subprocess.run(self.enter(name, argv), input=stdin, capture_output=True, text=True, check=False, timeout=120)
        assert not check or done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def serve(self, name: str) -> None:
        argv = self.enter(name, [sys.executable, "-c", SERVER, *map(str, PORTS)])
        self.start(argv, stdout=subprocess.PIPE, text=True)
        assert self.children[-1].stdout.readline() == "ready\n"

    def connect(self, name: str, address: str, port: int) -> str:
        """open, refused or silent."""
        return self.run(name, [sys.executable, "-c", CONNECT, address, str(port)]).strip()

    def packets(self, name: str, address: str, port: int, count: int = 20) -> tuple[int, str]:
        """Send UDP packets; returns how many were answered, and from which port."""
        answered, _space, ports = self.run(name, [sys.executable, "-c", PACKETS, address, str(port), str(count)]).strip().partition(" ")
        return int(answered), ports

    def raw(self, name: str, other: str, address: str, protocol: int, count: int = 20) -> int:
        """Send packets of an IP protocol; returns how many arrive at the other host."""
        argv = self.enter(other, [sys.executable, "-c", RAW_COUNT, "6" if ":" in address else "4", str(protocol)])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as counter:
            assert counter.stdout is not None and counter.stdout.readline() == "ready\n"
            self.run(name, [sys.executable, "-c", RAW_SEND, address, str(protocol), str(count)])
            return int(counter.communicate(timeout=30)[0])

    def ping(self, name: str, address: str) -> bool:
        return self.run(name, [sys.executable, "-c", PING, address]).strip() == "answered"

    def forget_neighbours(self) -> None:
        for name in (TARGET, PEER):
            self.run(name, ["ip", "neigh", "flush", "dev", "eth0"])

    def rules(self) -> str:
        """All rules of all back-ends, without their counters."""
        told = self.run(TARGET, ["nft", "--stateless", "list", "ruleset"])
        for program in ("iptables-legacy-save", "ip6tables-legacy-save", "iptables-nft-save", "ip6tables-nft-save"):
            told += re.sub(r"^#.*\n|\[\d+:\d+\]", "", self.run(TARGET, [program]), flags=re.M)
        return told

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()
