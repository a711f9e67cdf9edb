# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors COMMON_OPTIONS in module_utils/_lifecycle/attack.py.
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
      - Names the attack on the target, so that it can be reverted and found by name. 1 to 64 of a-z, 0-9, C(-) and C(_).
      - The default is made of the module's name and its options, so the same task finds its own attack again.
    type: str
  run_id:
    description:
      - Groups the attacks of one experiment, so that M(faultline.chaos.revert) and M(faultline.chaos.lease) find them together.
    type: str
  duration:
    description:
      - How long the attack may last, for example V(30s), V(5m) or V(1h); a plain number is seconds.
      - At its end the target reverts the attack by itself, whatever happened to the controller. This is the dead-man timer.
      - Mandatory with O(state=present). From V(1s) to O(max_duration).
    type: raw
  max_duration:
    description:
      - The cap for O(duration). Raise it knowingly. At most V(24h).
    type: raw
    default: 1h
  lease:
    description:
      - When set, the dead-man timer fires after this time unless M(faultline.chaos.lease) or a running experiment renews it, and
        never later than O(duration).
      - With a lease of V(30s), a target whose controller died is clean again half a minute later.
    type: raw
  control_addresses:
    description:
      - Addresses or networks (IPv4 or IPv6) that network attacks always let pass, besides SSH to the target, which always passes.
      - For jump hosts, AWX nodes, monitoring.
    type: list
    elements: str
    default: []
"""
