# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection. It can change at any time; do not use it from outside.

from __future__ import annotations


class ModuleDocFragment:
    # What every module of the collection says about itself.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
      - This assumes that the system controlled or queried by the module has not changed in a relevant way.
  platform:
    description: Target operating systems or families on which the module works.
    platforms: posix
"""

    # Use together with the standard fragment: an attack of this collection on a Linux host.
    ATTACK = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Everything is checked and planned, nothing is done and nothing is written.
  diff_mode:
    support: full
    details:
      - The diff shows what would be done and the text of the script that undoes it.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
"""

    # Use together with the standard fragment: the module reads and never writes.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""

    # The action group of all attacks.
    ACTIONGROUP_ATTACKS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/faultline.chaos.attacks) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - faultline.chaos.attacks
"""

    # Use together with the standard fragment: an attack of this collection on a cluster.
    KUBE_ATTACK = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Everything is checked and planned, nothing is done and nothing is written.
  diff_mode:
    support: full
    details:
      - The diff shows what would be done, and what undoes it.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
"""

    # The action group of all attacks on clusters.
    ACTIONGROUP_K8S_ATTACKS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/faultline.chaos.k8s_attacks) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - faultline.chaos.k8s_attacks
"""
