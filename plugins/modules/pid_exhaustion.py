#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: pid_exhaustion
version_added: 0.1.0
short_description: Use up process slots
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Takes slots for processes and threads, so that a program that wants to start one fails with C(Resource temporarily unavailable).
  - How many there are is the least of C(kernel.pid_max), C(kernel.threads-max), C(pids.max) of the control groups around the task,
    and, without root, the user's limit (C(ulimit -u)).
  - The slots are held by threads that sleep. They use no CPU time, and one signal ends all of them.
  - O(reserve) slots stay free, whatever others do, unless O(give_way=false). Five times a second the attack looks, and gives slots back
    when others need them. So a login, C(sudo), Ansible and the undo still work.
  - Needs no tool on the target. The threads end by themselves after O(duration), and are the first that the kernel ends when memory runs out.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  percent:
    description:
      - How many slots to take, in percent of those that are free when the attack begins. The default is V(10) unless O(count) is given.
      - Mutually exclusive with O(count).
    type: raw
  count:
    description:
      - How many slots to take.
    type: int
  reserve:
    description:
      - How many slots always stay free. What would leave fewer is refused. The least is V(100).
      - The default is a tenth of all slots, and at least V(200).
    type: int
  give_way:
    description:
      - Whether slots are given back when others need more than are free.
      - With V(false), other programs can use up O(reserve), and nobody can start a process then, also no login and no revert. The attack
        ends by itself all the same when its time is over, or its lease, for that needs no process.
    type: bool
    default: true
notes:
  - A slot costs about 40 KiB of memory. An attack that would take memory from the reserve that M(faultline.chaos.memory_stress) leaves is refused.
  - Without root the attack meets the other programs of the same user alone.
seealso:
  - module: faultline.chaos.memory_stress
  - module: faultline.chaos.fd_exhaustion
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Take half of the free process slots for a minute
  faultline.chaos.pid_exhaustion:
    percent: 50
    duration: 60s

- name: Give them back before the minute is over
  faultline.chaos.pid_exhaustion:
    percent: 50
    state: absent

- name: Take 300 slots
  faultline.chaos.pid_exhaustion:
    count: 300
    duration: 2m
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: pid_exhaustion-1f2e3d4c5b
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
  sample: /var/lib/faultline/pid_exhaustion-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["pids"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what was measured when the module returned, in slots.
  returned: when active
  type: dict
  contains:
    asked:
      description: How many slots were to be taken.
      type: int
      sample: 15000
    measured:
      description: How many processes and threads the attack has.
      type: int
      sample: 15000
    growing:
      description: Whether it was still taking more.
      type: bool
      sample: false
    free_before:
      description: Free slots just before the attack.
      type: int
      sample: 31000
    free:
      description: Free slots when the module returned.
      type: int
      sample: 16000
    reserve:
      description: Slots that the attack leaves free at least.
      type: int
      sample: 3246
    limit:
      description: How many slots there are.
      type: int
      sample: 32468
    limited_by:
      description: What sets that number.
      type: str
      sample: kernel.pid_max
    capped:
      description: Whether the attack is in a control group of its own with a cap.
      type: bool
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import holders, memory, process_slots
from ansible_collections.faultline.chaos.plugins.module_utils._resources.attack_cgroup import AttackCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._resources.deadline import Deadline
from ansible_collections.faultline.chaos.plugins.module_utils._resources.held import Held
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

DEFAULT_PERCENT = 10.0
MOST = 1 << 22  # the kernel's own limit of pids
CLOSE = 0.01  # share of the requested number: close enough to return
TOO_FEW = 0.05  # shortfall as a share of the requested number at which the attack fails
WAIT = 60.0  # maximum of seconds that the module waits, and at most half of the duration


class PidExhaustion(Attack):
    name = "pid_exhaustion"
    needs_root = False
    options = {
        "percent": {"type": "raw"},
        "count": {"type": "int"},
        "reserve": {"type": "int"},
        "give_way": {"type": "bool", "default": True},
    }
    constraints = {"mutually_exclusive": [("percent", "count")]}

    def validate(self):
        params = self.params
        self.percent = self.count = None
        if params["count"] is not None:
            self.count = _units.integer("count", params["count"], 1, MOST)
        else:
            self.percent = DEFAULT_PERCENT if params["percent"] is None else _units.percent("percent", params["percent"], 0.1, 100.0)
        self.reserve = params["reserve"]
        if self.reserve is not None:
            _units.integer("reserve", self.reserve, process_slots.LEAST_RESERVE, MOST)

    def resources(self):
        return ["pids"]

    def guard(self):
        # A stressor's own control group is at the top, so the limits of the login's group do not apply to it.
        self.from_top = bool(AttackCgroup("any", 0, 0).directories)
        pool = self.pool = process_slots.tightest(process_slots.pools(self.from_top))
        if self.reserve is None:
            self.reserve = process_slots.default_reserve(pool.limit)
        free = process_slots.free(pool)
        if self.count is None:
            self.count = max(1, int(free * self.percent / 100.0))
        option = "count" if self.percent is None else "percent"
        value = DEFAULT_PERCENT if self.params[option] is None else self.params[option]
        most = max(0, free - self.reserve)
        if self.count > most:
            most = "%d" % most if option == "count" else "%.3g" % (int(1000.0 * most / max(1, free)) / 10.0)
            raise BadOption(
                option, value, "%d slots are free (%s is %d), with a reserve of %d the most is %s" % (free, pool.name, pool.limit, self.reserve, most)
            )
        self._check_memory(option, value)

    def _check_memory(self, option, value):
        view = memory.look()
        spare = view.available - memory.default_reserve(view.total)
        cost = self.count * process_slots.COST + len(process_slots.parts(self.count)) * process_slots.HOLDER
        if cost > spare:
            raise BadOption(
                option, value, "%d slots take %s of memory, and %s can be spared" % (self.count, _sizes.human_size(cost), _sizes.human_size(max(0, spare)))
            )
        self.cap = 2 * cost + (64 << 20)

    def snapshot(self):
        return self.pool

    def plan(self, before):
        count, from_top, end = self.count, self.from_top, Deadline(self.id, self.duration)
        reserve = self.reserve if self.params["give_way"] else None
        self.cgroup = AttackCgroup(self.id, memory=self.cap, tasks=count + 16)
        figures = Held(self.journal, self.id)
        undo = Undo(readings=[figures.reading()])
        self.cgroup.undo(undo)
        line = "process slots  %%d of %d in use (%s)%%s" % (before.limit, before.name)
        held = ", %d of them held; %d %s" % (count, self.reserve, "stay free" if reserve is not None else "are left to others")
        return Plan(
            before=line % (before.used, ""),
            after=line % (before.used + count, held),
            undo=undo,
            workers=[Worker("pid", lambda: process_slots.hold(count, reserve, from_top, end.over, figures))],
            notes=self.cgroup.notes() if self.host.is_root else ["without root only the programs of the same user are short of processes"],
        )

    def inject(self, plan):
        self.capped = self.cgroup.enter(self.journal, plan.workers[0].pid)
        super().inject(plan)

    def verify(self, plan):
        leader = plan.workers[0]
        measured, growing = holders.settle(lambda: process_slots.held(leader.pid), self.count, CLOSE, min(WAIT, self.duration / 2))
        if not leader.alive():
            raise AttackError("the worker was ended, by the kernel for lack of memory or by somebody else")
        if not growing and measured < self.count * (1 - TOO_FEW) - 2:
            raise AttackError("asked for %d process slots, measured %d: a limit stands in the way, or others took them meanwhile" % (self.count, measured))
        pool = process_slots.tightest(process_slots.pools(self.from_top))
        return {
            "asked": self.count,
            "measured": measured,
            "growing": growing,
            "free_before": process_slots.free(self.pool),
            "free": process_slots.free(pool),
            "reserve": self.reserve,
            "limit": pool.limit,
            "limited_by": pool.name,
            "capped": self.capped,
        }


def main():
    run_attack(PidExhaustion)


if __name__ == "__main__":
    main()
