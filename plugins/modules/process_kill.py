#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: process_kill
version_added: 0.1.0
short_description: Kill processes, once or again and again
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Sends a signal to processes that meet every given criterion exactly. No pattern is ever used, so C(java) never hits C(javac).
  - Process 1, systemd and its daemons, SSH servers, daemons of VPNs (such as openvpn, charon, tailscaled) and of DHCP, NetworkManager, cron, kernel
    threads, the parents of this very task and the dead-man of any attack are protected.
  - A dead process cannot be brought back as it was. Its supervisor should start it again, and whether it does is what you are about to learn;
    or O(recover) names the command that does, run when the attack is reverted.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._processes
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  signal:
    description:
      - The signal to send.
    type: str
    choices: [TERM, KILL, INT, HUP, QUIT, ABRT, USR1, USR2]
    default: TERM
  interval:
    description:
      - Kill whatever meets the criteria again after each interval, until O(duration) is over. At least V(1s).
      - By default the processes are killed once.
    type: raw
  recover:
    description:
      - Program and arguments that start the process again, run on revert unless the victim runs again. It does when as many processes meet
        O(name), O(command_line) and O(user) as before the attack, something listens on O(port), and O(pid_file) names a process that meets them.
      - Children of a process that meets them too are not counted, for that process replaces them; nor are those that outlived their parent.
      - Before C(systemctl) or C(service) starts a unit, its start limit is lifted (C(systemctl reset-failed)).
      - Never passed through a shell. It runs as the user of the task, with a fixed C(PATH), for 5 minutes at the most.
      - A program that is not on the target is refused before anything is killed. So is one that somebody else could change, as in
        M(faultline.chaos.custom); it is looked at again on revert.
    type: list
    elements: str
seealso:
  - module: faultline.chaos.process_freeze
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Kill the oldest Redis server as a crash would, and start it again at the end if nobody else did
  faultline.chaos.process_kill:
    name: redis-server
    signal: KILL
    duration: 30s
    recover: [systemctl, start, redis-server]

- name: Kill whatever listens on port 8080 every 10 seconds for a minute
  faultline.chaos.process_kill:
    port: 8080
    signal: KILL
    interval: 10s
    duration: 1m

- name: Stop killing before the minute is over
  faultline.chaos.process_kill:
    port: 8080
    signal: KILL
    interval: 10s
    state: absent
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: process_kill-1f2e3d4c5b
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
  sample: /var/lib/faultline/process_kill-1f2e3d4c5b/revert.sh
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
    killed:
      description: The processes that got the signal, each with C(pid), C(name) and C(command_line).
      type: list
      elements: dict
    ended:
      description: How many of them had ended when the module returned.
      type: int
"""

import os
import signal
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import program
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.victims import (
    CUT,
    SELECTION,
    SELECTION_NEEDS,
    check_selection,
    choose,
    doubts,
    firsts,
    refuse_protected,
    selected,
    selection,
)
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.programs import Ease, Trusted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.recovery import ComesBack, Missing
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Run, Undo, When

RECOVER_SECONDS = 300  # a start command may wait until its service is up
STARTS = ("start", "restart", "try-restart", "reload-or-restart")
WAIT_FOR_END = 3.0  # seconds; a program that takes longer to end after TERM is no error


class ProcessKill(Attack):
    name = "process_kill"
    needs_root = False
    options = dict(
        SELECTION,
        signal={"type": "str", "choices": ["TERM", "KILL", "INT", "HUP", "QUIT", "ABRT", "USR1", "USR2"], "default": "TERM"},
        interval={"type": "raw"},
        recover={"type": "list", "elements": "str"},
    )
    constraints = SELECTION_NEEDS

    def validate(self):
        params = self.params
        check_selection(params)
        if params["interval"] is not None:
            self.interval = _units.duration("interval", params["interval"], 1.0, 3600.0)
        if params["recover"] is not None:
            program.check("recover", params["recover"])

    def resources(self):
        return ["process:" + selection(self.params)]

    def guard(self):
        self.recover = None if self.params["recover"] is None else program.find(self.host, "recover", self.params["recover"])

    def snapshot(self):
        victims, self.candidates = selected(self.params)
        if not victims:
            raise AttackError(f"no process on the target meets {selection(self.params)}")
        refuse_protected(victims)
        return victims

    def plan(self, before):
        victims, params = before, self.params
        undo = Undo()
        if self.recover:
            name, missing = victims[0].name, self._missing(victims)
            guards = [missing, Trusted(program.ways(self.host, [self.recover]))]
            eased = [Ease("after too many starts or failures systemd would refuse", argv) for argv in self._lifted()]
            undo.steps.append(When(guards, eased + [Run(f"start {name} again unless it runs", self.recover, seconds=RECOVER_SECONDS)]))
            undo.checks.append(ComesBack(f"{name} is not running again: fewer meet {selection(params)} than before the attack", missing))
        lines = ["pid %d  %s" % (victim.pid, " ".join(victim.argv)) for victim in victims]
        again = "" if params["interval"] is None else ", and again every {}".format(params["interval"])
        plan = Plan(
            before="\n".join(lines),
            after="\n".join("{}  <- {}{}".format(line, params["signal"], again) for line in lines),
            undo=undo,
            notes=[] if self.recover else ["a dead process is not brought back by the undo: its supervisor does that, or the option recover"],
        )
        plan.notes += doubts(self.candidates)
        plan.victims = victims
        if params["interval"] is not None:
            until = uptime() + self.duration
            plan.workers.append(Worker("kill", lambda: self._again(until)))
        return plan

    def _missing(self, victims):
        """The guard that says whether what was killed runs again: by the criteria that chose it, as many as before."""
        params = self.params
        shared = dict((key, params[key]) for key in ("name", "command_line", "user"))
        named = params["name"] is not None or params["command_line"] is not None
        alike = firsts(choose(**shared)) if named else []
        names = set(process.name for process in alike or victims)
        plain = len(names) == 1 and min(names).isprintable() and "\ufffd" not in min(names)
        return Missing(
            count=max(1, len(alike)),
            known=["%d:%s" % (process.pid, process.start) for process in alike or victims],
            name=min(names) if named and plain else "",
            program=params["name"] if params["name"] and len(params["name"].encode("utf-8", "surrogateescape")) > CUT else "",
            line=(params["command_line"] or "").rstrip(" "),
            uid=str(victims[0].uid) if params["user"] is not None else "",
            port="%04X" % int(params["port"]) if params["port"] is not None else "",
            pid_file=params["pid_file"] or "",
        )

    def _lifted(self):
        """The command that lifts systemd's start limit, where recover starts a unit by systemctl(1) or service(8)."""
        tool, words = os.path.basename(self.recover[0]), self.recover[1:]
        verb = next((word for word in words if not word.startswith("-")), None)
        if tool == "systemctl" and verb in STARTS:
            place = words.index(verb)
            return [[self.recover[0]] + words[:place] + ["reset-failed"] + words[place + 1 :]]
        if tool == "service" and len(words) == 2 and words[1] in STARTS and self.host.has_systemd:
            return [[self.host.tool("systemctl"), "reset-failed", words[0]]]
        return []

    def inject(self, plan):
        self._send(plan.victims)
        super().inject(plan)

    def _send(self, victims):
        number = getattr(signal, "SIG" + self.params["signal"])
        for victim in victims:
            if not victim.alive():
                continue  # another process may have the pid by now
            try:
                os.kill(victim.pid, number)
            except OSError as error:
                raise AttackError("pid %d (%s) cannot be signalled: %s" % (victim.pid, victim.name, error))

    def _again(self, until):
        """The worker: kill matching processes again until the attack ends."""
        while uptime() < until:
            time.sleep(max(0.0, min(self.interval, until - uptime())))
            if uptime() >= until:
                break
            try:
                victims = selected(self.params)[0]
                refuse_protected(victims)
                self._send(victims)
            except AttackError:
                continue  # no matching process right now

    def verify(self, plan):
        until = time.monotonic() + WAIT_FOR_END
        left = plan.victims
        while left and time.monotonic() < until and self.params["signal"] not in ("HUP", "USR1", "USR2"):
            left = [victim for victim in left if victim.alive()]
            time.sleep(0.02)
        left = [victim for victim in plan.victims if victim.alive()]
        if left and self.params["signal"] == "KILL":
            raise AttackError("pid %d (%s) survived KILL: it hangs in the kernel" % (left[0].pid, left[0].name))
        return {
            "asked": {"signal": self.params["signal"], "count": self.params["count"]},
            "killed": [victim.describe() for victim in plan.victims],
            "ended": len(plan.victims) - len(left),
        }


def main():
    run_attack(ProcessKill)


if __name__ == "__main__":
    main()
