# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""io_stress on real kernels: the rate asked for is the rate that the kernel counts, and no process or file of it outlives its end."""

from __future__ import annotations

import importlib

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

# Bytes a second that the kernel counts for the workers, read and written, over some seconds.
METER = """
import glob, sys, time
def count():
    found = {}
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            if open(path).read().strip() == "faultline-io":
                for line in open(path[:-4] + "io"):
                    key, value = line.split(": ")
                    found[key] = found.get(key, 0) + int(value)
        except OSError:
            pass
    return found
time.sleep(1)
one = count(); begun = time.monotonic(); time.sleep(float(sys.argv[1])); two = count(); passed = time.monotonic() - begun
print((two["read_bytes"] - one["read_bytes"]) / passed, (two["write_bytes"] - one["write_bytes"]) / passed)
"""
MIB = 1 << 20


def workers(lab: Lab, host: str) -> int:
    """The leader and its workers."""
    return int(lab.run(host, "cat /proc/[0-9]*/comm 2>/dev/null | grep -cx faultline-io", check=False).out)


@pytest.mark.parametrize(
    ("options", "reads", "writes"),
    [
        ({"mode": "write", "rate": "1MiB"}, 0.0, 1.0),
        ({"mode": "read", "rate": "1MiB"}, 1.0, 0.0),
        ({"mode": "mixed", "rate": "2MiB", "workers": 2, "block_size": "16KiB"}, 1.0, 1.0),
        ({"mode": "write", "rate": "512KiB", "fsync": True, "pattern": "sequential"}, 0.0, 0.5),
    ],
    ids=str,
)
@pytest.mark.smoke
def test_steps_and_rate(lab: Lab, n1: str, options: dict, reads: float, writes: float, tell) -> None:
    told = {"path": "/var/tmp", "file_size": "8MiB", "duration": "10m", **options}
    found = steps(lab, n1, "io_stress", told, measure=["python3", "-c", METER, "10"])
    effect = found["real"]["effect"]
    read, written = (float(word) / MIB for word in found["measured"].split())
    print(
        f"asked {options}: module {effect['read_bytes_per_second'] / MIB:.2f} read, {effect['written_bytes_per_second'] / MIB:.2f} written MiB/s; "
        f"kernel {read:.2f} and {written:.2f} MiB/s; direct {effect['direct']}"
    )
    tell("io_stress", f"{options['mode']}, as the kernel counts it over 10 s", reads + writes, read + written, "MiB/s")
    assert abs(read + written - reads - writes) <= 0.15 * (reads + writes)
    assert abs(read - reads) <= 0.3 * max(reads, 0.1) and abs(written - writes) <= 0.3 * max(writes, 0.1)
    assert effect["workers"] == options.get("workers", 1) and effect["direct"]
    assert not lab.run(n1, "ls -dA /var/tmp/.faultline*", check=False).ok


def test_without_a_limit_the_disk_is_busy(lab: Lab, n1: str) -> None:
    found = steps(lab, n1, "io_stress", {"path": "/var/tmp", "file_size": "8MiB", "duration": "10m"}, measure=["python3", "-c", METER, "5"])
    read, written = (float(word) / MIB for word in found["measured"].split())
    print(f"no limit: {read:.1f} MiB/s read, {written:.1f} MiB/s written, {found['real']['effect']['operations_per_second']} operations/s")
    assert read + written > 2


def test_the_timer_ends_it(lab: Lab, n1: str) -> None:
    result = lab.module(n1, "faultline.chaos.io_stress", {"path": "/var/tmp", "file_size": "4MiB", "rate": "1MiB", "duration": "20s"})
    assert not result.get("failed") and workers(lab, n1) == 2, result
    wait_until(lambda: workers(lab, n1) == 0, 90, "the dead-man ends the workers")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    assert not lab.run(n1, "ls -dA /var/tmp/.faultline*", check=False).ok


def test_everything_ends_with_the_leader(lab: Lab, n1: str) -> None:
    result = lab.module(n1, "faultline.chaos.io_stress", {"path": "/var/tmp", "file_size": "4MiB", "rate": "1MiB", "workers": 3, "duration": "10m"})
    assert workers(lab, n1) == 4, result
    lab.run(n1, "kill -KILL $(pgrep -o -x faultline-io)")
    wait_until(lambda: workers(lab, n1) == 0, 30, "the workers end with their leader")
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]
    assert not lab.run(n1, "ls -dA /var/tmp/.faultline*", check=False).ok


def test_files_that_leave_too_little_space_are_refused(lab: Lab, n1: str) -> None:
    refused = lab.module(n1, "faultline.chaos.io_stress", {"file_size": "1TiB", "duration": "60s"}, check=True)
    assert refused["failed"] and refused["msg"].startswith("file_size: ") and "floor" in refused["msg"], refused


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.io_stress").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
