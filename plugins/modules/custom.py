#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: custom
version_added: 0.1.0
short_description: An attack of your own, with the undo of this collection
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Runs a program of yours that does the damage, and another one that takes it back. Journal, dead-man timer, verification, revert, halt
    and audit are those of every other attack.
  - The undo is in the journal on the target, and the timer armed, before anything is run.
  - No shell reads the programs and their arguments. They run with a fixed C(PATH), in C(/), with the C locale and without input.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  inject:
    description:
      - Program and arguments that begin the attack. It must end by itself; an exit status other than 0 undoes the attack at once.
      - When it still runs at the end of O(duration), it is ended, with the programs that it waits for.
    type: list
    elements: str
    required: true
  undo:
    description:
      - Program and arguments that undo it. It must succeed also when there is nothing to undo, when it is run again, and after a reboot.
      - It may take O(undo_timeout). When it fails it is repeated until it succeeds.
    type: list
    elements: str
    required: true
  undo_timeout:
    description:
      - How long O(undo) may take, for example V(10m). What takes longer is ended, and repeated. From V(1s) to V(1h).
    type: raw
    default: 60s
  check:
    description:
      - Program and arguments that end with 0 when the attack is in effect, and with something else when it is not. Without side effects.
      - The attack is refused when it is in effect before, fails when it is not afterwards, and is undone only when it no longer is.
      - It may take a minute at the most.
    type: list
    elements: str
  undo_check:
    description:
      - Program and arguments that end with 0 when everything is as it was before the attack. Without side effects.
      - The attack is refused when it is not so before. O(undo) runs only when it is not so, and the attack is undone only when it is so again.
      - It may take a minute at the most.
    type: list
    elements: str
  resource:
    description:
      - A name for what the attack holds. Two attacks that hold the same are never active at one time.
      - The default is the command line of O(inject).
    type: str
notes:
  - Whether O(undo) really restores everything is up to you. Without O(undo_check) and O(check) its exit status is all that is known, and
    the result says so.
  - A program is given by its absolute path, or by its name when it is in C(/usr/local/sbin), C(/usr/local/bin), C(/usr/sbin), C(/usr/bin),
    C(/sbin) or C(/bin).
  - The program, its interpreter, every directory above them and every link to them must belong to root or to the user of the task, and nobody else may
    be able to write there. It is refused otherwise. All but O(inject) are looked at again when the attack is undone; what others can change by
    then, or is gone, is not run, and the attack is stuck and says so.
  - The programs must stay where they are until the attack is undone. All but O(inject) must not be on a file system in memory (C(tmpfs)), for they would be
    gone after a reboot. What is missing is refused before anything is done.
  - In check mode none of the programs is run.
  - The command lines are in the journal on the target and in the output. Do not put secrets there.
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: A link that should not be there, for a minute
  faultline.chaos.custom:
    inject: [ln, -sfn, /run/blue, /run/live]
    undo: [rm, -f, /run/live]
    check: [test, -L, /run/live]
    undo_check: [test, "!", -L, /run/live]
    duration: 1m

- name: Think better of it
  faultline.chaos.custom:
    inject: [ln, -sfn, /run/blue, /run/live]
    undo: [rm, -f, /run/live]
    check: [test, -L, /run/live]
    undo_check: [test, "!", -L, /run/live]
    state: absent
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: custom-1f2e3d4c5b
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
  sample: /var/lib/faultline/custom-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["custom:ln -sfn /run/blue /run/live"]
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
    rc:
      description: Exit status of O(inject).
      type: int
      sample: 0
    stdout:
      description: What it printed, the first 4096 characters.
      type: str
    stderr:
      description: What it printed as errors, the first 4096 characters.
      type: str
    in_effect:
      description: V(true) when O(check) says so, none without O(check).
      type: bool
      sample: true
"""

import os

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import mounts, program
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.programs import Trusted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Fails, Gone, Part, Run, Succeeds, Undo

PROGRAMS = ("inject", "undo", "check", "undo_check")
SHOWN = 4096  # characters of the output


class Custom(Attack):
    name = "custom"
    needs_root = False
    options = {
        "inject": {"type": "list", "elements": "str", "required": True},
        "undo": {"type": "list", "elements": "str", "required": True},
        "undo_timeout": {"type": "raw", "default": "60s"},
        "check": {"type": "list", "elements": "str"},
        "undo_check": {"type": "list", "elements": "str"},
        "resource": {"type": "str"},
    }

    def validate(self):
        for option in PROGRAMS:
            if self.params[option] is not None:
                program.check(option, self.params[option])
        self.undo_seconds = int(_units.duration("undo_timeout", self.params["undo_timeout"], 1.0, 3600.0))
        name = self.params["resource"]
        if name is not None and (not name.strip() or not name.isprintable() or len(name) > 200):
            raise BadOption("resource", name, "give a name of up to 200 letters")

    def resources(self):
        return ["custom:" + (self.params["resource"] or " ".join(self.params["inject"]))]

    def guard(self):
        os.chdir("/")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        self.argv = dict((option, self._found(option, self.params[option])) for option in PROGRAMS if self.params[option] is not None)

    def _found(self, option, argv):
        """The argv with the absolute path of its program. Errors: BadOption."""
        found = program.find(self.host, option, argv)
        mount = mounts.mount_of(os.path.realpath(found[0]))
        if option != "inject" and mount.in_memory and mount.point != "/":
            raise BadOption(option, argv[0], "it is on a file system in memory, and an undo after a reboot needs it: put it on a disk")
        return found

    def snapshot(self):
        if self.host.check_mode:
            return {}
        if "check" in self.argv and self._rc("check") == 0:
            raise AttackError("check: the attack is in effect already, and not by us: its undo would not restore that")
        if "undo_check" in self.argv and self._rc("undo_check") != 0:
            raise AttackError("undo_check: it fails already before the attack, so it could not tell that everything is as it was")
        return {}

    def _rc(self, option):
        return self.host.ask(self.argv[option])[0]

    def plan(self, before):
        undo = Undo()
        restored = self.argv.get("undo_check")
        trusted = [Trusted(program.ways(self.host, [argv for option, argv in self.argv.items() if option != "inject"]))]
        undo.steps.append(Run("the undo of its author", self.argv["undo"], trusted + ([Fails(restored)] if restored else []), self.undo_seconds))
        if restored:
            undo.checks.append(Gone("what undo_check finds", trusted + [Fails(restored)]))
        if "check" in self.argv:
            undo.checks.append(Gone("what check finds", trusted + [Succeeds(self.argv["check"])]))
            undo.readings.append(Part("what check finds", trusted + [Succeeds(self.argv["check"])]))
        known = restored or "check" in self.argv
        return Plan(
            before="as it is",
            after="after: {}".format(" ".join(self.argv["inject"])),
            undo=undo,
            notes=[] if known else ["that the undo works is known by its exit status only: give check or undo_check"],
        )

    def inject(self, plan):
        crash_point("inject:0")
        rc, out, err = self.host.run(self.argv["inject"], check=False, seconds=0)
        if rc != 0:
            raise AttackError("inject failed with rc %d: %s" % (rc, (err or out).strip()[:SHOWN]), rc=rc)
        plan.done = {"rc": rc, "stdout": out[:SHOWN], "stderr": err[:SHOWN]}

    def verify(self, plan):
        in_effect = None
        if "check" in self.argv:
            in_effect = self._rc("check") == 0
            if not in_effect:
                raise AttackError("check: the attack is not in effect after inject")
        return dict(plan.done, in_effect=in_effect)


def main():
    run_attack(Custom)


if __name__ == "__main__":
    main()
