# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guards for single lines of a tool's output, and steps for programs that read input or effects that the kernel completes by itself."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Run
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, comment, words

_MISSES = r"""
misses() { # misses LINE COMMAND...: it works, and does not print exactly that line
    text=$1
    shift
    ask "$@" || return 1
    while read -r line; do
        [ "$line" != "$text" ] || return 1
    done <<EOF
$said
EOF
}
"""

_LACKS = r"""
lacks() { # lacks TEXT COMMAND...: it works, and does not print that text
    text=$1
    shift
    ask "$@" || return 1
    case $said in *"$text"*) return 1 ;; esac
}
"""

_FEED = r"""
feed() { # feed TEXT COMMAND...: a program with its input; it may refuse, the steps after it look
    text=$1
    shift
    limit
    (
        umask 022
        [ "$uid" != 0 ] || echo 0 2>/dev/null >/proc/self/oom_score_adj
        printf '%s\n' "$text" | ($limiter "$@" >/dev/null 2>&1 9>&-)
    )
}
"""

_REPEAT = r"""
repeat() { # repeat TIMES COMMAND...: until it works, a moment apart
    times=$1
    shift
    until "$@"; do
        times=$((times - 1))
        [ "$times" -gt 0 ] || return 1
        sleep 0.3 2>/dev/null || sleep 1
    done
}
works() { ! fails "$@"; }
insist() { repeat 4 works "$@" || try "$@"; } # insist COMMAND...: it may be refused because somebody else is at it
"""


class Misses(Typed):
    """A command succeeds and does not print exactly this line."""

    fields = ("argv", "line")
    functions = _MISSES

    def __init__(self, argv, line):
        super().__init__(argv=list(argv), line=line.strip(" \t"))  # as the shell's read strips it

    def condition(self):
        return f"misses {quote(self.line)} {words(self.argv)}"


class Lacks(Typed):
    """A command succeeds and its output does not contain this fixed text."""

    fields = ("argv", "text")
    functions = _LACKS

    def __init__(self, argv, text):
        super().__init__(argv=list(argv), text=text)

    def condition(self):
        return f"lacks {quote(self.text)} {words(self.argv)}"


class Until(Typed):
    """Wait until all guards hold, at most so many seconds; the checks decide whether they do."""

    fields = ("title", "seconds", "guards")

    def __init__(self, title, seconds, guards):
        super().__init__(title=title, seconds=int(seconds), guards=list(guards))

    def render(self):
        return [
            comment(self.title),
            "waited=0",
            'until %s || [ "$waited" -ge %d ]; do' % (all_hold(self.guards), self.seconds),
            "    waited=$((waited + 1))",
            "    sleep 1",
            "done",
        ]


class Feed(Typed):
    """Run a program with input, as a fast path for the steps after it; a failure is ignored, because they do the same work one by one."""

    fields = ("title", "argv", "text", "tries")
    functions = _FEED + _REPEAT

    def __init__(self, title, argv, text, tries=1):
        super().__init__(title=title, argv=list(argv), text=text.rstrip("\n"), tries=int(tries))

    def render(self):
        times = "repeat %d " % self.tries if self.tries > 1 else ""
        return [comment(self.title), f"{times}feed {quote(self.text)} {words(self.argv)}"]


class Insist(Run):
    """A Run with retries, for a program that foreign changes may block for a moment; only the last failure counts."""

    functions = _FEED + _REPEAT

    def render(self):
        act = f"insist {words(self.argv)}"
        return [comment(self.title), f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act]
