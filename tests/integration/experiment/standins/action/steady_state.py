# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail

from ansible_collections.faultline.chaos.plugins.action import real_steady_state
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation import leases


class ActionModule(real_steady_state.ActionModule):
    """The real one, which breaks down in one phase when the test wants it to, and renews leases by a script of the test."""

    def run(self, tmp=None, task_vars=None):
        if os.environ.get("PRETEND_BREAKDOWN") == self._task.args.get("phase"):
            raise AnsibleActionFail("broken down")
        leases._RENEW = os.environ.get("PRETEND_RENEW", leases._RENEW)
        return super().run(tmp, task_vars)
