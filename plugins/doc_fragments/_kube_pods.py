# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors POD_OPTIONS in module_utils/_kube/targets/select.py.
    DOCUMENTATION = r"""
options:
  namespaces:
    description:
      - The namespaces to choose pods from, by exact names. The journal is in it when it is one, and in O(journal_namespace) when there are several.
    type: list
    elements: str
    required: true
    aliases: [namespace]
  names:
    description:
      - Exact names of pods. Without O(count) and O(percent) all of them are taken.
    type: list
    elements: str
  label_selector:
    description:
      - Labels that pods must have, for example V(app=web,tier!=cache).
      - An empty selector and C(*) are refused. To take pods whatever their labels, set O(all=true).
    type: str
  field_selector:
    description:
      - Fields that pods must have, for example V(spec.serviceAccountName=web).
    type: str
  owner_kind:
    description:
      - Only pods that an object of this kind made.
    type: str
    choices: [Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, ReplicationController]
  owner_name:
    description:
      - The name of that object.
    type: str
  node:
    description:
      - Only pods on this node.
    type: str
  zone:
    description:
      - Only pods on nodes of this zone, by the label C(topology.kubernetes.io/zone). Needs the right to list nodes.
    type: str
  phase:
    description:
      - Only pods in this phase.
    type: str
    choices: [Running, Pending, Succeeded, Failed, Unknown, any]
    default: Running
  min_age:
    description:
      - Only pods that are at least so old.
    type: raw
    default: 0s
  opt_in:
    description:
      - Only pods that ask for it with the label or annotation C(faultline.chaos/opt-in=true), C(chaos.alpha.kubernetes.io/enabled=true) or
        C(kube-monkey/enabled=enabled).
      - Pods with C(faultline.chaos/opt-out=true), C(chaos.alpha.kubernetes.io/enabled=false) or C(kube-monkey/enabled=disabled) are always spared.
      - The marks of the pods count, so for a workload they belong on its pod template. Marks on a Deployment do not reach its pods.
    type: bool
    default: false
  count:
    description:
      - How many to take. More than there are is refused. V(1) if none of O(count), O(percent), O(all) and O(names) is given.
    type: int
  percent:
    description:
      - How many to take, as a percentage of those that match; rounded down, and at least one.
    type: raw
  all:
    description:
      - Take all that match.
    type: bool
    default: false
  seed:
    description:
      - Draws the same from the same pods again, from any machine. Without it another one is made up, and returned in RV(effect).
      - 1 to 64 characters, without line breaks, and without spaces around them.
    type: str
  max_per_owner:
    description:
      - At most so many of one ReplicaSet, StatefulSet and the like.
    type: int
  max_per_node:
    description:
      - At most so many on one node.
    type: int
  max_per_namespace:
    description:
      - At most so many of one namespace.
    type: int
  ignore_pdb:
    description:
      - Take pods although their PodDisruptionBudget does not allow it.
    type: bool
    default: false
"""
