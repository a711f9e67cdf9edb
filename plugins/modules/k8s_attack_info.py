#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_attack_info
version_added: 0.1.0
short_description: Show what is active, overdue, stuck or left behind in a cluster
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Lists the journals of attacks in the cluster, and looks for marks of attacks that no journal accounts for, which are owner Jobs, objects with our
    label, and annotations on nodes, Deployments and StatefulSets.
  - Reads only. Attacks that were reverted are not kept in the cluster.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._attributes
  - faultline.chaos._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  namespaces:
    description:
      - Look in these namespaces only. Without them in the whole cluster, which needs the right to. What was left on nodes is looked for
        without them only.
    type: list
    elements: str
    default: []
    aliases: [namespace]
seealso:
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: Look
  faultline.chaos.k8s_attack_info:
  register: chaos

- name: Refuse to deploy while anything is being attacked
  ansible.builtin.assert:
    that: chaos.clean
    fail_msg: >-
      {{ chaos.attacks | map(attribute='id') | join(', ') }} still active, {{ chaos.residue | join(', ') }} left,
      {{ chaos.not_looked_at | join(', ') }} not looked at
"""

RETURN = r"""
attacks:
  description: What the journals hold.
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
          journal cannot be read.
      type: str
    reason:
      description: Why it is stuck or damaged.
      type: str
    run_id:
      description: The experiment it belongs to.
      type: str
    started:
      description: When it began, in UTC.
      type: str
    deadline:
      description: When it is reverted by itself, in UTC by the clock of the API server, renewals of its lease included.
      type: str
      version_added: 0.2.0
    remaining:
      description: Seconds until it is reverted by itself, leases included.
      type: float
    deadman:
      description: What reverts it then, V(cluster) or V(watcher).
      type: str
    resources:
      description: What it holds.
      type: list
      elements: str
    journal:
      description: Its journal, as namespace and name of a ConfigMap.
      type: str
    effect:
      description: What its module returned as its effect.
      type: dict
residue:
  description: Marks of attacks that no journal accounts for.
  returned: always
  type: list
  elements: str
  sample: ["NetworkPolicy shop/faultline-network-partition-1f2e3d4c5b"]
not_looked_at:
  description: Where these credentials may not list, so that nothing is known of what was left there, as the kind or the kind and the namespace.
  returned: always
  type: list
  elements: str
  sample: [networkpolicies]
clean:
  description:
    - Whether nothing is active and nothing is left. V(false) when RV(not_looked_at) names anything in the whole cluster.
    - With O(namespaces) it is about what these credentials may list, for those of one attack may list no kinds of others. RV(not_looked_at) says what
      that leaves out.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import residue
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import Journal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.overview import describe


def look(cluster, namespaces):
    journal, unseen = Journal(cluster), []
    entries = [entry for entry in journal.entries(namespaces) if not namespaces or entry.namespace in namespaces]
    found = [describe(cluster, entry) for entry in entries]
    left = [str(each) for each in residue.find(cluster, journal, namespaces, unseen)]
    # With namespaces, kinds that these credentials may not list do not matter; without, "clean" requires that every kind was listed.
    return {"attacks": found, "residue": left, "not_looked_at": unseen, "clean": not found and not left and bool(namespaces or not unseen)}


def main():
    module = AnsibleModule(
        argument_spec=dict(AUTH_OPTIONS, namespaces={"type": "list", "elements": "str", "default": [], "aliases": ["namespace"]}),
        supports_check_mode=True,
    )
    try:
        result = shown(look(Cluster(module.params), module.params["namespaces"]))
    except AttackError as error:
        module.fail_json(msg=str(error), **error.details)
    if result["not_looked_at"] and not module.params["namespaces"]:
        module.warn(
            "Not clean, for these credentials may not list: {}. Whether anything was left there is not known.".format(", ".join(result["not_looked_at"]))
        )
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
