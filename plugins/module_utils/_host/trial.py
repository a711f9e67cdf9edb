# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A throw-away network namespace in which an attack's commands are tried first; it disappears when the program ends."""

from ansible_collections.faultline.chaos.plugins.module_utils._host.host import lines


def run(host, argv, data=None):
    """Run a program in a network namespace of its own, which has the interface lo only. Returns (rc, stdout, stderr). Errors: AttackError."""
    return host.run([host.tool("unshare"), "--net", *argv], check=False, data=data)


def problem(host, argv, data=None):
    """None when a program succeeds there, otherwise the first line of its output."""
    rc, out, err = run(host, argv, data)
    return None if rc == 0 else (lines((err or out).strip()) or ["rc %d" % rc])[0]
