#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_revert
version_added: 0.1.0
short_description: Revert attacks in a cluster, by id, by run or all of them
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Finds the journals of attacks in the cluster by their label, undoes each, and deletes its journal. Works from any machine that has access.
  - An attack that cannot be reverted never keeps the others from being reverted. It is reported as stuck and its journal stays.
  - Fields that somebody else changed since are kept, and reported as drifted. Objects that are gone, or were made anew, are left alone.
  - A journal is run only if it fits the marks on the objects, which bind its uid and a hash of its undo. One that was forged, rewritten or made anew is
    reported as stuck, and so is an object that is as the attack set it but does not bear its mark any more.
  - An undo that found no object with the marks of the attack proves nothing. Where everything may be listed, nothing else bears them, and it is over;
    else it is stuck with the right that is missing, and its journal stays.
  - Where a journal was deleted, and with O(all=true) everywhere, also deletes what the attacks made and left behind, as
    M(faultline.chaos.k8s_attack_info) lists it. What they changed is reported as stuck, for nothing says any more how it was before. What an attack made
    whose journal is still there, because it is stuck, damaged or began meanwhile, is kept.
  - Programs of M(faultline.chaos.k8s_pod_stress) in other namespaces than that of their journal are ended only if O(namespaces) names both.
extends_documentation_fragment:
  - faultline.chaos._kube
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
    platforms: posix
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
      - Revert everything in the cluster, or in O(namespaces). The halt button. Mutually exclusive with O(id) and O(run_id).
    type: bool
    default: false
  namespaces:
    description:
      - Where to look for journals, for credentials that may not list ConfigMaps of all namespaces. With such that may, it narrows O(all).
      - What was left on nodes is looked for without it only.
    type: list
    elements: str
    default: []
    aliases: [namespace]
seealso:
  - module: faultline.chaos.k8s_attack_info
"""

EXAMPLES = r"""
- name: Revert everything in this cluster
  faultline.chaos.k8s_revert:
    all: true

- name: Revert what one experiment did
  faultline.chaos.k8s_revert:
    run_id: nightly-shop
"""

RETURN = r"""
reverted:
  description: Ids of the attacks that were reverted by this call, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [scale-1f2e3d4c5b]
already_gone:
  description:
    - Ids that were asked for, or found, with nothing left to undo. Without its journal, and without the right to list everything that it may have
      changed, nobody knows, so it is neither here nor in RV(reverted), and a warning says so.
  returned: always
  type: list
  elements: str
drifted:
  description: What somebody else had changed since, and was kept.
  returned: always
  type: list
  elements: str
readings:
  description:
    - Whether the effect of each attack was in place until its undo, by id. C(in_place) is V(false) when something had been put back or deleted
      before; C(lost) says what. Attacks that were already undone by their watcher or the cluster are not in it.
  returned: always
  type: dict
  sample: {scale-1f2e3d4c5b: {in_place: true}}
removed:
  description: What was left behind without a journal, and deleted by this call, or would be in check mode.
  returned: always
  type: list
  elements: str
stuck:
  description: Attacks that are still there, and what they left behind and could not be removed.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The attack, or what it left behind and cannot be removed.
      type: str
    reason:
      description: What stands in the way.
      type: str
not_looked_at:
  description: Where these credentials may not list, so that nothing is known of what was left there, as the kind or the kind and the namespace.
  returned: always
  type: list
  elements: str
  sample: [networkpolicies]
clean:
  description: Whether nothing that was asked for is left, as far as these credentials may look. See RV(not_looked_at).
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._control_options import check_choice
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import residue, undo_stress
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.overview import chosen
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.revert import revert_entry

STRESS = undo_stress.StopStress  # with it, journals may have this step


def revert(module):
    params = module.params
    check_choice(params, ("id", "run_id", "all"))
    cluster = Cluster(params)
    journal = Journal(cluster)
    wanted = chosen(journal, params)
    result = {"changed": bool(wanted), "clean": True, "readings": {}}
    result.update((name, []) for name in ("reverted", "already_gone", "drifted", "removed", "stuck", "not_looked_at"))
    if module.check_mode:
        result.update(reverted=[entry.id for entry in wanted])
    else:
        for entry in wanted:
            _revert_one(cluster, journal, entry, params["namespaces"], result)
    # Whatever was found: a journal may have been deleted, and another one forged.
    _remove_residue(cluster, journal, params, module.check_mode, result)
    result["changed"] = result["changed"] or bool(result["removed"])
    gone = params["id"] is not None and not wanted and not result["removed"] and not result["stuck"]
    if (params["all"] or gone) and result["not_looked_at"]:  # no error: credentials for a single attack may list only its kinds
        told = ", ".join(result["not_looked_at"])
        module.warn("{}What was left behind was not looked for where these credentials may not list: {}.".format("There is no journal. " if gone else "", told))
    elif gone:
        result["already_gone"].append(params["id"])
    result["clean"] = not (module.check_mode and result["changed"]) and not result["stuck"]
    return result


def _revert_one(cluster, journal, entry, namespaces, result):
    outcome = revert_entry(cluster, journal, entry, namespaces)
    result["drifted"] += outcome.drifted
    if outcome.reading and not entry.stuck:  # an earlier try may have undone a part
        result["readings"][entry.id] = outcome.reading
    if not outcome.clean:
        result["stuck"].append({"id": entry.id, "reason": outcome.reason})
    else:
        result["reverted" if outcome.acted or outcome.drifted else "already_gone"].append(entry.id)


def _remove_residue(cluster, journal, params, check_mode, result):
    """Remove what attacks made; what they changed is stuck, for nothing says how it was. A failure does not prevent the removal of the rest."""
    try:
        left = residue.find(cluster, journal, params["namespaces"], result["not_looked_at"], params["id"], params["run_id"])
    except AttackError as error:
        left = []
        result["stuck"].append({"id": "residue", "reason": f"what was left behind cannot be looked for: {error}"})
    for each in left:
        try:
            if each.marked:
                raise AttackError(f"its journal is gone, and with it what was there before. {each.help()}")
            if not check_mode:
                cluster.delete(each.kind, each.meta["name"], each.meta.get("namespace"), each.meta["uid"])
            result["removed"].append(str(each))
        except AttackError as error:
            result["stuck"].append({"id": str(each), "reason": str(error)})


def main():
    module = AnsibleModule(
        argument_spec=dict(
            AUTH_OPTIONS,
            id={"type": "str"},
            run_id={"type": "str"},
            all={"type": "bool", "default": False},
            namespaces={"type": "list", "elements": "str", "default": [], "aliases": ["namespace"]},
        ),
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
