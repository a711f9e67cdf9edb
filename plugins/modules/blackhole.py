#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: blackhole
version_added: 0.1.0
short_description: Drop or reject chosen packets
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Cuts a host off from chosen others, or from everything on an interface, by rules in the packet filter of the kernel.
  - Packets are hit that match everything given, O(interface), O(peers), O(ports), O(local_ports) and O(protocols). At least one of these is needed.
  - Always pass, in IPv4 and IPv6, SSH to the target, O(control_addresses), loopback, ARP, DHCP of the target as a client, IPv6 router and
    neighbour discovery, multicast listener messages (MLD), and the ICMP messages that a packet is too big. So nobody is locked out, and no address is lost,
    also when everything else is dropped.
  - With nft the rules are in a table of their own. Where nft is missing, or the kernel has no part for it, iptables gets chains of their own. Rules of
    others, of firewalld for example, are neither changed nor moved, and a packet that passes here is still judged by them.
  - Needs nft, or iptables and ip6tables.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  action:
    description:
      - V(drop) loses packets silently, so that the other side waits. V(reject) says no at once, with a TCP reset, or an ICMP message for
        other protocols.
    type: str
    choices: [drop, reject]
    default: drop
  direction:
    description:
      - Packets that leave (V(egress)), that arrive (V(ingress)), or both.
      - V(out) and V(in) are the old words for V(egress) and V(ingress). They are deprecated, and removed in 1.0.0.
    type: str
    choices: [egress, ingress, both, out, in]
    default: both
  interface:
    description:
      - Only packets of this interface. Alone it means everything on it that does not always pass.
    type: str
  peers:
    description:
      - Only packets to (egress) or from (ingress) these addresses, networks or host names, IPv4 and IPv6. Addresses are those after the host's own NAT.
      - Names are resolved on the target when the attack begins, and again every O(resolve_interval). New addresses are added while the attack lasts, none is
        taken out again before its end.
      - Everybody is meant by leaving it out, so V(0.0.0.0/0) is refused.
      - The old name C(cidr) is deprecated, and removed in 1.0.0.
    type: list
    elements: str
    default: []
    aliases: [cidr]
  names:
    description:
      - More O(peers). Deprecated, and removed in 1.0.0. Write host names into O(peers).
    type: list
    elements: str
    default: []
  resolve_interval:
    description:
      - How often the host names in O(peers) are resolved again. V(0) is never.
    type: raw
    default: 30s
  ports:
    description:
      - Only these ports of the other end, for example V(5432) or V(8000-8100).
    type: list
    elements: str
    default: []
  local_ports:
    description:
      - Only these ports of the target itself. To cut clients off from a service of the target, name its port here.
    type: list
    elements: str
    default: []
  protocols:
    description:
      - Only these IP protocols, by number or by name, for example V(tcp), V(vrrp) or V(112). With O(ports) or O(local_ports) the default is TCP and UDP,
        without them everything.
      - Names are V(ah), V(carp), V(dccp), V(egp), V(eigrp), V(esp), V(etherip), V(gre), V(icmp), V(icmpv6), V(igmp), V(igp), V(ipcomp), V(ipip), V(isis),
        V(l2tp), V(mpls), V(ospf), V(pim), V(rsvp), V(sctp), V(tcp), V(udp), V(udplite), V(vrrp) and V(6in4). The target needs no list of its own.
      - V(icmp) is ICMP in IPv4 and ICMPv6 in IPv6.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Addresses, networks or host names whose packets pass. Names are resolved on the target when the attack begins.
      - The old name C(exclude_cidr) is deprecated, and removed in 1.0.0.
    type: list
    elements: str
    default: []
    aliases: [exclude_cidr]
  exclude_ports:
    description:
      - Ports that pass, whichever end has them.
    type: list
    elements: str
    default: []
notes:
  - A target that is reached through an agent of its own (Teleport, SSM) instead of sshd, or that others are reached through, needs O(control_addresses).
  - The other end of a VXLAN, GENEVE, GRE, IPIP, SIT, VTI or WireGuard tunnel that the control path comes by passes. Name that of another one (IPsec, OpenVPN)
    in O(control_addresses).
  - Packets with a VLAN tag are of the VLAN and not of the O(interface) below it. A note names the VLANs on it.
  - Packets that the host only forwards are not hit. Attack a container by O(container).
  - Packets to an address of the host itself are loopback and pass.
  - What a process sends past the packet filter (raw packet sockets, XDP, DPDK) is not hit.
  - With iptables-nft on a host that has not used iptables yet, empty tables with the policy ACCEPT stay in the kernel.
seealso:
  - module: faultline.chaos.netem
  - module: faultline.chaos.revert
  - plugin: faultline.chaos.partition
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The database is silent for a minute
  faultline.chaos.blackhole:
    peers: [192.0.2.0/24, "2001:db8:5::/64", db.example.com]
    ports: [5432]
    protocols: [tcp]
    duration: 1m

- name: Clients of the service on port 8080 are refused
  faultline.chaos.blackhole:
    local_ports: [8080]
    protocols: [tcp]
    direction: ingress
    action: reject
    duration: 30s

- name: The routers of a pair do not hear each other any more
  faultline.chaos.blackhole:
    protocols: [vrrp]
    duration: 30s

- name: What would cut the host off from everything but SSH and the monitoring, and how would that be undone?
  faultline.chaos.blackhole:
    interface: eth0
    control_addresses: [198.51.100.0/24]
    duration: 30s
  check_mode: true
  diff: true
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: blackhole-1f2e3d4c5b
status:
  description: V(active), V(planned) in check mode, V(reverted) or V(absent).
  returned: success
  type: str
  sample: active
deadline:
  description:
    - When the target reverts the attack, including renewals of the lease known at that time.
    - In UTC, by the clock that the target had before the attack.
  returned: when active
  type: str
  sample: "2026-11-22T14:03:20Z"
remaining:
  description: Seconds until RV(deadline).
  returned: when active
  type: float
  sample: 59.6
deadman:
  description: What reverts the attack at the deadline, a timer of V(systemd) or a V(watcher) process.
  returned: when active or planned
  type: str
  sample: systemd
undo:
  description: The script that reverts the attack. It can be run by hand at any time.
  returned: when active or planned
  type: str
  sample: /var/lib/faultline/blackhole-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["packets out 192.0.2.0/24 5432"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What the kernel reads back.
  returned: when active
  type: dict
  contains:
    backend:
      description: V(nft), V(iptables), V(iptables-nft) or V(iptables-legacy).
      type: str
    rules:
      description: How many rules there are.
      type: int
    dropped:
      description: Packets dropped or rejected when the module returned.
      type: int
    passed:
      description: Packets let pass by name until then.
      type: int
    names:
      description: The addresses of each host name in O(peers) when the attack began.
      type: dict
    passes:
      description: SSH ports and addresses that are never hit.
      type: list
      elements: str
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace, placed
from ansible_collections.faultline.chaos.plugins.module_utils._host.control_path import SshServers
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._network import (
    blackhole,
    firewall as network_firewall,
    options as network_options,
    protocols,
    way_in,
)
from ansible_collections.faultline.chaos.plugins.module_utils._renamed import Renaming, renamed, replaced
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Part, Undo

TARGETS = ("interface", "peers", "ports", "local_ports", "protocols")
_WAYS = {"ingress": ["in"], "egress": ["out"], "both": ["in", "out"]}  # directions of a Rule
_LOOPBACK = "loopback always passes: stop the service, or cut it off from its other hosts"


class Blackhole(placed.Placed, Attack):
    name = "blackhole"
    options = dict(
        placed.OPTIONS,
        action={"type": "str", "choices": ["drop", "reject"], "default": "drop"},
        direction={"type": "str", "choices": ["egress", "ingress", "both", "out", "in"], "default": "both"},
        interface={"type": "str"},
        peers=renamed("cidr", type="list", elements="str", default=[]),
        names=replaced(type="list", elements="str", default=[]),
        resolve_interval={"type": "raw", "default": "30s"},
        ports={"type": "list", "elements": "str", "default": []},
        local_ports={"type": "list", "elements": "str", "default": []},
        protocols={"type": "list", "elements": "str", "default": []},
        exclude=renamed("exclude_cidr", type="list", elements="str", default=[]),
        exclude_ports={"type": "list", "elements": "str", "default": []},
    )
    constraints = {"mutually_exclusive": placed.EXCLUSIVE}
    spellings = {"protocols": protocols.spelled}
    renaming = Renaming({"direction": {"in": "ingress", "out": "egress"}}, {"names": ("peers", network_options.is_name)})

    def validate(self):
        params = self.params
        if not any(params[option] for option in TARGETS):
            raise AttackError("nothing says which packets: give at least one of {}".format(", ".join(TARGETS)), option="peers")
        placed.check_options(params)
        if params["interface"] is not None:
            network_options.interface_name("interface", params["interface"])
            if params["interface"] == "lo":
                raise BadOption("interface", "lo", _LOOPBACK)
        for each in params["peers"]:
            if each.endswith("/0"):
                raise BadOption("peers", each, "leave peers out; interface, ports or protocols alone mean everybody, and the control path passes")
        network_options.check_peers("peers", params["peers"])
        network_options.check_peers("exclude", params["exclude"])
        self.names = [each for each in params["peers"] if network_options.is_name(each)]
        self.networks = [network_options.network("peers", each) for each in params["peers"] if each not in self.names]
        self.control = [network_options.network("control_addresses", each) for each in params["control_addresses"]]
        self.interval = _units.duration("resolve_interval", params["resolve_interval"], 0.0, 3600.0)
        if 0 < self.interval < 1:
            raise BadOption("resolve_interval", params["resolve_interval"], "the least is 1s; 0 is never")
        self.ports, self.local_ports, self.passed_ports = [
            [network_options.port_range(option, each) for each in params[option]] for option in ("ports", "local_ports", "exclude_ports")
        ]
        self.protocols = [protocols.protocol("protocols", each) for each in params["protocols"]]
        for option in ("ports", "local_ports"):
            protocols.check_ports(option, params[option], self.protocols)
        for each in self.networks:
            if each.network_address.is_loopback:
                raise BadOption("peers", str(each), _LOOPBACK)

    @property
    def _directions(self):
        return _WAYS[self.params["direction"]]

    def resources(self):
        params, key = self.params, self.place().key
        whom = [str(each) for each in self.networks] + self.names or ["everybody"]
        what = [params["interface"] or ""] + params["ports"] + ["local:" + each for each in params["local_ports"]] + [str(each) for each in self.protocols]
        return ["packets{} {} {}".format(key, direction, " ".join([each] + [word for word in what if word])) for direction in self._directions for each in whom]

    def guard(self):
        host, params, place = self.host, self.params, self.place()
        if params["interface"] is not None:
            network_options.ShownInterface(host, place, params["interface"]).check()
        self.addresses = dict((name, network_options.resolve("peers", [name])) for name in self.names)
        resolved = [each for name in self.names for each in self.addresses[name]]
        for name in self.names:
            if all(each.network_address.is_loopback for each in self.addresses[name]):
                raise AttackError(f"peers: {name} is the target itself: {_LOOPBACK}", option="peers")
        self.passed = network_options.resolve("exclude", params["exclude"])
        control_ports, self.connections, self.notes = [], [], []
        if params["interface"] is not None:
            self.notes += way_in.vlan_notes(host, place, params["interface"])
        if place is namespace.HERE:
            servers = SshServers()
            control_ports, self.connections = servers.control_ports(), servers.of_this_task()
            network_options.refuse_control_path(servers, "peers", self.networks + resolved, () if params["peers"] else self.ports)
            network_options.refuse_control_path(servers, "peers", [], self.local_ports, "local_ports")
            self.notes += way_in.spare(host, servers, params, self.networks + resolved, self.passed, params["interface"])
        self.hit = sorted(set(self.networks + resolved), key=lambda each: (each.version, each))
        self.targets = blackhole.Targets(
            params["action"], self._directions, params["interface"], self.ports, self.local_ports, self.protocols, self.passed, self.passed_ports
        )
        passes = blackhole.always_pass(self._directions, control_ports, self.control)
        rules = passes + self.targets.exceptions() + self.targets.hits(self.hit or [None])
        self.firewall = network_firewall.choose(host, self.id, rules, place)
        self.passes = ["ssh port %d" % port for port in control_ports] + [str(each) for each in self.control + self.passed]

    def plan(self, before):
        firewall = self.firewall
        undo, workers, follows = Undo(), [], bool(self.names and self.interval)
        firewall.undo(undo, more=follows)
        device = "/sys/class/net/{}".format(self.params["interface"])
        if self.params["interface"] is not None and self.place() is namespace.HERE:  # the rules go by its name
            undo.readings.append(Part("the interface {}".format(self.params["interface"]), [Exists(device)]))
        if follows:
            until = uptime() + self.duration
            life = (self.host, firewall, self.targets, self.names, self.hit, self.interval, until)
            workers.append(Worker("names", lambda: blackhole.follow(*life)))
        return Plan(
            before="no rules of this attack",
            after=f"{firewall.name}\n{firewall.text()}",
            steps=firewall.steps(),
            undo=undo,
            workers=workers,
            notes=self._notes(),
        )

    def _notes(self):
        notes = list(self.notes)
        if self.host.check_mode:
            notes.append("check mode does not try the kernel, for that would load modules")
        if self.params["direction"] == "ingress" and self.ports and not self.local_ports:
            notes.append("ports are those of the other end; the ports of the target itself are local_ports")
        if any(family not in getattr(self.firewall, "programs", (4, 6)) for family in (4, 6)):
            notes.append("the kernel of the target has IPv4 only, so have the rules")
        return notes

    def verify(self, plan):
        effect = self.firewall.read()
        if self.place() is not namespace.HERE:
            self.place().check()
        elif self.connections and not SshServers().of_this_task():
            raise AttackError("the SSH connection that this task came by is gone")
        effect.update(
            backend=self.firewall.name,
            names=dict((name, [str(each.network_address) for each in found]) for name, found in self.addresses.items()),
            passes=self.passes,
        )
        return effect


def main():
    run_attack(Blackhole)


if __name__ == "__main__":
    main()
