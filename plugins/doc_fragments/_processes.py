# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors SELECTION in module_utils/_host/victims.py.
    DOCUMENTATION = r"""
options:
  name:
    description:
      - Exact name of the program, as C(ps -o comm) shows it. Of a name that is longer than the 15 bytes that the kernel keeps, the file name of
        the program or script decides.
      - Anybody can give a process any name. When processes of root and of other users meet the criteria and O(count) leaves some out, the attack is
        refused; O(user) or O(pid_file) says which. A note tells when those that are taken differ in user or program.
    type: str
  command_line:
    description:
      - Exact command line, words joined by one space, as C(ps -o args) shows it. Blanks at its end do not count.
    type: str
  pid_file:
    description:
      - Absolute path of a file that holds the process's number. A file that an ordinary user owns may only name a process of that user.
      - A link, and a file that others than its owner can write to, are refused.
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
