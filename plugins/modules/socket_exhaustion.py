#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: socket_exhaustion
version_added: 0.1.0
short_description: Use up the ephemeral ports
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Holds ports of C(net.ipv4.ip_local_port_range) until a percentage of them is taken, whoever has them. A program that then opens more
    connections than ports are left fails with "cannot assign requested address".
  - The ports are bound and not connected, so no packet is sent and no entry of connection tracking is used. The kernel gives a bound port
    to nobody else, in IPv4 and IPv6 alike.
  - O(reserve) ports stay free, whatever O(percent) says. SSH to the target needs none of them.
  - Needs no root and no tool on the target. No limit is raised. Where one process may not have so many file descriptors, several share the ports.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  percent:
    description:
      - How much of the range is taken then, in percent, from V(1) to V(100). What others have already counts.
    type: raw
    default: 80
  protocol:
    description:
      - The protocol of the ports. Each has its own.
      - Without V(udp) ports the target cannot ask a DNS server.
    type: str
    choices: [tcp, udp]
    default: tcp
  reserve:
    description:
      - How many ports stay free at least, from V(50).
    type: int
    default: 500
notes:
  - Takes about 4 KiB of memory for each port, 110 MiB for the usual range. It is refused when less than 5 % of the memory, or 32 MiB, would be left.
  - Hits the network namespace of the task. Containers with a network of their own have ports of their own.
  - A program that binds a local port itself, or a server that only accepts connections, needs no ephemeral port and is not hit.
  - A connection that is open already keeps its port.
seealso:
  - module: faultline.chaos.revert
  - module: faultline.chaos.port_occupy
"""

EXAMPLES = r"""
- name: Leave a tenth of the ephemeral TCP ports for a minute
  faultline.chaos.socket_exhaustion:
    percent: 90
    duration: 1m

- name: Give them back before the minute is over
  faultline.chaos.socket_exhaustion:
    percent: 90
    state: absent

- name: Leave 200 UDP ports, and no more
  faultline.chaos.socket_exhaustion:
    percent: 100
    protocol: udp
    reserve: 200
    duration: 30s
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: socket_exhaustion-1f2e3d4c5b
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
  sample: /var/lib/faultline/socket_exhaustion-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["ephemeral:tcp"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what was measured.
  returned: when active
  type: dict
  contains:
    range:
      description: The first and the last ephemeral port.
      type: list
      elements: int
      sample: [32768, 60999]
    usable:
      description: How many of them the kernel gives out; reserved ones are left out.
      type: int
      sample: 28232
    free_before:
      description: How many of these nobody had before, by C(/proc/net).
      type: int
      sample: 28190
    asked_free:
      description: How many should be free now.
      type: int
      sample: 5647
    measured_free:
      description: How many are free now, asked from the kernel port by port; on a target that needs more than 2 s for it, from an even share of them.
      type: int
      sample: 5645
    held:
      description: How many the attack holds.
      type: int
      sample: 22543
    processes:
      description: How many processes share them.
      type: int
      sample: 1
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import lines
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._network import sockets
from ansible_collections.faultline.chaos.plugins.module_utils._resources import holders
from ansible_collections.faultline.chaos.plugins.module_utils._resources.held import Held
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

LEAST_FREE = 50  # ports: minimum of the reserve
MOST_PROCESSES = 64
MIB = 1 << 20
PATIENCE = 60.0  # seconds until the ports must be held
SLACK = 0.02  # share of the usable ports: tolerance for connections of other programs


class SocketExhaustion(Attack):
    name = "socket_exhaustion"
    needs_root = False
    options = {
        "percent": {"type": "raw", "default": 80},
        "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "reserve": {"type": "int", "default": 500},
    }

    def validate(self):
        self.protocol = self.params["protocol"]
        self.percent = _units.percent("percent", self.params["percent"], 1.0, 100.0)
        self.reserve = _units.integer("reserve", self.params["reserve"], LEAST_FREE, 65000)

    def resources(self):
        return [f"ephemeral:{self.protocol}"]

    def guard(self):
        self.usable = sockets.ephemeral(self.host.read(sockets.RANGE), self.host.read(sockets.RESERVED))
        self.in_use = sockets.ports_in_use(self.protocol, self.usable)
        self.count = sockets.to_take(len(self.usable), len(self.in_use), self.percent, self.reserve)
        free = len(self.usable) - len(self.in_use)
        if self.count == 0 and free <= self.reserve:
            raise BadOption("reserve", self.reserve, "only %d of %d ephemeral ports are free on the target" % (free, len(self.usable)))
        if self.count == 0:
            raise BadOption("percent", self.params["percent"], "%d of %d ephemeral ports are taken already" % (len(self.in_use), len(self.usable)))
        self._refuse_too_much()

    def _refuse_too_much(self):
        """Errors: AttackError when memory or descriptors would run out before the ports."""
        needed = self.count * sockets.BYTES_PER_SOCKET
        memory = dict(line.split(":", 1) for line in lines(self.host.read("/proc/meminfo")))
        available, total = [int(memory[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal")]
        if available - needed < max(32 * MIB, total // 20):
            raise AttackError(
                "percent: %d ports take about %d MiB of memory, and the target has %d MiB left: ask for less" % (self.count, needed // MIB, available // MIB),
                option="percent",
            )
        self.shares = holders.shares(self.count, max(1, sockets.files_allowed()))
        opened, _free, most = [int(word) for word in self.host.read("/proc/sys/fs/file-nr").split()]
        if len(self.shares) > MOST_PROCESSES or opened + self.count > most * 0.8:
            raise AttackError(
                "percent: %d ports need as many file descriptors; a process may have %d here, the target %d, and %d are in use: ask for less"
                % (self.count, sockets.files_allowed(), most, opened),
                option="percent",
            )

    def plan(self, before):
        until = uptime() + self.duration
        free = [port for port in self.usable if port not in self.in_use]
        shares, figures = self.shares, Held(self.journal, self.id)

        def begin(index):
            return sockets.Bound(self.protocol, free[index :: len(shares)])

        worker = Worker("ports", lambda: holders.lead(shares, begin, lambda _held: self.count, lambda: uptime() >= until, figures))
        line = "%s  %%d of %d ephemeral ports free" % (self.protocol, len(self.usable))
        return Plan(before=line % len(free), after=line % (len(free) - self.count), undo=Undo(readings=[figures.reading()]), workers=[worker])

    def verify(self, plan):
        leader, until = plan.workers[0].pid, time.monotonic() + PATIENCE
        held, last = sockets.held_by(leader), -1
        while plan.workers[0].alive() and time.monotonic() < until and held < self.count and (held > last or held == 0):
            time.sleep(0.5)
            held, last = sockets.held_by(leader), held
        measured = sockets.free_ports(self.protocol, self.usable)
        asked = len(self.usable) - len(self.in_use) - self.count
        if measured - asked > max(16, SLACK * len(self.usable)):
            raise AttackError(
                "%d ephemeral ports should be free, measured are %d, held are %d: the target is out of memory or file descriptors" % (asked, measured, held)
            )
        return {
            "range": [self.usable[0], self.usable[-1]],
            "usable": len(self.usable),
            "free_before": len(self.usable) - len(self.in_use),
            "asked_free": asked,
            "measured_free": measured,
            "held": held,
            "processes": len(self.shares),
        }


def main():
    run_attack(SocketExhaustion)


if __name__ == "__main__":
    main()
