#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: clock_skew
version_added: 0.1.0
short_description: Set the clock of a host wrong, once or back and forth
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Steps the system clock by a given time, forwards or backwards, after stopping the services that would set it right.
  - When the attack is reverted, the clock is put where it would be without the attack, and the services run again. It is computed from
    the time since boot, which goes on unharmed, so the length of the attack does not matter. The error is a few milliseconds, and an
    undo that is off by more than 50 ms is not taken for done.
  - All deadlines of this collection count the time since boot, so they keep.
  - The services are C(chronyd), C(chrony), C(ntpd), C(ntp), C(ntpsec), C(openntpd), C(systemd-timesyncd), C(phc2sys) and C(timemaster). Whether
    they are enabled at boot is not touched.
  - Refused in containers, whose clock is that of their machine.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  offset:
    description:
      - How much the clock is wrong, for example V(+300s), V(-5m) or V(1h). A plain number is seconds. From V(100ms) to V(24h) either way.
    type: raw
    default: "+300s"
  mode:
    description:
      - V(step) sets the clock wrong once.
      - V(strobe) sets it wrong and right in turn, every O(interval).
    type: str
    choices: [step, strobe]
    default: step
  interval:
    description:
      - With O(mode=strobe), the time from one step of the clock to the next. From V(50ms) to V(1h).
    type: raw
    default: 1s
  jitter:
    description:
      - With O(mode=strobe), each interval is longer or shorter by a random time up to this share of it, in percent. At most V(90).
    type: raw
    default: 0
  certificates:
    description:
      - Certificates that must stay valid while the clock is wrong, or the attack is refused. Each is the absolute path of a PEM or OpenSSH file on the
        target, or V(HOST:PORT) of a TLS server as the target reaches it.
      - The host certificates of sshd on the target are always looked at.
    type: list
    elements: str
    default: []
notes:
  - Timers and cron jobs whose time is jumped over run, perhaps many at once, and after a step back some run again or wait. This is part of
    the fault, and not undone. So are files that get a wrong time, and log lines.
  - The hardware clock is not touched. After a power cut the host takes its time from there. An orderly shutdown without systemd, and hosts without
    a hardware clock, write down the wrong time, so do not reboot such a host during the attack. M(faultline.chaos.host_power) refuses to do that.
  - User certificates for SSH are judged by the clock of the target. Logins with short-lived ones fail while they are not valid there.
  - All containers on the host have the same clock.
  - The kernel forgets that its clock was synchronized, until the time service has measured again.
  - The history of attacks on the target has the wrong time of those that end while the clock is wrong.
  - Time services outside of these, such as the guest tools of a hypervisor, may set the clock right. Then the attack fails, or does not last.
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: The clock is five minutes fast for a minute
  faultline.chaos.clock_skew:
    offset: "+300s"
    duration: 1m

- name: Set it right sooner
  faultline.chaos.clock_skew:
    offset: "+300s"
    state: absent

- name: The clock jumps two seconds back and forth, about every half second
  faultline.chaos.clock_skew:
    offset: "-2s"
    mode: strobe
    interval: 500ms
    jitter: 20
    duration: 30s
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: clock_skew-1f2e3d4c5b
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
  sample: /var/lib/faultline/clock_skew-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["clock"]
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
    asked_seconds:
      description: How much the clock was to be wrong.
      type: float
      sample: 300.0
    measured_seconds:
      description: How much it is wrong. With O(mode=strobe), the most that was seen.
      type: float
      sample: 300.0002
    stopped:
      description: Time services that were stopped.
      type: list
      elements: str
      sample: [chrony.service]
    certificates:
      description: Certificates that were looked at and stay valid.
      type: list
      elements: str
      sample: []
"""

import random
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import process as host_process
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._state import clock, service
from ansible_collections.faultline.chaos.plugins.module_utils._times import iso
from ansible_collections.faultline.chaos.plugins.module_utils._undo.clock import ClockOff, SetClock
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo

CLOSE = 0.05  # seconds: tolerance between the requested and the measured offset
LOOK = 0.3  # seconds of watching whether another program corrects the clock


class ClockSkew(Attack):
    name = "clock_skew"
    options = {
        "offset": {"type": "raw", "default": "+300s"},
        "mode": {"type": "str", "choices": ["step", "strobe"], "default": "step"},
        "interval": {"type": "raw", "default": "1s"},
        "jitter": {"type": "raw", "default": 0},
        "certificates": {"type": "list", "elements": "str", "default": []},
    }

    def validate(self):
        self.offset = clock.signed_duration("offset", self.params["offset"], 0.1, 86400.0)
        self.interval = _units.duration("interval", self.params["interval"], 0.05, 3600.0)
        self.jitter = _units.percent("jitter", self.params["jitter"], 0.0, 90.0) / 100
        for where in self.params["certificates"]:
            clock.check_place("certificates", where)

    def resources(self):
        return ["clock"]

    def guard(self):
        clock.refuse_not_ours(self.host)
        clock.refuse_other_date(self.host)
        self.certificates = [where for where in self.params["certificates"] if self._stays_valid(where, True)]
        self.certificates += [path for path in clock.ssh_host_certificates(self.host) if self._stays_valid(path, False)]

    def _stays_valid(self, where, asked):
        """False for a certificate of the host that is invalid already. Errors: BadOption when the attack would make it invalid."""
        now = time.time()
        try:
            first, last = clock.validity("certificates", where)
        except BadOption:
            if asked:
                raise
            return False
        if not first <= now < last:
            if asked:
                raise BadOption("certificates", where, "it is not valid even now")
            return False
        then = now + self.offset
        if then < first or then + self.duration >= last:
            when = iso(first if then < first else last)
            raise BadOption("offset", self.params["offset"], f"the certificate {where} would not be valid (its limit is {when})")
        return True

    def snapshot(self):
        daemons = [process for process in host_process.processes() if process.name in clock.TIME_DAEMONS]
        try:
            self.manager = service.manager(self.host)
            stopped = self.manager.active(clock.TIME_SERVICES)
        except AttackError:
            if daemons:
                raise
            self.manager, stopped = None, []
        if daemons and not stopped:
            raise AttackError("%s (pid %d) keeps the clock, and no service that is known here runs it: stop it first" % (daemons[0].name, daemons[0].pid))
        return {"offset": clock.offset(), "slow": clock.slow(self.host), "stopped": stopped}

    def plan(self, before):
        stopped = before["stopped"]
        undo = Undo([SetClock("set the clock right", before["offset"], before["slow"])])
        for name in stopped:
            self.manager.restart(undo, name)
        if self.params["mode"] != "strobe":  # of that one its worker is the sign
            undo.readings.append(ClockOff(before["offset"], before["slow"], self.offset * 1000))
        kind = f", on and off every {_units.human(self.interval)}" if self.params["mode"] == "strobe" else ""
        plan = Plan(
            before="\n".join(["clock as it is"] + [f"{name}  runs" for name in stopped]),
            after="\n".join([f"clock {self.offset:+g} s{kind}"] + [f"{name}  stopped" for name in stopped]),
            steps=self.manager.stop_alone("offset", stopped) if stopped else [],
            undo=undo,
        )
        if clock.trusts_user_certificates(self.host):
            plan.notes.append("sshd lets users in by certificates: those not valid at the wrong time cannot log in until the undo")
        plan.right = before["offset"]
        plan.stopped = stopped
        if self.params["mode"] == "strobe":
            until = uptime() + self.duration
            plan.workers.append(Worker("clock", lambda: self._strobe(plan.right, until)))
        return plan

    def inject(self, plan):
        for argv, _stdin in plan.steps:
            self.host.run(argv, seconds=0)
        clock.set_offset(plan.right + int(self.offset * 1e9))
        for worker in plan.workers:
            worker.release()

    def _strobe(self, right, until):
        """The worker: it starts with a wrong clock, alternates, and ends with a correct one."""
        wrong = True
        while uptime() < until:
            time.sleep(self.interval * (1 + self.jitter * random.uniform(-1, 1)))
            wrong = not wrong
            clock.set_offset(right + (int(self.offset * 1e9) if wrong else 0))
        clock.set_offset(right)

    def verify(self, plan):
        looks, until = [], time.monotonic() + LOOK
        if plan.workers:
            until += min(10.0, 3 * self.interval)
        while time.monotonic() < until:
            looks.append((clock.offset() - plan.right) / 1e9)
            if plan.workers and abs(looks[-1] - self.offset) <= CLOSE:
                break
            time.sleep(0.02)
        measured = min(looks, key=lambda look: abs(look - self.offset)) if plan.workers else looks[-1]
        daemons = [process for process in host_process.processes() if process.name in clock.TIME_DAEMONS]
        if daemons:
            raise AttackError("%s (pid %d) keeps the clock in spite of it: it was started again, or is no service" % (daemons[0].name, daemons[0].pid))
        if abs(measured - self.offset) > CLOSE:
            raise AttackError(f"the clock is {measured:+.3f} s wrong instead of {self.offset:+g} s: something sets it right")
        return {
            "asked_seconds": self.offset,
            "measured_seconds": round(measured, 6),
            "stopped": plan.stopped,
            "certificates": self.certificates,
        }


def main():
    run_attack(ClockSkew)


if __name__ == "__main__":
    main()
