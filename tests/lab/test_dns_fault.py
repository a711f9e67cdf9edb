# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dns_fault on a real host with systemd and the old iptables: what programs get, and that the host is never left without DNS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.support.lab import Lab, address, wait_until
from tests.lab.support.steps import run_examples, steps
from tests.support.dns import DNS_SERVER, RESOLVE  # the same server and the same question as in the network namespaces

TRUE = ["192.0.2.1", "2001:db8::1"]
NAMES = ["db.example.com", "a.b.wild.org", "wild.org", "other.example.com"]
ASKED = NAMES * 3  # the quickest answer counts: a busy machine stalls a host for a second
DOMAINS = ["db.example.com", "*.wild.org"]


def resolve(lab: Lab, host: str) -> dict[str, list]:
    return json.loads(lab.run(host, ["python3", "-c", RESOLVE, *ASKED]).out)


@pytest.fixture
def server(lab: Lab, n1: str, n2: str):
    """A DNS server on n2, by IPv4 and IPv6, and a resolv.conf on n1 that is a symbolic link, as many distributions have it."""
    addresses = lab.run(n2, "ip -o addr show eth0 scope global | awk '{print $4}' | cut -d/ -f1").out.split()
    lab.write(n2, "/root/dns.py", DNS_SERVER)
    lab.run(n2, "nohup python3 /root/dns.py >/dev/null 2>&1 & echo $! >/root/dns.pid; sleep 2")
    lines = "".join(f"nameserver {address}\n" for address in addresses) + "options timeout:2 attempts:1\n"
    lab.run(n1, "mv /etc/resolv.conf /etc/resolv.conf.before && ln -s /run/test-resolv.conf /etc/resolv.conf")
    lab.write(n1, "/run/test-resolv.conf", lines)
    yield addresses
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, "mv /etc/resolv.conf.before /etc/resolv.conf; rm -f /run/test-resolv.conf")
    lab.run(n2, "kill $(cat /root/dns.pid); rm -f /root/dns.pid /root/dns.py")


@pytest.fixture(params=["systemd-resolved", "nscd"])
def cache(request: pytest.FixtureRequest, lab: Lab, n1: str, n2: str, server: list[str]):
    """A program on n1 that keeps answers, for a minute as the server says. Its resolvers, as the module will find them."""
    if request.param == "systemd-resolved":
        lab.run(n1, "mkdir -p /run/systemd/resolved.conf.d && ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
        lab.write(n1, "/run/systemd/resolved.conf.d/test.conf", f"[Resolve]\nDNS={server[0]}\nDomains=~.\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n")
    lab.run(n1, f"systemctl start {request.param}")
    assert all(told[0] == TRUE for told in resolve(lab, n1).values())
    lab.run(n2, "kill -STOP $(cat /root/dns.pid)")
    kept = resolve(lab, n1)
    lab.run(n2, "kill -CONT $(cat /root/dns.pid)")
    assert all(told[0] == TRUE and told[1] < 1 for told in kept.values()), f"nothing is kept: {kept}"
    yield ["127.0.0.53", server[0]] if request.param == "systemd-resolved" else server
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"systemctl stop {request.param}; rm -rf /run/systemd/resolved.conf.d")


@pytest.mark.parametrize(
    ("options", "expected", "least", "most"),
    [
        ({"mode": "nxdomain"}, "no such name", 0, 1),
        ({"mode": "delay", "delay": "800ms"}, TRUE, 0.79, 1.6),
        ({"mode": "timeout"}, "try again", 1.9, 10),
        ({"mode": "spoof", "addresses": ["203.0.113.7"]}, ["203.0.113.7"], 0, 1),
    ],
    ids=lambda value: value.get("mode") if isinstance(value, dict) else None,
)
@pytest.mark.smoke
def test_steps_and_what_programs_get(lab: Lab, n1: str, server: list[str], tell, options: dict, expected, least: float, most: float) -> None:
    before = resolve(lab, n1)
    assert all(before[name][0] == TRUE for name in NAMES), before
    found = steps(lab, n1, "dns_fault", {"domains": DOMAINS, "duration": "10m", **options}, measure=["python3", "-c", RESOLVE, *ASKED])
    effect, got = found["real"]["effect"], json.loads(found["measured"])
    print(f"asked {options}, by {effect['firewall']}: module {effect['measured']}, a program got {got}")
    assert effect["resolvers"] == server
    wrong = [name for name in NAMES if got[name][0] == expected and expected != TRUE]
    if options["mode"] == "delay":
        tell("dns_fault", "the quickest of 2 names that are answered late", 800, 1000 * min(got[name][1] for name in NAMES[:2]), "ms")
    else:
        tell("dns_fault", f"names with {options['mode']}, of {len(NAMES)}", 2, len(wrong), "names")
    for name in NAMES[:2]:
        assert got[name][0] == expected and least <= got[name][1] <= most, got
    for name in NAMES[2:]:
        assert got[name][0] == TRUE and got[name][1] < 1, got
    after = resolve(lab, n1)
    assert all(after[name][0] == TRUE for name in NAMES), after


@pytest.mark.parametrize(("mode", "expected"), [("nxdomain", "no such name"), ("spoof", ["203.0.113.7"])])
def test_kept_answers_do_not_outlive_the_beginning_nor_the_end(lab: Lab, n1: str, cache: list[str], mode: str, expected) -> None:
    options = {"domains": DOMAINS, "mode": mode, "addresses": ["203.0.113.7"] * (mode == "spoof"), "duration": "10m"}
    found = steps(lab, n1, "dns_fault", options, measure=["python3", "-c", RESOLVE, *ASKED])
    got = json.loads(found["measured"])
    assert found["real"]["effect"]["resolvers"] == cache
    assert [got[name][0] for name in NAMES] == [expected, expected, TRUE, TRUE], got
    after = resolve(lab, n1)
    assert all(told[0] == TRUE for told in after.values()), after


def test_without_its_leader_it_is_undone(lab: Lab, n1: str, server: list[str]) -> None:
    result = lab.module(n1, "faultline.chaos.dns_fault", {"domains": DOMAINS, "duration": "10m"})
    assert not result.get("failed"), result
    lab.run(n1, "kill -KILL $(pgrep -o -x faultline-dns)")
    took = wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the watcher undoes it")
    assert resolve(lab, n1)[NAMES[0]][0] == TRUE
    print(f"clean {took:.1f} s after the leader was killed")


def test_the_timer_ends_it(lab: Lab, n1: str, server: list[str]) -> None:
    result = lab.module(n1, "faultline.chaos.dns_fault", {"domains": DOMAINS, "duration": "20s"})
    assert not result.get("failed"), result
    assert resolve(lab, n1)[NAMES[0]][0] == "no such name"
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 90, "the dead-man undoes it")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["by"], history[-1]["result"]) == ("timer", "reverted")
    assert resolve(lab, n1)[NAMES[0]][0] == TRUE


def test_the_ready_playbook(lab: Lab, n1: str, server: list[str], tmp_path: Path) -> None:
    told = {"fault_hosts": n1, "fault_tcp": f"{address('n2')}:53", "fault_domains": "db.example.com, *.wild.org", "fault_mode": "delay", "fault_delay": "300ms"}
    told.update({"fault_count": "1", "fault_percent": "", "fault_seed": "7", "fault_duration": "8s", "fault_settle": "20s", "fault_report_dir": str(tmp_path)})
    done = lab.playbook("faultline.chaos.dns_fault", told)
    assert done.rc == 0, done
    assert "dns_fault on n1" in done.out and list(tmp_path.glob("*/report.html"))
    assert lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"][-1]["module"] == "dns_fault"
    refused = lab.playbook("faultline.chaos.dns_fault", {**told, "fault_mode": "spoof"})
    assert refused.rc != 0 and "fault_addresses with spoof" in refused.out


def test_examples_run_as_printed(lab: Lab, n1: str, server: list[str]) -> None:
    assert run_examples(lab, n1, "dns_fault") == ["active", "reverted", "active", "active"]
