#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: k8s_lease
version_added: 0.1.0
short_description: Renew the leases of attacks in a cluster
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Moves the deadline of attacks that were made with a lease to O(lease) from now, never beyond their duration and never back.
  - The watcher on the machine that made the attack reads the new deadline in the journal.
  - An attack whose deadline has passed is not renewed, for its undo is on the way.
extends_documentation_fragment:
  - faultline.chaos._kube
  - faultline.chaos._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Time passes, so every call moves the deadline.
  platform:
    support: full
    platforms: posix
options:
  id:
    description:
      - The attack to renew.
    type: str
  run_id:
    description:
      - Renew all attacks of this run.
    type: str
  namespaces:
    description:
      - Where to look for journals, for credentials that may not list ConfigMaps of all namespaces.
    type: list
    elements: str
    default: []
    aliases: [namespace]
  lease:
    description:
      - How long from now, for example V(30s). A plain number is seconds. From V(1s) to V(1h).
    type: raw
    required: true
seealso:
  - module: faultline.chaos.k8s_revert
"""

EXAMPLES = r"""
- name: Another half minute for the attacks of this run
  faultline.chaos.k8s_lease:
    run_id: nightly-shop
    lease: 30s
"""

RETURN = r"""
renewed:
  description: Ids of the attacks whose deadline was moved, or would be in check mode.
  returned: always
  type: list
  elements: str
deadlines:
  description: When each of them is reverted by itself now, in UTC by the clock of the API server, by id.
  returned: success, and not in check mode
  version_added: 0.2.0
  type: dict
  sample: {scale-1f2e3d4c5b: "2026-11-22T14:05:20Z"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.faultline.chaos.plugins.module_utils._control_options import check_choice
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import AUTH_OPTIONS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import lease
from ansible_collections.faultline.chaos.plugins.module_utils._renewal import read_renewal
from ansible_collections.faultline.chaos.plugins.module_utils._times import iso


def renew(module):
    params = module.params
    check_choice(params, ("id", "run_id"))
    seconds = read_renewal(params)
    return lease.renew(Cluster(params), params, seconds, module.check_mode)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            AUTH_OPTIONS,
            id={"type": "str"},
            run_id={"type": "str"},
            namespaces={"type": "list", "elements": "str", "default": [], "aliases": ["namespace"]},
            lease={"type": "raw", "required": True},
        ),
        mutually_exclusive=[("id", "run_id")],
        supports_check_mode=True,
    )
    try:
        renewed = renew(module)
    except AttackError as error:
        module.fail_json(msg=str(error), renewed=[], **error.details)
    if not renewed:
        module.fail_json(msg="nothing active to renew: it was reverted, or its deadline has passed", renewed=[])
    told = {} if module.check_mode else {"deadlines": dict((each, iso(when)) for each, when in renewed.items())}
    module.exit_json(changed=True, renewed=list(renewed), **told)


if __name__ == "__main__":
    main()
