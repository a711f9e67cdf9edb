# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host made of namespaces (network, mounts, processes) for whole module runs, and a DNS server at the other end of a wire.

It has a state directory, cron directory and resolv.conf of its own; nothing on this machine is changed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import crash as crash_points

SERVER4, SERVER6 = "192.0.2.53", "2001:db8::53"

SETUP = """
set -e
mkdir -p /var/lib/faultline
mount -t tmpfs -o mode=0700 box /var/lib/faultline
[ ! -d /etc/cron.d ] || mount -t tmpfs box /etc/cron.d
mount -t tmpfs box /mnt
mount -t sysfs box /sys
touch /mnt/resolv.conf /mnt/args
mount --bind /mnt/resolv.conf /etc/resolv.conf
ip link set lo up
echo ready
exec python3 -c "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True: signal.pause()" # reaps, as an init does
"""

# A DNS server: every A is 192.0.2.1, every AAAA 2001:db8::1, and names that begin with "no" do not exist. With an argument it is a stub
# resolver at 127.0.0.53, as in systemd-resolved, which forwards all queries to that server.
DNS_SERVER = """
import ipaddress, socket, struct, sys, threading

def answer(message):
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode().lower()); at += 1 + message[at]
    kind, name = struct.unpack_from("!H", message, at + 1)[0], ".".join(labels)
    rcode, records = (3, []) if name.startswith("no") or name.endswith("invalid") else (0, {1: ["192.0.2.1"], 28: ["2001:db8::1"]}.get(kind, []))
    body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(ipaddress.ip_address(r).packed)) + ipaddress.ip_address(r).packed for r in records)
    return message[:2] + struct.pack("!5H", 0x8180 | rcode, 1, len(records), 0, 0) + message[12:at + 5] + body

def ask(message):
    if len(sys.argv) < 2:
        return answer(message)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.settimeout(5)
        upstream.connect((sys.argv[1], 53))
        upstream.send(message)
        return upstream.recv(4096)

def udp(family, where):
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((where, 53))
    while True:
        message, client = server.recvfrom(4096)
        try:
            server.sendto(ask(message), client)
        except OSError:
            pass

def tcp(family, where):
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((where, 53)); server.listen(8)
    while True:
        threading.Thread(target=connection, args=(server.accept()[0],)).start()

def connection(client):
    stream = client.makefile("rwb")
    try:
        while True:
            told = ask(stream.read(struct.unpack("!H", stream.read(2))[0]))
            stream.write(struct.pack("!H", len(told)) + told)
            stream.flush()
    except (OSError, struct.error):
        client.close()

places = [(socket.AF_INET, "127.0.0.53")] if len(sys.argv) > 1 else [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
for place in places:
    for what in (udp, tcp):
        threading.Thread(target=what, args=place).start()
print("ready", flush=True)
"""

# Resolves names like any program: prints for each name the addresses or the error of the C library, and the
# seconds; of a name that is asked several times the quickest.
RESOLVE = """
import json, socket, sys, time
found = {}
for name in sys.argv[1:]:
    begun = time.monotonic()
    try:
        told = sorted({each[4][0] for each in socket.getaddrinfo(name, None)})
    except socket.gaierror as error:
        told = {socket.EAI_NONAME: "no such name", socket.EAI_AGAIN: "try again"}.get(error.args[0], str(error))
    took = time.monotonic() - begun
    if name in found and found[name][0] != told:
        told = "two answers"
    found[name] = [told, min(took, found.get(name, [0, took])[1])]
print(json.dumps(found))
"""


class Box:
    """A host made of namespaces. server: the DNS server at the other end of the wire, with 192.0.2.53 and 2001:db8::53."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen] = []
        self.scratch = Path(tempfile.mkdtemp(prefix="faultline-box-"))
        self.first = self._inner(self._start(["unshare", "-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SETUP]))
        server = self._inner(self._start(["unshare", "-n", "--fork", "--kill-child", sys.executable, "-c", DNS_SERVER]))
        self._wire(server)

    def _start(self, argv: list[str]) -> subprocess.Popen:
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.children.append(child)
        assert child.stdout is not None and child.stdout.readline().strip() == "ready", argv
        return child

    @staticmethod
    def _inner(outer: subprocess.Popen) -> int:
        return int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])

    def _wire(self, server: int) -> None:
        for pid, words in (
            (self.first, f"link add up0 type veth peer name down0 netns {server}"),
            (self.first, "addr add 192.0.2.9/24 dev up0"),
            (self.first, "addr add 2001:db8::9/64 dev up0 nodad"),
            (self.first, "link set up0 up"),
            (server, f"addr add {SERVER4}/24 dev down0"),
            (server, f"addr add {SERVER6}/64 dev down0 nodad"),
            (server, "link set down0 up"),
        ):
            subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *words.split()], check=True)

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()
        shutil.rmtree(self.scratch)

    # -- actions ----------------------------------------------------------------------------------

    def argv(self, argv: list[str]) -> list[str]:
        return ["nsenter", "--target", str(self.first), "--net", "--mount", "--pid", *argv]

    def run(self, argv: list[str], stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(self.argv(argv), input=stdin, capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, done
        return done.stdout

    def sh(self, line: str, check: bool = True) -> str:
        return self.run(["sh", "-c", line], check=check)

    def module(self, name: str, check_mode: bool = False, crash: str = "", **options) -> dict:
        """Run a module; returns its result, {} when it was killed before it returned one."""
        args = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        self.run(["sh", "-c", "cat >/mnt/args"], json.dumps({"ANSIBLE_MODULE_ARGS": args}))
        path = f"ansible_collections.faultline.chaos.plugins.modules.{name}"
        words = [f"PYTHONPATH={crash_points.tree(self.scratch)}", "PYTHONDONTWRITEBYTECODE=1", f"{crash_points.VARIABLE}={crash}"]
        return json.loads(self.run(["env", *words, sys.executable, "-m", path, "/mnt/args"], check=False) or "{}")

    def resolv_conf(self, *servers: str, options: str = "timeout:2 attempts:1") -> None:
        lines = [f"nameserver {server}" for server in servers] + ([f"options {options}"] if options else [])
        self.run(["sh", "-c", "cat >/mnt/resolv.conf"], "\n".join([*lines, ""]))

    def resolve(self, *names: str) -> dict[str, list]:
        return json.loads(self.run([sys.executable, "-c", RESOLVE, *names]))

    def stub(self, upstream: str) -> None:
        """Start a stub resolver at 127.0.0.53, and write the file in which systemd-resolved lists its servers."""
        self.sh(
            f"mkdir -p /run/systemd/resolve && mount -t tmpfs box /run/systemd && mkdir /run/systemd/resolve"
            f" && echo nameserver {upstream} >/run/systemd/resolve/resolv.conf"
        )
        self._start(self.argv([sys.executable, "-c", DNS_SERVER, upstream]))

    def only(self, backend: str) -> None:
        """Hide the packet filters that are preferred over the given one, or all of them (none)."""
        hidden = {"nft": [], "iptables-nft": ["nft"], "iptables-legacy": ["nft", "iptables-nft"], "none": ["nft", "iptables-nft", "iptables-legacy"]}
        for name in hidden[backend]:
            self.sh(f"mount --bind /dev/null $(readlink -f $(command -v {name}))")

    def rules(self) -> str:
        programs = ("iptables-legacy-save", "ip6tables-legacy-save", "iptables-nft-save", "ip6tables-nft-save")
        text = self.sh("nft list ruleset 2>/dev/null; " + "; ".join(f"{name} 2>/dev/null" for name in programs), check=False)
        lines = [line.rpartition(" [")[0] if line.startswith(":") else line for line in text.splitlines()]
        return "\n".join(line for line in lines if line and not line.startswith(("#", "*", "COMMIT", ":")))

    def closed(self) -> bool:
        """Whether no attack is active any more: an undo has removed the last record."""
        return self.sh("ls /var/lib/faultline").split() == ["control.sh", "history.jsonl", "lock"]

    def pids(self, name: str) -> list[int]:
        """The pids of processes by name, oldest first, in the pid namespace of the box."""
        return [int(pid) for pid in self.sh(f"grep -lx {name} /proc/[0-9]*/comm | cut -d/ -f3 | sort -n", check=False).split()]


def until(what: Callable[[], bool], seconds: float, text: str) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {text}"
        time.sleep(0.1)
    return time.monotonic() - begun
