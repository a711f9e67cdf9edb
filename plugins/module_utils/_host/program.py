# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Programs that an operator names for an attack or its undo, resolved to absolute paths when the attack is planned."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import trusted


def check(option, argv):
    """Errors: BadOption for an argv that is invalid on every target."""
    if not argv or not argv[0].strip():
        raise BadOption(option, argv, "give a program and its arguments as a list")
    if argv[0].startswith("-") or "=" in argv[0] or "/" in argv[0] and not argv[0].startswith("/"):
        raise BadOption(option, argv[0], "give the absolute path of a program, or its name")
    if "\n" in argv[0]:
        raise BadOption(option, argv[0], "the name of a program cannot have a line break")
    if any("\0" in word for word in argv):
        raise BadOption(option, argv, "a program cannot get a zero byte")


def find(host, option, argv):
    """The argv with the absolute path of its program. Errors: BadOption when it could not be run here."""
    path = argv[0] if argv[0].startswith("/") else host.has_tool(argv[0]) and host.tool(argv[0])
    if not path or not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise BadOption(option, argv[0], "there is no such program on the target")
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))  # the name stays: some programs look at theirs
    for each in [path] + _interpreters(host, path):
        if not os.access(each, os.X_OK):
            raise BadOption(option, argv[0], f"it is a script for {each}, which is not on the target")
        problem = trusted.problem(each)
        if problem:
            raise BadOption(option, argv[0], "{}; it would run as {}".format(problem, "root" if host.is_root else "this user"))
    return [path] + argv[1:]


def ways(host, argvs):
    """All paths on which it depends what these programs, as find() returns them, do."""
    found = [place for argv in argvs for each in [argv[0]] + _interpreters(host, argv[0]) for place, _look in trusted.way_to(each)]
    return sorted(set(found))


def _interpreters(host, path):
    """The interpreter that a script's first line names, and the one that env(1) looks for; none for other programs, and for unreadable ones."""
    try:
        with open(path, "rb") as handle:
            first = handle.read(256).split(b"\n")[0]
    except OSError:
        return []
    words = first[2:].split() if first.startswith(b"#!") else []
    found = [os.fsdecode(words[0])] if words else []
    named = [os.fsdecode(word) for word in words[1:] if not word.startswith(b"-") and b"=" not in word][:1]
    if found and os.path.basename(found[0]) == "env" and named:
        found += [host.tool(named[0])] if host.has_tool(named[0]) else named
    return found
