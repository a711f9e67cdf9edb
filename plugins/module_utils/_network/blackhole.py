# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The rules of a blackhole, in this order: traffic that always passes, exceptions, attacked traffic. Pure, except for the worker."""

import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._network import options, protocols
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import PASS, REJECT, Rule

# IPv6 fails without these: packet too big, multicast listeners (switches forward solicitations only to them), router and neighbour discovery.
ICMPV6_PASS = (2, 130, 131, 132, 133, 134, 135, 136, 137, 143)
ICMP_UNREACHABLE, ICMP_TOO_BIG = 3, 4
MOST_NAMES = 512  # addresses that names resolve to


def always_pass(directions, control_ports, control_addresses):
    """Rules that pass loopback, SSH to this host, the control addresses, DHCP and essential ICMP. ARP never reaches these rules."""
    rules = []
    for direction in directions:
        rules.append(Rule(PASS, direction, interface="lo"))
        rules += [Rule(PASS, direction, protocol="tcp", near_ports=(port, port)) for port in control_ports]
        rules += [Rule(PASS, direction, network=each) for each in control_addresses]
        for family, client, server in options.DHCP:
            rules.append(Rule(PASS, direction, family=family, protocol="udp", near_ports=(client, client), far_ports=(server, server)))
        rules.append(Rule(PASS, direction, family=4, protocol="icmp", icmp=ICMP_UNREACHABLE, icmp_code=ICMP_TOO_BIG))
        rules += [Rule(PASS, direction, family=6, protocol="icmp", icmp=each) for each in ICMPV6_PASS]
    return rules


class Targets:
    """The attacked traffic and its exceptions, from the options of the module."""

    def __init__(self, action, directions, interface=None, ports=(), local_ports=(), protocols=(), passed=(), passed_ports=()):
        self.action = action
        self.directions = directions
        self.interface = interface
        self.ports = ports  # remote
        self.local_ports = local_ports
        self.protocols = protocols  # as protocols.protocol() returns them; empty: all
        self.passed = passed  # networks
        self.passed_ports = passed_ports  # local or remote

    def exceptions(self):
        rules = []
        for direction in self.directions:
            rules += [Rule(PASS, direction, network=each) for each in self.passed]
            for protocol in ("tcp", "udp"):
                for ports in self.passed_ports:
                    rules.append(Rule(PASS, direction, protocol=protocol, far_ports=ports))
                    rules.append(Rule(PASS, direction, protocol=protocol, near_ports=ports))
        if self.action == REJECT and len(self.directions) == 2:
            # The replies that reject incoming packets must be able to leave.
            rules.append(Rule(PASS, "out", protocol="tcp", reset=True))
            rules += [Rule(PASS, "out", family=family, protocol="icmp", icmp=kind) for family, kind in ((4, ICMP_UNREACHABLE), (6, 1))]
        return rules

    def hits(self, networks=(None,)):
        """The rules that drop or reject packets from and to the networks; None means any address."""
        rules = []
        for direction in self.directions:
            for network in networks:
                for protocol, far, near in self._kinds():
                    what = {"network": network, "interface": self.interface, "protocol": protocol, "far_ports": far, "near_ports": near}
                    rules += [Rule(self.action, direction, family=family, **what) for family in _families(protocol, network)]
        return rules

    def _kinds(self):
        """(protocol, remote ports, local ports) of each rule for one network."""
        with_ports = bool(self.ports or self.local_ports)
        names = list(self.protocols) or (["tcp", "udp"] if with_ports else [None])
        if self.action == REJECT and names == [None]:
            names = ["tcp", None]  # TCP is answered with a reset, other protocols with an ICMP message
        found = []
        for name in names:
            if name not in protocols.WITH_PORTS:
                found.append((name, None, None))
                continue
            found += [(name, far, near) for far in self.ports or [None] for near in self.local_ports or [None]]
        return found


def _families(protocol, network):
    """One rule covers both families, except for AH: in IPv6 it is a header before the protocol."""
    return (4, 6) if protocol == protocols.AH and network is None else (None,)


def follow(host, firewall, targets, names, known, interval, until):
    """The worker: resolve the names repeatedly and add rules for new addresses. Addresses are never removed, because a name
    with many addresses returns only some of them at a time, and connections outlive an answer."""
    known = set(known)
    while uptime() < until:
        time.sleep(max(0.0, min(interval, until - uptime())))
        new = []
        for name in names:
            try:
                new += [each for each in options.resolve("names", [name]) if each not in known and each not in new]
            except AttackError:
                continue  # the resolver may be what this attack cuts off
        new = new[: max(0, MOST_NAMES - len(known))]
        if new and add(host, firewall, targets.hits(new)):
            known.update(new)


def add(host, firewall, rules):
    """Add rules to the active ones. False when those do not exist any more."""
    return all(host.run(argv, check=False, data=stdin)[0] == 0 for argv, stdin in firewall.more(rules))
