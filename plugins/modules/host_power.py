#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: host_power
version_added: 0.1.0
short_description: Reboot, switch off or crash a host
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Reboots, switches off or crashes the target after O(delay), so that the result of the task still gets back.
  - Reverting the attack before that time cancels it. Afterwards only power can undo it, so O(action=poweroff) is refused without
    a way back.
  - The role P(faultline.chaos.power#role) proves the way back before the attack, and switches the host on and waits for it afterwards.
  - The host's own commands are used, of systemd, SysV init or busybox, so services stop as they would on any reboot.
  - With O(abrupt=true) nothing is stopped, and the kernel does it by its magic keys (sysrq b or o). O(action=crash) is the kernel's own
    crash trigger (sysrq c). What was written before is put on the disk first in both cases. There is no other module for crashes.
  - The journal of the attack is closed when the host is up again, by the recovery unit at boot. So are other attacks that were active on the host.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  action:
    description:
      - What happens to the host.
      - V(reboot) shuts it down in order and starts it again, V(poweroff) shuts it down in order and leaves it off.
      - With V(crash) the kernel panics at once. Unless C(kernel.panic) or kdump make it reboot, the host hangs until somebody
        switches it off and on. Where kdump is loaded, the host writes a dump before it reboots, and a note says so.
    type: str
    choices: [reboot, poweroff, crash]
    required: true
  abrupt:
    description:
      - Reboot or switch off without shutting down. Services get no signal, file systems are synced and made read-only by the kernel. It is as close
        to pulling the plug as software gets.
      - On some machines the kernel cannot switch the power off, and the host only hangs. A O(action=crash) is always abrupt.
    type: bool
    default: false
  delay:
    description:
      - Time from the end of the task on the target until it happens. From V(1s) to V(1h), and shorter than O(duration).
    type: raw
    default: 5s
  way_back:
    description:
      - What brings the host back. This option is a statement, except for V(rtcwake); the driver of the same name in the role
        P(faultline.chaos.power#role) does the work.
      - Mandatory for O(action=poweroff), and for O(action=crash) where the host does not reboot by itself after a panic.
      - V(rtcwake) is the host's own hardware clock, whose alarm this module sets O(duration) ahead. O(duration) must leave three
        minutes more than O(delay) for shutting down, for an alarm in that time would be lost.
      - V(rtcwake) and V(wake_on_lan) cannot bring back a host that hangs, so they do not count after a crash.
    type: str
    choices: [none, lab, ipmi, libvirt, wake_on_lan, cloud, rtcwake, custom]
    default: none
notes:
  - Refused in containers, and where process 1 is not an init.
  - An orderly shutdown is refused while M(faultline.chaos.clock_skew) is active, for it may write the wrong time to the hardware clock.
  - O(duration) is the end of the dead-man timer, which cancels what has not happened yet. A host that is off has no timer.
  - An attack ends with the boot that it was made in. The same task run after the reboot is a new attack, and reboots the host again.
  - Without root on the target, without systemd and without cron nothing runs at boot. The journal is then closed by the next attack or
    M(faultline.chaos.revert).
  - Do not attack the controller itself; a target cannot know that it is.
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Reboot in ten seconds
  faultline.chaos.host_power:
    action: reboot
    delay: 10s
    duration: 5m
  register: reboot

- name: Think better of it
  faultline.chaos.host_power:
    action: reboot
    delay: 10s
    state: absent

- name: Prove that the host can be switched on again
  ansible.builtin.include_role:
    name: faultline.chaos.power
    tasks_from: test

- name: Switch the host off
  faultline.chaos.host_power:
    action: poweroff
    way_back: "{{ faultline_power }}"
    duration: 10m
  register: poweroff

- name: Switch it on and wait for it
  ansible.builtin.include_role:
    name: faultline.chaos.power
    tasks_from: restore
  vars:
    power_boot_id: "{{ poweroff.effect.boot_id }}"
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: host_power-1f2e3d4c5b
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
  sample: /var/lib/faultline/host_power-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["power", "clock"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What will happen.
  returned: when active
  type: dict
  contains:
    action:
      description: What was asked for.
      type: str
      sample: reboot
    by:
      description: What does it on this host.
      type: str
      sample: /usr/bin/systemctl --no-wall reboot
    fires_in:
      description: Seconds until it happens, from the end of the task on.
      type: float
      sample: 10.0
    boot_id:
      description: The boot that ends. Another one, read from C(/proc/sys/kernel/random/boot_id), proves that the host is back.
      type: str
      sample: 5e0c8a5d-2f3d-4d5e-9a35-6f1f0f1c7f52
    way_back:
      description: As asked for.
      type: str
      sample: none
"""

import os
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import alive, start_time
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._state import power
from ansible_collections.faultline.chaos.plugins.module_utils._undo.power import Rebooted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import FileHolds, Gone, Run, Undo

SHUTDOWN = 180.0  # seconds that a shutdown may take: systemd alone gives a service 90
NOT_FOR_A_HANG = ("none", "rtcwake", "wake_on_lan")


class HostPower(Attack):
    name = "host_power"
    options = {
        "action": {"type": "str", "required": True, "choices": ["reboot", "poweroff", "crash"]},
        "abrupt": {"type": "bool", "default": False},
        "delay": {"type": "raw", "default": "5s"},
        "way_back": {
            "type": "str",
            "choices": ["none", "lab", "ipmi", "libvirt", "wake_on_lan", "cloud", "rtcwake", "custom"],
            "default": "none",
        },
    }

    def validate(self):
        self.action = self.params["action"]
        self.way_back = self.params["way_back"]
        self.delay = _units.duration("delay", self.params["delay"], 1.0, 3600.0)
        if self.action == "poweroff" and self.way_back == "none":
            raise BadOption("way_back", "none", "nothing would switch the host on again; name what does, and prove it with the role faultline.chaos.power")

    def resources(self):
        # An orderly shutdown may write the system time to the hardware clock, where it stays and shifts an alarm.
        orderly = self.params["action"] != "crash" and not self.params["abrupt"]
        return ["power", "clock"] if orderly else ["power"]

    def guard(self):
        if self.delay >= self.duration:
            raise BadOption("delay", self.params["delay"], "it must be shorter than the duration, at whose end it is cancelled")
        if self.way_back == "rtcwake" and self.duration < self.delay + SHUTDOWN:
            raise BadOption("duration", self.params["duration"], f"with rtcwake, leave {_units.human(SHUTDOWN)} more than the delay for shutting down")
        power.refuse_no_host()
        if self.action == "crash" and self.way_back in NOT_FOR_A_HANG and power.after_crash() is None:
            raise BadOption("way_back", self.way_back, "kernel.panic is 0 and kdump is not loaded, so a crashed host hangs; name what can switch it off and on")

    def snapshot(self):
        self.argv = None if self.params["abrupt"] else power.command(self.host, self.action)
        self.keys = power.keys(self.action) if self.argv is None else ""
        return {"alarm": power.clock_now() + int(self.duration) if self.way_back == "rtcwake" else None}

    def plan(self, before):
        self.module = (os.getpid(), start_time(os.getpid()))
        by = " ".join(self.argv) if self.argv else "sysrq {}".format(" ".join(self.keys))
        plan = Plan(
            before=f"up, boot {self.host.boot_id}",
            after=f"{self.action} in {_units.human(self.delay)}, by {by}",
            undo=Undo(readings=[Rebooted()]),
            workers=[Worker("power", self._fire, lasts=False)],
        )
        plan.by = by
        plan.alarm = before["alarm"]
        if plan.alarm is not None:
            path = power.CLOCK + "/wakealarm"
            ours = [FileHolds(path, str(plan.alarm))]
            plan.after += "\nalarm of the hardware clock at %d (its own seconds)" % plan.alarm
            plan.undo.steps.append(Run("take back the alarm", ["sh", "-c", 'echo 0 >"$1"', "sh", path], ours))
            plan.undo.checks.append(Gone("the alarm of the hardware clock", ours))
        if self.action == "crash":
            plan.notes.append("a crash ends services without warning, and what they had not written is lost")
            plan.notes += [power.after_crash()] if power.after_crash() else []
        others = [each for each in Journal().ids() if each != self.id]
        if others:
            plan.notes.append("active here as well: {}; they end with this boot and are undone at the next".format(", ".join(others)))
        return plan

    def inject(self, plan):
        if plan.alarm is not None:
            power.set_alarm(plan.alarm)
        super().inject(plan)

    def _fire(self):
        """The worker: wait until the module has returned its result, then for the delay, then run the action."""
        while alive(*self.module):
            time.sleep(0.05)
        time.sleep(self.delay)
        if self.argv:
            os.execv(self.argv[0], self.argv)
        power.press(self.keys)

    def verify(self, plan):
        if not plan.workers[0].alive():
            raise AttackError(f"the process that waits for the {self.action} ended")
        return {
            "action": self.action,
            "by": plan.by,
            "fires_in": self.delay,
            "boot_id": self.host.boot_id,
            "way_back": self.way_back,
        }


def main():
    run_attack(HostPower)


if __name__ == "__main__":
    main()
