#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: fleet_summary
version_added: 0.1.0
short_description: Sum up a halt or an audit over all hosts
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Reads what M(faultline.chaos.revert) or M(faultline.chaos.attack_info) found on every host of the play and prints it once, the bad news last. In the
    same way it reads what M(faultline.chaos.k8s_revert) or M(faultline.chaos.k8s_attack_info) found in a cluster.
  - Runs on the controller and touches no host. Never fails because of what was found. RV(ok) says whether everything is clean.
extends_documentation_fragment:
  - faultline.chaos._attributes
  - faultline.chaos._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  subject:
    description:
      - What was done on the hosts.
      - V(halt) is the module M(faultline.chaos.revert) with O(faultline.chaos.revert#module:all=true), V(audit) is M(faultline.chaos.attack_info).
        For a cluster these are M(faultline.chaos.k8s_revert) and M(faultline.chaos.k8s_attack_info).
    type: str
    required: true
    choices: [halt, audit]
  results:
    description:
      - The name of the variable that its task registered on every host.
    type: str
    required: true
seealso:
  - module: faultline.chaos.revert
  - module: faultline.chaos.attack_info
  - module: faultline.chaos.k8s_revert
  - module: faultline.chaos.k8s_attack_info
"""

EXAMPLES = r"""
- name: Look for attacks and residue
  faultline.chaos.attack_info:
  ignore_unreachable: true
  failed_when: false
  register: found

- name: Sum up
  faultline.chaos.fleet_summary:
    subject: audit
    results: found
  run_once: true
"""

RETURN = r"""
ok:
  description: Whether every host answered and is clean.
  returned: always
  type: bool
lists:
  description: What was found, by what became of the hosts.
  returned: always
  type: dict
summary:
  description: The last line.
  returned: always
  type: str
"""
