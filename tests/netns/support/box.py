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
from tests.support.dns import DNS_SERVER, RESOLVE

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

    def module(self, name: str, /, check_mode: bool = False, crash: str = "", **options) -> dict:
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
