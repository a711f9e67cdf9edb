# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors COMMON_OPTIONS in module_utils/_kube/lifecycle/attack.py.
    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(present) applies the attack, V(absent) reverts it.
      - Applying an attack that is active already, with the same options, changes nothing.
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Names the attack in the cluster, so that it can be reverted and found by name. 1 to 50 of a-z, 0-9 and C(-).
      - The default is made of the module's name and its options, so the same task finds its own attack again.
    type: str
  run_id:
    description:
      - Groups the attacks of one experiment, so that M(faultline.chaos.k8s_revert) and M(faultline.chaos.k8s_lease) find them together.
      - 1 to 63 of a-z, 0-9, C(-) and C(_).
    type: str
  duration:
    description:
      - How long the attack may last, for example V(30s), V(5m) or V(1h); a plain number is seconds.
      - At its end it is reverted by itself, by the cluster or by a watcher on the machine that runs the module. See RV(deadman).
      - Mandatory with O(state=present). From V(1s) to O(max_duration).
    type: raw
  max_duration:
    description:
      - The cap for O(duration). Raise it knowingly. At most V(24h).
    type: raw
    default: 1h
  lease:
    description:
      - When set, the attack is reverted after this time unless M(faultline.chaos.k8s_lease) or a running experiment renews it, and
        never later than O(duration).
      - A lease is always watched by a process on the machine that ran the module.
    type: raw
  journal_namespace:
    description:
      - The namespace for the journal of an attack that is not in one namespace, for example on nodes. A protected one is refused.
    type: str
    default: default
  protected:
    description:
      - More namespaces that must not be attacked, besides C(kube-system), C(kube-public) and C(kube-node-lease). C(*) at the end of a name stands for anything.
    type: list
    elements: str
    default: []
"""

    # For attacks in one namespace. Mirrors NAMESPACE_OPTION.
    NAMESPACE = r"""
options:
  namespace:
    description:
      - The namespace to attack. The journal is there, too.
    type: str
    required: true
"""
