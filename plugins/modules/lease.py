#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lease
version_added: 0.1.0
short_description: Renew the leases of active attacks
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Moves the deadline of attacks that were made with a lease to O(lease) from now, never beyond their duration and never back.
  - A running experiment does this by itself. Use the module when you drive attacks from a playbook of your own.
  - An attack whose deadline has passed is not renewed, for its undo is on the way.
extends_documentation_fragment:
  - faultline.chaos._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Time passes, so every call moves the deadline.
  platform:
    support: full
    platforms: linux
options:
  id:
    description:
      - The attack to renew.
    type: str
  run_id:
    description:
      - Renew all attacks of this run.
    type: str
  lease:
    description:
      - How long from now, for example V(30s). A plain number is seconds. From V(1s) to V(1h).
    type: raw
    required: true
seealso:
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: Another half minute for the attacks of this run
  faultline.chaos.lease:
    run_id: nightly-redis
    lease: 30s
"""

RETURN = r"""
renewed:
  description: Ids of the attacks whose deadline was moved, or would be in check mode.
  returned: always
  type: list
  elements: str
deadlines:
  description: When the target reverts each of them now, in UTC, by id. None when the journal of an attack is damaged.
  returned: success, and not in check mode
  version_added: 0.2.0
  type: dict
  sample: {netem-1f2e3d4c5b: "2026-11-22T14:05:20Z"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._control_options import check_choice
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.control import deadline, remaining
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.overview import chosen
from ansible_collections.faultline.chaos.plugins.module_utils._renewal import read_renewal


def renew(module):
    """{id: deadline} of the renewed attacks; in check mode the current deadlines. Errors: AttackError."""
    journal, params = Journal(), module.params
    check_choice(params, ("id", "run_id"))
    seconds = read_renewal(params)
    renewed = {}
    for attack_id in chosen(journal, params["id"], params["run_id"]):
        if remaining(journal, attack_id) <= 0:
            continue
        if not module.check_mode:
            due, limit = journal.number(attack_id, "deadline") or 0, journal.number(attack_id, "limit") or 0
            try:
                journal.note(attack_id, "deadline", "%d\n" % max(due, min(limit, int((uptime() + seconds) * 100))))
            except OSError:
                if attack_id in journal.ids():
                    raise AttackError(f"the deadline of {attack_id} cannot be written: is the disk full or read-only?")
                continue  # just reverted
        renewed[attack_id] = _deadline(journal, attack_id)
    return renewed


def _deadline(journal, attack_id):
    """The deadline, or None when the journal is damaged; the deadline is renewed nevertheless."""
    try:
        return deadline(journal, journal.load(attack_id))
    except JournalDamaged:
        return None


def main():
    module = AnsibleModule(
        argument_spec={"id": {"type": "str"}, "run_id": {"type": "str"}, "lease": {"type": "raw", "required": True}},
        mutually_exclusive=[("id", "run_id")],
        supports_check_mode=True,
    )
    try:
        renewed = renew(module)
    except (AttackError, ValueError) as error:
        module.fail_json(msg=str(error))
    if not renewed:
        module.fail_json(msg="nothing active to renew: it was reverted, or its deadline has passed", renewed=[])
    told = {} if module.check_mode else {"deadlines": renewed}
    module.exit_json(changed=True, renewed=list(renewed), **told)


if __name__ == "__main__":
    main()
