# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors NODE_OPTIONS in module_utils/_kube/targets/nodes.py.
    DOCUMENTATION = r"""
options:
  names:
    description:
      - Exact names of nodes. Without O(count) and O(percent) all of them are taken.
    type: list
    elements: str
  label_selector:
    description:
      - Labels that nodes must have, for example V(pool=web,!gpu). An empty selector and C(*) are refused.
    type: str
  zone:
    description:
      - Only nodes of this zone, by the label C(topology.kubernetes.io/zone).
    type: str
  max_per_zone:
    description:
      - At most so many of one zone.
    type: int
  control_plane:
    description:
      - Take nodes of the control plane, too. Without it they are refused, by the labels C(node-role.kubernetes.io/control-plane) and
        C(node-role.kubernetes.io/master).
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
      - Draws the same from the same nodes again, from any machine. Without it another one is made up, and returned in RV(effect).
      - 1 to 64 characters, without line breaks, and without spaces around them.
    type: str
notes:
  - Nodes with the label or annotation C(faultline.chaos/opt-out=true) are never taken.
"""
