#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: netem
version_added: 0.1.0
short_description: Delay, lose, corrupt, duplicate, reorder or throttle packets
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Puts the kernel's network emulator in the path of chosen packets of one interface.
  - Always pass, in both directions, SSH to the target, O(control_addresses), ARP, DHCP of the target as a client, IPv6 router and neighbour discovery,
    multicast listener messages (MLD), and the ICMP messages that a packet is too big. So even V(100%) loss locks nobody out, and no address is lost.
  - The interface's own queueing disciplines are not touched. Chosen packets take a detour through a device of ours, and the undo removes
    the detour. On kernels before 4.5, which have no C(clsact) hooks, the default root qdisc is replaced instead and an admin's own is refused.
  - Needs C(sch_netem). On RHEL, Rocky and Alma it is in the package C(kernel-modules-extra), and C(tc) in C(iproute-tc).
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  interface:
    description:
      - The interface to disturb.
      - The default is the one of the default route that is used, or the only one that is up. V(lo) has to be named; there V(both) hits a round trip four
        times. Packets with a VLAN tag are not hit; name the VLAN for those.
    type: str
  direction:
    description:
      - Packets that leave, packets that arrive, or both. With V(both) a round trip is hit twice.
    type: str
    choices: [egress, ingress, both]
    default: egress
  delay:
    description:
      - Added delay of each packet, with a unit, for example V(100ms). At most V(60s).
    type: str
  jitter:
    description:
      - Random variation of O(delay), with a unit. Not more than the delay. Packets may overtake each other.
    type: str
  correlation:
    description:
      - How much each delay depends on the one before, in percent.
    type: raw
  distribution:
    description:
      - Distribution of the jitter. Anything but V(uniform) needs a table that iproute2 brings.
    type: str
    choices: [uniform, normal, pareto, paretonormal]
    default: uniform
  loss:
    description:
      - Packets lost at random, in percent, for example V(5%).
    type: raw
  loss_correlation:
    description:
      - How much each loss depends on the one before, in percent.
    type: raw
  gilbert_elliott:
    description:
      - Loss in bursts, after the model of Gilbert and Elliott, instead of O(loss). The line is in a good or in a bad state.
    type: dict
    suboptions:
      p:
        description:
          - Chance to go from the good to the bad state, in percent.
        type: raw
        required: true
      r:
        description:
          - Chance to go back, in percent. The mean burst is 100/r packets.
        type: raw
        required: true
      loss_bad:
        description:
          - Loss in the bad state, in percent (tc's 1-h).
        type: raw
        default: 100
      loss_good:
        description:
          - Loss in the good state, in percent (tc's 1-k).
        type: raw
        default: 0
  corrupt:
    description:
      - Packets with one bit flipped, in percent.
    type: raw
  corrupt_correlation:
    description: Correlation of O(corrupt), in percent.
    type: raw
  duplicate:
    description:
      - Packets sent twice, in percent.
    type: raw
  duplicate_correlation:
    description: Correlation of O(duplicate), in percent.
    type: raw
  reorder:
    description:
      - Packets sent at once while the others are delayed, in percent. Needs O(delay).
    type: raw
  reorder_correlation:
    description: Correlation of O(reorder), in percent.
    type: raw
  reorder_gap:
    description:
      - Only every so many packets may be reordered.
    type: int
  rate:
    description:
      - Bandwidth, for example V(1mbit) or V(512kbit).
    type: str
  limit:
    description:
      - Packets that may wait. Too few of them lose packets nobody asked to lose. At least packets per second, times delay and jitter in seconds, times 1.5.
    type: int
    default: 100000
  peers:
    description:
      - Only packets to (egress) or from (ingress) these addresses, networks or host names, IPv4 and IPv6.
      - Names are resolved on the target when the attack begins. The default is everybody.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Addresses, networks or host names whose packets pass.
    type: list
    elements: str
    default: []
  ports:
    description:
      - Only packets to (egress) or from (ingress) these ports of the other end, for example V(5432) or V(8000-8010).
    type: list
    elements: str
    default: []
  local_ports:
    description:
      - Only packets from (egress) or to (ingress) these ports of the target itself. To slow a service of the target down, name its port here.
    type: list
    elements: str
    default: []
  exclude_ports:
    description:
      - TCP and UDP ports that pass, whichever end has them.
    type: list
    elements: str
    default: []
  protocols:
    description:
      - Only these IP protocols, by number or by name, as in O(faultline.chaos.blackhole#module:protocols). With O(ports) or O(local_ports) the default is TCP
        and UDP, without them everything.
    type: list
    elements: str
    default: []
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Everything that leaves takes 100 ms longer, give or take 10, for a minute
  faultline.chaos.netem:
    delay: 100ms
    jitter: 10ms
    duration: 1m

- name: One packet in twenty to the database network is lost
  faultline.chaos.netem:
    loss: 5%
    peers: [192.0.2.0/24, "2001:db8:5::/64"]
    ports: [5432]
    protocols: [tcp]
    duration: 2m

- name: What would that change, and how would it be undone?
  faultline.chaos.netem:
    rate: 1mbit
    direction: both
    duration: 30s
  check_mode: true
  diff: true
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: netem-1f2e3d4c5b
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
  sample: /var/lib/faultline/netem-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["net:eth0"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked, and what the kernel says it does.
  returned: when active
  type: dict
  contains:
    asked:
      description: The arguments of netem.
      type: str
      sample: limit 100000 delay 100000us
    kernel:
      description: What the kernel reads back, by device.
      type: dict
    mechanism:
      description: V(redirect) past the interface's own qdiscs, or V(band) in place of the default root qdisc.
      type: str
    filters:
      description: How many filters choose the packets.
      type: int
    passes:
      description: SSH ports and addresses that are never hit.
      type: list
      elements: str
"""

import hashlib

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace, placed
from ansible_collections.faultline.chaos.plugins.module_utils._host.control_path import SshServers
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._marks import INTERFACE_PREFIX, PREFIX
from ansible_collections.faultline.chaos.plugins.module_utils._network import netem_kernel, options as network_options, protocols, way_in
from ansible_collections.faultline.chaos.plugins.module_utils._network.netem import FAULTS, NETEM_HANDLE, Selection, Tree, count, emulation
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import SameBoot, Undo, When
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK

MAX_FILTERS = 256
WHICH = ("peers", "exclude", "ports", "local_ports", "exclude_ports", "protocols")  # options that choose packets; lists
COUNTERS = ("direct_packets_stat", "refcnt")  # of qdiscs; they change without an attack


class Netem(placed.Placed, Attack):
    name = "netem"
    options = {
        "netns": placed.OPTIONS["netns"],
        "container": placed.OPTIONS["container"],
        "interface": {"type": "str"},
        "direction": {"type": "str", "choices": ["egress", "ingress", "both"], "default": "egress"},
        "delay": {"type": "str"},
        "jitter": {"type": "str"},
        "correlation": {"type": "raw"},
        "distribution": {"type": "str", "choices": ["uniform", "normal", "pareto", "paretonormal"], "default": "uniform"},
        "loss": {"type": "raw"},
        "loss_correlation": {"type": "raw"},
        "gilbert_elliott": {
            "type": "dict",
            "options": {
                "p": {"type": "raw", "required": True},
                "r": {"type": "raw", "required": True},
                "loss_bad": {"type": "raw", "default": 100},
                "loss_good": {"type": "raw", "default": 0},
            },
        },
        "corrupt": {"type": "raw"},
        "corrupt_correlation": {"type": "raw"},
        "duplicate": {"type": "raw"},
        "duplicate_correlation": {"type": "raw"},
        "reorder": {"type": "raw"},
        "reorder_correlation": {"type": "raw"},
        "reorder_gap": {"type": "int"},
        "rate": {"type": "str"},
        "limit": {"type": "int", "default": 100000},
    }
    options.update((name, {"type": "list", "elements": "str", "default": []}) for name in WHICH)
    added = ("local_ports", "exclude_ports")
    spellings = {"protocols": protocols.spelled}
    constraints = {
        "required_if": [("state", "present", FAULTS, True)],
        "mutually_exclusive": [("loss", "gilbert_elliott")] + placed.EXCLUSIVE,
        "required_by": {
            "jitter": "delay",
            "correlation": "jitter",
            "loss_correlation": "loss",
            "corrupt_correlation": "corrupt",
            "duplicate_correlation": "duplicate",
            "reorder": "delay",
            "reorder_correlation": "reorder",
            "reorder_gap": "reorder",
        },
    }

    _chosen = None  # name of the interface

    def validate(self):
        params = self.params
        placed.check_options(params)
        if params["interface"] is not None:
            network_options.interface_name("interface", params["interface"])
        self.words = emulation(params)
        for option in ("peers", "exclude"):
            network_options.check_peers(option, params[option])
        for each in params["control_addresses"]:
            network_options.network("control_addresses", each)
        self.ports, self.local_ports, self.passed_ports = [
            [network_options.port_range(option, each) for each in params[option]] for option in ("ports", "local_ports", "exclude_ports")
        ]
        self.protocols = [protocols.protocol("protocols", each) for each in params["protocols"]]
        for option in ("ports", "local_ports"):
            protocols.check_ports(option, params[option], self.protocols)

    def _interface_name(self):
        if self._chosen is None:
            self._chosen = self.params["interface"] or network_options.default_interface(self.host, self.place())
        return self._chosen

    def resources(self):
        return [f"net:{self._interface_name()}{self.place().key}"]

    def guard(self):
        host = self.host
        self.tc, self.ip = host.tool("tc"), host.tool("ip")
        place = self.place()
        servers = SshServers() if place is namespace.HERE else None
        name = self._interface_name()
        self.interface = network_options.Interface(name) if servers else network_options.ShownInterface(host, place, name)
        self.interface.check()
        self.hit = network_options.resolve("peers", self.params["peers"])
        self.passed = network_options.resolve("exclude", self.params["exclude"])
        self.passed += [network_options.network("control_addresses", each) for each in self.params["control_addresses"]]
        self.notes = way_in.vlan_notes(host, place, name)
        if servers:
            network_options.refuse_control_path(servers, "peers", self.hit, self.ports)
            network_options.refuse_control_path(servers, "peers", [], self.local_ports, "local_ports")
            self.notes += way_in.spare(host, servers, self.params, self.hit, self.passed, name)
        self.selection = Selection(
            servers.control_ports() if servers else [], self.passed, self.hit, self.ports, self.protocols, self.local_ports, self.passed_ports
        )
        self.directions = ["egress", "ingress"] if self.params["direction"] == "both" else [self.params["direction"]]
        total = sum(count(self.selection.matches(direction)) for direction in self.directions)
        if total > MAX_FILTERS:
            raise AttackError(
                "peers, exclude, protocols and the ports make %d filters, the most is %d: name networks instead of addresses, and ports in ranges"
                % (total, MAX_FILTERS)
            )
        self.mechanism, self.why = netem_kernel.mechanism(host, place, self.interface.name, self.directions, self.words)

    def _device(self, direction):
        digest = hashlib.sha256((f"{self.id} {direction}").encode()).hexdigest()
        return INTERFACE_PREFIX + digest[:12]

    def snapshot(self):
        name = self.interface.name
        commands = [[self.tc, kind, "show", "dev", name] for kind in ("qdisc", "filter")]  # no classes, because those of fair queues change with the traffic
        return [(argv, self.host.output(self.place().argv(argv), COUNTERS)) for argv in commands]

    def plan(self, before):
        name, place = self.interface.name, self.place()
        tree = Tree((self.tc, self.ip), name, self.interface.number, place, PREFIX + self.id)
        if self.mechanism == "redirect":
            tree.redirect(self.directions, self._device, self.words, self.selection)
        else:
            if "egress" in self.directions:
                tree.band(self.words, self.selection)
            if "ingress" in self.directions:
                tree.ingress(self._device("ingress"), self.words, self.selection)
        guards = [SameBoot(), *place.guards]
        undo = Undo([When(guards, tree.undo)], [When(guards, tree.checks)], readings=tree.readings_behind(guards))
        for argv, text in before:
            undo.same(f"{argv[1]} of {name}", place.undo_argv(argv[:-1] + [LINK]), text, guards + [tree.guard], COUNTERS)
        batch = "".join(" ".join(words) + "\n" for words in tree.add)
        plan = Plan(
            before="\n".join(text for _argv, text in before if text),
            after="\n".join([" ".join(argv) for argv in tree.links] + ["tc " + " ".join(words) for words in tree.add]),
            steps=[(argv, None) for argv in tree.links] + [(place.argv([self.tc, "-batch", "-"]), batch)],
            undo=undo,
            notes=self._notes(),
        )
        plan.carriers, plan.filters = tree.carriers, sum(words[0] == "filter" for words in tree.add)
        return plan

    def _notes(self):
        notes = list(self.notes)
        if self.host.check_mode:
            notes.append("check mode does not try the kernel, for that would load modules")
        if self._interface_name() == "lo":
            notes.append("on lo a round trip is hit in both directions: twice the delay")
        if self.mechanism == "band":
            notes.append(f"the default root qdisc is replaced for the time of the attack, because {self.why}")
        return notes

    def verify(self, plan):
        kernel = {}
        for device in plan.carriers:
            out = self.host.run(self.place().argv([self.tc, "qdisc", "show", "dev", device]))[1]
            lines = [line for line in out.split("\n") if line.startswith(f"qdisc netem {NETEM_HANDLE}")]
            if not lines:
                raise AttackError(f"the kernel does not show netem on {device} after adding it")
            kernel[device] = " ".join(lines[0].split()[3:])
        return {
            "asked": " ".join(self.words),
            "kernel": kernel,
            "mechanism": self.mechanism,
            "filters": plan.filters,
            "passes": ["ssh port %d" % port for port in self.selection.control_ports] + [str(each) for each in self.passed],
        }


def main():
    run_attack(Netem)


if __name__ == "__main__":
    main()
