#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: port_occupy
version_added: 0.1.0
short_description: Hold ports, so that a service cannot have them
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Binds TCP or UDP ports with a process of its own and keeps them. A service that wants one of them fails with "address already in use".
  - TCP ports listen, and nothing is accepted. The first client gets a connection on which nobody answers, further ones time out.
  - A port that somebody has already is refused, and the error names the process.
  - Needs no tool on the target, and root only for the ports below C(net.ipv4.ip_unprivileged_port_start).
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  ports:
    description:
      - Ports and ranges, for example V([8080, 9000-9003]). At most 256. The ports of SSH are refused.
    type: list
    elements: str
    required: true
  protocol:
    description:
      - The protocol of the ports.
    type: str
    choices: [tcp, udp]
    default: tcp
  address:
    description:
      - Only on this address of the target, for example V(127.0.0.1) or V("2001:db8::1").
      - V(0.0.0.0) is every IPv4 address, V("::") every IPv6 address. The default is every address of both.
    type: str
notes:
  - Ends no service. To see a service fail at its start, stop it before the attack, or attack first on a host where it does not run yet.
  - Ports in other network namespaces, such as those of containers, are not held. A published port of a container that is forwarded without
    a listener on the host is not hit either.
seealso:
  - module: faultline.chaos.revert
  - module: faultline.chaos.socket_exhaustion
"""

EXAMPLES = r"""
- name: Nobody can listen on port 8080 for a minute
  faultline.chaos.port_occupy:
    ports: [8080]
    duration: 1m

- name: Give it back before the minute is over
  faultline.chaos.port_occupy:
    ports: [8080]
    state: absent

- name: Hold some UDP ports of the loopback address
  faultline.chaos.port_occupy:
    ports: [8125, 9000-9003]
    protocol: udp
    address: 127.0.0.1
    duration: 30s
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: port_occupy-1f2e3d4c5b
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
  sample: /var/lib/faultline/port_occupy-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["port:tcp:8080"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what the kernel shows.
  returned: when active
  type: dict
  contains:
    asked:
      description: How many ports were asked for.
      type: int
      sample: 1
    held:
      description: The ports that the kernel shows as held by the attack's process.
      type: list
      elements: int
      sample: [8080]
    address:
      description: The address they are held on, V(*) for all.
      type: str
      sample: "*"
"""

import ipaddress
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.control_path import SshServers
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.tcp import socket_inodes
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._network import options as network_options, sockets

MOST = 256  # ports; the worker needs a file descriptor for each
UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
PATIENCE = 10.0  # seconds until all ports must be held


class PortOccupy(Attack):
    name = "port_occupy"
    needs_root = False
    options = {
        "ports": {"type": "list", "elements": "str", "required": True},
        "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "address": {"type": "str"},
    }

    def validate(self):
        self.protocol = self.params["protocol"]
        if not self.params["ports"]:
            raise BadOption("ports", self.params["ports"], "name at least one port")
        found = set()
        for each in self.params["ports"]:
            low, high = network_options.port_range("ports", each)
            found.update(range(low, high + 1))
        if len(found) > MOST:
            raise BadOption("ports", self.params["ports"], "these are %d ports, the most is %d" % (len(found), MOST))
        self.ports = sorted(found)
        self.ip = None if self.params["address"] is None else self._address(self.params["address"])

    @staticmethod
    def _address(text):
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            raise BadOption("address", text, "give an IPv4 or IPv6 address of the target, without a scope")
        if found.version == 6 and (found.ipv4_mapped is not None or found.is_link_local):
            raise BadOption("address", text, "link-local addresses and IPv4 written as IPv6 cannot be bound by themselves")
        return found

    def resources(self):
        return ["port:%s:%d" % (self.protocol, port) for port in self.ports]

    def guard(self):
        ssh = set(SshServers().control_ports()) & set(self.ports) if self.protocol == "tcp" else ()
        if ssh:
            raise AttackError("ports: %d is SSH on this target: the control path is never attacked" % min(ssh), option="ports")
        first = int(self.host.read(UNPRIVILEGED, "1024"))
        if self.ports[0] < first and not self.host.is_root:
            raise AttackError("ports: %d and all others below %d need root on the target: set become: true" % (self.ports[0], first), option="ports")
        problem = sockets.problem_of(self.ip) if self.ip is not None else None
        if problem:
            raise AttackError(f"address: {self.ip} cannot be bound on the target: {problem}", option="address")
        self._refuse_used(sockets.in_the_way(self.protocol, self.ip, set(self.ports)))

    @staticmethod
    def _refuse_used(used):
        if used:
            told = "; ".join("%d is in use by %s" % (port, used[port]) for port in sorted(used))
            raise AttackError(f"ports: {told}", option="ports", in_use=dict((str(port), who) for port, who in used.items()))

    @property
    def _where(self):
        return "*" if self.ip is None else str(self.ip)

    def plan(self, before):
        until = uptime() + self.duration
        worker = Worker("port", lambda: sockets.occupy(self.protocol, self.ip, self.ports, until))
        lines = ["%s %s port %d" % (self.protocol, self._where, port) for port in self.ports]
        return Plan(
            before="\n".join(line + "  free" for line in lines),
            after="\n".join(line + "  held" for line in lines),
            workers=[worker],
        )

    def verify(self, plan):
        worker = plan.workers[0]
        until = time.monotonic() + PATIENCE
        while True:
            ended = not worker.alive()
            inodes = socket_inodes(worker.pid)
            ready = sockets.sockets(self.protocol)
            held = sorted(set(each.port for each in ready if each.inode in inodes and (self.protocol == "udp" or each.state == sockets.LISTENING)))
            if held == self.ports:
                return {"asked": len(self.ports), "held": held, "address": self._where}
            if ended or time.monotonic() > until:
                break
            time.sleep(0.05)
        self._refuse_used(sockets.in_the_way(self.protocol, self.ip, set(self.ports) - set(held), connected=True))
        raise AttackError("ports: %d of %d could be held: the target is out of memory, or does not allow it" % (len(held), len(self.ports)), option="ports")


def main():
    run_attack(PortOccupy)


if __name__ == "__main__":
    main()
