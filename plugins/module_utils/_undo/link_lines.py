# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What ip prints about the interface that a guard of marked_links.py has found, compared with what it printed when the interface had another name."""

import re
from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Misses
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Same
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import all_hold, words

_NAMELESS = r"""
# Run by sh with NAME COMMAND...: what it prints, with /link/ for the name of the interface, and one space between words. As _nameless() has it.
nameless='name=$1
shift
shown=$("$@") || exit
set -f
while read -r line; do
    said=
    for word in $line; do
        case $word in "$name" | "$name\\" | "$name:"*) word=/link/${word#"$name"} ;; esac
        said="$said $word"
    done
    printf "%s\n" "${said# }"
done <<SHOWN
$shown
SHOWN'
"""
_PREFIX = 'sh -c "$nameless" sh "$link" '


def fields(line):
    """The words of a line as sh splits it; str.split() also splits at characters that a name may hold, such as \\x1c or \\u2028."""
    return re.findall(r"[^ \t\n]+", line)


def _nameless(line, name):
    found = []
    for each in fields(line):
        named = each in (name, name + "\\") or each.startswith(name + ":")
        found.append("/link/" + each[len(name) :] if named else each)
    return " ".join(found)


class MissesLine(Misses):
    """A command succeeds and does not print this line about the interface that was found, under whatever name. name: the one in the line."""

    functions = (Misses.functions, _NAMELESS)

    def __init__(self, argv, line, name):
        super().__init__(argv, _nameless(line, name))

    def condition(self):
        return f"misses {quote(self.line)} {_PREFIX}{words(self.argv)}"


class SameLines(Same):
    """As Same, with lines about the interface that was found."""

    functions = _NAMELESS

    def render(self):
        act = "same {} {} {} {}".format(quote(self.file), quote(self.title), quote(" ".join(self.counters)), _PREFIX + words(self.argv))
        return [f"if {all_hold(self.guards)}; then {act}; fi"]


def same_lines(undo, title, argv, text, name, guards, counters=()):
    """As Undo.same(), with lines about the interface that was found. name: the one in the text, which still has the counters."""
    lines = [_nameless(line, name) for line in text.split("\n")]
    for counter in counters:
        lines = [re.sub(f" {re.escape(counter)} [0-9]*", "", line) for line in lines]
    undo.same(title, argv, "\n".join(sorted(lines, key=lambda line: line.encode("utf-8", "surrogateescape"))), guards, counters)
    was = undo.checks.pop()
    undo.checks.append(SameLines(title, argv, was.file, guards, counters))
