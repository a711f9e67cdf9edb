# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysctl_fault in network namespaces: every sysctl of the network is the same afterwards, whoever undoes it and whatever died."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.support.box import Box, until

SETUP = """
ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
cd /proc/sys/net/ipv4; echo 1 >ip_forward; echo 0 >conf/v1/forwarding; echo 1 >conf/v0/accept_redirects
"""
# Some values of neighbours are drawn anew by the kernel now and then.
SHOW = "cd /proc/sys; grep -rs '' net | grep -v /base_reachable_time | sort"
ROUTER = {"net.ipv4.ip_forward": 0}
TIMES = {"net.ipv4.tcp_retries2": 5, "net.ipv4.ip_local_port_range": "60000 60099"}
# A router at fe80::aaaa says on v1 that it is there, for half an hour.
ADVERTISE = """
import socket
here, all_nodes = (socket.inet_pton(socket.AF_INET6, each) for each in ("fe80::aaaa", "ff02::1"))
body = bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8)
pseudo = here + all_nodes + len(body).to_bytes(4, "big") + bytes([0, 0, 0, 58]) + body
total = sum(int.from_bytes(pseudo[at:at + 2], "big") for at in range(0, len(pseudo), 2))
total = 0xFFFF - (total % 0xFFFF)
body = body[:2] + total.to_bytes(2, "big") + body[4:]
head = bytes.fromhex("3333000000010200000000aa86dd60000000") + len(body).to_bytes(2, "big") + bytes([58, 255])
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("v1", 0))
raw.send(head + here + all_nodes + body)
"""


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    box.sh(SETUP)
    yield box
    box.close()


@pytest.fixture
def before(box: Box) -> str:
    return box.sh(SHOW)


def value(box: Box, name: str) -> str:
    return " ".join(box.sh(f"cat /proc/sys/{name.replace('.', '/')}").split())


def inner(box: Box) -> str:
    """The first process of another network namespace in the box."""
    return box.sh("unshare --net sleep 600 >/dev/null 2>&1 & pid=$!; while [ /proc/$pid/ns/net -ef /proc/self/ns/net ]; do sleep 0.1; done; echo $pid").strip()


@pytest.mark.parametrize("sysctls", [ROUTER, TIMES], ids=["ip_forward", "several"])
def test_check_real_again_revert(box: Box, before: str, sysctls: dict) -> None:
    told = {"sysctls": sysctls, "duration": "5m"}
    planned = box.module("sysctl_fault", check_mode=True, **told)
    assert planned["status"] == "planned" and planned["diff"]["before"] != planned["diff"]["after"] and box.sh(SHOW) == before, planned
    real = box.module("sysctl_fault", **told)
    assert real["status"] == "active" and not [note for note in real["notes"] if "could not be tried" in note], real
    assert {name: value(box, name) for name in sysctls} == {name: str(wanted) for name, wanted in sysctls.items()}
    assert {name: each["now"] for name, each in real["effect"]["sysctls"].items()} == {name: str(wanted) for name, wanted in sysctls.items()}
    for check_mode in (True, False):
        again = box.module("sysctl_fault", check_mode=check_mode, **told)
        assert (again["changed"], again["status"], again["id"]) == (False, "active", real["id"])
    assert box.module("sysctl_fault", sysctls=sysctls, state="absent")["status"] == "reverted"
    assert box.module("sysctl_fault", sysctls=sysctls, state="absent")["status"] == "absent"
    assert box.sh(SHOW) == before


def test_what_the_kernel_changes_with_it_comes_back_too(box: Box, before: str) -> None:
    real = box.module("sysctl_fault", sysctls=ROUTER, duration="5m")
    assert real["effect"]["also"]["net.ipv4.conf.v0.forwarding"] == {"before": "1", "now": "0"}
    assert value(box, "net.ipv4.conf.v0.forwarding") == "0" and box.sh(SHOW) != before
    box.sh("for n in 1 2 3; do sh /var/lib/faultline/sysctl_fault-*/revert.sh >/dev/null & done; wait")
    assert box.closed() and box.sh(SHOW) == before


def test_the_dead_man(box: Box, before: str) -> None:
    assert box.module("sysctl_fault", sysctls=ROUTER, duration="3s")["status"] == "active"
    until(box.closed, 20, "the dead-man undoes it")
    assert box.sh(SHOW) == before


@pytest.mark.parametrize("point", ["journalled", "armed", "inject:0", "inject:1", "injected"])
def test_a_crash_of_the_injector(box: Box, before: str, point: str) -> None:
    """At inject:N the value is written and not yet noted."""
    assert box.module("sysctl_fault", crash=point, sysctls={**ROUTER, **TIMES}, duration="4s") == {}
    if point.startswith("inject"):
        assert value(box, "net.ipv4.ip_forward") == "0"
    if point == "journalled":  # no dead-man yet: whoever sweeps first
        box.sh("sleep 4; sh /var/lib/faultline/control.sh sweep")
    until(box.closed, 25, "undone")
    assert box.sh(SHOW) == before


def test_after_a_reboot_nothing_is_written(box: Box) -> None:
    box.module("sysctl_fault", sysctls=TIMES, duration="5m", id="a")
    box.sh("cd /var/lib/faultline/a; sed -i 's/^boot=.*/boot=another/' revert.sh; sed 's/^[^ ]*  //' sums | xargs sha256sum >/mnt/sums; cat /mnt/sums >sums")
    assert "reverted" in box.sh("sh /var/lib/faultline/a/revert.sh")
    assert box.closed() and value(box, "net.ipv4.tcp_retries2") == "5"


def test_what_somebody_else_has_set_stays_and_is_reported(box: Box) -> None:
    box.module("sysctl_fault", sysctls=TIMES, duration="5m", id="a")
    box.sh("echo 9 >/proc/sys/net/ipv4/tcp_retries2")
    stuck = box.module("revert", all=True)
    assert not stuck["clean"] and "net.ipv4.tcp_retries2" in str(stuck), stuck
    assert value(box, "net.ipv4.tcp_retries2") == "9" and value(box, "net.ipv4.ip_local_port_range") == "32768 60999"
    assert box.module("revert", all=True, accept_drift=True)["clean"] and value(box, "net.ipv4.tcp_retries2") == "9"


def test_an_interface_that_went_has_nothing_to_undo(box: Box) -> None:
    box.module("sysctl_fault", sysctls={"net.ipv4.conf.v0.send_redirects": 0}, duration="5m")
    box.sh("ip link del v0; ip link add v0 type veth peer name v1; echo 0 >/proc/sys/net/ipv4/conf/v0/send_redirects")
    assert box.module("revert", all=True)["clean"] and value(box, "net.ipv4.conf.v0.send_redirects") == "0"


def test_an_interface_of_a_namespace_that_was_replaced_is_left_alone(box: Box) -> None:
    pid = inner(box)
    enter = f"nsenter --net=/proc/{pid}/ns/net"
    made = f"{enter} ip link add x0 type veth peer name x1"
    box.sh(made)
    told = {"sysctls": {"net.ipv4.conf.x0.send_redirects": 0}, "netns": pid, "duration": "5m"}
    assert box.module("sysctl_fault", **told)["status"] == "active"
    assert box.module("revert", all=True)["clean"]
    file = "/proc/sys/net/ipv4/conf/x0/send_redirects"
    assert box.sh(f"{enter} cat {file}").strip() == "1"
    assert box.module("sysctl_fault", **told)["status"] == "active"
    box.sh(f"{enter} ip link del x0; {made}; {enter} sh -c 'echo 0 >{file}'")
    assert box.module("revert", all=True)["clean"] and box.sh(f"{enter} cat {file}").strip() == "0"


@pytest.mark.parametrize("crash", ["", "inject:0"])
def test_another_network_namespace(box: Box, before: str, crash: str) -> None:
    pid = inner(box)
    there = f"nsenter --net=/proc/{pid}/ns/net cat /proc/sys/net/ipv4/"
    # Refused in the network of the target itself.
    told = {"sysctls": {"net.ipv4.ip_default_ttl": 1, "net.ipv4.ip_forward": 1}, "netns": pid}
    done = box.module("sysctl_fault", crash=crash, **told, duration="3s" if crash else "5m")
    assert crash or done["effect"]["place"] == f"network namespace {pid}", done
    assert box.sh(f"{there}ip_default_ttl").strip() == "1" and box.sh(SHOW) == before
    if crash:
        until(box.closed, 25, "undone")
    else:
        assert box.module("sysctl_fault", **told, state="absent")["status"] == "reverted"
    assert box.sh(f"{there}ip_default_ttl {there.split()[-1]}ip_forward").split() == ["64", "0"]


def test_a_network_namespace_that_ended_has_nothing_to_undo(box: Box) -> None:
    pid = inner(box)
    assert box.module("sysctl_fault", sysctls=TIMES, netns=pid, duration="5m")["status"] == "active"
    box.sh(f"kill {pid}; sleep 0.5")
    assert box.module("revert", all=True)["clean"]


@pytest.mark.parametrize(
    ("sysctls", "words"),
    [
        ({"net.ipv4.tcp_retries22": 3}, "there is no such sysctl on the host; did you mean net.ipv4.tcp_retries2?"),
        ({"vm.swapiness": 3}, "did you mean vm.swappiness?"),
        ({"net.ipv4.conf.v9.send_redirects": 0}, "did you mean net.ipv4.conf.v"),
        ({"kernel.osrelease": "6"}, "it is read-only on the host"),
        ({"net.ipv4.tcp_available_congestion_control": "x"}, "it is read-only"),
        ({"kernel.acct": "1 2 3"}, "not among the keys known to be put back"),
        ({"net.ipv4.tcp_orphan_retries": "many"}, "'net.ipv4.tcp_orphan_retries: many' is refused: the kernel of the target does not take this value"),
        ({"net.ipv4.tcp_fin_timeout": 99999999999}, "does not take this value"),
        ({"net.ipv4.tcp_fin_timeout": "\u00b2"}, "does not take this value"),
        ({"net.ipv4.neigh.v0.retrans_time_ms": 1001}, "makes '1004' of it"),
        ({"net.ipv4.tcp_retries2": 15}, "is 15 already"),
        ({"net.ipv4.ip_forward": 0, "net.ipv4.conf.v0.forwarding": 0}, "the kernel changes net.ipv4.conf.v0.forwarding with it: give only one of the two"),
        ({"net.ipv4.ip_forward": 0, "net.ipv4.conf.all.forwarding": 0}, "with it: give only one of the two"),
    ],
)
def test_what_is_refused_before_anything_is_touched(box: Box, before: str, sysctls: dict, words: str) -> None:
    for check_mode in (True, False):
        refused = box.module("sysctl_fault", check_mode=check_mode, sysctls=sysctls, duration="5m")
        assert refused["failed"] and refused["msg"].startswith("sysctls: ") and words in refused["msg"], refused
    assert box.sh(SHOW) == before and not box.sh("ls /var/lib/faultline | grep -v -e control.sh -e lock || true")


def test_a_spelling_of_the_kernel_is_the_same_value(box: Box, before: str) -> None:
    real = box.module("sysctl_fault", sysctls={"net.ipv4.ip_local_reserved_ports": "1,2,3"}, duration="5m")
    assert real["effect"]["sysctls"]["net.ipv4.ip_local_reserved_ports"] == {"before": "", "asked": "1,2,3", "now": "1-3"}
    assert box.module("revert", all=True)["clean"] and box.sh(SHOW) == before


def test_two_attacks_on_one_key_refuse_each_other(box: Box) -> None:
    real = box.module("sysctl_fault", sysctls=ROUTER, duration="5m")
    for sysctls in ({**ROUTER, **TIMES}, {"net.ipv4.conf.v0.forwarding": 1}, {"net/ipv4/conf/all/forwarding": 1}):
        refused = box.module("sysctl_fault", sysctls=sysctls, duration="5m")
        assert refused["failed"] and f"is held by the active attack {real['id']}" in refused["msg"], refused
    assert box.module("sysctl_fault", sysctls=TIMES, duration="5m")["status"] == "active"
    assert box.module("revert", all=True)["clean"]


def test_ipv6_forwarding_would_lose_a_route_that_a_router_announced(box: Box) -> None:
    box.sh("echo 2 >/proc/sys/net/ipv6/conf/v0/accept_ra")
    until(lambda: "tentative" not in box.sh("ip -6 addr show dev v0"), 10, "v0 has its address")
    box.run(["python3", "-c", ADVERTISE])
    until(lambda: "proto ra" in box.sh("ip -6 route show default"), 5, "the router is known")
    refused = box.module("sysctl_fault", sysctls={"net.ipv6.conf.all.forwarding": 1}, duration="5m")
    assert refused["failed"] and "a default route that a router announced" in refused["msg"], refused


# --- interfaces that are renamed, and values of somebody else ----------------------------------------------

SENDS = {"net.ipv4.conf.v1.send_redirects": 0}
SWAP = (
    "ip link set v0 down; ip link set v1 down; ip link set v0 name tmp; ip link set v1 name v0; ip link set tmp name v1; ip link set v0 up; ip link set v1 up"
)


@pytest.mark.parametrize(
    ("rename", "now", "other"), [("ip link set v1 down; ip link set v1 name v.9", "v.9", "v0"), (SWAP, "v0", "v1")], ids=["renamed", "swapped"]
)
@pytest.mark.parametrize("where", ["host", "netns"])
def test_an_interface_is_found_under_the_name_that_it_has_by_now(box: Box, rename: str, now: str, other: str, where: str) -> None:
    pid = inner(box) if where == "netns" else ""
    enter = f"nsenter --net=/proc/{pid}/ns/net " if pid else ""
    if pid:
        box.sh(f"{enter}ip link add v0 type veth peer name v1")
    show = f"{enter}sh -c 'cat /proc/sys/net/ipv4/conf/{now}/send_redirects /proc/sys/net/ipv4/conf/{other}/send_redirects'"
    assert box.module("sysctl_fault", sysctls=SENDS, duration="5m", **({"netns": pid} if pid else {}))["status"] == "active"
    box.sh(f"{enter}sh -c '{rename}'")
    assert box.sh(show).split() == ["0", "1"]
    assert box.module("revert", all=True)["clean"] and box.sh(show).split() == ["1", "1"]


def test_what_changed_with_it_is_found_under_its_new_name(box: Box) -> None:
    assert box.module("sysctl_fault", sysctls=ROUTER, duration="5m")["status"] == "active"
    box.sh(SWAP)
    assert box.module("revert", all=True)["clean"]
    assert (value(box, "net.ipv4.conf.v0.forwarding"), value(box, "net.ipv4.conf.v1.forwarding")) == ("0", "1")


@pytest.mark.parametrize(("name", "during"), [("a", ["0", "1"]), ("a@b", ["1", "0"])])
def test_an_at_sign_in_the_name_of_an_interface(box: Box, name: str, during: list[str]) -> None:
    pid = inner(box)
    enter = f"nsenter --net=/proc/{pid}/ns/net"
    box.sh(f"{enter} ip link add name a@b type bridge; {enter} ip link add name a type veth peer name c")
    show = f"{enter} sh -c 'cd /proc/sys/net/ipv4/conf; cat a/send_redirects a@b/send_redirects'"
    assert box.module("sysctl_fault", sysctls={f"net.ipv4.conf.{name}.send_redirects": 0}, netns=pid, duration="5m")["status"] == "active"
    assert box.sh(show).split() == during
    assert box.module("revert", all=True)["clean"] and box.sh(show).split() == ["1", "1"]


@pytest.mark.parametrize("where", ["host", "netns"])
def test_where_the_interface_is_cannot_be_told(box: Box, where: str) -> None:
    pid = inner(box) if where == "netns" else ""
    hide, show = "mount -t tmpfs box /sys", "umount /sys"
    if pid:
        box.sh(f"nsenter --net=/proc/{pid}/ns/net ip link add v0 type veth peer name v1")
        program = box.sh("readlink -f $(command -v ip)").strip()
        hide, show = f"mount --bind /dev/null {program}", f"umount {program}"
    assert box.module("sysctl_fault", sysctls=SENDS, duration="5m", **({"netns": pid} if pid else {}))["status"] == "active"
    box.sh(hide)
    stuck = box.module("revert", all=True)
    assert not stuck["clean"] and "cannot tell whether the interface v1 (number" in str(stuck), stuck
    box.sh(show)
    assert box.module("revert", all=True)["clean"]


@pytest.mark.parametrize("crash", ["", "inject:0"])
def test_an_empty_value_is_a_value(box: Box, crash: str) -> None:
    box.sh("echo 8080 >/proc/sys/net/ipv4/ip_local_reserved_ports")
    box.module("sysctl_fault", crash=crash, sysctls={"net.ipv4.ip_local_reserved_ports": ""}, duration="5m")
    if crash:
        assert box.module("revert", all=True)["clean"] and value(box, "net.ipv4.ip_local_reserved_ports") == "8080"
        return
    box.sh("echo 9000-9010 >/proc/sys/net/ipv4/ip_local_reserved_ports")
    assert not box.module("revert", all=True)["clean"] and value(box, "net.ipv4.ip_local_reserved_ports") == "9000-9010"


def test_what_was_never_changed_with_it_is_left_alone(box: Box) -> None:
    """The value of somebody else in net.ipv4.conf.v1.forwarding is the one that the undo would expect there."""
    box.module("sysctl_fault", crash="armed", sysctls=ROUTER, duration="5m")
    box.sh("echo 1 >/proc/sys/net/ipv4/conf/v1/forwarding")
    stuck = box.module("revert", all=True)
    assert not stuck["clean"] and "net.ipv4.conf.v1.forwarding" in str(stuck) and value(box, "net.ipv4.conf.v1.forwarding") == "1"


def test_what_was_undone_by_hand_is_left_alone(box: Box) -> None:
    box.module("sysctl_fault", sysctls=ROUTER, duration="5m")
    box.sh("cd /proc/sys/net/ipv4; echo 1 >ip_forward; echo 1 >conf/v1/forwarding")
    stuck = box.module("revert", all=True)
    assert not stuck["clean"] and "net.ipv4.conf.v1.forwarding" in str(stuck) and value(box, "net.ipv4.conf.v1.forwarding") == "1"


def test_an_undo_that_was_killed_after_its_first_write_goes_on(box: Box, before: str) -> None:
    box.module("sysctl_fault", sysctls=ROUTER, duration="5m", id="a")
    # A copy that ends there, without the question whether it is the undo that was written.
    box.sh("sed '/^ *# net.ipv4.conf.*as it was/i exit 9' /var/lib/faultline/a/revert.sh | sed '/^there() {/,/^}/c there() { :; }' >/mnt/half")
    box.sh("sh /mnt/half", check=False)
    assert value(box, "net.ipv4.ip_forward") == "1" == value(box, "net.ipv4.conf.v1.forwarding") and not box.closed()
    assert box.module("revert", all=True)["clean"] and box.sh(SHOW) == before


def test_another_spelling_is_the_same_attack(box: Box) -> None:
    spelled = [{"net/ipv4/tcp_retries2": 5}, {"net.ipv4.tcp_retries2": " 5 "}, {"net.ipv4.tcp_retries2": "5"}]
    real = box.module("sysctl_fault", sysctls={"net.ipv4.tcp_retries2": 5}, duration="5m")
    for sysctls in spelled:
        again = box.module("sysctl_fault", sysctls=sysctls, duration="5m")
        assert (again["changed"], again["status"], again["id"]) == (False, "active", real["id"])
        gone = box.module("sysctl_fault", sysctls=sysctls, state="absent", check_mode=True)
        assert (gone["changed"], gone["id"]) == (True, real["id"])
    assert box.module("sysctl_fault", sysctls=spelled[0], state="absent")["status"] == "reverted"


@pytest.mark.parametrize(
    ("sysctls", "words"),
    [
        ({"net.ipv4.conf.default.send_redirects": 0}, "begins with the attack's net.ipv4.conf.default.send_redirects, and keeps that value"),
        ({"net.ipv6.conf.all.forwarding": 0}, "may take addresses from the advertisements of routers"),
    ],
)
def test_a_note_says_what_stays(box: Box, sysctls: dict, words: str) -> None:
    box.sh("echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
    for check_mode in (True, False):
        assert words in str(box.module("sysctl_fault", check_mode=check_mode, sysctls=sysctls, duration="5m")["notes"])
    assert box.module("revert", all=True)["clean"]
