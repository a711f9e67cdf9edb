# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each back-end in IPv4 and IPv6: what is asked is hit, all else passes, and somebody else's rules stay byte by byte what they were."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.placed import AttackedNamespace
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue_net
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.residue import Search
from ansible_collections.faultline.chaos.plugins.module_utils._network import blackhole as network_blackhole, firewall as network_firewall, protocols
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import Rule
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from tests.netns.support.lan import ADDRESSES, MORE, PEER, TARGET, Lan

BACKENDS = {
    "nft": (network_firewall.Nft, ""),
    "iptables-nft": (network_firewall.Iptables, "-nft"),
    "iptables-legacy": (network_firewall.Iptables, "-legacy"),
    "iptables-old": (network_firewall.Iptables, "-old"),
}
PRIOR = ["drop in 9999", "log chain", "nat"]

FIREWALLD = """
table inet firewalld {
    set allowed { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.7.0/24 } }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state established,related accept
        ip saddr @allowed tcp dport 2049 counter accept
        tcp dport 9999 drop
    }
    chain nat_OUTPUT { type nat hook output priority -90; policy accept; udp dport 9953 redirect to :9954; }
}
"""
IPTABLES = """*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:OTHERS - [0:0]
-A INPUT -p tcp --dport 9999 -j DROP
-A INPUT -j OTHERS
-A OTHERS -p udp --dport 9998 -j REJECT
-A OUTPUT -p tcp --dport 9997 -j DROP
COMMIT
*nat
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p udp --dport 9953 -j REDIRECT --to-ports 9954
COMMIT
"""


@pytest.fixture(params=BACKENDS)
def backend(request, host) -> Callable:
    """A back-end by name, made as choose() makes it."""
    kind, suffix = BACKENDS[request.param]

    def make(rules: list[Rule], place: AttackedNamespace, attack_id: str = "a"):
        firewall = kind(host, attack_id, rules, place, suffix)
        assert firewall.try_kernel() is None
        return firewall

    return make


@pytest.fixture
def place(host, lan: Lan) -> AttackedNamespace:
    return AttackedNamespace(host, lan.door(TARGET), "the target")


@pytest.fixture
def prior(lan: Lan) -> str:
    """Rules of somebody else, of every kind at once. Returns how they read."""
    lan.run(TARGET, ["nft", "-f", "-"], FIREWALLD)
    for program in ("iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"):
        lan.run(TARGET, [program + "-restore"], IPTABLES)
    return lan.rules()


def apply(host, firewall) -> None:
    for argv, stdin in firewall.steps():
        host.run(argv, data=stdin)


def undo_of(firewall) -> Undo:
    undo = Undo()
    firewall.undo(undo)
    return undo


def blackhole(action: str, directions: list[str], networks=(None,), **what) -> list[Rule]:
    targets = network_blackhole.Targets(action, directions, **what)
    return network_blackhole.always_pass(directions, [22], []) + targets.exceptions() + targets.hits(networks)


def network(text: str):
    return ipaddress.ip_network(text)


@pytest.mark.parametrize("version", [4, 6])
def test_one_port_of_one_peer_and_nothing_else(lan: Lan, host, backend, place, undoing, prior: str, version: int) -> None:
    peer, other = ADDRESSES[PEER][version == 6], MORE[PEER][version == 6]
    firewall = backend(blackhole("drop", ["out"], [network(peer)], ports=[(5432, 5433)], protocols=["tcp"]), place)
    undoing.publish(undo_of(firewall))
    assert lan.connect(TARGET, peer, 5432) == "open"
    apply(host, firewall)
    assert lan.connect(TARGET, peer, 5432) == "silent"
    assert lan.connect(TARGET, peer, 8000) == "open" and lan.connect(TARGET, other, 5432) == "open"
    assert lan.packets(TARGET, peer, 5432)[0] == 20  # UDP
    assert lan.connect(PEER, ADDRESSES[TARGET][version == 6], 5432) == "open"
    assert firewall.read()["dropped"] >= 1
    assert undoing.run().returncode == 0
    undoing.publish(undo_of(firewall))  # the same undo when there is nothing left to undo
    assert undoing.run().returncode == 0
    assert lan.connect(TARGET, peer, 5432) == "open"
    assert lan.rules() == prior


@pytest.mark.parametrize("version", [4, 6])
def test_packets_are_lost_and_counted(lan: Lan, host, backend, place, undoing, version: int) -> None:
    peer = ADDRESSES[PEER][version == 6]
    firewall = backend(blackhole("drop", ["out"], [network(peer)], protocols=["udp"], ports=[(8000, 8100)]), place)
    undoing.publish(undo_of(firewall))
    before = lan.packets(TARGET, peer, 8000, 200)[0]
    apply(host, firewall)
    during = lan.packets(TARGET, peer, 8000, 200)[0]
    counted = firewall.read()["dropped"]
    assert undoing.run().returncode == 0
    after = lan.packets(TARGET, peer, 8000, 200)[0]
    print(f"IPv{version} {firewall.name}: answered of 200 before {before}, during {during}, after {after}; asked to drop 200, counted {counted}")
    assert (before, during, after, counted) == (200, 0, 200, 200)


@pytest.mark.parametrize("version", [4, 6])
def test_reject_answers_at_once_in_both_directions(lan: Lan, host, backend, place, undoing, version: int) -> None:
    peer, target = ADDRESSES[PEER][version == 6], ADDRESSES[TARGET][version == 6]
    firewall = backend(blackhole("reject", ["in", "out"], interface="eth0"), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    assert lan.connect(TARGET, peer, 8000) == "refused" and lan.connect(PEER, target, 8000) == "refused"
    assert lan.packets(TARGET, peer, 8000)[0] == 0
    assert lan.connect(PEER, target, 22) == "open"
    assert undoing.run().returncode == 0
    assert lan.connect(TARGET, peer, 8000) == "open"


@pytest.mark.parametrize("version", [4, 6])
def test_the_control_path_and_the_neighbours_survive_a_total_blackhole(lan: Lan, host, backend, place, undoing, prior: str, version: int) -> None:
    peer, target, other = ADDRESSES[PEER][version == 6], ADDRESSES[TARGET][version == 6], MORE[PEER][version == 6]
    rules = network_blackhole.always_pass(["in", "out"], [22], [network(other)])
    firewall = backend(rules + network_blackhole.Targets("drop", ["in", "out"], interface="eth0").hits(), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    lan.forget_neighbours()  # ARP and neighbour discovery begin anew
    assert lan.connect(PEER, target, 22) == "open"
    assert lan.connect(PEER, target, 8000) == "silent" and lan.connect(TARGET, peer, 8000) == "silent"
    assert not lan.ping(PEER, target) and not lan.ping(TARGET, peer)
    assert lan.connect(TARGET, other, 8000) == "open"  # a control address
    assert lan.connect(TARGET, target, 8000) == "open"  # loopback
    lan.forget_neighbours()
    assert lan.connect(PEER, target, 22) == "open"
    assert undoing.run().returncode == 0
    assert lan.ping(PEER, target) and lan.rules() == prior


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("word", ["vrrp", "gre", "ah"])
def test_any_ip_protocol_is_hit_and_counted_and_no_other(lan: Lan, host, backend, place, undoing, prior: str, word: str, version: int) -> None:
    peer, target = ADDRESSES[PEER][version == 6], ADDRESSES[TARGET][version == 6]
    asked = protocols.protocol("protocols", word)
    number, other = protocols.number(asked, version), 103 if version == 4 else 115
    firewall = backend(blackhole("drop", ["in", "out"], protocols=[asked]), place)
    undoing.publish(undo_of(firewall))
    before = lan.raw(TARGET, PEER, peer, number)
    apply(host, firewall)
    during = lan.raw(TARGET, PEER, peer, number), lan.raw(PEER, TARGET, target, number)
    counted = firewall.read()["dropped"]
    beside = lan.raw(TARGET, PEER, peer, other)
    assert lan.connect(PEER, target, 22) == "open" and lan.connect(TARGET, peer, 8000) == "open" and lan.ping(TARGET, peer)
    assert undoing.run().returncode == 0
    after = lan.raw(TARGET, PEER, peer, number)
    print(f"IPv{version} {firewall.name} {word}: of 20 arrived before {before}, during {during}, after {after}, of another {beside}; counted {counted} of 40")
    assert (before, during, after, beside, counted) == (20, (0, 0), 20, 20, 40)
    assert lan.rules() == prior


@pytest.mark.parametrize("version", [4, 6])
def test_an_ip_protocol_of_one_peer_is_refused_and_icmp_keeps_the_neighbours(lan: Lan, host, backend, place, undoing, version: int) -> None:
    peer, target, other = ADDRESSES[PEER][version == 6], ADDRESSES[TARGET][version == 6], MORE[PEER][version == 6]
    asked = [protocols.protocol("protocols", word) for word in ("47", "icmp", "icmpv6")]
    firewall = backend(blackhole("reject", ["out"], [network(peer)], protocols=asked), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    lan.forget_neighbours()
    assert (lan.raw(TARGET, PEER, peer, 47), lan.raw(TARGET, PEER, other, 47)) == (0, 20)
    assert not lan.ping(TARGET, peer) and lan.connect(TARGET, peer, 8000) == "open" and lan.connect(PEER, target, 22) == "open"
    assert undoing.run().returncode == 0
    assert lan.raw(TARGET, PEER, peer, 47) == 20 and lan.ping(TARGET, peer)


def test_a_service_cut_off_from_its_clients(lan: Lan, host, backend, place, undoing) -> None:
    peer, target = ADDRESSES[PEER][0], ADDRESSES[TARGET][0]
    targets = {"local_ports": [(8080, 8080)], "passed_ports": [(8000, 8000)], "passed": [network("198.51.100.0/24")]}
    firewall = backend(blackhole("drop", ["in"], **targets), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    assert lan.connect(PEER, target, 8080) == "silent" and lan.connect(PEER, target, 8000) == "open"
    assert lan.connect(TARGET, peer, 8080) == "open"
    assert undoing.run().returncode == 0


@pytest.mark.parametrize("version", [4, 6])
def test_redirect_of_a_port_to_one_of_ours(lan: Lan, host, backend, place, undoing, prior: str, version: int) -> None:
    peer = ADDRESSES[PEER][version == 6]
    rules = [
        Rule("pass", "out", network=network(MORE[PEER][version == 6]), protocol="udp", far_ports=(8000, 8000), table="nat"),
        Rule("redirect", "out", protocol="udp", far_ports=(8000, 8000), to_port=5353),
    ]
    firewall = backend(rules, place)
    undoing.publish(undo_of(firewall))
    assert lan.packets(TARGET, peer, 8000) == (20, "8000")
    apply(host, firewall)
    assert lan.packets(TARGET, peer, 8000) == (20, "5353")
    assert lan.packets(TARGET, MORE[PEER][version == 6], 8000) == (20, "8000")
    assert firewall.read()["dropped"] >= 1  # one for each connection
    assert undoing.run().returncode == 0
    assert lan.packets(TARGET, peer, 8000) == (20, "8000") and lan.rules() == prior


def test_rules_that_a_worker_adds_are_undone_with_the_others(lan: Lan, host, backend, place, undoing, prior: str) -> None:
    firewall = backend(blackhole("drop", ["out"], [network("203.0.113.9")]), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    assert lan.connect(TARGET, ADDRESSES[PEER][0], 8000) == "open"
    targets = network_blackhole.Targets("drop", ["out"])
    assert network_blackhole.add(host, firewall, targets.hits([network(ADDRESSES[PEER][0]), network(ADDRESSES[PEER][1])]))
    assert [lan.connect(TARGET, each, 8000) for each in ADDRESSES[PEER]] == ["silent", "silent"]
    assert firewall.read()["dropped"] >= 2
    assert undoing.run().returncode == 0
    assert lan.rules() == prior
    assert not network_blackhole.add(host, firewall, targets.hits([network("203.0.113.10")]))  # and cannot come back
    assert lan.rules() == prior


def test_two_attacks_and_rules_added_by_others_meanwhile(lan: Lan, host, backend, place, undoing, prior: str) -> None:
    first = backend(blackhole("drop", ["out"], [network(ADDRESSES[PEER][0])]), place, "first")
    second = backend(blackhole("drop", ["out"], [network(ADDRESSES[PEER][0])]), place, "second")
    for attack_id, firewall in (("first", first), ("second", second)):
        undoing.publish(undo_of(firewall), attack_id)
        apply(host, firewall)
    lan.run(TARGET, ["iptables-legacy", "-I", "INPUT", "1", "-p", "tcp", "--dport", "9990", "-j", "DROP"])
    lan.run(TARGET, ["nft", "insert", "rule", "inet", "firewalld", "filter_INPUT", "tcp", "dport", "9990", "drop"])
    assert undoing.run("first").returncode == 0
    assert lan.connect(TARGET, ADDRESSES[PEER][0], 8000) == "silent"
    assert undoing.run("second").returncode == 0
    assert lan.connect(TARGET, ADDRESSES[PEER][0], 8000) == "open"
    lan.run(TARGET, ["iptables-legacy", "-D", "INPUT", "1"])
    assert sorted(set(lan.rules().splitlines()) - set(prior.splitlines())) == ["\t\ttcp dport 9990 drop"]


def test_a_firewall_that_was_reloaded_meanwhile(lan: Lan, host, backend, place, undoing) -> None:
    firewall = backend(blackhole("drop", ["out"], [network(ADDRESSES[PEER][0])]), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    lan.run(TARGET, ["nft", "flush", "ruleset"])
    for program in ("iptables-legacy", "ip6tables-legacy"):
        for verb in ("-F", "-X"):
            lan.run(TARGET, [program, verb])
    done = undoing.run()
    assert done.returncode == 0 and "reverted" in done.stdout, done


def test_an_undo_that_was_interrupted_goes_on(lan: Lan, host, backend, place, undoing, prior: str) -> None:
    firewall = backend(blackhole("drop", ["in", "out"], interface="eth0"), place)
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    if firewall.name != "nft":  # the jump is out, the chains are still there
        lan.run(TARGET, firewall._command(4, "filter") + ["-D", "OUTPUT", "-j", f"FL{firewall.key}O"])
    assert undoing.run().returncode == 0
    assert lan.rules() == prior


@pytest.mark.parametrize("suffix", ["-legacy", "-nft", "-old"])
def test_a_chain_that_somebody_renamed_is_stuck_and_named(lan: Lan, host, place, undoing, prior: str, suffix: str) -> None:
    firewall = network_firewall.Iptables(host, "a", blackhole("drop", ["out"], [network(ADDRESSES[PEER][0])]), place, suffix)
    assert firewall.try_kernel() is None
    undoing.publish(undo_of(firewall))
    apply(host, firewall)
    ours = f"FL{firewall.key}O"
    lan.run(TARGET, [*firewall._command(4, "filter"), "-E", ours, "THEIRS"])
    done = undoing.run()
    assert done.returncode != 0 and f"-t filter -S shows with FL{firewall.key}" in done.stderr, done
    if suffix == "-legacy":
        assert f"THEIRS of iptables{suffix}" in str(residue_net._legacy(SimpleNamespace(host=host, claimed=""), place, {"iptables-legacy": ["filter"]}))
    lan.run(TARGET, [*firewall._command(4, "filter"), "-E", "THEIRS", ours])
    assert undoing.run().returncode == 0
    assert lan.rules() == prior


def test_iptables_takes_all_out_in_one_go(lan: Lan, host, place, undoing, prior: str) -> None:
    """The quick way alone, without the single steps for what it refuses."""
    for suffix in ("-legacy", "-nft"):
        firewall = network_firewall.Iptables(host, "a", blackhole("drop", ["in", "out"], protocols=["tcp"]), place, suffix)
        apply(host, firewall)
        undo = undo_of(firewall)
        for table in undo.steps[0].steps:
            table.steps = table.steps[:1]
        undoing.publish(undo)
        assert undoing.run().returncode == 0
        assert lan.rules() == prior


@pytest.mark.parametrize("suffix", ["-legacy", "-old"])
def test_a_lock_that_somebody_holds_is_waited_for(lan: Lan, host, place, undoing, suffix: str) -> None:
    firewall = network_firewall.Iptables(host, "a", blackhole("drop", ["out"], [network(ADDRESSES[PEER][0])]), place, suffix)
    undoing.publish(undo_of(firewall))
    for what in (lambda: apply(host, firewall), lambda: undoing.run().check_returncode()):
        with subprocess.Popen(["flock", "/run/xtables.lock", "sh", "-c", "echo held; sleep 1"], stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            what()
    assert lan.connect(TARGET, ADDRESSES[PEER][0], 8000) == "open"


def test_nft_is_chosen_before_iptables(lan: Lan, host, place) -> None:
    assert network_firewall.choose(host, "a", blackhole("drop", ["out"], interface="eth0"), place).name == "nft"


def test_rules_without_a_journal_are_residue(lan: Lan, host, backend, place, undoing) -> None:
    def left() -> list[str]:
        found = Search(host, undoing.journal)
        residue_net.elsewhere(found)
        assert not found.foreign and not found.unseen
        return found.residue

    firewall = backend(blackhole("drop", ["out"], [network(ADDRESSES[PEER][0])]), place)
    undo = undo_of(firewall)
    apply(host, firewall)
    found = left()
    ours = [each for each in found if firewall.key in each and f"/{lan.pids[TARGET]}/" in each]
    assert len(ours) >= 1 and ours == found
    undoing.publish(undo)
    assert not left()
    assert undoing.run().returncode == 0
    assert not left()
