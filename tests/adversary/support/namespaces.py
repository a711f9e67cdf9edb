# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts made of namespaces of this machine, as root: some 100 ms each, so every case of a test has new ones. See agent.py.

A host has file systems of its own for all that attacks and their journals write (/srv is ext4 on a loop device), a network with a wire
and a named namespace, its own processes, control groups of version 1, a service with an init script, and no systemd.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.adversary.support.host import Broken, Job, Result, clock_offset
from tests.support import crash
from tests.support.paths import PLUGINS

CACHE = Path("/var/cache/faultline")
IMAGE = 48 << 20  # bytes of /srv
OLD = "@1000000000"
GROUPS = [Path("/sys/fs/cgroup") / each for each in ("memory", "pids", "blkio")]
VICTIM, START = "flvictim", "/usr/local/bin/flvictim-start"
HELD = {"srv": "/srv", "etc": "/mnt/etc/up"}

SRV = """
mkdir -p app/data store user bin
chown 5000:5000 user
printf 'name = app\\nport = 8080\\n' >app/app.conf
printf 'shared\\n' >app/shared.conf
ln app/shared.conf app/shared.link
head -c 200000 /dev/zero | tr '\\0' 'x' >app/data/rows
chmod 640 app/app.conf; chown 0:5000 app/app.conf
printf '#!/bin/sh\\necho on >/srv/app/switch\\n' >bin/on
printf '#!/bin/sh\\nrm -f /srv/app/switch\\n' >bin/off
printf '#!/bin/sh\\n[ -e /srv/app/switch ]\\n' >bin/is
chmod 755 bin/*
"""

SETUP = """
mount --make-rprivate /
hostname fltarget
mount -t tmpfs host /mnt
cp --sparse=always IMAGE /mnt/srv.img
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs groups /sys/fs/cgroup
for each in CONTROLLERS; do
    mkdir /sys/fs/cgroup/$each
    mount -t cgroup -o $each $each /sys/fs/cgroup/$each
    mkdir /sys/fs/cgroup/$each/app
done
mkdir -p /mnt/etc/up /mnt/etc/work /mnt/turn
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc/up,workdir=/mnt/etc/work etc /etc
echo 'mallory:x:5000:5000::/home/mallory:/bin/sh' >>/etc/passwd
mkdir -p /var/lib/faultline
for each in /home /run /tmp /var/tmp /dev/shm /usr/local/bin /usr/local/sbin /var/lib/faultline; do mount -t tmpfs -o size=16m,mode=755 host $each; done
chmod 1777 /tmp /var/tmp /dev/shm
chmod 700 /var/lib/faultline
mount -o loop /mnt/srv.img /srv
install -d -o 5000 -g 5000 /home/mallory
cp /bin/sleep /usr/local/bin/flvictim
cp --preserve=mode INIT /etc/init.d/flvictim
cp --preserve=mode START /usr/local/bin/flvictim-start
rm -f /etc/resolv.conf
echo 'nameserver 198.18.0.2' >/etc/resolv.conf
mkdir -p /run/netns
ip netns add box
echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode # no addresses that appear by themselves, later
ip netns exec box sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode'
ip -batch - <<WIRE
link set lo up
link add wire0 address 02:00:00:00:00:01 type veth peer name wire1 address 02:00:00:00:00:02 netns box
addr add 198.18.0.1/24 dev wire0
addr add 2001:db8::1/64 dev wire0 nodad
link add spare0 address 02:00:00:00:00:03 type veth peer name spare1 address 02:00:00:00:00:04 netns box
addr add 198.19.0.1/24 dev spare0
WIRE
ip netns exec box ip -batch - <<WIRE
link set lo up
addr add 198.18.0.2/24 dev wire1
addr add 2001:db8::2/64 dev wire1 nodad
link set wire1 up
link set spare1 up
link add inner0 address 02:00:00:00:00:05 type veth peer name inner1 address 02:00:00:00:00:06
addr add 198.20.0.1/24 dev inner0
link set inner0 up
link set inner1 up
WIRE
ip link set wire0 up # after their other ends, so that they have a carrier at once
ip link set spare0 up
ip route add default via 198.18.0.2
echo '198.18.0.2 peer.example.com' >>/etc/hosts
cp /usr/local/bin/flvictim /usr/local/bin/flother
setsid /usr/local/bin/flother 1000000 </dev/null >/dev/null 2>&1 &
/usr/local/bin/flvictim-start
find /mnt/etc/up /run /tmp /var/tmp /dev/shm /usr/local/bin /usr/local/sbin ! -path "/run/netns/*" -exec touch -h -d OLD {} +
"""

START_TEXT = """#!/bin/sh
for comm in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <$comm || continue
    [ "$name" != flvictim ] || exit 0
done
setsid /usr/local/bin/flvictim 1000000 </dev/null >/dev/null 2>&1 &
"""
INIT_TEXT = """#!/bin/sh
d="start-stop-daemon --exec /usr/local/bin/flvictim"
case $1 in
start) $d --start --background --oknodo -- 1000000 ;;
stop) $d --stop --oknodo --retry 5 ;;
status) $d --status ;;
esac
"""

# Programs of an undo, wrapped so that a neighbour can act between any two of its calls, or a call can fail. /mnt/turn/at: the call.
WRAPPED = ("sha256sum", "rm", "mv", "cat", "ip", "tc", "nft", "iptables-legacy", "stat", "sed", "sort", "ls", "rmdir", "prlimit", "find", "cp", "date")
WRAPPER = """#!/bin/sh
name=${0##*/}
if read -r at 2>/dev/null </mnt/turn/at; then
    echo $((at - 1)) >/mnt/turn/at
    if [ "$at" = 1 ]; then
        rm -f /mnt/turn/at
        (umask 022; PATH=/mnt/real:/usr/sbin:/usr/bin:/sbin:/bin exec sh /mnt/turn/act >/mnt/turn/out 2>&1 </dev/null 9>&-)
        echo $? >/mnt/turn/rc
    fi
fi
[ ! -e "/mnt/turn/break-$name" ] || . "/mnt/turn/break-$name"
exec "/mnt/real/$name" "$@"
"""


def possible() -> bool:
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


@dataclass
class Machine:
    """The process that all hosts are forks of, and what they are made from."""

    scratch: Path
    process: subprocess.Popen
    control: socket.socket
    numbers: Iterator[int]

    @classmethod
    def begin(cls) -> Machine:
        CACHE.mkdir(parents=True, exist_ok=True)
        _remove_left()
        scratch = Path(tempfile.mkdtemp(prefix=f"adversary-{os.getpid()}-", dir=CACHE))  # not in /tmp, which is hidden in a host
        _image(scratch)
        for name, text in (("start", START_TEXT), ("init", INIT_TEXT), ("wrapper", WRAPPER)):
            (scratch / name).write_text(text)
            (scratch / name).chmod(0o755)
        _wrappers(scratch)
        ours, theirs = socket.socketpair()
        names = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if not path.stem.startswith("k8s_"))
        names = [name for name in names if not (PLUGINS / "action" / f"{name}.py").exists()]
        here = Path(__file__).parent
        environment = {**os.environ, "PYTHONPATH": f"{crash.tree(scratch)}:{here}", "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [sys.executable, str(here / "agent.py"), str(theirs.fileno()), *names]
        process = subprocess.Popen(argv, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        assert ours.recv(64) == b"ready\n", "the process that makes hosts did not start"
        return cls(scratch, process, ours, itertools.count(1))

    def host(self) -> NamespaceHost:
        return NamespaceHost(self)

    def close(self) -> None:
        self.control.close()
        self.process.wait(10)
        shutil.rmtree(self.scratch, ignore_errors=True)
        for each in GROUPS:  # of hosts that a failure left open
            for group in each.glob(f"fladv-{os.getpid()}-*"):
                remove_group(group)


def _remove_left() -> None:
    """What a session left that was killed."""
    for each in [*CACHE.glob("adversary-*-*"), *(group for top in GROUPS for group in top.glob("fladv-*-*"))]:
        if not Path("/proc", each.name.split("-")[1]).exists():
            if each.parent == CACHE:
                shutil.rmtree(each, ignore_errors=True)
            else:
                remove_group(each)


def remove_group(group: Path) -> None:
    """Remove a control group with those below it, once its processes have ended."""
    for _try in range(50):
        with contextlib.suppress(OSError):
            for directory, _names, _files in os.walk(group, topdown=False):
                os.rmdir(directory)
            return
        time.sleep(0.02)


def _image(scratch: Path) -> None:
    """The file system of /srv, as every host has it at the beginning."""
    tree = scratch / "srv"
    tree.mkdir()
    subprocess.run(["sh", "-ec", SRV], cwd=tree, check=True)
    os.setxattr(tree / "app/app.conf", "user.colour", b"blue")
    with (scratch / "srv.img").open("wb") as stream:
        stream.truncate(IMAGE)
    argv = ["mkfs.ext4", "-q", "-m", "0", "-N", "2000", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard", "-d", str(tree), str(scratch / "srv.img")]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    point = scratch / "point"
    point.mkdir()
    line = f"mount -o loop {scratch}/srv.img {point} && find {point} -exec touch -h -d {OLD} {{}} +; umount {point}"
    subprocess.run(["unshare", "-m", "sh", "-ec", line], check=True)


def _wrappers(scratch: Path) -> None:
    """The wrapped programs, and the real ones under another path; of programs with many names, which select the function, each has a link."""
    real, wrappers = scratch / "real", scratch / "wrappers"
    real.mkdir()
    wrappers.mkdir()
    for name in WRAPPED:
        if found := shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            program = Path(found).resolve()
            shutil.copy(program, real / f".{program.name}")
            (real / name).symlink_to(f".{program.name}")
            shutil.copy(scratch / "wrapper", wrappers / name)


class NamespaceHost:
    """A host for one case. See host.py for what the methods do."""

    kind = "namespaces"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = f"host{next(machine.numbers)}"
        self.groups = [each / f"fladv-{os.getpid()}-{self.name}" for each in GROUPS if each.is_dir()]
        for each in self.groups:
            each.mkdir()
        self.numbers = itertools.count(1)
        self.channel, theirs = socket.socketpair()
        self.answers: dict[int, list[dict]] = {}
        self.rest = b""
        scratch = machine.scratch
        setup = SETUP.replace("IMAGE", f"{scratch}/srv.img").replace("OLD", OLD).replace("INIT", f"{scratch}/init").replace("START", f"{scratch}/start")
        setup = setup.replace("CONTROLLERS", " ".join(each.parent.name for each in self.groups))
        settings = {"setup": setup, "held": HELD, "cgroups": [str(each) for each in self.groups]}
        socket.send_fds(machine.control, [json.dumps(settings).encode()], [theirs.fileno()])
        theirs.close()
        told = self._answer(0, 30)
        assert told["rc"] == 0, told

    def close(self) -> None:
        self.channel.close()
        for each in self.groups:
            remove_group(each)

    # -- requests --------------------------------------------------------------------------------

    def _ask(self, **request: object) -> int:
        number = next(self.numbers)
        self.channel.sendall((json.dumps({"n": number, **request}) + "\n").encode())
        return number

    def _answer(self, number: int, timeout: float) -> dict:
        until = time.monotonic() + timeout
        while not self.answers.get(number):
            self.channel.settimeout(max(0.01, until - time.monotonic()))
            try:
                got = self.channel.recv(1 << 16)
            except TimeoutError:
                raise TimeoutError(f"no answer of {self.name} within {timeout} s") from None
            assert got, f"{self.name} is gone"
            *lines, self.rest = (self.rest + got).split(b"\n")
            for line in lines:
                told = json.loads(line)
                self.answers.setdefault(told["n"], []).append(told)
        return self.answers[number].pop(0)

    def sh(self, line: str, stdin: str = "", check: bool = True, timeout: float = 60) -> Result:
        told = self._answer(self._ask(do="sh", line=line, stdin=stdin), timeout)
        assert not check or told["rc"] == 0, (line, told)
        return Result(told["rc"], told["out"], told["err"])

    def put(self, path: str, text: str, mode: str = "644") -> None:
        self.sh(f"cat >'{path}' && chmod {mode} '{path}' && touch -d {OLD} '{path}'", stdin=text)

    def module(self, name: str, args: Mapping[str, Any] | None = None, crash: str = "", timeout: float = 120, uid: int = 0) -> dict:
        return self.start(name, args, crash, uid).end(timeout)

    def start(self, name: str, args: Mapping[str, Any] | None = None, crash: str = "", uid: int = 0) -> Job:
        number = self._ask(do="module", name=name, args=dict(args or {}), crash=crash, uid=uid)
        return Job(lambda timeout: self._answer(number, timeout), lambda pid: self._ask(do="go", pid=pid), lambda pid: self._ask(do="kill", pid=pid))

    def look(self) -> dict[str, list[str]]:
        begun = time.time()
        told = self._answer(self._ask(do="look"), 60)
        assert told["rc"] == 0, told
        return clock_offset(json.loads(told["out"]), begun)

    # -- between the steps of an undo --------------------------------------------------------------

    def wrap(self) -> None:
        """Programs of undos are wrapped from now on: see act_at() and broken()."""
        self.sh(f"cp -a {self.machine.scratch}/wrappers/. /usr/local/sbin/; ln -s {self.machine.scratch}/real /mnt/real")

    def act_at(self, call: int, script: str) -> None:
        """Run a script just before the call of that number of a wrapped program."""
        self.sh("cat >/mnt/turn/act; rm -f /mnt/turn/rc; echo $1 >/mnt/turn/at".replace("$1", str(call)), stdin=script)

    def acted(self) -> bool | None:
        """Whether the script did what it is for; None when its turn did not come. Its turn cannot come any more."""
        told = self.sh("rm -f /mnt/turn/at; cat /mnt/turn/rc", check=False).out.strip()
        return told == "0" if told else None

    @contextlib.contextmanager
    def broken(self, *programs: Broken) -> Iterator[None]:
        """Calls of wrapped programs fail meanwhile."""
        for each in programs:
            self.put(f"/mnt/turn/break-{each.name}", each.script)
        yield
        self.sh("rm -f /mnt/turn/break-*")
