#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: service_stop
version_added: 0.1.0
short_description: Stop services, and keep them down if wanted
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Stops services in the way of the host's init, which is systemd, OpenRC or SysV init scripts, and starts them again when the attack is reverted.
  - With systemd, active sockets, paths and timers that would start a service are stopped with it and come back before it. So are
    units that cannot run without the service.
  - Whether a service is enabled at boot is not touched.
  - Services that keep the host, its network, its firewall or the control path alive are protected, such as sshd, dbus, NetworkManager,
    firewalld, VPNs (openvpn, strongswan, tailscaled and so on) and everything that begins with C(systemd-).
  - Without systemd cron is protected too. So is the unit that this very task runs in.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  services:
    description:
      - Names of services that run now. A service that is stopped already is refused.
    type: list
    elements: str
    required: true
  mask:
    description:
      - Mask the services until the end of the attack, or the next boot, so that nobody can start them. Needs systemd.
      - Only for services whose unit file is not in C(/etc/systemd/system), for a mask below C(/run) has no effect on the others.
    type: bool
    default: false
  self_heal:
    description:
      - Whether somebody else may start the services again before the attack ends, and whether that happens is what you are about to learn.
        So a service that runs again does not count as an attack that somebody took away.
      - With V(false) they are stopped again every O(interval).
    type: bool
    default: true
  interval:
    description:
      - With O(self_heal=false), how often the services are looked at. From V(1s) to V(1h).
    type: raw
    default: 5s
notes:
  - A service that was started again is a new process. What it had only in memory is gone.
  - Refused is what could not be started again as it was, such as a oneshot, a transient unit, a unit that is masked while it runs, or
    a timer that counts from its own start.
  - A timer that has C(Persistent=true) and missed its time during the attack catches up when it is started again.
  - With OpenRC, services that need the stopped one must be named as well.
  - A SysV script must tell with C(status) whether its service runs, with the exit status 0 or 3.
  - Starting takes what it takes. The attack is reverted only when the services run again.
seealso:
  - module: faultline.chaos.process_kill
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Stop nginx for half a minute
  faultline.chaos.service_stop:
    services: [nginx]
    duration: 30s

- name: Start it sooner
  faultline.chaos.service_stop:
    services: [nginx]
    state: absent

- name: Nobody can start nginx for a minute, not even by hand
  faultline.chaos.service_stop:
    services: [nginx]
    mask: true
    duration: 1m
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: service_stop-1f2e3d4c5b
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
  sample: /var/lib/faultline/service_stop-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["service:nginx"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was done.
  returned: when active
  type: dict
  contains:
    init:
      description: V(systemd), V(openrc) or V(sysv).
      type: str
      sample: systemd
    asked:
      description: The services asked for, by their real names.
      type: list
      elements: str
      sample: [nginx.service]
    down:
      description: Those that did not run when the module returned.
      type: list
      elements: str
      sample: [nginx.service]
    stopped_with_them:
      description: Other units that were stopped, because they would start a service or cannot run without it.
      type: list
      elements: str
      sample: []
    masked:
      description: Services that nobody can start.
      type: list
      elements: str
      sample: []
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._state import service
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Fails, Part, Undo


class ServiceStop(Attack):
    name = "service_stop"
    options = {
        "services": {"type": "list", "elements": "str", "required": True},
        "mask": {"type": "bool", "default": False},
        "self_heal": {"type": "bool", "default": True},
        "interval": {"type": "raw", "default": "5s"},
    }

    def validate(self):
        service.check_names("services", self.params["services"])
        self.interval = _units.duration("interval", self.params["interval"], 1.0, 3600.0)

    def resources(self):
        return sorted("service:" + service.short(name) for name in self.params["services"])

    def guard(self):
        self.manager = service.manager(self.host)
        if self.params["mask"] and self.manager.kind != "systemd":
            raise BadOption("mask", True, "only systemd masks services; use self_heal: false instead")

    def snapshot(self):
        return self.manager.plan_for("services", self.params["services"])

    def plan(self, before):
        found, manager, undo = before, self.manager, Undo()
        masks = manager.mask("mask", found, undo) if self.params["mask"] else []
        manager.restore(undo, found)
        names = found["services"] + found["triggers"] + found["others"]
        kept = "masked" if self.params["mask"] else "stopped"
        plan = Plan(
            before="\n".join(f"{name}  runs" for name in names),
            after="\n".join("{}  {}".format(name, kept if name in found["services"] else "stopped") for name in names),
            steps=manager.stop(found["triggers"] + found["services"]) + masks,
            undo=undo,
            notes=[f"stops as well: {name}" for name in found["triggers"] + found["others"]],
        )
        plan.found = found
        if self.params["mask"] or not self.params["self_heal"]:  # else the services may come back by themselves
            undo.readings += [Part(f"the stop of {name}", [Fails(manager.ask(name))]) for name in found["services"]]
        if not self.params["self_heal"]:
            until = uptime() + self.duration
            plan.after += f"\nand stopped again every {_units.human(self.interval)}"
            plan.workers.append(Worker("service", lambda: self._again(found, until)))
        return plan

    def _again(self, found, until):
        """The worker: stop services that were started again, until the attack ends."""
        while uptime() < until:
            time.sleep(max(0.0, min(self.interval, until - uptime())))
            if uptime() >= until:
                break
            try:
                back = [name for name in found["services"] if self.manager.running(name)]
                for argv, _stdin in self.manager.stop(found["triggers"] + back) if back else []:
                    self.host.run(argv, check=False, seconds=0)
            except AttackError:
                continue

    def verify(self, plan):
        asked = plan.found["services"]
        down = [name for name in asked if not self.manager.running(name)]
        if not down or self.params["mask"] and len(down) < len(asked):
            raise AttackError("{} runs in spite of it: somebody started it again, or its stop does not work".format(", ".join(sorted(set(asked) - set(down)))))
        return {
            "init": self.manager.kind,
            "asked": asked,
            "down": down,
            "stopped_with_them": plan.found["triggers"] + plan.found["others"],
            "masked": asked if self.params["mask"] else [],
        }


def main():
    run_attack(ServiceStop)


if __name__ == "__main__":
    main()
