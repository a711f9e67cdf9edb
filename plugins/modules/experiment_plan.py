#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: experiment_plan
version_added: 0.1.0
short_description: Check the plan of an experiment and select its targets
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Checks the whole plan, the options of its attacks included, resolves its host patterns, selects the targets and goes through the list of
    what must hold before anything is attacked.
  - A part of the role P(faultline.chaos.experiment#role), which runs it once for all hosts. Runs on the controller and touches no host.
  - Never fails because of a bad plan. RV(go) says whether the experiment may begin.
extends_documentation_fragment:
  - faultline.chaos._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode no report directory is made and nothing is written there.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every call begins a new run.
  platform:
    support: full
    platforms: posix
options:
  plan:
    description:
      - The plan, as the role P(faultline.chaos.experiment#role) describes it.
    type: raw
    required: true
seealso:
  - module: faultline.chaos.experiment_record
"""

EXAMPLES = r"""
- name: Go or no-go
  faultline.chaos.experiment_plan:
    plan: "{{ experiment_plan }}"
  run_once: true
  register: experiment
"""

RETURN = r"""
go:
  description: Whether the experiment may begin.
  returned: always
  type: bool
verdict:
  description: V(refused).
  returned: when it may not
  type: str
reason:
  description: Why it may not, all reasons in one sentence each.
  returned: when it may not
  type: str
reports:
  description: The reports of a refused run.
  returned: when it may not
  type: dict
run_id:
  description: The name of the run.
  returned: when it may
  type: str
  sample: 20260102t090000z-1f2e3d
state:
  description: The file that holds the state of the run while it lasts.
  returned: when it may
  type: str
rounds:
  description: The rounds, each with its number and the task file that runs it.
  returned: when it may
  type: list
  elements: dict
hosts:
  description: The names of all selected hosts, one in each line.
  returned: when it may
  type: str
observe:
  description: The windows of the plan, in seconds.
  returned: when it may
  type: dict
"""
