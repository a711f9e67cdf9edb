#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: process_freeze
version_added: 0.1.0
short_description: Freeze processes, for a while or on and off
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Stops processes that meet every given criterion exactly (SIGSTOP), and lets them go on when the attack is reverted (SIGCONT).
  - A frozen process keeps its memory, its files and its connections. To its clients it looks like a host that hangs, or like a long
    garbage collection. The kernel still accepts connections and data for it until its buffers are full.
  - The very same processes are continued, known by number, start time and boot. What was stopped before the attack stays stopped.
  - Process 1, systemd and its daemons, SSH servers, daemons of VPNs (such as openvpn, charon, tailscaled) and of DHCP, NetworkManager, cron, kernel
    threads, the parents of this very task and the dead-man of any attack are protected.
  - So are the daemons for logs and users, such as rsyslogd and sssd, because logins would hang with them.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._processes
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  children:
    description:
      - Freeze also the children of the chosen processes, their children and so on. O(count) does not count them.
    type: bool
    default: false
  interval:
    description:
      - Freeze and let go in turn, each for this long, until O(duration) is over. From V(100ms) to V(1h).
      - By default the processes stay frozen.
    type: raw
notes:
  - Processes that begin after the attack are not frozen, and neither are those that a supervisor starts in place of a frozen one.
  - Timers and watchdogs go on while a process is frozen. One that its supervisor kills for that reason (C(WatchdogSec) of systemd)
    is not brought back by the undo.
  - A shell with job control, or a debugger, notices that its child was stopped.
seealso:
  - module: faultline.chaos.process_kill
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Freeze the Redis server for 30 seconds
  faultline.chaos.process_freeze:
    name: redis-server
    duration: 30s

- name: Let it go on sooner
  faultline.chaos.process_freeze:
    name: redis-server
    state: absent

- name: Whatever listens on port 80, and its children, stutters for a minute
  faultline.chaos.process_freeze:
    port: 80
    count: 0
    children: true
    interval: 500ms
    duration: 1m
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: process_freeze-1f2e3d4c5b
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
  sample: /var/lib/faultline/process_freeze-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["process:name=redis-server"]
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
    frozen:
      description: The processes that were stopped, each with C(pid), C(name) and C(command_line).
      type: list
      elements: dict
    asked:
      description: How many processes were to be stopped.
      type: int
      sample: 1
    measured:
      description: How many of them the kernel shows as stopped. With O(interval), how many were seen stopped at one time.
      type: int
      sample: 1
    newer_children:
      description: With O(children), how many children began while the attack was being made, and are not frozen.
      type: int
      sample: 0
"""

import os
import signal
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import state, uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import (
    SELECTION,
    SELECTION_NEEDS,
    check_selection,
    descendants,
    doubts,
    refuse_protected,
    selected,
    selection,
)
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.processes import Continue, Stopped
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Alive, Gone, Part, Undo

# Every process that logs or looks up a user waits for these, sshd and sudo included.
WAITED_FOR = ("rsyslogd", "syslogd", "syslog-ng", "auditd", "sssd", "sssd_be", "sssd_nss", "sssd_pam", "nscd", "nslcd")
WAIT_FOR_STOP = 3.0  # seconds; a process in disk wait stops only after it


class ProcessFreeze(Attack):
    name = "process_freeze"
    needs_root = False
    options = dict(SELECTION, children={"type": "bool", "default": False}, interval={"type": "raw"})
    constraints = SELECTION_NEEDS

    def validate(self):
        check_selection(self.params)
        if self.params["interval"] is not None:
            self.interval = _units.duration("interval", self.params["interval"], 0.1, 3600.0)

    def resources(self):
        return ["process:" + selection(self.params)]

    def snapshot(self):
        """{"running", "stopped", "notes"}: the chosen processes by state."""
        told = selection(self.params)
        chosen, candidates = selected(self.params)
        if not chosen:
            raise AttackError(f"no process on the target meets {told}")
        if self.params["children"]:
            chosen += descendants(chosen)
        refuse_protected(chosen)
        for process in chosen:
            if process.name in WAITED_FOR:
                raise AttackError("%s (pid %d) is protected: logins would hang with it" % (process.name, process.pid))
            if state(process.pid) == "t":
                raise AttackError("pid %d (%s) is held by a debugger: end that first" % (process.pid, process.name))
        stopped = [process for process in chosen if process.stopped()]
        running = [process for process in chosen if process not in stopped]
        if not running:
            raise AttackError(f"every process that meets {told} is stopped already: let them go on first (SIGCONT)")
        return {"running": running, "stopped": stopped, "notes": doubts(candidates)}

    def plan(self, before):
        victims = before["running"]
        undo = Undo()
        for victim in victims:
            undo.steps.append(Continue(f"let {victim.name} go on", victim.pid, victim.start))
            undo.checks.append(Gone("pid %d (%s)" % (victim.pid, victim.name), [Stopped(victim.pid, victim.start)], "stopped"))
            # One that was killed and started anew runs on. In turn the worker is the sign, while there is somebody to stop.
            sign = (Stopped if self.params["interval"] is None else Alive)(victim.pid, victim.start)
            undo.readings.append(Part("the stop of pid %d (%s)" % (victim.pid, victim.name), [sign]))
        again = "" if self.params["interval"] is None else f", on and off every {_units.human(self.interval)}"
        lines = ["pid %d  %s" % (victim.pid, " ".join(victim.argv)) for victim in victims]
        plan = Plan(before="\n".join(lines), after="\n".join(f"{line}  <- STOP{again}" for line in lines), undo=undo)
        plan.notes = ["pid %d (%s) was stopped before and stays so" % (process.pid, process.name) for process in before["stopped"]]
        plan.notes += before["notes"]
        plan.victims = victims
        if self.params["interval"] is not None:
            until = uptime() + self.duration
            plan.workers.append(Worker("freeze", lambda: self._strobe(victims, until)))
        return plan

    def inject(self, plan):
        _send(plan.victims, signal.SIGSTOP)
        super().inject(plan)

    def _strobe(self, victims, until):
        """The worker: it starts with frozen processes, alternates, and ends with running ones."""
        frozen, change = True, time.monotonic()
        while uptime() < until:
            change += self.interval
            time.sleep(max(0.0, change - time.monotonic()))
            frozen = not frozen
            victims = [victim for victim in victims if victim.alive()]
            _send(victims, signal.SIGSTOP if frozen else signal.SIGCONT)
        _send(victims, signal.SIGCONT)

    def verify(self, plan):
        measured = self._watch(plan.victims)
        alive = [victim for victim in plan.victims if victim.alive()]
        if not alive:
            raise AttackError("the processes ended before they were frozen")
        if measured < len(alive):
            raise AttackError("%d of %d processes did not stop: they hang in the kernel, or somebody continues them" % (len(alive) - measured, len(alive)))
        frozen = set(victim.pid for victim in plan.victims)
        newer = [each for each in descendants(plan.victims) if each.pid not in frozen] if self.params["children"] else []
        return {
            "asked": len(plan.victims),
            "measured": measured,
            "frozen": [victim.describe() for victim in plan.victims],
            "newer_children": len([each for each in newer if not each.stopped()]),
        }

    def _watch(self, victims):
        """The largest number of processes stopped at the same time, measured until all are stopped or the time is over."""
        most, until = 0, time.monotonic() + WAIT_FOR_STOP + (2 * self.interval if self.params["interval"] is not None else 0)
        while time.monotonic() < until:
            alive = [victim for victim in victims if victim.alive()]
            most = max(most, len([victim for victim in alive if victim.stopped()]))
            if most >= len(alive):
                break
            time.sleep(0.02)
        return most


def _send(victims, number):
    """Send a signal to the processes; parents first, so that a frozen parent starts no more children."""
    for victim in victims:
        if not victim.alive():
            continue  # another process may have the pid by now
        try:
            os.kill(victim.pid, number)
        except OSError as error:
            if victim.alive():
                raise AttackError("pid %d (%s) cannot be signalled: %s" % (victim.pid, victim.name, error))


def main():
    run_attack(ProcessFreeze)


if __name__ == "__main__":
    main()
