# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

import os
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: pretend
short_description: A stand-in for an attack, for the tests of the role experiment
description:
  - Writes a file into the directory that stands for the host. What else it does is in the file behaviour there.
author:
  - The faultline.chaos authors (@faultline-chaos)
options:
  state:
    description: As in every attack.
    type: str
    choices: [present, absent]
    default: present
  id:
    description: As in every attack.
    type: str
  run_id:
    description: As in every attack.
    type: str
  duration:
    description: As in every attack.
    type: raw
  max_duration:
    description: As in every attack.
    type: raw
  lease:
    description: As in every attack.
    type: raw
  magnitude:
    description: How strong.
    type: int
    default: 1
"""

HOST = os.environ["PRETEND_HOST"]


def behaviour():
    """What the test wants this host to do."""
    path = os.path.join(HOST, "behaviour")
    if not os.path.exists(path):
        return []
    with open(path) as stream:
        return stream.read().split()


def note(line):
    with open(os.path.join(HOST, "log"), "a") as stream:
        stream.write(line + "\n")


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "id": {"type": "str"},
            "run_id": {"type": "str"},
            "duration": {"type": "raw"},
            "max_duration": {"type": "raw"},
            "lease": {"type": "raw"},
            "magnitude": {"type": "int", "default": 1},
        },
        supports_check_mode=True,
    )
    params, wanted = module.params, behaviour()
    if "refuse" in wanted:
        module.fail_json(msg="pretend needs root on the target: set become: true")
    if "crash" in wanted:
        raise RuntimeError("crashed")
    result = {"changed": True, "id": params["id"], "status": "planned", "effect": {"magnitude": params["magnitude"]}, "notes": []}
    if module._diff:
        result["diff"] = {"before": "calm\n", "after": f"attacked with {params['magnitude']}\n"}
    if module.check_mode:
        module.exit_json(**result)
    note(f"attack {params['id']} magnitude {params['magnitude']} lease {params['lease']}")
    with open(os.path.join(HOST, "active." + params["id"]), "w") as stream:
        stream.write(params["run_id"])
    for word in ("cut", "cut_once"):
        if word in wanted:
            open(os.path.join(HOST, word), "w").close()
    if "linger" in wanted:
        time.sleep(30)
    first = min(float(params["duration"]), float(params["lease"] or params["duration"]))
    deadline = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + first))
    result.update(status="active", deadline=deadline, remaining=first, deadman="watcher", undo="/nowhere/revert.sh")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
