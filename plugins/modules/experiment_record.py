#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: experiment_record
version_added: 0.1.0
short_description: Take what a step of an experiment found into its record
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Reads the results of the tasks of a step from all hosts, writes them into the record of the run, and decides what comes next.
  - A part of the role P(faultline.chaos.experiment#role), which runs it once for all hosts. Runs on the controller and touches no host.
extends_documentation_fragment:
  - faultline.chaos._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode no report is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every call records one moment of a run.
  platform:
    support: full
    platforms: posix
options:
  state:
    description:
      - The file that holds the state of the run, from M(faultline.chaos.experiment_plan).
    type: path
    required: true
  moment:
    description:
      - Where the run is.
      - V(asking), the attack of a round is to be asked in check mode whether it could be made; V(tried), it has answered.
      - V(baseline), the steady state was measured before anything was attacked.
      - V(begin), a round is about to begin. Waits for the pause of the round before.
      - V(injected) and V(reverted), the attack or the revert has answered on every host of the round.
      - V(recovery), the steady state was measured after the last round.
      - V(swept), hosts where something was left have been reverted once more.
      - V(end), everything has been done. Judges the run, writes the report and prints a summary.
    type: str
    required: true
    choices: [asking, tried, baseline, begin, injected, reverted, recovery, swept, end]
  round:
    description:
      - The number of the round, with O(moment=asking), O(moment=tried), O(moment=begin) and O(moment=swept).
    type: int
    default: 0
  results:
    description:
      - The name of the variable that the task of this step registered on every host.
    type: str
  steady_state:
    description:
      - The result of M(faultline.chaos.steady_state).
    type: dict
    default: {}
seealso:
  - module: faultline.chaos.experiment_plan
  - module: faultline.chaos.steady_state
"""

EXAMPLES = r"""
- name: Record the injection
  faultline.chaos.experiment_record:
    state: "{{ experiment.state }}"
    moment: injected
    results: injected
  run_once: true
"""

RETURN = r"""
go:
  description: Whether the run goes on.
  returned: moments tried, baseline, begin and reverted
  type: bool
hosts:
  description: The hosts of the round.
  returned: moments asking and begin
  type: list
  elements: str
attack:
  description: The attack of the round.
  returned: moments asking and begin
  type: str
options:
  description: Its options.
  returned: moments asking and begin
  type: dict
revert:
  description: What reverts it, as module and options.
  returned: moment begin
  type: dict
left:
  description: What is to be reverted once more, as round, hosts, tasks of the role, and revert.
  returned: moment recovery
  type: list
  elements: dict
run_id:
  description: The name of the run.
  returned: moment end
  type: str
title:
  description: The round for people.
  returned: moment begin
  type: str
observe:
  description: Whether to observe the steady state now.
  returned: moment injected
  type: bool
window:
  description: For how many seconds.
  returned: moment injected, when there is something to observe
  type: float
abort:
  description: Whether to stop early on a breach.
  returned: moment injected, when there is something to observe
  type: bool
renew:
  description: The leases to renew meanwhile.
  returned: moment injected, with a lease
  type: dict
passed:
  description: Whether the verdict is V(held).
  returned: moment end
  type: bool
verdict:
  description: V(held), V(deviated), V(inconclusive), V(aborted), V(not_reverted), V(refused) or V(failed); V(planned) in check mode.
  returned: moment end
  type: str
reason:
  description: Why, in a sentence.
  returned: moment end
  type: str
report:
  description: The report for people.
  returned: moment end
  type: str
reports:
  description: The path of every report by its format.
  returned: moment end
  type: dict
left_to_timer:
  description: Hosts that this run could not bring back.
  returned: moment end
  type: list
  elements: str
"""
