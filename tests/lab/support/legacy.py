# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lab hosts like those of an old fleet: Python 3.6, and Ansible connects as a user who becomes root by sudo.

FAULTLINE_LAB_LEGACY=1 in the environment enables this for all tests of the lab; `make legacy-test` adds an ansible-core that still
supports such hosts.
"""

from __future__ import annotations

import os

ASKED_FOR = bool(os.environ.get("FAULTLINE_LAB_LEGACY"))
HOME = "/opt/python3.6"
VARS = f"ansible_python_interpreter={HOME}/bin/python3.6 ansible_user=ops ansible_become=true"
