# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = r"""
name: cuttable
short_description: A local connection that a file in the directory of the host cuts, once or for good
description:
  - For the tests of the role experiment.
author:
  - The faultline.chaos authors (@faultline-chaos)
options:
  pretend_host:
    description: The directory that stands for the host.
    type: str
    vars:
      - name: pretend_host
  pipelining:
    description: As in every connection.
    type: bool
    default: true
    vars:
      - name: ansible_pipelining
"""


class Connection(Local):
    transport = "faultline.chaos.cuttable"

    def exec_command(self, *args, **kwargs):
        place = self.get_option("pretend_host")
        once = os.path.join(place, "cut_once")
        if os.path.exists(once):
            os.unlink(once)
        elif not os.path.exists(os.path.join(place, "cut")):
            return super().exec_command(*args, **kwargs)
        raise AnsibleConnectionFailure("Failed to connect to the host via ssh: Connection closed by remote host.")
