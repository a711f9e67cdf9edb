#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: fd_exhaustion
version_added: 0.1.0
short_description: Use up file descriptors, of one program or of the host
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - With O(process), lowers the limit of a running program, so that it can open O(leave) more files and sockets and then fails with
    C(Too many open files). The undo gives each process exactly the limit back that it had. Nothing else on the host notices.
  - Without it, opens files until the host has few left (C(fs.file-max)), so that programs fail with C(Too many open files in system).
    O(reserve) stay free, whatever others do, unless O(give_way=false). Five times a second the attack looks, and closes files when others need them.
  - Most hosts of today have a C(fs.file-max) that no memory would suffice for. There the attack on the host is refused, and O(process) is the way.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  process:
    description:
      - Exact name of the program, as C(ps -o comm) shows it. All its processes are attacked.
      - Needs C(prlimit) (package util-linux) on the target, for the undo.
    type: str
  leave:
    description:
      - How many more files and sockets each of these processes can open.
    type: int
    default: 0
  percent:
    description:
      - How many file handles of the host to take, in percent of those that are free when the attack begins. The default is V(10) unless
        O(count) or O(process) is given.
    type: raw
  count:
    description:
      - How many file handles of the host to take.
    type: int
  reserve:
    description:
      - How many file handles of the host always stay free. What would leave fewer is refused. The least is V(100).
      - The default is a tenth of all, and at least V(500).
    type: int
  give_way:
    description:
      - Whether file handles of the host are given back when others need more than are free.
      - With V(false), other programs can use up O(reserve) and then fail. Those of root, and so the undo, do not.
    type: bool
    default: true
notes:
  - Processes that a program starts meanwhile inherit the lowered limit. The undo finds them, and theirs, by their parents, and gives those that still have
    it the limit that the program had. A daemon that left its parent, or whose parent has ended, is not found and keeps it. Threads have the limit of
    their process.
  - The kernel lets processes with C(CAP_SYS_ADMIN), so those of root, go beyond C(fs.file-max). The attack on the host hits all others.
  - Process 1, SSH servers and what else keeps the host or its control path alive are protected.
seealso:
  - module: faultline.chaos.pid_exhaustion
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: The system log can open five more files or sockets, for a minute
  faultline.chaos.fd_exhaustion:
    process: rsyslogd
    leave: 5
    duration: 60s

- name: Give it its limit back before the minute is over
  faultline.chaos.fd_exhaustion:
    process: rsyslogd
    leave: 5
    state: absent
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: fd_exhaustion-1f2e3d4c5b
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
  sample: /var/lib/faultline/fd_exhaustion-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["files"]
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
    asked:
      description: How many file handles were to be taken; with O(process) how many more each process may open.
      type: int
      sample: 5000
    measured:
      description: How many the attack has open; with O(process) how many more the process with the most may open.
      type: int
      sample: 5000
    growing:
      description: Whether it was still taking more; absent with O(process).
      type: bool
      sample: false
    free_before:
      description: Free file handles of the host just before the attack; absent with O(process).
      type: int
    free:
      description: Free file handles of the host when the module returned; absent with O(process).
      type: int
    reserve:
      description: File handles that the attack leaves free at least; absent with O(process).
      type: int
    limit:
      description: C(fs.file-max) of the host; absent with O(process).
      type: int
    processes:
      description: With O(process), each process with its C(pid), C(open) descriptors, and soft limits C(before) and C(now).
      type: list
      elements: dict
"""

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import choose, doubts, protected, refuse_protected
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._resources import file_handles, holders, memory
from ansible_collections.faultline.chaos.plugins.module_utils._resources.deadline import Deadline
from ansible_collections.faultline.chaos.plugins.module_utils._resources.held import Held
from ansible_collections.faultline.chaos.plugins.module_utils._undo.limits import HasHeirs, HeirsBack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Alive, Gone, OutputHas, Part, Run, Undo

DEFAULT_PERCENT = 10.0
MOST = 1 << 40
CLOSE = 0.01  # share of the requested number: close enough to return
TOO_FEW = 0.05  # shortfall as a share of the requested number at which the attack fails
WAIT = 60.0  # maximum of seconds that the module waits, and at most half of the duration


class FdExhaustion(Attack):
    name = "fd_exhaustion"
    needs_root = False
    options = {
        "process": {"type": "str"},
        "leave": {"type": "int", "default": 0},
        "percent": {"type": "raw"},
        "count": {"type": "int"},
        "reserve": {"type": "int"},
        "give_way": {"type": "bool", "default": True},
    }
    constraints = {"mutually_exclusive": [("process", "percent", "count"), ("process", "reserve")]}

    def validate(self):
        params = self.params
        self.percent = self.count = None
        _units.integer("leave", params["leave"], 0, 1000000)
        if params["process"] is not None:
            self._check_name(params["process"])
            return
        if params["leave"]:
            raise BadOption("leave", params["leave"], "it belongs to process: without it, write percent or count")
        if params["count"] is not None:
            self.count = _units.integer("count", params["count"], 1, MOST)
        else:
            self.percent = DEFAULT_PERCENT if params["percent"] is None else _units.percent("percent", params["percent"], 0.1, 100.0)
        self.reserve = params["reserve"]
        if self.reserve is not None:
            _units.integer("reserve", self.reserve, file_handles.LEAST_RESERVE, MOST)

    @staticmethod
    def _check_name(name):
        if not name.strip() or set(name) & set("*?[]^$|/\\\n\0"):
            raise BadOption("process", name, "give the exact name of the program; patterns and paths are not used")
        if protected(name):
            raise BadOption("process", name, "it keeps the host or its control path alive and is protected")

    def resources(self):
        return ["files"] if self.params["process"] is None else ["files:{}".format(self.params["process"])]

    def guard(self):
        if self.params["process"] is not None:
            self.prlimit = self.host.tool("prlimit")
            return
        table = self.table = file_handles.table()
        free = file_handles.free(table)
        option = "count" if self.percent is None else "percent"
        value = DEFAULT_PERCENT if self.params[option] is None else self.params[option]
        if self.count is None:
            self.count = max(1, int(free * self.percent / 100.0))
        self._check_possible()
        if self.reserve is None:
            self.reserve = file_handles.default_reserve(table.limit)
        most = max(0, free - self.reserve)
        if self.count > most:
            most = "%d" % most if option == "count" else "%.3g" % (int(1000.0 * most / max(1, free)) / 10.0)
            raise BadOption(option, value, "%d of %d file handles are free, with a reserve of %d the most is %s" % (free, table.limit, self.reserve, most))

    def _check_possible(self):
        """Errors: AttackError where the limit is too high to be reached safely."""
        view = memory.look()
        spare = max(0, view.available - memory.default_reserve(view.total))
        if self.count * file_handles.COST > spare or self.count > file_handles.MOST_HOLDERS * file_handles.per_holder():
            raise AttackError(
                "fs.file-max of the target is %d: to take %d file handles needs %s of memory, and %s can be spared. The file handles of this host "
                "cannot be used up safely: use the option process, which lowers the limit of one program"
                % (self.table.limit, self.count, _sizes.human_size(self.count * file_handles.COST), _sizes.human_size(spare))
            )

    def snapshot(self):
        if self.params["process"] is None:
            return self.table
        victims = choose(name=self.params["process"])
        if not victims:
            raise AttackError("no process on the target has the name {}".format(self.params["process"]))
        refuse_protected(victims)
        return [(victim, file_handles.descriptors(victim.pid)) + self._limits(victim) for victim in victims]

    @staticmethod
    def _limits(victim):
        try:
            return file_handles.limits(victim.pid)
        except (OSError, ValueError) as error:
            raise AttackError("the limit of pid %d (%s) cannot be read: %s; set become: true" % (victim.pid, victim.name, error))

    def plan(self, before):
        return self._plan_host(before) if self.params["process"] is None else self._plan_process(before)

    def _plan_host(self, table):
        count, end = self.count, Deadline(self.id, self.duration)
        reserve = self.reserve if self.params["give_way"] else None
        figures = Held(self.journal, self.id)
        line, left = "file handles  %d of %d in use", "stay free" if reserve is not None else "are left to others"
        return Plan(
            before=line % (table.used, table.limit),
            after=(line + ", %d of them held; %d %s") % (table.used + count, table.limit, count, self.reserve, left),
            undo=Undo(readings=[figures.reading()]),
            workers=[Worker("fd", lambda: file_handles.hold(count, reserve, end.over, figures))],
            notes=["processes of root (CAP_SYS_ADMIN) may go beyond fs.file-max: all others are hit"],
        )

    def _plan_process(self, found):
        undo, lines, self.lowered, notes = Undo(), [], [], []
        for victim, used, soft, hard in found:
            lowest = file_handles.ceiling(used, self.params["leave"])
            if soft != "unlimited" and int(soft) <= lowest:
                notes.append("pid %d has a soft limit of %s already: it is left alone" % (victim.pid, soft))
                continue
            asked = [self.prlimit, "--pid", str(victim.pid), "--nofile", "--output", "RESOURCE,SOFT,HARD", "--noheadings", "--raw"]
            # With the word NOFILE in front, because "1024 4096" also contains "4 4096".
            still = [Alive(victim.pid, victim.start), OutputHas(asked, "NOFILE %d %s" % (lowest, hard))]
            back = [self.prlimit, "--pid", str(victim.pid), f"--nofile={soft}:{hard}"]
            undo.steps.append(Run("give pid %d (%s) its limit back" % (victim.pid, victim.name), back, still))
            undo.steps.append(HeirsBack("and what it has started", self.prlimit, victim.pid, victim.start, lowest, soft, hard))
            undo.checks.append(Gone("the lowered limit of pid %d" % victim.pid, still))
            undo.readings.append(Part("the lowered limit of pid %d (%s)" % (victim.pid, victim.name), still))
            undo.checks.append(Gone("the lowered limit of what pid %d has started" % victim.pid, [HasHeirs(victim.pid, victim.start, lowest, hard)]))
            lines.append(("pid %d  %s  may open files up to number" % (victim.pid, victim.name), soft, lowest))
            self.lowered.append((victim, len(used), soft, lowest))
        if not lines:
            raise AttackError("process: {} can open no more than that already; {}".format(self.params["process"], "; ".join(notes)))
        return Plan(
            before="\n".join(f"{line} {soft}" for line, soft, _lowest in lines),
            after="\n".join(f"{line} {lowest}" for line, _soft, lowest in lines),
            undo=undo,
            notes=notes
            + ["processes that it starts meanwhile inherit the lowered limit; those that leave it for another parent keep it"]
            + doubts([each[0] for each in found]),
        )

    def inject(self, plan):
        if self.params["process"] is not None:
            for victim, _used, _soft, lowest in self.lowered:
                if not victim.alive():
                    raise AttackError("pid %d (%s) has ended meanwhile" % (victim.pid, victim.name))
                try:
                    file_handles.set_soft(victim.pid, lowest)
                except (OSError, ValueError) as error:
                    raise AttackError("the limit of pid %d (%s) cannot be changed: %s; set become: true" % (victim.pid, victim.name, error))
        super().inject(plan)

    def verify(self, plan):
        return self._verify_host(plan.workers[0]) if self.params["process"] is None else self._verify_process()

    def _verify_host(self, leader):
        measured, growing = holders.settle(lambda: file_handles.held(leader.pid), self.count, CLOSE, min(WAIT, self.duration / 2))
        if not leader.alive():
            raise AttackError("the worker was ended, by the kernel for lack of memory or by somebody else")
        if not growing and measured < self.count * (1 - TOO_FEW) - 2:
            raise AttackError("asked for %d file handles, measured %d: others took them meanwhile, or a limit stands in the way" % (self.count, measured))
        table = file_handles.table()
        return {
            "asked": self.count,
            "measured": measured,
            "growing": growing,
            "free_before": file_handles.free(self.table),
            "free": file_handles.free(table),
            "reserve": self.reserve,
            "limit": table.limit,
        }

    def _verify_process(self):
        told, most = [], 0
        for victim, used, soft, lowest in self.lowered:
            now = self._limits(victim)[0]
            if now != str(lowest):
                raise AttackError("the limit of pid %d (%s) is %s after setting it to %d" % (victim.pid, victim.name, now, lowest))
            below = len([each for each in file_handles.descriptors(victim.pid) if each < lowest])
            most = max(most, lowest - below)
            told.append({"pid": victim.pid, "open": used, "before": soft, "now": now})
        return {"asked": self.params["leave"], "measured": most, "processes": told}


def main():
    run_attack(FdExhaustion)


if __name__ == "__main__":
    main()
