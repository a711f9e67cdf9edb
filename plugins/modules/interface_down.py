#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: interface_down
version_added: 0.1.0
short_description: Take a network interface down
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Sets an interface down, as C(ip link set down) does. The undo sets it up again with all that the kernel forgot about it, its IPv6 addresses,
    routes of all tables, permanent neighbours and proxies.
  - The interface that carries this very connection is refused, and so are loopback, ports of a bond, bridge or team, and what carries VLANs or the like.
  - What could not be put back exactly is refused as well, such as addresses and routes that a router announced, and next hop objects.
  - For the time of the attack the interface has the description (alias) C(faultline-) and the id of the attack.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  interface:
    description:
      - Name of the interface. It must be up.
    type: str
    required: true
notes:
  - The other end of the cable may see the link go down, and answer with whatever it does then, such as spanning tree or a failover.
  - NetworkManager, systemd-networkd and routing daemons notice it and may act on it. What they add by themselves afterwards is theirs.
  - IPv4 addresses stay while an interface is down. One that a DHCP client brought is not put back by the undo if that client takes it away meanwhile.
  - To cut single peers or ports instead of a whole interface use M(faultline.chaos.blackhole).
seealso:
  - module: faultline.chaos.blackhole
  - module: faultline.chaos.netem
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: The storage network is gone for half a minute
  faultline.chaos.interface_down:
    interface: eth1
    duration: 30s

- name: Bring it back before that
  faultline.chaos.interface_down:
    interface: eth1
    state: absent

- name: What would be lost, and how would it come back?
  faultline.chaos.interface_down:
    interface: eth1
    duration: 30s
  check_mode: true
  diff: true
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: interface_down-1f2e3d4c5b
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
  sample: /var/lib/faultline/interface_down-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["net:eth1"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What the kernel shows.
  returned: when active
  type: dict
  contains:
    interface:
      description: The interface.
      type: str
      sample: eth1
    operstate:
      description: Its state by C(/sys/class/net) now.
      type: str
      sample: down
    lost:
      description: Addresses, routes, neighbours and proxies that the kernel dropped, as C(ip) prints them.
      type: list
      elements: str
"""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host.control_path import SshServers
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX
from ansible_collections.faultline.chaos.plugins.module_utils._network import links, options as network_options
from ansible_collections.faultline.chaos.plugins.module_utils._network.way_in import WayIn


class InterfaceDown(Attack):
    name = "interface_down"
    options = {"interface": {"type": "str", "required": True}}

    def validate(self):
        network_options.interface_name("interface", self.params["interface"])
        self.control = [network_options.network("control_addresses", each) for each in self.params["control_addresses"]]

    def resources(self):
        return ["net:{}".format(self.params["interface"])]

    def guard(self):
        host = self.host
        self.ip = host.tool("ip")
        self.interface = network_options.Interface(self.params["interface"])
        self.interface.check()
        links.refuse_linked(self.interface)
        way = WayIn(host, SshServers().of_this_task(), self.control)
        self.known = bool(way.devices)
        if self.interface.name in way.devices:
            raise AttackError(f"interface: {self.interface.name} carries the control path: it is {way.devices[self.interface.name]}", option="interface")
        way.refuse_unclear("interface")
        objects = host.run([self.ip, "nexthop", "show", "dev", self.interface.name], check=False)
        if objects[0] == 0 and objects[1].strip():
            raise NotRestorable(f"interface: {self.interface.name} has next hop objects, which the kernel would forget", option="interface")

    def snapshot(self):
        state = links.read(self.host, self.ip, self.interface.name)
        links.refuse_unrestorable(state, self.interface.name)
        return state

    def plan(self, before):
        name = self.interface.name
        alias, mark = self.host.read(self.interface.path + "/ifalias").rstrip("\n"), PREFIX + self.id
        down = [[self.ip, "link", "set", "dev", name, "alias", mark], [self.ip, "link", "set", "dev", name, "down"]]
        plan = Plan(
            before=f"{name} up\n{links.text(before)}",
            after=f"{name} down",
            steps=[(argv, None) for argv in down],
            undo=links.undo(self.host, self.ip, self.interface, before, alias, mark),
            notes=[] if self.known else [f"this connection is not SSH, so nobody knows whether it needs {name}"],
        )
        plan.state = before
        return plan

    def verify(self, plan):
        if int(self.host.read(self.interface.path + "/flags", "0x0"), 16) & 1:
            raise AttackError(f"{self.interface.name} is still up, or was set up again at once: is there a daemon that does?")
        now = links.read(self.host, self.ip, self.interface.name)
        lost = [line for part in links.PARTS for line in plan.state[part] if line not in now[part]]
        return {
            "interface": self.interface.name,
            "operstate": self.host.read(self.interface.path + "/operstate").strip(),
            "lost": [" ".join(line.replace("\\", " ").split()) for line in lost],
        }


def main():
    run_attack(InterfaceDown)


if __name__ == "__main__":
    main()
