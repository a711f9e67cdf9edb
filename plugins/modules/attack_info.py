#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: attack_info
version_added: 0.1.0
short_description: Show what is active, overdue, stuck or left behind on a target
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Lists the attacks in the journal of the target, and looks for marks of attacks that no journal accounts for (interfaces, tc filters,
    units, processes, files), so it also finds what is left on a host whose journal was damaged or deleted.
  - The history on the target notes that an attack begins before it does. One that neither ended nor has a journal is residue, until somebody
    has looked after it and removed its line from C(history.jsonl) beside the journals.
  - Reads only.
extends_documentation_fragment:
  - faultline.chaos._attributes
  - faultline.chaos._attributes.info_module
attributes:
  platform:
    support: full
    platforms: linux
options:
  history:
    description:
      - How many of the last reverted attacks to return.
    type: int
    default: 20
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Look
  faultline.chaos.attack_info:
  register: chaos

- name: Refuse to deploy while anything is being attacked here
  ansible.builtin.assert:
    that: chaos.clean
    fail_msg: "{{ chaos.attacks | map(attribute='id') | join(', ') }} still active, {{ chaos.residue | join(', ') }} left"
"""

RETURN = r"""
attacks:
  description: What the journal holds.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Name of the attack.
      type: str
    module:
      description: The module that made it.
      type: str
    status:
      description:
        - V(active); V(overdue) when its dead-man should have reverted it; V(stuck) when an undo was tried and failed; V(damaged) when its
          journal does not match its checksums.
      type: str
    reason:
      description: Why it is stuck or damaged. While another undo runs, why the one before was stuck.
      type: str
    run_id:
      description: The experiment it belongs to.
      type: str
    deadline:
      description: When the target reverts it, in UTC, renewals of its lease included. By the clock of the target as it was when the attack began.
      type: str
    remaining:
      description: Seconds until the target reverts it, leases included.
      type: float
    deadman:
      description: What reverts it then.
      type: str
    resources:
      description: What it holds.
      type: list
      elements: str
    undo:
      description: The script that undoes it.
      type: str
    reading:
      description: Of an active attack, whether its effect is still in place and what it met so far. See RV(faultline.chaos.revert#module:readings).
      type: dict
residue:
  description:
    - Marks of attacks that no journal accounts for, each with the command that removes it where there is one. Files and processes are named
      with the uid of their owner. Those of other users are in RV(foreign).
  returned: always
  type: list
  elements: str
  sample:
    - "interface fl0123456789ab: ip link del fl0123456789ab"
    - >-
      attack netem-1f2e3d4c5b (netem) began at 2026-11-22T14:03:20Z, its journal is gone: look at net:eth0, then remove its line from
      /var/lib/faultline/history.jsonl
foreign:
  description:
    - Things of other users that have names as attacks give them, such as a process C(faultline-x). Anybody can make these, so they say
      nothing about attacks of root, and RV(clean) does not depend on them.
  returned: always
  type: list
  elements: str
  sample: ["file of uid 5000: /var/tmp/.faultline-x"]
others:
  description:
    - To root, attacks that other users have made without C(become). They are in the directories of these users, so they are named and
      neither trusted nor reverted, and RV(clean) does not depend on them. Homes of which the network has no answer are in RV(not_looked_at).
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The attack.
      type: str
    user:
      description: Who made it.
      type: str
    uid:
      description: The same as a number.
      type: int
    status:
      description: V(active), or V(overdue) when its dead-man should have reverted it.
      type: str
    deadline:
      description: When the target reverts it, in UTC.
      type: str
    command:
      description: What reverts all attacks of that user, as that user.
      type: str
not_looked_at:
  description: What could not be searched; none of it is of root.
  returned: always
  type: list
  elements: str
clean:
  description: Whether nothing is active and nothing is left.
  returned: always
  type: bool
history:
  description: The last reverted attacks, newest last, each with C(id), C(module), C(run_id), C(resources),
    C(started), C(ended), C(by), C(result) and C(reading) (of its effect, just before the undo).
    C(ended) and C(by) are none of an undo that was killed at its very end.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.others import others
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.overview import attacks, await_endings, unseen
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.reading import look
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.residue import search


def main():
    module = AnsibleModule(argument_spec={"history": {"type": "int", "default": 20}}, supports_check_mode=True)
    host, journal = Host(module), Journal()
    try:
        found = attacks(journal, host.boot_id)
        for each in found:
            if each["status"] == "active":
                each["reading"] = look(host, journal, each["id"])
        marks = search(host, journal)
        left = marks.residue + ([unseen(host)] if unseen(host) else [])
        of_others, unasked = others(host.boot_id)
        await_endings(journal)
    except AttackError as error:
        module.fail_json(msg=str(error), **error.details)
    told = dict(
        changed=False,
        attacks=found,
        residue=left,
        foreign=marks.foreign,
        others=of_others,
        not_looked_at=marks.unseen + unasked,
        clean=not found and not left,
        history=journal.history(max(0, module.params["history"])),
    )
    module.exit_json(**shown(told))


if __name__ == "__main__":
    main()
