#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: sysctl_fault
version_added: 0.2.0
short_description: Set kernel parameters wrong for a while
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Sets chosen sysctls, as a mistake in C(/etc/sysctl.d) or a default of another distribution would, and puts the values back that were there.
  - A value is put back only where it still is the one that the attack set. One that somebody else has set meanwhile is left alone and reported.
  - What the kernel changes together with a key (such as C(forwarding) of every interface with C(net.ipv4.ip_forward)) is put back as well.
  - Sysctls of C(net) are first written in a throw-away network namespace, also in check mode, so that a value that the kernel refuses, makes another
    one of or does not put back is refused before anything is touched. Not tried are those that all networks share, and, in check mode,
    those that load a kernel module (C(net.ipv4.tcp_congestion_control), C(net.core.default_qdisc)).
  - Other sysctls cannot be tried without acting. Where the kernel refuses their value or makes another one of it, the attack is undone at once and fails.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._namespace
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  sysctls:
    description:
      - The sysctls and the values that they get, 1 to 32. Several numbers of one value are text, for example V("4096 16384 65536").
      - Names are written as sysctl(8) writes them. A dot in the name of an interface becomes a slash, as in V(net.ipv4.conf.eth0/100.forwarding).
      - Keys of C(net) may be set unless they could cut off SSH to the target; in a O(netns) or O(container) those may be set, too.
      - Of all others, those that are known to be put back by writing them may be set, most of C(vm), C(fs) and C(user) and some of C(kernel).
      - Refused are keys that name a program for the kernel to run, that can end the host, that cannot be taken back before a reboot, that
        weaken its protection, or that take what an undo needs.
    type: dict
notes:
  - A value carries no mark, so without its journal an attack cannot be told from the work of an administrator.
  - C(net.ipv4.conf.INTERFACE) and C(net.ipv4.neigh.INTERFACE) no longer follow later changes of C(default) once one of their values has been written, by
    whomever. No file shows that, and it lasts as long as the interface does.
  - An interface that is made while a key of C(default) is attacked begins with the value of the attack, and keeps it after the undo.
  - A router whose C(net.ipv6.conf.all.forwarding) is 0 may take addresses from the advertisements of other routers. They stay until they expire.
  - An interface that is renamed during the attack is found by its number, and its values are put back under its new name.
  - A reboot sets all sysctls anew. The undo then does nothing.
seealso:
  - module: faultline.chaos.netem
  - module: faultline.chaos.custom
"""

EXAMPLES = r"""
- name: A router that has forgotten to forward
  faultline.chaos.sysctl_fault:
    sysctls:
      net.ipv4.ip_forward: 0
    duration: 2m

- name: Forward again before the two minutes are over
  faultline.chaos.sysctl_fault:
    sysctls:
      net.ipv4.ip_forward: 0
    state: absent

- name: Few ephemeral ports and short queues, and writers that have to wait for the disk
  faultline.chaos.sysctl_fault:
    sysctls:
      net.ipv4.ip_local_port_range: "60000 60099"
      net.core.somaxconn: 16
      vm.dirty_background_bytes: 1048576
      vm.dirty_bytes: 4194304
    duration: 5m
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: sysctl_fault-1f2e3d4c5b
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
  sample: /var/lib/faultline/sysctl_fault-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["sysctl:vm.swappiness"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for, and what the kernel shows.
  returned: when active
  type: dict
  contains:
    sysctls:
      description: For each sysctl its value before, the one asked for, and the one that the kernel shows.
      type: dict
      sample: {"vm.swappiness": {"before": "60", "asked": "0", "now": "0"}}
    also:
      description: Likewise what the kernel has changed together with them, without what was asked.
      type: dict
      sample: {"net.ipv4.conf.eth0.forwarding": {"before": "1", "now": "0"}}
    place:
      description: Where they are set.
      type: str
      sample: the host
"""

from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import kernel_files, placed
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._state import sysctl, sysctl_rules
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import WRITING, WRITTEN


class SysctlFault(placed.Placed, Attack):
    name = "sysctl_fault"
    options = dict({"sysctls": {"type": "dict"}}, **placed.OPTIONS)
    constraints = {
        "mutually_exclusive": placed.EXCLUSIVE,
        "required_if": [("state", "present", ("sysctls",))],
    }

    def __init__(self, params, host):
        super().__init__(params, host)
        self.given = params["sysctls"]
        self.params = dict(params, sysctls=sysctl.one_spelling(self.given))  # its checksum is the identity, also with state: absent

    def validate(self):
        placed.check_options(self.params)
        given = self.given
        if not 1 <= len(given) <= sysctl.MOST:
            raise BadOption("sysctls", given, "give 1 to %d sysctls" % sysctl.MOST)
        elsewhere = self.params["netns"] or self.params["container"]
        self.wanted, seen = [], set()
        for name, value in given.items():
            key = sysctl.Key.parse(name)
            text = sysctl.parse_value(key.name, value)
            if key.path in seen:
                raise BadOption("sysctls", name, "give each sysctl once")
            seen.add(key.path)
            sysctl_rules.refuse_name(key.name)
            sysctl_rules.refuse_value(key.name, text)
            if elsewhere and not key.of_network:
                raise BadOption("sysctls", name, "only sysctls of net differ between network namespaces; leave netns and container out")
            if not elsewhere:
                sysctl_rules.refuse_here(key.name, text)
            self.wanted.append((key, text))

    def resources(self):
        names = set(part for key, _value in self.wanted for part in sysctl_rules.holds(key.name))
        return [f"sysctl:{name}{self.place().key}" for name in sorted(names)]

    def guard(self):
        for key, value in self.wanted:
            sysctl.refuse_absent(self.host, self.place(), key)
            sysctl_rules.refuse_unknown_effect(key.name)
            if key.name.startswith("net.ipv6.conf.") and key.name.endswith(".forwarding") and value != "0":
                sysctl.refuse_learned_routes(self.host, self.place())

    def snapshot(self):
        changes = sysctl.read_changes(self.host, self.place(), self.wanted)
        sysctl.try_changes(self.host, self.place(), changes)
        return changes

    def plan(self, before):
        others = [(key.name, was) for change in before for key, (was, _then) in change.also.items()]
        untried = [change.key.name for change in before if not change.tried]
        plan = Plan(
            before="\n".join([f"{change.key.name} = {change.before}" for change in before] + [f"{name} = {was}" for name, was in others]),
            after="\n".join([f"{change.key.name} = {change.wanted}" for change in before] + [f"{name} changes with it" for name, _was in others]),
            undo=sysctl.undo(self.host, self.place(), before),
            notes=["whether the kernel takes the value could not be tried before: {}".format(", ".join(untried))] if untried else [],
        )
        plan.notes += [note for change in before for note in sysctl_rules.notes(change.key.name, change.wanted)]
        plan.changes = before
        return plan

    def inject(self, plan):
        place = self.place()
        if place.key:
            place.check()
        for number, change in enumerate(plan.changes):
            now = kernel_files.read_in(self.host, place, change.key.file)
            if now != change.before:
                raise AttackError(f"{change.key.name} was changed by somebody else meanwhile: it was {change.before}, and is {now}")
            self.journal.note(self.id, change.note, f"{WRITING}\n")
            kernel_files.write_in(self.host, place, change.key.file, change.wanted)
            crash_point("inject:%d" % number)
            now = kernel_files.read_in(self.host, place, change.key.file)
            if now is not None:  # else verify() fails, and the undo takes what is there as ours
                self.journal.note(self.id, change.note, f"{WRITTEN}\n{now}\n")

    def verify(self, plan):
        place, found, also = self.place(), {}, {}
        for change in plan.changes:
            now = kernel_files.read_in(self.host, place, change.key.file)
            sysctl.refuse_changed(change, now)
            found[change.key.name] = {"before": change.before, "asked": change.wanted, "now": now}
            for key, (was, _then) in change.also.items():
                also[key.name] = {"before": was, "now": kernel_files.read_in(self.host, place, key.file)}
        return {"sysctls": found, "also": also, "place": place.label}


def main():
    run_attack(SysctlFault)


if __name__ == "__main__":
    main()
