# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

import os

from ansible.module_utils.basic import AnsibleModule

HOST = os.environ["PRETEND_HOST"]


def main():
    module = AnsibleModule(
        argument_spec={"id": {"type": "str"}, "run_id": {"type": "str"}, "all": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    found = []
    for name in sorted(os.listdir(HOST)):
        if name.startswith("active."):
            with open(os.path.join(HOST, name)) as stream:
                if module.params["all"] or stream.read() == module.params["run_id"]:
                    found.append(name[len("active.") :])
    result = {"changed": bool(found), "reverted": found, "already_gone": [], "stuck": [], "clean": True}
    if module.check_mode:
        result["clean"] = not found
        module.exit_json(**result)
    with open(os.path.join(HOST, "log"), "a") as stream:
        stream.write(f"revert {' '.join(found)}\n")
    path = os.path.join(HOST, "behaviour")
    if found and os.path.exists(path):
        with open(path) as stream:
            if "stuck" in stream.read().split():
                stuck = [{"id": one, "reason": "rc 2"} for one in found]
                result.update({"reverted": [], "stuck": stuck, "clean": False})
                module.fail_json(msg="not reverted", **result)
    for one in found:
        os.unlink(os.path.join(HOST, "active." + one))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
