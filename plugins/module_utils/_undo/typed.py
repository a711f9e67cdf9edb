# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The base of every undo step, guard and check: named fields that serialize to JSON, and the quoting of commands for the shell."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

NESTED = ("guards", "steps")  # fields that hold Typed objects themselves
LINK = "\0link\0"  # in a word: what the guard of links.py, marked_links.py or cgroups.py before it has found


def word(text):
    """A text as one word of the shell."""
    return '"$link"'.join(quote(part) if part else "" for part in text.split(LINK)) or "''"


def words(argv):
    """An argv as quoted words of a shell command. Errors: AttackError for an argv that cannot be run."""
    told = [str(each) for each in argv]
    if not told or not told[0] or told[0].startswith("-") or "=" in told[0] or any("\0" in each.replace(LINK, "") for each in told):
        raise AttackError(f"undo: {told!r} cannot be run: it needs the name of a program first, and no zero bytes")
    return " ".join(word(each) for each in told)


def comment(title):
    """A title as a shell comment of one line; names of processes and devices may contain line breaks."""
    return "# " + "".join(letter if letter.isprintable() else "?" for letter in title)


class Typed:
    """An object with named fields that serializes to JSON."""

    fields = ()
    functions = ""  # shell functions that only this kind needs, a text or texts; they are added to the scripts that use it

    def __init__(self, **values):
        unknown = set(values) - set(self.fields)
        if unknown:
            raise AttackError("undo: unknown fields {} in {}".format(", ".join(sorted(unknown)), type(self).__name__))
        for name in self.fields:
            setattr(self, name, values.get(name))

    def to_dict(self):
        found = {"type": type(self).__name__}
        for name in self.fields:
            value = getattr(self, name)
            found[name] = [item.to_dict() for item in value] if name in NESTED else value
        return found


def all_hold(guards):
    """The shell condition that is true while all guards hold."""
    return " && ".join(guard.condition() for guard in guards)


def indent(lines):
    return ["    " + line for line in lines]
