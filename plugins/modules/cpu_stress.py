#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: cpu_stress
version_added: 0.1.0
short_description: Keep CPUs busy at a given load
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Brings the load of CPUs to a given percentage and keeps it there, with one small process on each CPU.
  - The load is the total of everything that runs on the CPU. On a CPU that is busy at 20 % already, O(load=50) adds 30 %; when
    that other work ends, the attack adds 50 %. Where other work exceeds O(load), nothing is added.
  - The load is measured twice a second in C(/proc/stat) and corrected. Time waiting for I/O counts as idle, time that a hypervisor
    takes away counts as busy.
  - Needs no root and no tool on the target. The processes are the first that the kernel ends when memory runs out, and each ends
    by itself after O(duration).
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  load:
    description:
      - Total load of each CPU in percent, from V(1) to V(100). Both V(50) and V(50%) will do.
    type: raw
    default: 50
  cpus:
    description:
      - Numbers and ranges of the CPUs, for example V([0, 2-3]).
      - The default is every CPU that is online and that the user of the task may use.
    type: list
    elements: str
  ramp:
    description:
      - Reach O(load) linearly over this time instead of at once. At most O(duration).
    type: raw
    default: 0
notes:
  - Needs CPU time to use it. Where a CPU quota of a control group keeps the load more than 10 percentage points too low, the attack is undone and fails.
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Bring CPU 0 to its limit, slowly, and hold it there until five minutes have passed
  faultline.chaos.cpu_stress:
    load: 100%
    cpus: [0]
    ramp: 30s
    duration: 5m

- name: End that before the five minutes are over
  faultline.chaos.cpu_stress:
    load: 100%
    cpus: [0]
    ramp: 30s
    state: absent

- name: Bring every CPU to 80 % for a minute
  faultline.chaos.cpu_stress:
    load: 80
    duration: 60s
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: cpu_stress-1f2e3d4c5b
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
  sample: /var/lib/faultline/cpu_stress-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["cpu:0", "cpu:1"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what was measured when the module returned.
  returned: when active
  type: dict
  contains:
    asked_percent:
      description: The load asked for.
      type: float
      sample: 80.0
    measured_percent:
      description: The load over one second, mean of the CPUs. Lower than asked while the ramp lasts.
      type: float
      sample: 79.6
    measured_percent_by_cpu:
      description: The same for each CPU, by its number.
      type: dict
      sample: {"0": 79.1, "1": 80.1}
    before_percent:
      description: The load just before the attack, mean of the CPUs.
      type: float
      sample: 4.2
    cpus:
      description: Numbers of the CPUs.
      type: list
      elements: int
      sample: [0, 1]
    burners:
      description: How many processes make the load.
      type: int
      sample: 2
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.figures import Figures
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import cpu as resources_cpu
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

LOOK_BEFORE = 0.4  # seconds over which the load before the attack is measured
LOOK_AFTER = 1.0  # seconds over which the load is verified
CLOSE = 3.0  # percentage points: close enough to the requested load to return at once
TOO_LOW = 10.0  # percentage points below the requested load: the attack fails
TRIES = 4  # looks until the load is close
PATIENCE = 15  # looks until the load is not too low: bursts of other programs disturb the controller briefly, a quota permanently


class CpuStress(Attack):
    name = "cpu_stress"
    needs_root = False
    options = {
        "load": {"type": "raw", "default": 50},
        "cpus": {"type": "list", "elements": "str"},
        "ramp": {"type": "raw", "default": 0},
    }

    def validate(self):
        self.load = _units.percent("load", self.params["load"], 1.0, 100.0)
        self.ramp = _units.duration("ramp", self.params["ramp"], 0.0)
        if self.params["cpus"] is None:
            self.cpus = resources_cpu.allowed()
        else:
            self.cpus = resources_cpu.numbers("cpus", self.params["cpus"])

    def resources(self):
        return ["cpu:%d" % cpu for cpu in self.cpus]

    def guard(self):
        if self.ramp > self.duration:
            raise BadOption("ramp", self.params["ramp"], f"the most is the duration, {_units.human(self.duration)}")
        online, unknown = resources_cpu.look(), resources_cpu.unknown()
        if unknown:
            raise AttackError(
                f"the numbers of the CPUs do not match: the task may use {resources_cpu.ranges(unknown)}, and /proc/stat shows {resources_cpu.ranges(online)}, "
                "as in a container with lxcfs; no load could be measured there: attack the host of the container"
            )
        for cpu in self.cpus:
            if cpu not in online:
                raise BadOption("cpus", cpu, f"it is offline or does not exist; online are {resources_cpu.ranges(online)}")
            if not resources_cpu.usable(cpu):
                raise BadOption("cpus", cpu, f"the task may not use it (a cpuset); it may use {resources_cpu.ranges(resources_cpu.allowed())}")

    def snapshot(self):
        found = resources_cpu.measure(self.cpus, LOOK_BEFORE)
        return dict((cpu, found.get(cpu, 0.0)) for cpu in self.cpus)

    def plan(self, before):
        over = [cpu for cpu in self.cpus if before[cpu] >= self.load]
        until = uptime() + self.duration
        figures = Figures(self.journal, self.id, asked=self.load)
        worker = Worker("cpu", lambda: resources_cpu.drive(before, self.load, self.ramp, until, figures))
        slowly = f", reached over {_units.human(self.ramp)}" if self.ramp else ""
        plan = Plan(
            before="\n".join("cpu %d  load %.0f %%" % (cpu, before[cpu]) for cpu in self.cpus),
            after="\n".join("cpu %d  load %g %%%s" % (cpu, self.load, slowly) for cpu in self.cpus),
            workers=[worker],
            undo=Undo(readings=[figures.reading()]),
            notes=[f"CPU {resources_cpu.ranges(over)} is at the load asked for already: nothing is added there until that ends"] if over else [],
        )
        plan.others = before
        return plan

    def verify(self, plan):
        leader = plan.workers[0]
        most = min(PATIENCE, self.duration / LOOK_AFTER / 3)
        looks = 0
        while True:
            measured = resources_cpu.measure(self.cpus, LOOK_AFTER)
            mean = sum(measured.values()) / max(1, len(measured))
            looks += 1
            if self.ramp or not leader.alive() or abs(mean - self.load) <= CLOSE:
                break
            if looks >= (TRIES if mean >= self.load - TOO_LOW else most):
                break
        burners = len(resources_cpu.burners(leader.pid))
        if burners < len(self.cpus):
            raise AttackError("%d of %d burners run: the target is out of processes or memory" % (burners, len(self.cpus)))
        if not self.ramp and mean < self.load - TOO_LOW:
            raise AttackError(f"the load asked for is {self.load:g} %, measured is {mean:.0f} %: is there a CPU quota (cpu.max)?")
        return {
            "asked_percent": self.load,
            "measured_percent": round(mean, 1),
            "measured_percent_by_cpu": dict((str(cpu), round(percent, 1)) for cpu, percent in measured.items()),
            "before_percent": round(sum(plan.others.values()) / len(self.cpus), 1),
            "cpus": self.cpus,
            "burners": burners,
        }


def main():
    run_attack(CpuStress)


if __name__ == "__main__":
    main()
