# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of the kernel with names that a user chose: what was put in is read, in Python as in sh, and no name makes another line."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import example, given, strategies as st

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup, proc, tcp
from ansible_collections.faultline.chaos.plugins.module_utils._host.kernel_files import same_value, value_of
from ansible_collections.faultline.chaos.plugins.module_utils._host.mounts import mount_of, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import Process
from ansible_collections.faultline.chaos.plugins.module_utils._network.sockets import Socket, ephemeral
from ansible_collections.faultline.chaos.plugins.module_utils._resources import cpu, io_limits, memory, process_slots
from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import MACHINERY
from tests.fuzz.words import lines, names, texts

FUNCTIONS = MACHINERY.rpartition('\nmain "$@"')[0]


def mangled(name: str) -> str:
    """A name as the kernel writes it in /proc/self/mountinfo."""
    return re.sub(r"[ \t\n\\#]", lambda found: f"\\{ord(found.group()):03o}", name)


def readable(name: str) -> str:
    """Letters that are no UTF-8 are lost when a file of the kernel is read."""
    return re.sub("[\udc80-\udcff]", "_", name)


paths = st.lists(names(60).map(readable), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(points=st.lists(st.tuples(paths, names().map(readable)), min_size=1, max_size=5))
@example(points=[("/srv/a\x0bb", "x")])
@example(points=[("/srv/a\u2028b c", "x\x85")])
def test_mounts_are_read_whatever_they_are_called(points: list[tuple[str, str]]) -> None:
    text = "".join(f"{at} 1 0:{at} / {mangled(point)} rw,nosuid shared:1 - ext4 {mangled(source)} rw\n" for at, (point, source) in enumerate(points))
    found = mounts(text)
    assert [(each.point, each.source, each.kind, each.options, each.device) for each in found] == [
        (point, source, "ext4", "rw,nosuid", f"0:{at}") for at, (point, source) in enumerate(points)
    ]
    for point, _source in points:
        assert mount_of(os.path.join(point, "x"), text).point == point


@given(text=st.one_of(texts(), st.lists(lines(), max_size=4).map("\n".join)))
def test_nonsense_is_no_mount(text: str) -> None:
    assert all(each.point is not None for each in mounts(text))
    cgroup.hierarchies(text)
    cgroup.membership(text)
    memory.meminfo(text)
    for read in (io_limits.hierarchy, lambda nonsense: mount_of("/x", nonsense)):
        try:
            read(text)
        except AttackError:
            pass


@given(group=paths, unit=paths)
@example(group="/a\x0bb", unit="/c\x1c")
def test_control_groups_are_read_whatever_they_are_called(group: str, unit: str) -> None:
    """The kernel refuses only a line feed in their names."""
    group, unit = group.replace("\n", "_"), unit.replace("\n", "_")
    assert cgroup.membership(f"12:memory,hugetlb:{group}\n1:name=systemd:{unit}\n0::{unit}\n") == {
        "memory": group, "hugetlb": group, "name=systemd": unit, "": unit,
    }  # fmt: skip
    text = f"1 0 0:1 / {mangled(unit)} rw - cgroup2 cgroup2 rw\n2 0 0:2 {mangled(group)} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    found = cgroup.hierarchies(text)
    assert (found["memory"].version, found["memory"].point, found["pids"].version) == (1, "/sys/fs/cgroup/memory", 2)


@given(field=st.sampled_from(["MemTotal", "MemFree"]), kilobytes=st.integers(0, 2**60), rest=lines())
def test_memory_is_read_beside_other_lines(field: str, kilobytes: int, rest: str) -> None:
    assert memory.meminfo(f"{field}:    {kilobytes} kB\nOther:{rest}\n")[field] == kilobytes * 1024


@given(
    ticks=st.lists(st.integers(0, 2**62), min_size=8, max_size=12), number=st.integers(0, 8191), other=lines().filter(lambda line: not line.startswith("cpu"))
)
def test_processor_times_are_read(ticks: list[int], number: int, other: str) -> None:
    text = f"cpu  {' '.join(map(str, ticks))}\ncpu{number} {' '.join(map(str, ticks))}\nx{other}\n"
    whole = sum(ticks[:8])
    assert cpu.usage(text) == {number: (whole - ticks[3] - ticks[4], whole)}


@given(address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), port=st.integers(0, 65535), inode=st.integers(0, 2**32))
def test_sockets_are_read(address, port: int, inode: int) -> None:
    packed = address.packed
    written = "".join(f"{struct.unpack('=I', packed[at : at + 4])[0]:08X}" for at in range(0, len(packed), 4))
    found = Socket(f"  12: {written}:{port:04X} {'0' * len(written)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000 100 0 0 10 0")
    assert (found.port, found.inode, found.state) == (port, str(inode), tcp.LISTENING)
    assert found.address == (getattr(address, "ipv4_mapped", None) or address)
    assert ipaddress.ip_address(socket.inet_ntop(socket.AF_INET6 if address.version == 6 else socket.AF_INET, packed)) == address


@given(low=st.integers(1, 65535), count=st.integers(0, 300), reserved=st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 50)), max_size=4))
def test_free_ports_are_counted(low: int, count: int, reserved: list[tuple[int, int]]) -> None:
    text = ",".join(f"{first}-{first + more}" if more else f"{first}" for first, more in reserved)
    held = {port for first, more in reserved for port in range(first, first + more + 1)}
    assert ephemeral(f"{low}\t{low + count}\n", text + "\n") == [port for port in range(low, low + count + 1) if port not in held]


@given(one=texts(), other=texts())
@example(one="9" * 5000, other="1")
@example(one="0x" + "f" * 5000, other="1-" + "9" * 5000)
def test_values_of_any_text_can_be_compared(one: str, other: str) -> None:
    assert same_value(one, one) and same_value(one, value_of(one))
    assert same_value(one, other) == same_value(*reversed((one, other)))


@given(numbers=st.lists(st.tuples(st.integers(0, 2**64), st.integers(0, 5)), min_size=1, max_size=6))
def test_a_list_of_numbers_is_the_same_in_any_spelling(numbers: list[tuple[int, int]]) -> None:
    ranges = ",".join(f"{first}-{first + more}" for first, more in numbers)
    singles = ",".join(str(first + each) for first, more in reversed(numbers) for each in range(more + 1))
    assert same_value(ranges, singles)
    assert not same_value(ranges, singles + f",{2**65}")


# --- processes, which choose their own names --------------------------------------------------------------

NAMED = """
import sys
for line in sys.stdin:
    with open("/proc/self/comm", "wb", buffering=0) as handle:
        handle.write(bytes.fromhex(line))
    print("named", flush=True)
"""


@pytest.fixture(scope="module")
def named() -> Iterator[subprocess.Popen]:
    """A process that takes each name that it is told in hexadecimal digits."""
    child = subprocess.Popen([sys.executable, "-c", NAMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield child
    child.stdin.close()
    child.wait()


def call(child: subprocess.Popen, name: str) -> str:
    """Give the process that name. Returns what is left of it: the kernel cuts it to 15 bytes."""
    raw = os.fsencode(name)[:15]
    child.stdin.write(raw.hex() + "\n")
    child.stdin.flush()
    assert child.stdout.readline() == "named\n"
    return raw.decode(errors="replace")


@given(name=texts(1, 15))
@example(name=") R 1 1 1")
@example(name="x)\r) Z 1")
def test_a_process_is_the_same_under_any_name(shell: list[str], named: subprocess.Popen, name: str) -> None:
    shown = call(named, name)
    start = proc.start_time(named.pid)
    process = Process(named.pid)
    assert start and proc.parent(named.pid) == os.getpid() and proc.state(named.pid) in ("S", "R", "D")
    assert process.alive() and process.name.strip() == shown.strip()
    assert process_slots.thread_count(named.pid) == 1
    text = f"\nalive {named.pid} {start} && echo alive\nalive {named.pid} {start + 1} || echo other\nstarted {named.pid}; echo $start\n"
    done = subprocess.run([*shell, "-c", FUNCTIONS.replace("\neffective_uid\n", "\n") + text], capture_output=True, timeout=60, check=False)
    assert done.stdout.split() == [b"alive", b"other", b"%d" % start], done.stderr


@given(name=texts(1, 15))
def test_a_stopped_process_is_seen_under_any_name(named: subprocess.Popen, name: str) -> None:
    call(named, name)
    os.kill(named.pid, signal.SIGSTOP)
    try:
        os.waitid(os.P_PID, named.pid, os.WSTOPPED | os.WNOWAIT)
        assert Process(named.pid).stopped()
    finally:
        os.kill(named.pid, signal.SIGCONT)
    assert Process(named.pid).alive()
