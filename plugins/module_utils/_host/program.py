# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Programs that an operator names for an attack or its undo, resolved to absolute paths when the attack is planned."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption


def check(option, argv):
    """Errors: BadOption for an argv that is invalid on every target."""
    if not argv or not argv[0].strip():
        raise BadOption(option, argv, "give a program and its arguments as a list")
    if argv[0].startswith("-") or "=" in argv[0] or "/" in argv[0] and not argv[0].startswith("/"):
        raise BadOption(option, argv[0], "give the absolute path of a program, or its name")
    if any("\0" in word for word in argv):
        raise BadOption(option, argv, "a program cannot get a zero byte")


def find(host, option, argv):
    """The argv with the absolute path of its program. Errors: BadOption when it could not be run here."""
    path = argv[0] if argv[0].startswith("/") else host.has_tool(argv[0]) and host.tool(argv[0])
    if not path or not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise BadOption(option, argv[0], "there is no such program on the target")
    if host.is_root and os.stat(path).st_mode & 0o022:
        raise BadOption(option, argv[0], "others than its owner can write to it, and it would run as root: chmod go-w")
    interpreter = _interpreter(path)
    if interpreter and not os.access(interpreter, os.X_OK):
        raise BadOption(option, argv[0], f"it is a script for {interpreter}, which is not on the target")
    return [path] + argv[1:]


def _interpreter(path):
    """The interpreter that a script's first line names; None for other programs, and for unreadable ones."""
    try:
        with open(path, "rb") as handle:
            first = handle.read(256).split(b"\n")[0]
    except OSError:
        return None
    words = first[2:].split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else None
