# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo steps and guards for small files of the kernel: one write, and values compared in the kernel's spelling.

enter: the command prefix that enters a network namespace (place.undo_argv([]), see _host/namespace.py); empty for the host itself.
The same in Python: _host/kernel_files.py.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, comment, words

_PUT = r"""
put() { # put TEXT FILE: into a small file of the kernel
    printf '%s\n' "$1" 2>/dev/null >"$2" || problem "cannot write $1 to $2"
}
put_in() { # put_in TEXT FILE ENTER...: the same in a network namespace, whose files only a process in it can see
    text=$1 file=$2
    shift 2
    try "$@" sh -c 'printf "%s\n" "$1" >"$2"' sh "$text" "$file"
}
"""

_HAS_LINE = r"""
has_line() { # has_line FILE LINE: in a small file of the kernel
    while read -r line; do
        [ "$line" != "$2" ] || return 0
    done 2>/dev/null <"$1"
    return 1
}
"""

_VALUE = r"""
value_of() { # value_of FILE ENTER...: $value are its words apart by one space; fails when it cannot be read
    file=$1
    shift
    ask "$@" cat "$file" || return 1
    set -f
    set -- $said
    set +f
    value=$*
}
value_is() { # value_is TEXT FILE ENTER...
    text=$1
    shift
    value_of "$@" && [ "$value" = "$text" ]
}
still_ours() { # still_ours BEFORE NOTE FILE ENTER...: written by the attack, and by nobody else since
    [ -e "$dir/$2" ] || return 1 # nothing was written
    text=$1 ours=
    read -r ours 2>/dev/null <"$dir/$2"
    shift 2
    value_of "$@" || return 1
    [ "$value" != "$text" ] || return 1
    [ -z "$ours" ] || [ "$value" = "$ours" ] # empty: it was being written, so whatever is there is ours
}
"""


class HasLine(Typed):
    """A small file of the kernel has exactly this line."""

    fields = ("path", "line")
    functions = _HAS_LINE

    def __init__(self, path, line):
        super().__init__(path=path, line=line)

    def condition(self):
        return f"has_line {quote(self.path)} {quote(self.line)}"


class ValueIs(Typed):
    """A small file of the kernel has this value; spaces and tabs between its words are equivalent."""

    fields = ("path", "text", "enter")
    functions = _VALUE

    def __init__(self, path, text, enter=()):
        super().__init__(path=path, text=" ".join(text.split()), enter=list(enter))

    def condition(self):
        return "value_is " + " ".join(quote(word) for word in [self.text, self.path, *self.enter])


class StillOurs(Typed):
    """The file still has the value that the attack wrote: the one noted in the journal, in the kernel's spelling.

    before: the value before the attack. note: the name of the note (journal.note()). No note: nothing was written. An empty note: the attack
    is writing. Afterwards the note holds the value that the kernel shows.
    """

    fields = ("path", "before", "note", "enter")
    functions = _VALUE

    def __init__(self, path, before, note, enter=()):
        super().__init__(path=path, before=" ".join(before.split()), note=note, enter=list(enter))

    def condition(self):
        return "still_ours " + " ".join(quote(word) for word in [self.before, self.note, self.path, *self.enter])


class Put(Typed):
    """Write a line to a small file of the kernel in one write, while the guards hold."""

    fields = ("title", "path", "text", "guards", "enter")
    functions = _PUT

    def __init__(self, title, path, text, guards, enter=()):
        super().__init__(title=title, path=path, text=text, guards=list(guards), enter=list(enter))

    def render(self):
        act = f"put_in {quote(self.text)} {quote(self.path)} {words(self.enter)}" if self.enter else f"put {quote(self.text)} {quote(self.path)}"
        return [comment(self.title), f"if {all_hold(self.guards)}; then {act}; fi"]
