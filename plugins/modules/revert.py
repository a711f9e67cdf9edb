#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: revert
version_added: 0.1.0
short_description: Revert attacks on a target, by id, by run or all of them
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Runs the undo script of every chosen attack, the same one that the dead-man timer would run, and compares the state with the one before the attack.
  - An attack that cannot be reverted never keeps the others from being reverted. It is reported as stuck, its journal stays, and the
    dead-man keeps trying.
  - Needs no journal on the controller, so it works from any machine and any checkout.
extends_documentation_fragment:
  - faultline.chaos._attributes
attributes:
  check_mode:
    support: full
    details:
      - Says what would be reverted; reverts nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  id:
    description:
      - The attack to revert.
    type: str
  run_id:
    description:
      - Revert all attacks of this run.
    type: str
  all:
    description:
      - Revert everything on the target. The halt button.
    type: bool
    default: false
  accept_drift:
    description:
      - Close an attack whose undo succeeded although the state is not what it was before, because somebody else changed it meanwhile.
        Look at the difference first; M(faultline.chaos.attack_info) shows it.
      - Of M(faultline.chaos.file_fault) it overwrites what somebody else wrote to the file, so save that first. Files that are not found
        are given up. All else stays as it is.
    type: bool
    default: false
seealso:
  - module: faultline.chaos.attack_info
"""

EXAMPLES = r"""
- name: Revert everything on this host
  faultline.chaos.revert:
    all: true

- name: Revert what one experiment did
  faultline.chaos.revert:
    run_id: nightly-redis
"""

RETURN = r"""
reverted:
  description: Ids of the attacks that were reverted by this call, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [netem-1f2e3d4c5b]
already_gone:
  description: Ids that were asked for, or found, but had been reverted meanwhile by their timer or somebody else.
  returned: always
  type: list
  elements: str
drifted:
  description: Ids whose undo succeeded though the state differs from the one before, closed by O(accept_drift).
  returned: always
  type: list
  elements: str
stuck:
  description: Attacks that are still there.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The attack.
      type: str
    reason:
      description: What stands in the way.
      type: str
others:
  description: With O(all), to root, attacks that other users have made without C(become). They are not reverted; M(faultline.chaos.attack_info)
    describes their keys.
  returned: always
  type: list
  elements: dict
not_looked_at:
  description: Where attacks of other users may be, because it could not be read.
  returned: always
  type: list
  elements: str
clean:
  description: Whether nothing that was asked for is left.
  returned: always
  type: bool
readings:
  description:
    - The effect of each attack as it was read again just before its undo, by id; with O(run_id) or O(id) also of attacks that their
      timer has undone meanwhile. In check mode it is empty.
    - C(in_place) is V(false) when a part of the attack had gone (C(lost) names it), and C(null) when that could not be read. C(met) counts
      what the attack acted on. C(asked) and C(measured) have one unit. Keys that an attack cannot tell are left out.
  returned: always
  type: dict
  sample: {cpu_stress-1f2e3d4c5b: {in_place: true, asked: 50.0, measured: 49.7}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._control_options import check_choice
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import HISTORY_KEPT, Journal
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.missing import missing
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.others import others
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.overview import chosen, unseen
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.revert import revert_one


def revert(module):
    host, journal, params = Host(module), Journal(), module.params
    check_choice(params, ("id", "run_id", "all"))
    of_others, unasked = others(host.boot_id) if params["all"] else ([], [])
    wanted = chosen(journal, params["id"], params["run_id"], params["all"])
    result = {"changed": bool(wanted), "reverted": [], "already_gone": [], "drifted": [], "stuck": [], "clean": True, "readings": {}}
    result.update(others=of_others, not_looked_at=unasked)
    if (params["all"] or not wanted) and unseen(host):
        raise AttackError(unseen(host))
    if module.check_mode:
        result.update(reverted=wanted, clean=not wanted)
        return result
    for attack_id in _with_the_latest(journal, params, wanted, result["stuck"]):
        outcome = revert_one(host, journal, attack_id, params["accept_drift"])
        if outcome.reading:
            result["readings"][attack_id] = outcome.reading
        if not outcome.clean:
            result["stuck"].append({"id": attack_id, "reason": outcome.reason})
        elif not outcome.acted:
            result["already_gone"].append(attack_id)
        else:
            result["changed"] = True
            result["reverted"].append(attack_id)
            if outcome.drifted:
                result["drifted"].append(attack_id)
    if params["id"] is not None and not any(result[name] for name in ("reverted", "already_gone", "stuck")):
        result["already_gone"].append(params["id"])
    if params["all"]:
        result["stuck"] += [{"id": attack_id, "reason": reason} for attack_id, reason in missing(host, journal)]
    result["clean"] = not result["stuck"]
    for line in reversed(journal.history(HISTORY_KEPT)) if params["run_id"] or params["id"] else ():  # of those that their timers have undone
        if line.get("reading") and (line.get("run_id") == params["run_id"] if params["run_id"] else line.get("id") == params["id"]):
            result["readings"].setdefault(line["id"], line["reading"])
    return result


def _with_the_latest(journal, params, wanted, stuck):
    """Yields the wanted ids; then, with all or without any, the ids of attacks whose journal was still being written."""
    yield from wanted
    if params["all"] or not wanted:
        try:
            journal.await_publishing()
        except AttackError as error:  # still report what was reverted
            stuck.append({"id": "an attack that is being made", "reason": str(error)})
        for attack_id in chosen(journal, params["id"], params["run_id"], params["all"]):
            if attack_id not in wanted:
                yield attack_id


def main():
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str"},
            "run_id": {"type": "str"},
            "all": {"type": "bool", "default": False},
            "accept_drift": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("id", "run_id")],
        supports_check_mode=True,
    )
    try:
        result = shown(revert(module))
    except AttackError as error:
        module.fail_json(msg=str(error), **error.details)
    if result["stuck"]:
        module.fail_json(msg="not reverted: {}".format("; ".join("{}: {}".format(each["id"], each["reason"]) for each in result["stuck"]))[:2000], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
