# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors SELECTION in module_utils/_host/process.py.
    DOCUMENTATION = r"""
options:
  name:
    description:
      - Exact name of the program, as C(ps -o comm) shows it.
    type: str
  command_line:
    description:
      - Exact command line, words joined by one space, as C(ps -o args) shows it.
    type: str
  pid_file:
    description:
      - Absolute path of a file that holds the process's number.
    type: path
  user:
    description:
      - Name of the user that the process runs as. Narrows the other criteria.
    type: str
  port:
    description:
      - TCP port that the process listens on.
    type: int
  count:
    description:
      - How many processes at the most; V(0) is all of them.
    type: int
    default: 1
  order:
    description:
      - Which come first when O(count) leaves some out. The oldest is usually the parent of the others.
    type: str
    choices: [oldest, newest]
    default: oldest
"""
