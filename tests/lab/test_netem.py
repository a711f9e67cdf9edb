# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netem on real kernels: what was asked is what is measured, the control path passes, and the state afterwards is the one before."""

from __future__ import annotations

import re
import statistics

import pytest

from tests.lab.support import fingerprint
from tests.lab.support.lab import Lab
from tests.lab.support.steps import IGNORE, run_examples, steps

HTB = """
tc qdisc add dev eth0 root handle 1: htb default 10
tc class add dev eth0 parent 1: classid 1:10 htb rate 500mbit
tc qdisc add dev eth0 parent 1:10 handle 10: fq_codel
tc filter add dev eth0 parent 1: protocol ip pref 5 u32 match ip dport 80 0xffff flowid 1:10
"""
SHOW = "tc qdisc show dev eth0 | sed 's/ direct_packets_stat [0-9]*//'; tc filter show dev eth0 parent 1:; tc class show dev eth0 | grep htb"
PING4, PING6 = ["ping", "-c", "8", "-i", "0.1", "-W", "2"], ["ping", "-6", "-c", "8", "-i", "0.1", "-W", "2"]


def rtt(text: str) -> float:
    """Median round trip in milliseconds: a busy machine makes some pings late, and the median does not mind."""
    found = [float(each) for each in re.findall(r"time=([\d.]+) ms", text)]
    assert found, text
    return statistics.median(found)


def received(text: str) -> int:
    found = re.search(r"(\d+) received", text)
    assert found, text
    return int(found.group(1))


@pytest.fixture
def attack(lab: Lab, n1: str):
    """Apply netem on n1 for a test's length; reverted whatever happens."""
    ids: list[str] = []

    def apply(**options):
        result = lab.module(n1, "faultline.chaos.netem", {"duration": "10m", **options})
        assert not result.get("failed"), result
        ids.append(result["id"])
        return result

    yield apply
    for each in ids:
        lab.module(n1, "faultline.chaos.revert", {"id": each})


@pytest.mark.parametrize(
    ("options", "address", "ping"),
    [
        ({"delay": "40ms"}, "n2", PING4),
        ({"delay": "40ms"}, "fd77::12", PING6),
        ({"delay": "40ms", "direction": "ingress"}, "n2", PING4),
        ({"delay": "20ms", "direction": "both"}, "fd77::12", PING6),
        ({"delay": "40ms", "jitter": "1ms", "correlation": 25, "distribution": "normal", "protocols": ["icmp"]}, "n2", PING4),
    ],
)
@pytest.mark.smoke
def test_steps_and_delay(lab: Lab, n1: str, n2: str, tell, options: dict, address: str, ping: list[str]) -> None:
    plain = min(float(each) for each in re.findall(r"time=([\d.]+) ms", lab.run(n1, [*ping, address]).out))
    found = steps(lab, n1, "netem", {"duration": "10m", **options}, measure=[*ping, address])
    measured = rtt(found["measured"]) - plain
    how = [options.get("direction", "egress")] + ["with jitter"] * ("jitter" in options) + ["IPv6"] * (ping is PING6)
    tell("netem", " ".join(["delay", *how]), 40, measured, "ms")
    assert abs(measured - 40) < 2, found["measured"]
    assert found["real"]["effect"]["mechanism"] == "redirect"


@pytest.mark.parametrize(
    "options",
    [
        {"gilbert_elliott": {"p": 5, "r": 50}, "duplicate": "1%", "corrupt": 1, "limit": 5000},
        {"delay": "10ms", "reorder": 25, "reorder_correlation": 50, "reorder_gap": 5, "loss": 1, "loss_correlation": "25%"},
        {"delay": "5ms", "local_ports": ["80", "8000-8010"], "exclude_ports": ["8005"], "protocols": ["tcp", "vrrp", "47"], "direction": "both"},
        {"rate": "5mbit", "peers": ["10.77.0.0/24", "fd77::/64", "n2"], "exclude": ["n3"], "ports": ["80", "8000-8010"], "direction": "both"},
    ],
)
def test_steps_of_the_other_faults(lab: Lab, n1: str, options: dict) -> None:
    steps(lab, n1, "netem", {"duration": "10m", **options})


def test_loss_duplication_corruption_and_rate_are_as_asked(lab: Lab, n1: str, n2: str, attack, tell) -> None:
    flood = ["ping", "-c", "300", "-i", "0.01", "-W", "1", "n2"]
    lost = attack(loss="30%", id="loss")
    share = 100 - received(lab.run(n1, flood, check=False).out) / 3
    lab.module(n1, "faultline.chaos.revert", {"id": lost["id"]})
    attack(duplicate="100%", id="dup")
    doubled = lab.run(n1, ["ping", "-c", "3", "n2"]).out
    lab.module(n1, "faultline.chaos.revert", {"id": "dup"})
    attack(rate="2mbit", id="rate", ports=["8099"])
    lab.run(n2, "python3 -c \"import socket; s=socket.create_server(('', 8099)); c,_=s.accept()\nwhile c.recv(65536): pass\" >/dev/null 2>&1 & sleep 1")
    took = float(
        lab.run(
            n1,
            [
                "python3",
                "-c",
                (
                    "import socket,time; s=socket.create_connection(('n2', 8099)); t=time.monotonic(); s.sendall(bytes(500000));"
                    "s.shutdown(1); s.recv(1); print(time.monotonic()-t)"
                ),
            ],
        ).out
    )
    tell("netem", "loss, of 300 packets", 30, share, "%")
    tell("netem", "rate, over 4 Mbit", 2, 4 / took, "Mbit/s")
    assert 20 < share < 40  # 300 packets: four standard deviations are 10.6 points
    assert "DUP!" in doubled
    assert 1.7 < took < 2.8


@pytest.mark.smoke
def test_full_loss_on_the_control_interface_leaves_ssh_and_neighbours(lab: Lab, n1: str, n2: str, attack) -> None:
    attack(loss="100%", direction="both")
    lab.run(n2, "ip neigh flush all")
    assert received(lab.run(n2, ["ping", "-c", "2", "-W", "1", "n1"], check=False).out) == 0
    assert received(lab.run(n2, ["ping", "-6", "-c", "2", "-W", "1", "fd77::11"], check=False).out) == 0
    neighbours = lab.run(n2, "ip neigh").out
    assert all(re.search(rf"{each} .*lladdr", neighbours) for each in ("10.77.0.11", "fd77::11")), neighbours
    assert lab.answers(n1), "a new ssh connection was locked out"


def test_only_chosen_packets_are_hit(lab: Lab, n1: str, n2: str, n3: str, attack) -> None:
    attack(delay="400ms", peers=["n2", "fd77::12"], protocols=["icmp"])
    assert rtt(lab.run(n1, [*PING4, "n2"]).out) > 399 and rtt(lab.run(n1, [*PING6, "fd77::12"]).out) > 399
    assert rtt(lab.run(n1, [*PING4, "n3"]).out) < 300 and rtt(lab.run(n1, [*PING6, "fd77::13"]).out) < 300
    answer = "import socket,time; t=time.monotonic(); socket.create_connection(('n2', 22)).close(); print(time.monotonic()-t)"
    assert min(float(lab.run(n1, ["python3", "-c", answer]).out) for _try in range(3)) < 0.3, "TCP was hit although only ICMP was chosen"


def test_a_service_of_the_target_is_slow_and_one_port_of_it_passes(lab: Lab, n1: str, n2: str, attack) -> None:
    for port in (8001, 8005):
        lab.run(n1, f"python3 -c \"import socket; s=socket.create_server(('::', {port}), family=socket.AF_INET6, dualstack_ipv6=True)\nwhile s.accept(): pass\""
                " >/dev/null 2>&1 &")  # fmt: skip
    attack(delay="400ms", local_ports=["8000-8010"], exclude_ports=["8005"])
    connect = "import socket,sys,time; t=time.monotonic(); socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close(); print(time.monotonic()-t)"
    for address in ("n1", "fd77::11"):
        took = {port: min(float(lab.run(n2, ["python3", "-c", connect, address, str(port)]).out) for _try in range(3)) for port in (8001, 8005)}
        assert took[8001] > 0.39 and took[8005] < 0.3, took


@pytest.mark.smoke
def test_a_queueing_tree_of_the_admin_is_byte_equal_afterwards(lab: Lab, n1: str, n2: str) -> None:
    lab.run(n1, HTB)
    try:
        before = lab.run(n1, SHOW).out
        found = steps(lab, n1, "netem", {"delay": "40ms", "direction": "both", "duration": "10m"}, measure=["sh", "-c", f"ping -c 5 -i 0.1 n2; {SHOW}"])
        assert rtt(found["measured"]) > 79
        assert "htb 1: root" in found["measured"], "the admin's tree was not there during the attack"
        assert lab.run(n1, SHOW).out == before
    finally:
        lab.run(n1, "tc qdisc del dev eth0 root")


def test_an_old_kernel_gets_the_band_and_never_over_an_admins_tree(lab: Lab, n1: str, n2: str) -> None:
    hide = "for m in sch_ingress; do f=$(find /lib/modules -name $m.ko); mv $f $f.hidden; rmmod $m 2>/dev/null; done; true"
    lab.run(n1, hide)
    try:
        found = steps(lab, n1, "netem", {"delay": "40ms", "duration": "10m"}, measure=[*PING4, "n2"])
        assert found["real"]["effect"]["mechanism"] == "band"
        assert abs(rtt(found["measured"]) - 40) < 3
        lab.run(n1, HTB)
        refused = lab.module(n1, "faultline.chaos.netem", {"delay": "40ms", "duration": "60s"})
        assert refused["failed"] and "htb root qdisc" in refused["msg"]
    finally:
        lab.run(n1, "tc qdisc del dev eth0 root; for f in $(find /lib/modules -name '*.ko.hidden'); do mv $f ${f%.hidden}; done", check=False)


def test_hooks_of_somebody_else_are_refused(lab: Lab, n1: str) -> None:
    lab.run(n1, "tc qdisc add dev eth0 clsact; tc filter add dev eth0 ingress pref 1 protocol ip u32 match ip dport 9 0xffff action pass")
    try:
        refused = lab.module(n1, "faultline.chaos.netem", {"delay": "40ms", "direction": "both", "duration": "60s"})
        assert refused["failed"] and "somebody else" in refused["msg"]
    finally:
        lab.run(n1, "tc qdisc del dev eth0 clsact")


def test_only_ours_is_removed_when_the_admin_adds_to_it(lab: Lab, n1: str, attack) -> None:
    found = attack(delay="10ms")
    lab.run(n1, "tc filter add dev eth0 ingress pref 7 protocol ip u32 match ip dport 9 0xffff action pass")
    try:
        reverted = lab.module(n1, "faultline.chaos.revert", {"id": found["id"]})
        assert reverted["failed"] and "differs from before" in reverted["msg"]
        assert "pref 7" in lab.run(n1, "tc filter show dev eth0 ingress").out
        assert "mirred" not in lab.run(n1, "tc filter show dev eth0 egress").out
        assert lab.module(n1, "faultline.chaos.revert", {"id": found["id"], "accept_drift": True})["drifted"] == [found["id"]]
    finally:
        lab.run(n1, "tc qdisc del dev eth0 clsact")


def test_an_interface_that_went_away_is_no_error(lab: Lab, n1: str, attack) -> None:
    lab.run(n1, "ip link add gone0 type dummy; ip link set gone0 up")
    found = attack(delay="10ms", interface="gone0")
    lab.run(n1, "ip link del gone0; ip link add gone0 type dummy; ip link set gone0 up; tc qdisc add dev gone0 clsact")
    assert lab.module(n1, "faultline.chaos.revert", {"id": found["id"]})["clean"]
    assert "clsact" in lab.run(n1, "tc qdisc show dev gone0").out, "a namesake's hook was removed"
    lab.run(n1, "ip link del gone0")


BAD = [
    ({"loss": 1, "interface": ""}, "interface"),
    ({"loss": 1, "interface": "../x"}, "interface"),
    ({"loss": 1, "interface": "eth0; id"}, "interface"),
    ({"loss": 1, "interface": "a234567890123456"}, "interface"),
    ({"loss": 1, "interface": "eth9"}, "interface"),
    ({"delay": "100"}, "delay"),
    ({"delay": "-1ms"}, "delay"),
    ({"delay": "61s"}, "delay"),
    ({"delay": "10ms", "jitter": "20ms"}, "jitter"),
    ({"loss": "101"}, "loss"),
    ({"loss": "5 %"}, "loss"),
    ({"loss": True}, "loss"),
    ({"loss": 0}, "loss"),
    ({"rate": "10XB"}, "rate"),
    ({"loss": 1, "limit": 0}, "limit"),
    ({"loss": 1, "peers": ["300.1.1.1"]}, "peers"),
    ({"loss": 1, "peers": ["10.0.0.0/33"]}, "peers"),
    ({"loss": 1, "peers": ["::ffff:1.2.3.4"]}, "peers"),
    ({"loss": 1, "peers": ["0.0.0.0/0"]}, "peers"),
    ({"loss": 1, "peers": ["10.77.0.1"]}, "peers"),
    ({"loss": 1, "peers": ["$(id)"]}, "peers"),
    ({"loss": 1, "peers": ["nowhere.invalid"]}, "peers"),
    ({"loss": 1, "ports": ["0"]}, "ports"),
    ({"loss": 1, "ports": ["65536"]}, "ports"),
    ({"loss": 1, "ports": ["80-22"]}, "ports"),
    ({"loss": 1, "ports": ["22"]}, "ports"),
    ({"loss": 1, "ports": ["010"]}, "ports"),
    ({"loss": 1, "duration": "0"}, "duration"),
    ({"loss": 1, "duration": "-1"}, "duration"),
    ({"loss": 1, "duration": "nan"}, "duration"),
    ({"loss": 1, "duration": "1e9"}, "duration"),
    ({"loss": 1, "duration": "2h"}, "duration"),
    ({"loss": 1, "duration": "5m; rm -rf /"}, "duration"),
    ({"loss": 1, "duration": None}, "duration"),
    ({"loss": 1, "id": "/"}, "id"),
    ({"loss": 1, "id": "x" * 300}, "id"),
    ({"loss": 1, "id": "a\0b"}, "id"),
    ({"loss": 1, "duration": "1m", "lease": "2m"}, "lease"),
    ({"loss": 1, "lose": 2}, "lose"),
    ({}, "delay"),
]


def test_bad_input_is_refused_by_name_before_any_change(lab: Lab, n1: str) -> None:
    tasks = [{"name": f"bad {n}", "faultline.chaos.netem": {"duration": "10m", **options}, "ignore_errors": True} for n, (options, _name) in enumerate(BAD)]
    before = lab.fingerprint(n1)
    play = lab.playbook([{"name": "bad", "hosts": n1, "gather_facts": False, "tasks": tasks}], timeout=300)
    for n, (options, name) in enumerate(BAD):
        result = play.results(f"bad {n}", n1)[0]
        assert result.get("failed"), (options, result)
        assert name in result["msg"], (options, result["msg"])
        assert "Traceback" not in str(result), (options, result)
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"]
    left = fingerprint.compare(before, lab.fingerprint(n1), IGNORE)
    assert not left, left


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    assert run_examples(lab, n1, "netem") == ["active", "active", "planned"]
