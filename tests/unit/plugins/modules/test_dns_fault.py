# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that dns_fault refuses before it touches anything, its rules, and the order of its undo."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._network import dns, dns_forwarder
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import NAT, PASS, REDIRECT
from ansible_collections.faultline.chaos.plugins.modules.dns_fault import DnsFault

DEFAULT = {"domains": ["db.example.com"], "mode": "nxdomain", "delay": None, "addresses": []}


def attack(**params) -> DnsFault:
    return DnsFault({**DEFAULT, **params}, None)


@pytest.mark.parametrize(
    ("option", "params"),
    [
        ("domains", {"domains": []}),
        ("domains", {"domains": ["a.b", ""]}),
        ("domains", {"domains": ["*"]}),
        ("domains", {"domains": ["a b"]}),
        ("domains", {"domains": ["10.0.0.1"]}),
        ("domains", {"domains": ["*.invalid"]}),
        ("delay", {"mode": "delay", "delay": "100"}),
        ("delay", {"mode": "delay", "delay": "0ms"}),
        ("delay", {"mode": "delay", "delay": "61s"}),
        ("delay", {"mode": "delay", "delay": "-1s"}),
        ("delay", {"mode": "delay", "delay": "1s; id"}),
        ("delay", {"mode": "nxdomain", "delay": "1s"}),
        ("addresses", {"mode": "spoof"}),
        ("addresses", {"mode": "spoof", "addresses": ["300.1.1.1"]}),
        ("addresses", {"mode": "spoof", "addresses": ["example.com"]}),
        ("addresses", {"mode": "spoof", "addresses": ["10.0.0.0/8"]}),
        ("addresses", {"mode": "nxdomain", "addresses": ["192.0.2.1"]}),
    ],
)
def test_options_that_are_refused(option: str, params: dict) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(**params).validate()


@pytest.mark.parametrize(
    "params",
    [{}, {"domains": ["*.a.b", "C.D."]}, {"mode": "delay", "delay": "250ms"}, {"mode": "spoof", "addresses": ["192.0.2.1", "::2"]}, {"mode": "timeout"}],
)
def test_options(params: dict) -> None:
    attack(**params).validate()


def test_the_forwarders_own_queries_pass_first() -> None:
    found = attack()
    found.uid = 47053
    found.resolvers = [dns.Resolver(ipaddress.ip_address(each), False) for each in ("192.0.2.53", "2001:db8::53")]
    found.endpoints = [dns_forwarder.Endpoint(resolver, 20053 + number) for number, resolver in enumerate(found.resolvers)]
    rules = [(rule.kind, rule.family, rule.uid, str(rule.network), rule.protocol, rule.to_port) for rule in found._rules()]
    assert rules == [
        (PASS, 4, 47053, "None", None, None),
        (PASS, 6, 47053, "None", None, None),
        (REDIRECT, 4, None, "192.0.2.53/32", "udp", 20053),
        (REDIRECT, 4, None, "192.0.2.53/32", "tcp", 20053),
        (REDIRECT, 6, None, "2001:db8::53/128", "udp", 20054),
        (REDIRECT, 6, None, "2001:db8::53/128", "tcp", 20054),
    ]
    assert all(rule.table == NAT and rule.direction == "out" for rule in found._rules())


@pytest.mark.parametrize(
    ("params", "reply", "expected"),
    [
        ({}, dns.Reply("NXDOMAIN", 0.1), True),
        ({}, dns.Reply("NOERROR", 0.1), False),
        ({}, dns.Reply(None, 2), False),
        ({"mode": "timeout"}, dns.Reply(None, 1), True),
        ({"mode": "timeout"}, dns.Reply("SERVFAIL", 0.1), False),
        ({"mode": "delay", "delay": "300ms"}, dns.Reply("NOERROR", 0.31), True),
        ({"mode": "delay", "delay": "300ms"}, dns.Reply("NOERROR", 0.1), False),
        ({"mode": "delay", "delay": "300ms"}, dns.Reply(None, 2.3), False),
        ({"mode": "delay", "delay": "30s"}, dns.Reply(None, 5), True),
        ({"mode": "delay", "delay": "30s"}, dns.Reply("NOERROR", 0.1), False),
        ({"mode": "spoof", "addresses": ["192.0.2.1"]}, dns.Reply("NOERROR", 0.1, [ipaddress.ip_address("192.0.2.1")]), True),
        ({"mode": "spoof", "addresses": ["192.0.2.1"]}, dns.Reply("NOERROR", 0.1, [ipaddress.ip_address("192.0.2.2")]), False),
    ],
)
def test_what_counts_as_the_effect(params: dict, reply: dns.Reply, expected: bool) -> None:
    found = attack(**params)
    found.validate()
    assert found._as_asked(reply, dns.A, answered=True) is expected


def test_the_redirect_goes_before_the_forwarder() -> None:
    found = attack()
    found.validate()
    found.id, found.duration = "dns_fault-x", 30.0
    found.host = SimpleNamespace(has_tool=lambda _name: False, read=lambda _path, default="": default)
    found.journal = SimpleNamespace(script=lambda attack_id: f"/state/{attack_id}/revert.sh", directory=lambda attack_id: f"/state/{attack_id}")
    found.uid, found.resolvers, found.endpoints = 47053, dns.resolvers(""), []
    found.firewall = SimpleNamespace(steps=lambda: [], undo=lambda undo: None, text=lambda: "rules")
    plan = found.plan({"127.0.0.1": dns.Reply(None, 1)})
    assert plan.workers_last and "did not answer before" in plan.notes[0]
    assert "everything else passes" in plan.after
