#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: experiment_attack
version_added: 0.1.0
short_description: Run an attack, or what reverts it, whose name is known only at run time
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Runs the module O(attack) with O(options) on the target and returns its result.
  - A part of the role P(faultline.chaos.experiment#role). In playbooks of your own write the attack itself as a task.
  - C(module_defaults) for the attack do not apply.
extends_documentation_fragment:
  - faultline.chaos._attributes
attributes:
  check_mode:
    support: full
    details:
      - As the attack does.
  diff_mode:
    support: full
    details:
      - As the attack does.
  idempotent:
    support: full
    details:
      - As the attack is.
  platform:
    support: full
    platforms: linux
options:
  attack:
    description:
      - The full name of an attack, or of the module that reverts it.
    type: str
    required: true
  options:
    description:
      - The options of the attack.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Attack what the survey says
  faultline.chaos.experiment_attack:
    attack: faultline.chaos.{{ survey_attack }}
    options: "{{ survey_options }}"
"""

RETURN = r"""
status:
  description: The result is that of the attack.
  returned: success
  type: str
  sample: active
"""
