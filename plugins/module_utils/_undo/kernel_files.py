# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo steps and guards for small files of the kernel: one write, and values compared in the kernel's spelling.

enter: the command prefix that enters a network namespace (place.undo_argv([]), see _host/placed.py); empty for the host itself.
The same in Python: _host/kernel_files.py.
"""

import re
from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, comment, word, words

# The first line of a note about a value. WRITING: whatever is there is the attack's. WRITTEN: the value on the next line is, as the kernel shows it.
WRITING, WRITTEN = "writing", "written"

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
    case $file in /proc/*) as_kernel "$file" || { problem "something is mounted over $file"; return 1; } ;; esac
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
    text=$1 phase='' ours=''
    while read -r line; do
        [ -z "$phase" ] || ours=$line
        [ -n "$phase" ] || phase=$line
    done 2>/dev/null <"$dir/$2"
    shift 2
    value_of "$@" || return 1
    [ "$value" != "$text" ] || return 1
    case $phase in
        writing) ;; # whatever is there is ours
        written) [ "$value" = "$ours" ] ;;
        *) return 1 ;;
    esac
}
"""

# What the kernel changes along with a value is put back only by the undo that puts the value back, or goes on with that after it was killed.
_BACK = r"""
begun=
begin_back() { # begin_back NOTE
    begun="$begun $1 "
    printf '' 2>/dev/null >"$dir/$1.back" # on a full disk, $begun has to do
}
has_begun() {
    case $begun in *" $1 "*) return 0 ;; esac
    [ -e "$dir/$1.back" ]
}
end_back() { [ "$failed" != 0 ] || rm -f "$dir/$1.back"; }
"""


def _value(text):
    """As value_of of the shell: the words, which end only at these spaces, apart by one space."""
    return " ".join(re.findall(r"[^ \t\n]+", text))


class HasLine(Typed):
    """A small file of the kernel has exactly this line."""

    fields = ("path", "line")
    functions = _HAS_LINE

    def __init__(self, path, line):
        super().__init__(path=path, line=line)

    def condition(self):
        return f"has_line {word(self.path)} {quote(self.line)}"


class ValueIs(Typed):
    """A small file of the kernel has this value; spaces and tabs between its words are equivalent."""

    fields = ("path", "text", "enter")
    functions = _VALUE

    def __init__(self, path, text, enter=()):
        super().__init__(path=path, text=_value(text), enter=list(enter))

    def condition(self):
        return " ".join(["value_is", quote(self.text), word(self.path), *map(quote, self.enter)])


class StillOurs(Typed):
    """The file still has the value that the attack wrote: the one noted in the journal, in the kernel's spelling.

    before: the value before the attack. note: the name of the note (journal.note()). No note: nothing was written. WRITING: the attack is
    writing. WRITTEN: the next line of the note is the value that the kernel shows.
    """

    fields = ("path", "before", "note", "enter")
    functions = _VALUE

    def __init__(self, path, before, note, enter=()):
        super().__init__(path=path, before=_value(before), note=note, enter=list(enter))

    def condition(self):
        return " ".join(["still_ours", quote(self.before), quote(self.note), word(self.path), *map(quote, self.enter)])


class BackHasBegun(Typed):
    """This undo puts a value back, or an earlier one began to and did not come to its end (see BeginBack and EndBack)."""

    fields = ("note",)
    functions = _BACK

    def __init__(self, note):
        super().__init__(note=note)

    def condition(self):
        return f"has_begun {quote(self.note)}"


class BeginBack(Typed):
    fields = ("note",)
    functions = _BACK

    def __init__(self, note):
        super().__init__(note=note)

    def render(self):
        return [f"begin_back {quote(self.note)}"]


class EndBack(BeginBack):
    def render(self):
        return [f"end_back {quote(self.note)}"]


class Put(Typed):
    """Write a line to a small file of the kernel in one write, while the guards (if any) hold."""

    fields = ("title", "path", "text", "guards", "enter")
    functions = _PUT

    def __init__(self, title, path, text, guards, enter=()):
        super().__init__(title=title, path=path, text=text, guards=list(guards), enter=list(enter))

    def render(self):
        act = f"put_in {quote(self.text)} {word(self.path)} {words(self.enter)}" if self.enter else f"put {quote(self.text)} {word(self.path)}"
        return [comment(self.title), f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act]


class SameFile(Typed):
    """A check: the file shows what it showed before the attack, which is in before/FILE; compared only while the guards (if any) hold."""

    fields = ("title", "path", "file", "guards", "enter")

    def __init__(self, title, path, file, guards=(), enter=()):
        super().__init__(title=title, path=path, file=file, guards=list(guards), enter=list(enter))

    def render(self):
        act = f"same {quote(self.file)} {quote(self.title)} '' {words([*self.enter, 'cat'])} {word(self.path)}"
        return [f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act]
