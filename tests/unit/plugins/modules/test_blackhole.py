# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._network import blackhole, firewall as network_firewall, xtables
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import DROP, PASS, REJECT, Rule
from ansible_collections.faultline.chaos.plugins.module_utils._undo.script import render
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from ansible_collections.faultline.chaos.plugins.modules import blackhole as blackhole_module
from ansible_collections.faultline.chaos.plugins.modules.blackhole import Blackhole
from tests.unit.support.ssh_servers import Servers

ALL = ("nft", "iptables", "ip6tables", "iptables-restore", "ip6tables-restore", "ip", "unshare", "nsenter")
LINKS = "1: lo: <LOOPBACK,UP>\n2: eth0@if3: <UP>\n"


class FakeHost:
    """Tools by name, programs that say what they are told to."""

    check_mode = False

    def __init__(self, tools=ALL, ipv6=True, fails=(), restore_help=" [ --wait=<seconds>") -> None:
        self.tools, self.ipv6, self.fails, self.restore_help, self.ran = tools, ipv6, fails, restore_help, []

    def has_tool(self, name):
        return name in self.tools

    def tool(self, name):
        if name not in self.tools:
            raise AttackError(f"{name} is not installed")
        return f"/sbin/{name}"

    def read(self, path, default=""):
        return "" if path == "/proc/net/if_inet6" and self.ipv6 else default

    def run(self, argv, check=True, data=None):
        self.ran.append((argv, data))
        if argv[1:] == ["--help"]:
            return 1, "", self.restore_help
        if any(word in argv for word in self.fails):
            return 1, "", "not in this kernel"
        return 0, LINKS if "link" in argv else "", ""


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blackhole_module, "SshServers", Servers)


def attack(host=None, **given) -> Blackhole:
    params = {name: spec.get("default") for name, spec in Blackhole.options.items()}
    params.update({"control_addresses": [], "duration": "60s", **given})
    made = Blackhole(params, host or FakeHost())
    made.id, made.duration = "x", 60.0
    return made


@pytest.mark.parametrize(
    "given, words",
    [
        ({}, "give at least one of interface, peers, ports, local_ports, protocols"),
        ({"peers": ["0.0.0.0/0"]}, "peers: '0.0.0.0/0' is refused: leave peers out; interface, ports or protocols alone mean everybody"),
        ({"peers": ["::/0"], "ports": ["80"]}, "peers: '::/0' is refused"),
        ({"peers": ["300.1.1.1"]}, "peers: '300.1.1.1' is refused"),
        ({"peers": ["10.0.0.0/33"]}, "peers"),
        ({"peers": ["::ffff:1.2.3.4"]}, "write the IPv4 address itself"),
        ({"peers": ["db_1"]}, "peers: 'db_1' is refused"),
        ({"peers": ["127.0.0.1"]}, "loopback always passes"),
        ({"peers": ["::1"]}, "loopback always passes"),
        ({"interface": "lo"}, "loopback always passes"),
        ({"interface": "eth0; id"}, "interface: 'eth0; id' is refused"),
        ({"peers": ["$(id)"]}, "peers: '$(id)' is refused"),
        ({"ports": ["0"]}, "ports: '0' is refused"),
        ({"ports": ["80-22"]}, "write the lower port first"),
        ({"local_ports": ["65536"]}, "local_ports: '65536' is refused"),
        ({"ports": ["80"], "protocols": ["icmp"]}, "ICMP has no ports"),
        ({"local_ports": ["80"], "protocols": ["icmp"]}, "local_ports"),
        ({"ports": ["80"], "protocols": ["gre"]}, "gre has no ports to choose by: ports are for tcp and udp"),
        ({"ports": ["80"], "protocols": ["tcp", "112"]}, "vrrp has no ports"),
        ({"ports": ["80"], "protocols": ["200"]}, "200 has no ports"),
        ({"protocols": ["vrpp"]}, "protocols: 'vrpp' is refused: did you mean vrrp? "),
        ({"protocols": ["0"]}, "0 is a header of IPv6"),
        ({"protocols": ["\u00b2"]}, "protocols: '\u00b2' is refused: give a name"),
        ({"protocols": ["\u0666"]}, "protocols: '\u0666' is refused: give a name"),
        ({"protocols": ["9" * 5000]}, "is refused"),
        ({"ports": ["80"], "exclude": ["x y"]}, "exclude: 'x y' is refused"),
        ({"ports": ["80"], "exclude_ports": ["80,81"]}, "exclude_ports: '80,81' is refused"),
        ({"ports": ["80"], "control_addresses": ["1.2.3"]}, "control_addresses: '1.2.3' is refused"),
        ({"ports": ["80"], "resolve_interval": "0.5"}, "resolve_interval: '0.5' is refused: the least is 1s"),
        ({"ports": ["80"], "resolve_interval": "often"}, "resolve_interval"),
        ({"ports": ["80"], "netns": "../x"}, "netns: '../x' is refused"),
        ({"ports": ["80"], "container": "a b"}, "container: 'a b' is refused"),
        ({"ports": ["80"], "container": "--help"}, "container"),
    ],
)
def test_bad_options(given: dict, words: str) -> None:
    with pytest.raises(AttackError) as error:
        attack(**given).validate()
    assert words in str(error.value)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"peers": ["192.0.2.7"]}, "peers: 192.0.2.7 is where this very connection comes from"),
        ({"peers": ["192.0.2.7"]}, "peers: 192.0.2.7 is where this very connection comes from"),
        ({"ports": ["2222"]}, "ports: 2222 is SSH on this target"),
        ({"local_ports": ["22"]}, "local_ports: 22 is SSH on this target"),
        ({"local_ports": ["22"], "peers": ["10.0.0.0/8"]}, "local_ports: 22 is SSH"),
        ({"interface": "eth7"}, "there is no eth7 on the host; there are: lo, eth0"),
        ({"peers": ["localhost"]}, "peers: localhost is the target itself: loopback always passes"),
        ({"peers": ["no-such-name.invalid"]}, "the target cannot resolve no-such-name.invalid"),
        ({"peers": [f"10.0.{number}.0/24" for number in range(200)], "ports": [str(8000 + 2 * number) for number in range(10)]}, "the most is 2000"),
        ({"ports": ["80"], "netns": "no-such-namespace"}, "netns: there is no network namespace no-such-namespace"),
        ({"ports": ["80"], "netns": "self-1"}, "netns: there is no"),
    ],
)
def test_what_the_target_refuses(given: dict, words: str) -> None:
    made = attack(**given)
    made.validate()
    with pytest.raises(AttackError) as error:
        made.guard()
    assert words in str(error.value)


def test_ssh_of_a_dependency_may_be_cut_off() -> None:
    made = attack(peers=["198.51.100.4"], ports=["22"])
    made.validate()
    made.guard()


def planned(host=None, **given):
    made = attack(host, **given)
    made.validate()
    made.guard()
    return made.plan({})


def lines(**given) -> list[str]:
    return planned(**given).steps[0][1].splitlines()


def test_what_passes_comes_before_what_is_hit() -> None:
    for direction in ("in", "out"):
        rules = [line for line in lines(interface="eth0") if f" filter_{direction} " in line and line.startswith("add rule")]
        verdicts = [line.rsplit(" ", 1)[1] for line in rules]
        assert verdicts.index("drop") == verdicts.count("accept") == len(rules) - 1


PASSES = ("tcp sport 22 ", 'oifname "lo"', "udp dport 67 udp sport 68", "icmpv6 type 135", "icmp type 3 icmp code 4", "ip6 daddr 2001:db8::5/128")


@pytest.mark.parametrize("word", PASSES)
def test_what_always_passes(word: str) -> None:
    found = [line for line in lines(peers=["10.0.0.0/8"], control_addresses=["2001:db8::5"]) if word in line]
    assert found and all(line.endswith("counter accept") for line in found)


def test_directions_and_ends() -> None:
    hits = [line.partition("filter_")[2] for line in lines(peers=["10.0.0.0/8"], ports=["80-90"], protocols=["tcp"]) if line.endswith("drop")]
    assert hits == [
        "in ip saddr 10.0.0.0/8 meta l4proto 6 tcp sport 80-90 counter drop",
        "out ip daddr 10.0.0.0/8 meta l4proto 6 tcp dport 80-90 counter drop",
    ]
    local = [line for line in lines(local_ports=["80"], protocols=["udp"], direction="ingress") if line.endswith("drop")]
    assert len(local) == 1 and "udp dport 80" in local[0]
    assert not any("output" in line for line in lines(local_ports=["80"], direction="ingress"))


def test_ports_without_protocols_are_tcp_and_udp_and_reject_has_words_for_each() -> None:
    hits = [line.rpartition("counter ")[2] for line in lines(ports=["80"], action="reject", direction="egress") if "reject" in line]
    assert hits == ["reject with tcp reset", "reject with icmpx type port-unreachable"]
    assert sum("reject" in line for line in lines(interface="eth0", action="reject", direction="egress")) == 2


def test_a_note_for_who_means_the_other_ports() -> None:
    assert any("local_ports" in note for note in planned(ports=["8080"], direction="ingress").notes)
    assert not any("local_ports" in note for note in planned(ports=["8080"]).notes)


def test_names_have_a_worker_and_addresses_have_none(monkeypatch) -> None:
    monkeypatch.setattr(blackhole.options, "resolve", lambda _option, _values: [ipaddress.ip_network("198.51.100.9")])
    assert [worker.name for worker in planned(peers=["db.example"]).workers] == ["names"]
    assert not planned(peers=["198.51.100.9"]).workers
    assert not planned(peers=["db.example"], resolve_interval="0").workers


def test_exceptions_come_before_targets() -> None:
    found = lines(interface="eth0", exclude=["10.1.0.0/16"], exclude_ports=["53"], direction="egress")
    kept = [at for at, line in enumerate(found) if "10.1.0.0/16" in line or "port 53" in line]
    assert len(kept) == 5 and max(kept) < next(at for at, line in enumerate(found) if line.endswith("drop"))


def test_two_targets_hold_different_things_and_the_same_holds_the_same() -> None:
    held = []
    for given in ({"peers": ["10.0.0.1"]}, {"peers": ["10.0.0.1"], "action": "reject"}, {"peers": ["10.0.0.2"]}):
        made = attack(**given)
        made.validate()
        held.append(set(made.resources()))
    assert held[0] == held[1] and not held[0] & held[2] and len(held[0]) == 2


def test_backends_are_tried_in_order() -> None:
    rules = blackhole.always_pass(["out"], [22], [])
    assert network_firewall.choose(FakeHost(), "x", rules).name == "nft"
    assert network_firewall.choose(FakeHost(fails=("/sbin/nft",)), "x", rules).name == "iptables"
    assert network_firewall.choose(FakeHost(tools=ALL[1:]), "x", rules).name == "iptables"
    with pytest.raises(AttackError, match="nft: not in this kernel; iptables: not in this kernel"):
        network_firewall.choose(FakeHost(fails=("unshare", "/sbin/unshare")), "x", rules)
    with pytest.raises(AttackError, match="install the package nftables"):
        network_firewall.choose(FakeHost(tools=("unshare",)), "x", rules)


def test_check_mode_tries_nothing() -> None:
    host = FakeHost()
    host.check_mode = True
    network_firewall.choose(host, "x", blackhole.always_pass(["out"], [22], []))
    assert not host.ran


def test_ipv6_is_left_out_where_the_kernel_has_none_unless_it_is_asked_for() -> None:
    rules = [Rule(DROP, "out", protocol="tcp")]
    no_nft = ALL[1:]
    assert len(network_firewall.choose(FakeHost(tools=no_nft, ipv6=False), "x", rules).steps()) == 1
    assert len(network_firewall.choose(FakeHost(tools=no_nft), "x", rules).steps()) == 2
    six = [Rule(DROP, "out", network=ipaddress.ip_network("2001:db8::/32"))]
    steps = network_firewall.choose(FakeHost(tools=no_nft, ipv6=False), "x", six).steps()
    assert [argv[0] for argv, _stdin in steps] == ["/sbin/ip6tables-restore"]


def undo_lines(firewall) -> str:
    undo = Undo()
    firewall.undo(undo)
    record = {"id": "a", "module": "blackhole", "started": "", "boot_id": "b", "injector": [1, 1], "began_cs": 0, "limit_cs": 0}
    return render(record, undo, "/s").partition("# What must be true")[0]


def test_iptables_waits_for_its_lock_and_names_are_short_enough() -> None:
    firewall = network_firewall.choose(FakeHost(tools=ALL[1:]), "x" * 64, [Rule(kind, "in", protocol="tcp") for kind in (PASS, REJECT)])
    text = undo_lines(firewall)
    for line in text.splitlines():
        assert line.count("/sbin/ip") == len(re.findall(r" -w 20\b", line))
    assert " -F FL" in text and " -D INPUT -j FL" in text and not any(f" -D INPUT {number}" in text for number in range(9))
    assert all(len(word) <= 28 for word in text.split() if word.startswith("FL"))
    assert all("-w" in argv for argv, _stdin in firewall.steps())


@pytest.mark.parametrize(
    ("fails", "words"),
    [((), ["-w", "20"]), (("20",), ["-w"]), (("-w",), [])],
    ids=["iptables 1.6.1", "iptables 1.4.21", "iptables 1.4.19"],
)
def test_an_iptables_that_does_not_know_how_to_wait_tries_again(fails: tuple[str, ...], words: list[str]) -> None:
    host = FakeHost(tools=ALL[1:], fails=fails, restore_help="Usage: iptables-restore [-b] [-c]\n [ --noflush ]\n")
    firewall = network_firewall.choose(host, "x", [Rule(PASS, "in", table="nat"), Rule(DROP, "in")])
    assert ["/sbin/iptables", *words, "-t", "filter"] == firewall._command(4, "filter")
    steps = firewall.steps()
    assert all("-w" not in argv and argv[0] == "/bin/sh" for argv, _stdin in steps)
    assert [stdin.count("COMMIT") for _argv, stdin in steps] == [1, 1, 1, 1], "a table that is refused is tried again, and no other"
    text = undo_lines(firewall)
    for line in text.splitlines():
        assert not re.search(r"-restore\b.* -w", line)
        assert not re.search(r"\b(try|feed) ", line.replace("repeat 5 feed", "")), line
        told = re.findall(r"/sbin/ip6?tables\b(?!-restore)((?: -w)?(?: 20)?) -t", line)
        assert set(told) <= {"".join(f" {word}" for word in words)}


def test_iptables_nft_has_no_lock_and_is_not_asked_further() -> None:
    host = FakeHost(tools=ALL[1:], restore_help="Usage: iptables-restore\n [ --ipv4 ]\n [ --ipv6 ]\n")
    firewall = network_firewall.choose(host, "x", [Rule(DROP, "in")])
    assert all("/sbin/iptables" not in argv for argv, _stdin in host.ran)
    assert [argv for argv, _stdin in firewall.steps()] == [["/sbin/iptables-restore", "--noflush"], ["/sbin/ip6tables-restore", "--noflush"]]
    assert "insist" not in undo_lines(firewall)


@pytest.mark.parametrize(("busy", "code"), [(0, 0), (3, 0), (99, 4)])
def test_what_is_refused_is_tried_again_with_the_same_input(tmp_path: Path, busy: int, code: int) -> None:
    program = tmp_path / "iptables-restore"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}\necho $* >>told\ncat >>told\n[ $(grep -c noflush told) -gt {busy} ] || {{ echo busy >&2; exit 4; }}\n")
    program.chmod(0o755)
    locking = xtables.Locking(FakeHost(tools=("iptables", "iptables-restore"), restore_help=""), "iptables")
    argv = locking.patiently([str(program), "--noflush"])
    done = subprocess.run(argv, input="*filter\n-A x\nCOMMIT\n", text=True, capture_output=True, check=False)
    assert done.returncode == code and done.stderr == ("busy\n" if code else "")
    assert (tmp_path / "told").read_text() == "--noflush\n*filter\n-A x\nCOMMIT\n" * min(busy + 1, 6)


def test_the_kernel_has_to_show_what_was_added() -> None:
    class Other(FakeHost):
        def run(self, argv, check=True, data=None):
            return 0, "table inet x {\n\tchain filter_out {\n\t\tcounter packets 3 bytes 9 drop\n\t}\n}\n", ""

    rules = [Rule(PASS, "out", protocol="tcp"), Rule(DROP, "out")]
    firewall = network_firewall.choose(Other(), "x", rules)
    with pytest.raises(AttackError, match="other rules in inet faultline_"):
        firewall.read()
    assert network_firewall.choose(Other(), "x", rules[1:]).read() == {"rules": 1, "dropped": 3, "passed": 0}


def test_a_control_path_that_is_gone_is_an_error(monkeypatch) -> None:
    made = attack(ports=["80"])
    made.validate()
    made.guard()
    plan = made.plan({})
    monkeypatch.setattr(made.firewall, "read", lambda: {"rules": 1, "dropped": 0, "passed": 0})
    assert made.verify(plan)["passes"] == ["ssh port 22", "ssh port 2222"]
    monkeypatch.setattr(Servers, "connected", ())
    with pytest.raises(AttackError, match="the SSH connection that this task came by is gone"):
        made.verify(plan)


def test_the_worker_adds_what_is_new_and_never_stops_for_a_resolver(monkeypatch) -> None:
    answers = [["10.0.0.1"], None, ["10.0.0.2"], ["10.0.0.1", "10.0.0.2"]]

    def resolve(_option, _names):
        answer = answers.pop(0)
        if answer is None:
            raise AttackError("no answer")
        return [ipaddress.ip_network(each) for each in answer]

    host = FakeHost()
    firewall = network_firewall.choose(host, "x", [Rule(DROP, "out", network=ipaddress.ip_network("10.0.0.1"))])
    host.ran.clear()
    clock = iter([0, 0, 1, 1, 2, 2, 3, 3, 4])
    monkeypatch.setattr(blackhole, "uptime", lambda: next(clock))
    monkeypatch.setattr(blackhole.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(blackhole.options, "resolve", resolve)
    blackhole.follow(host, firewall, blackhole.Targets("drop", ["out"]), ["db"], [ipaddress.ip_network("10.0.0.1")], 1, 4)
    assert not answers and len(host.ran) == 1 and "10.0.0.2" in host.ran[0][1] and "10.0.0.1" not in host.ran[0][1]


def test_reject_in_both_directions_lets_its_own_answers_out() -> None:
    targets = blackhole.Targets("reject", ["in", "out"])
    assert [rule.direction for rule in targets.exceptions()] == ["out"] * 3
    assert not blackhole.Targets("reject", ["in"]).exceptions()
