#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: memory_stress
version_added: 0.1.0
short_description: Take memory and hold it
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Takes memory with one process, either an amount, or as much as brings the use of the whole host to a percentage.
  - The pages are really written, each with other content, so the kernel can neither share nor compress them away.
  - Five times a second the process looks at what is available. With a percentage of the total it gives memory back when other
    programs take more, and takes more when they need less.
  - O(reserve) stays available to others, whatever they do. Where they want more than the rest, the attack gives way.
  - Needs no root and no tool on the target. The process is the first that the kernel ends when memory runs out, and it ends by
    itself after O(duration). With root it is in a control group of its own with a cap, where the host has control groups for that.
  - In a container with a memory limit, that limit is the total.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  amount:
    description:
      - How much to hold, for example V(500MB) or V(2GiB). C(MB) counts by 1000, C(MiB) by 1024.
      - Mutually exclusive with O(percent).
    type: raw
  percent:
    description:
      - How much to take in percent of O(of). The default is V(70) unless O(amount) is given.
    type: raw
  of:
    description:
      - V(total) brings the use of the whole host to O(percent) of its memory, and keeps it there while other programs come and go.
        Used is what is not available, as C(free) counts it.
      - V(available) takes O(percent) of what is available when the attack begins, and holds that amount.
    type: str
    choices: [total, available]
    default: total
  reserve:
    description:
      - What always stays available to others, for example V(1GiB). What would leave less is refused.
      - The default is V(512MiB), and on hosts with less than 2 GiB a quarter of the memory.
      - The least is V(128MiB), and on hosts with less than 1.25 GiB a tenth of the memory.
    type: raw
  rate:
    description:
      - Take so much in a second, for example V(50MB), instead of all as fast as it can be written. The module does not wait then.
    type: raw
notes:
  - The process itself takes some 15 MB on top of O(amount).
  - What the kernel drops to make room, such as cached files, is read again when it is needed. The undo does not do that.
  - What the kernel moved to swap meanwhile comes back when it is used. The memory of the attack itself is kept out of swap where it has a
    control group.
seealso:
  - module: faultline.chaos.cpu_stress
  - module: faultline.chaos.pid_exhaustion
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Bring the memory use of the host to 60 % for a minute, whatever else runs
  faultline.chaos.memory_stress:
    percent: 60
    duration: 60s

- name: End that before the minute is over
  faultline.chaos.memory_stress:
    percent: 60
    state: absent

- name: Take 20 MB, one MB a second
  faultline.chaos.memory_stress:
    amount: 20MB
    rate: 1MB
    duration: 2m
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: memory_stress-1f2e3d4c5b
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
  sample: /var/lib/faultline/memory_stress-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["memory"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what was measured when the module returned. Sizes are in bytes.
  returned: when active
  type: dict
  contains:
    asked_percent:
      description: The use of the whole host asked for; absent when an amount was asked for.
      type: float
      sample: 70.0
    asked_bytes:
      description: The amount asked for; absent when a percentage of the total was asked for.
      type: int
    measured_percent:
      description: Use of the whole host when the module returned.
      type: float
      sample: 70.1
    held_bytes:
      description: What the attack holds, measured by the kernel.
      type: int
    swapped_bytes:
      description: How much of that is in swap and so takes no memory.
      type: int
      sample: 0
    before_percent:
      description: Use of the whole host just before the attack.
      type: float
      sample: 31.4
    total_bytes:
      description: Memory of the host, or the limit of the container.
      type: int
    available_bytes:
      description: What others could still have when the module returned.
      type: int
    reserve_bytes:
      description: What the attack leaves to others at least.
      type: int
    growing:
      description: Whether it was still taking memory, because of O(rate) or of a large amount.
      type: bool
    capped:
      description: Whether it is in a control group of its own with a cap.
      type: bool
"""

import time

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import memory
from ansible_collections.faultline.chaos.plugins.module_utils._resources.attack_cgroup import AttackCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._resources.deadline import Deadline
from ansible_collections.faultline.chaos.plugins.module_utils._resources.held import Held
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

DEFAULT_PERCENT = 70.0
CLOSE = 0.01  # share of the requested amount: close enough to return
TOO_LOW = 0.05  # shortfall as a share of the requested amount at which the attack fails
WAIT = 30.0  # maximum of seconds that the module waits for a large amount, and at most half of the duration
STALLED = 3.0  # seconds without growth


class MemoryStress(Attack):
    name = "memory_stress"
    needs_root = False
    options = {
        "amount": {"type": "raw"},
        "percent": {"type": "raw"},
        "of": {"type": "str", "choices": ["total", "available"], "default": "total"},
        "reserve": {"type": "raw"},
        "rate": {"type": "raw"},
    }
    constraints = {"mutually_exclusive": [("amount", "percent")]}

    def validate(self):
        params = self.params
        self.amount = self.percent = self.reserve = self.rate = None
        if params["amount"] is not None:
            self.amount = _sizes.size("amount", params["amount"], memory.MIB)
            if params["of"] != "total":
                raise BadOption("of", params["of"], "it says what a percentage is of; with amount leave it out")
        else:
            self.percent = DEFAULT_PERCENT if params["percent"] is None else _units.percent("percent", params["percent"], 1.0, 100.0)
        if params["reserve"] is not None:
            self.reserve = _sizes.size("reserve", params["reserve"])
        if params["rate"] is not None:
            self.rate = _sizes.size("rate", params["rate"], 64 * 1024)

    def resources(self):
        return ["memory"]

    def guard(self):
        view = self.view = memory.look()
        least = memory.least_reserve(view.total)
        if self.reserve is None:
            self.reserve = memory.default_reserve(view.total)
        if self.reserve < least:
            raise BadOption("reserve", self.params["reserve"], f"the least on this target is {_sizes.human_size(least)}")
        self.goal = self._goal(view)

    def _goal(self, view):
        """The Goal for this target. Errors: BadOption when it would not leave the reserve free."""
        spare = view.available - self.reserve
        if self.percent is not None and self.params["of"] == "total":
            used = int(view.total * self.percent / 100.0)
            if used > view.total - self.reserve:
                most = 100.0 * (view.total - self.reserve) / view.total
                raise self._too_much("percent", "%.0f%% on this target" % (most - 0.5))
            return memory.Goal(self.reserve, used=used, rate=self.rate)
        amount = self.amount if self.percent is None else int(view.available * self.percent / 100.0)
        if amount > spare:
            if self.percent is None:
                raise self._too_much("amount", f"{_sizes.human_size(max(0, spare))} now")
            raise self._too_much("percent", f"{max(0, 100.0 * spare / view.available - 0.5):.0f}% now")
        return memory.Goal(self.reserve, amount=amount, rate=self.rate)

    def _too_much(self, option, most):
        value = DEFAULT_PERCENT if self.params[option] is None else self.params[option]
        return BadOption(option, value, f"with a reserve of {_sizes.human_size(self.reserve)} the most is {most}")

    def snapshot(self):
        return self.view

    def plan(self, before):
        goal, end = self.goal, Deadline(self.id, self.duration)
        self.cgroup = AttackCgroup(self.id, memory=goal.most + goal.most // 50 + memory.WORKER, tasks=8)
        figures = Held(self.journal, self.id, asked=goal.amount if goal.used is None else goal.used)
        undo = Undo(readings=[figures.reading()])
        self.cgroup.undo(undo)
        # With a control group of its own the worker has no enclosing limit, and the limit of that group must not count.
        worker = Worker("mem", lambda: memory.hold(goal, before.limited, end.over, figures))
        slowly = f", {_sizes.human_size(self.rate)} in a second" if self.rate else ""
        if goal.used is None:
            after = f"memory  {_sizes.human_size(goal.amount)} more in use, held"
        else:
            after = f"memory  {_sizes.human_size(goal.used)} of {_sizes.human_size(before.total)} in use ({self.percent:g} %), held there"
        return Plan(
            before=f"memory  {_sizes.human_size(before.total - before.available)} of {_sizes.human_size(before.total)} in use ({_used(before):.0f} %)",
            after=f"{after}{slowly}; {_sizes.human_size(self.reserve)} stay available",
            undo=undo,
            workers=[worker],
            notes=self._notes(before),
        )

    def _notes(self, view):
        notes = self.cgroup.notes() if self.host.is_root else []
        if view.limited:
            notes.append(f"a control group limits this target to {_sizes.human_size(view.total)}: that is its total")
        if self.goal.used is not None and view.total - view.available >= self.goal.used:
            notes.append("the memory use is at what was asked for already: nothing is added until that ends")
        swap = memory.meminfo().get("SwapTotal", 0)
        if swap:
            notes.append(f"the target has {_sizes.human_size(swap)} of swap: the kernel may move other programs there")
        return notes

    def inject(self, plan):
        worker = plan.workers[0]
        self.capped = self.cgroup.enter(self.journal, worker.pid)
        self.own = memory.resident(worker.pid)[0]
        super().inject(plan)

    def verify(self, plan):
        worker, goal = plan.workers[0], self.goal
        until = time.monotonic() + min(WAIT, self.duration / 2)
        best, since = -1, time.monotonic()
        while True:
            view = memory.look()
            here, swapped = memory.resident(worker.pid)
            held = max(0, here + swapped - self.own)
            if not worker.alive():
                raise AttackError("the worker was ended, by the kernel for lack of memory or by somebody else")
            asked, measured = (goal.amount, held) if goal.used is None else (goal.used, view.total - view.available)
            if abs(measured - asked) <= CLOSE * asked or (goal.used is not None and measured > asked) or self.rate or time.monotonic() > until:
                break
            if held > best:
                best, since = held, time.monotonic()
            elif time.monotonic() - since > STALLED:
                break
            time.sleep(memory.LOOK)
        growing = measured < asked * (1 - CLOSE)
        if growing and not self.rate and time.monotonic() - since > STALLED and measured < asked * (1 - TOO_LOW):
            raise AttackError(
                f"asked for {_sizes.human_size(asked)}, measured {_sizes.human_size(measured)}: other programs took memory meanwhile, "
                "or a limit stands in the way (vm.overcommit_memory?)"
            )
        found = {"asked_bytes": goal.amount} if goal.used is None else {"asked_percent": self.percent}
        found.update(
            measured_percent=round(_used(view), 1),
            held_bytes=held,
            swapped_bytes=swapped,
            before_percent=round(_used(self.view), 1),
            total_bytes=view.total,
            available_bytes=view.available,
            reserve_bytes=self.reserve,
            growing=growing,
            capped=self.capped,
        )
        return found


def _used(view):
    """Percent of the memory that is in use."""
    return 100.0 * (view.total - view.available) / view.total


def main():
    run_attack(MemoryStress)


if __name__ == "__main__":
    main()
