# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network attacks on a container of a host: it is hit, the host is not, and a container that ends takes the attack with it.

The container is a process in a network namespace and in a control group with the name that docker gives.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator

import pytest

from tests.lab.support.lab import Lab
from tests.lab.support.steps import steps

ID = "0123456789abcdef" * 4
BEGIN = f"""
systemd-run --quiet --scope --unit=docker-{ID} unshare --net sleep 600 </dev/null >/dev/null 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    pid=$(cat /sys/fs/cgroup/system.slice/docker-{ID}.scope/cgroup.procs 2>/dev/null)
    [ "$(cat /proc/$pid/comm 2>/dev/null)" = sleep ] && break
done
ip link add flv0 type veth peer name eth0 netns $pid
ip address add 172.31.9.1/24 dev flv0
ip link set flv0 up
nsenter --net=/proc/$pid/ns/net sh -c 'ip link set lo up; ip link set eth0 up; ip address add 172.31.9.2/24 dev eth0'
echo $pid
"""
CONNECT = """
import socket
try:
    socket.create_connection(("172.31.9.1", 22), 3).close()
    print("open")
except OSError:
    print("silent")
"""


@pytest.fixture
def container(lab: Lab, n1: str) -> Iterator[str]:
    """Its first process."""
    pid = lab.run(n1, BEGIN).out.strip()
    yield pid
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"kill -KILL {pid}; ip link del flv0; systemctl reset-failed 'docker-*'", check=False)


def inside(lab: Lab, host: str, pid: str, *argv: str) -> str:
    return lab.run(host, ["nsenter", f"--net=/proc/{pid}/ns/net", *argv], check=False).out


def connects(lab: Lab, host: str, pid: str) -> str:
    return inside(lab, host, pid, "python3", "-c", CONNECT).strip()


def rtt(text: str) -> float:
    return statistics.median(float(each) for each in re.findall(r"time=([\d.]+) ms", text))


@pytest.mark.smoke
def test_blackhole_in_a_container(lab: Lab, n1: str, container: str) -> None:
    assert connects(lab, n1, container) == "open"
    measure = ["nsenter", f"--net=/proc/{container}/ns/net", "python3", "-c", CONNECT]
    found = steps(lab, n1, "blackhole", {"container": ID[:12], "peers": ["172.31.9.0/24"], "duration": "10m"}, measure=measure)
    assert found["measured"] == "silent" and found["real"]["effect"]["passes"] == []
    assert connects(lab, n1, container) == "open"


def test_netem_in_a_container(lab: Lab, n1: str, container: str, tell) -> None:
    ping = ["nsenter", f"--net=/proc/{container}/ns/net", "ping", "-c", "8", "-i", "0.1", "-W", "2", "172.31.9.1"]
    plain = rtt(lab.run(n1, ping).out)
    found = steps(lab, n1, "netem", {"netns": container, "delay": "40ms", "duration": "10m"}, measure=ping)
    measured = rtt(found["measured"]) - plain
    print(found["real"]["effect"])
    tell("netem", "delay in a container", 40, measured, "ms")
    assert abs(measured - 40) < 2
    assert found["real"]["resources"][0].startswith("net:eth0@")


def test_a_container_that_ends_takes_its_attacks_along(lab: Lab, n1: str, container: str) -> None:
    for module, options in (("blackhole", {"peers": ["172.31.9.0/24"]}), ("netem", {"delay": "40ms"})):
        result = lab.module(n1, f"faultline.chaos.{module}", {"container": ID, "duration": "10m", **options})
        assert not result.get("failed"), result
    lab.run(n1, ["kill", "-KILL", container])
    gone = lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert gone["clean"] and len(gone["reverted"]) == 2, gone
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]


def test_an_attack_outlives_the_first_process_but_not_its_time(lab: Lab, n1: str, container: str) -> None:
    """The network of a pod goes on when the process that led to it is gone."""
    lab.run(n1, f"nsenter --net=/proc/{container}/ns/net sleep 300 </dev/null >/dev/null 2>&1 & sleep 1")
    other = lab.run(n1, "pgrep -n -x sleep").out.strip()
    result = lab.module(n1, "faultline.chaos.blackhole", {"netns": container, "peers": ["172.31.9.0/24"], "duration": "10m"})
    assert not result.get("failed"), result
    lab.run(n1, ["kill", "-KILL", container])
    assert connects(lab, n1, other) == "silent"
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
    assert connects(lab, n1, other) == "open"
    lab.run(n1, ["kill", "-KILL", other])


def test_what_is_no_container_of_its_own_is_refused(lab: Lab, n1: str) -> None:
    refused = (("container", "fl-no-such", "no container fl-no-such runs"), ("netns", "1", "the network of the target"), ("netns", "fl-x", "there is no"))
    for option, value, words in refused:
        result = lab.module(n1, "faultline.chaos.netem", {"delay": "10ms", "duration": "30s", option: value})
        assert result["failed"] and result["msg"].startswith(option) and words in result["msg"], result
