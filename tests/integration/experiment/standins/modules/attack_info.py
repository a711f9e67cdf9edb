# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

import os

from ansible.module_utils.basic import AnsibleModule

HOST = os.environ["PRETEND_HOST"]


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    names = sorted(os.listdir(HOST))
    attacks = [
        {"id": name[len("active.") :], "module": "pretend", "status": "active", "deadline": "2026-01-01T00:00:00Z"}
        for name in names
        if name.startswith("active.")
    ]
    residue = ["file residue"] if "residue" in names else []
    residue += ["file \x1b]0;owned\x07\u202e\u200b\nn9: clean"] if "hostile" in names else []
    module.exit_json(changed=False, attacks=attacks, residue=residue, clean=not attacks and not residue, history=[])


if __name__ == "__main__":
    main()
