# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo steps for one foreign file: it is put back where it is, also when it, its directory or what was put aside was moved.

A user may replace a name by a symbolic link between a check and its use. So every step first enters the directory, compares its device and
inode with the recorded ones, and then uses only names without a slash, or an open file.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import HUNT, at_home
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

_FILE_BACK = (
    HUNT
    + r"""
differs() { # differs TEXT: what could be done is done, and it is not as before
    say "$1" >&2
    printf '%s\n' "$1" 2>/dev/null >>"$dir/stuck"
}
edited() { # edited NAME: somebody changed the file meanwhile; theirs stays, unless that is to be overwritten
    [ "$accept" = 0 ] || { say "overwritten, as accepted: $1"; true 2>/dev/null >"$dir/edited"; return 1; }
    differs "left alone, for somebody else changed it during the attack: $1"
}
given_up() { # given_up WHAT DEVICE INODE: the code of that
    unknown "$@" || return 1
    return 3
}
sum_of() { # $sum is the checksum of a plain file; - when it is none. A pipe that takes its place would keep us waiting for ever
    sum=-
    [ -f "$1" ] && [ ! -L "$1" ] || return 0
    if { command exec 6<>"$1"; } 2>/dev/null; then
        [ -f /proc/self/fd/6 ] && sum=$(sha256sum <&6) && sum=${sum%% *}
        exec 6>&-
    else # busy, or read-only
        limit
        sum=$($limiter sha256sum "$1" 2>/dev/null </dev/null 9>&-) || sum=-
        sum=${sum%% *} sum=${sum#\\}
    fi
}
from_saved() { # from_saved NAME: a new file with all that was saved
    sum_of "$dir/saved"
    [ "$sum" = "$2" ] && cp --remove-destination --preserve=all "$dir/saved" "./$1" && return 0 # never through a link
    problem "the saved copy $dir/saved cannot be used"
    return 1
}
judge() { # judge RC PATH: of what a subshell has done
    [ ! -e "$dir/edited" ] || drifted=1
    case $1 in 0) ;; 1) failed=1 ;; 3) drifted=1 ;; *) problem "$2 cannot be reached: rc $1" ;; esac
}
look_at() { # look_at NAME ASIDE: $above, $own and $put are device, inode and number of names of this directory, NAME and ASIDE
    above='' own='' put=''
    set -f
    IFS='
'
    for each in $(stat -c '%d %i %h %n' . "./$1" "./$2" 2>/dev/null); do
        case $each in *" .") above=${each% .} ;; *" ./$1") own=${each%" ./$1"} ;; *" ./$2") put=${each%" ./$2"} ;; esac
    done
    unset IFS
    set +f
}
that() { # that "DEVICE INODE NAMES" DEVICE INODE: as is_inode
    set -- $1 "$2" "$3"
    [ $# = 5 ] && [ "$2" = "$5" ] && { [ "$1" = "$4" ] || ! same_boot; }
}
enter() { leads "$1/." "$2" "$3" && cd -P "$1/" 2>/dev/null && look_at "$4" "$5" && that "$above" "$2" "$3"; } # enter PARENT DEVICE INODE NAME ASIDE
original_here() { # original_here ASIDE DEVICE INODE BEFORE NAMES: somebody moved what was put aside; 0 it is here again, 1 it is gone, 2 problem
    exec 8<.
    (
        hunt "$3"
        all=$? maybe=
        while next_find; do
            place_of "$name"
            maybe=$place
            sum_of "./$name"
            [ "$sum" = "$4" ] || continue # another one that has its inode number by now, or changed
            enough
            cd -P "${place%/*}/" 2>/dev/null && is_inode "./$name" "$2" "$3" && ln "./$name" "/proc/self/fd/8/$1" 2>/dev/null || continue
            [ "$5" != 1 ] || rm -f "./$name" # of several names it may be another one, which stays
            exit 0
        done
        [ -z "$maybe" ] || [ "$accept" = 1 ] || { problem "the file itself may be at $maybe: if it is, move it back as $1"; exit 2; }
        [ "$all" = 0 ] || unknown "the file itself" "$2" "$3" || exit 2
        exit 1
    )
    set -- $?
    exec 8<&-
    return "$1"
}
copy_gone() { # copy_gone "DEVICE INODE" AFTER: the changed copy is nowhere any more; 0 done, 1 problem, 3 drift
    [ -n "$1" ] && [ ! -e "$dir/settled" ] || return 0
    set -- $1 "$2"
    (
        hunt "$2"
        all=$? code=0
        while next_find; do
            sum_of "./$name"
            [ "$sum" = "$3" ] || continue
            place_of "$name"
            differs "what the attack made of it is there, moved or linked by somebody: $place"
            code=3
        done
        [ "$code$all" = 00 ] || [ "$code" = 3 ] || given_up "the changed copy" "$1" "$2" || code=$?
        [ "$code" != 0 ] || true 2>/dev/null >"$dir/settled"
        exit "$code"
    )
}
name_back() { # name_back NAME ASIDE FRESH DEVICE INODE BEFORE AFTER NAMES: in its directory, after look_at; 0 done, 1 problem, 3 drift
    [ ! -e "./$3" ] || rm -f "./$3"
    copy=
    read -r copy 2>/dev/null <"$dir/swapped"
    if [ -n "$put" ]; then
        that "$put" "$4" "$5" || { problem "./$2 is not what was put aside"; return 1; }
        if that "$own" "$4" "$5"; then rm -f "./$2"; return; fi # two names of one file: not yet swapped
    else
        # Nothing was done yet, or all is undone; else somebody removed what was put aside.
        [ -e "$dir/swapped" ] || return 0
        ! that "$own" "$4" "$5" || { copy_gone "$copy" "$7"; return; }
    fi
    if [ -n "$own" ]; then
        sum_of "./$1"
        [ "$sum" = "$7" ] || ! edited "$1" || return 3
    fi
    if [ -z "$put" ]; then
        original_here "$2" "$4" "$5" "$6" "$8"
        case $? in 1) from_saved "$2" "$6" || return 1 ;; 2) return 1 ;; esac
    fi
    mv -f -T "./$2" "./$1" || { problem "$1 cannot be put back"; return 1; }
    if [ "$own" = "$copy 1" ]; then true 2>/dev/null >"$dir/settled"; else copy_gone "$copy" "$7"; fi
}
file_back() { # file_back PARENT DEVICE INODE NAME...: see name_back
    was_in "$1" "$2" "$3"
    limit
    (
        if enter "$1" "$2" "$3" "$4" "$5"; then
            shift 3
            name_back "$@"
            exit
        fi
        ! ended || exit 0
        hunt "$8"
        while next_find; do # its directory was moved, when the file is in it
            case $name in "$4" | "$5") ;; *) continue ;; esac
            look_at "$4" "$5"
            that "$above" "${above%% *}" "$3" || continue # it may be mounted under another number by now
            place_of "$name"
            enough
            name_back "$4" "$5" "$6" "$(stat -c %d "./$name")" "$8" "$9" "${10}" "${11}" || exit
            differs "put back, and its directory is not where it was: $place"
            exit 3
        done
        given_up "the directory $1" "$2" "$3"
    )
    judge $? "$1"
}
"""
)

_IN_PLACE = r"""
attributes() { # attributes FD: mode, owner, times and extended attributes as they were
    cp --attributes-only --preserve=mode,ownership,timestamps,xattr "$dir/saved" "/proc/self/fd/$1" && return 0
    problem "the attributes cannot be restored"
    return 1
}
bytes_back() { # bytes_back NAME DEVICE INODE BEFORE AFTER: the same inode gets its bytes again
    command exec 7<>"./$1" && is_inode /proc/self/fd/7 "$2" "$3" || { problem "$1 cannot be opened"; return 1; }
    sum=$(sha256sum </proc/self/fd/7)
    if [ "${sum%% *}" != "$4" ]; then
        # torn: we were interrupted while we wrote
        [ "${sum%% *}" = "$5" ] || [ -e "$dir/torn" ] || ! edited "$1" || return 3
        sum_of "$dir/saved"
        [ "$sum" = "$4" ] || { problem "the saved copy $dir/saved cannot be used"; return 1; }
        true 2>/dev/null >"$dir/torn"
        # Never shorter than it has to be meanwhile: who has it mapped would die of that.
        dd if="$dir/saved" of=/proc/self/fd/7 bs=64k conv=notrunc 2>/dev/null && truncate -r "$dir/saved" /proc/self/fd/7 ||
            { problem "the bytes cannot be restored"; return 1; }
    fi
    attributes 7 && rm -f "$dir/torn"
}
mode_back() { # mode_back NAME DEVICE INODE BEFORE AFTER
    mode=$(stat -c %a "./$1")
    [ "$mode" != "$4" ] || return 0
    [ "$mode" = "$5" ] || ! edited "$1" || return 3
    # By an open file, for the name may be another's by now: even a pipe's, which would keep us waiting for ever.
    set -- "$1" "$2" "$3" "$4" 'exec 7<"./$1" && [ "$(stat -L -c %i /proc/self/fd/7)" = "$2" ] && chmod "$3" /proc/self/fd/7'
    limit
    ($limiter sh -c "$5" sh "$1" "$3" "$4" </dev/null 9>&-) || { problem "the mode of $1 cannot be restored"; return 1; }
}
proved() { # proved HOW NAME BEFORE AFTER SUM: not another one that has the inode number by now
    sum_of "./$2"
    case $1 in
    mode_back) [ "$sum" = "$5" ] ;;
    *) [ -e "$dir/torn" ] || [ "$sum" = "$3" ] || [ "$sum" = "$4" ] ;;
    esac
}
in_place() { # in_place PARENT DEVICE INODE HOW NAME FILE'S DEVICE AND INODE BEFORE AFTER SUM: see bytes_back and mode_back
    was_in "$1" "$2" "$3"
    [ "$at_point" != "${1%/}/$5" ] || at_device=$6 # it is a mount of its own
    limit
    (
        [ "$4" = mode_back ] || [ -e "$dir/swapped" ] || exit 0 # nothing was written yet
        entered=
        if enter "$1" "$2" "$3" "$5" .; then
            entered=1
            if that "$own" "$6" "$7"; then
                "$4" "$5" "$6" "$7" "$8" "$9"
                exit
            fi
        fi
        ! ended || exit 0
        (
            hunt "$7"
            all=$? maybe=
            while next_find; do
                place_of "$name"
                maybe=$place
                proved "$4" "$name" "$8" "$9" "${10}" || continue
                enough
                "$4" "$name" "$(stat -c %d "./$name")" "$7" "$8" "$9" || exit
                differs "put back where somebody had moved it to: $place"
                exit 3
            done
            [ -z "$maybe" ] || differs "left alone, for it may be another file, or was changed as well: $maybe"
            [ "$all" = 0 ] || given_up "the file $5" "$6" "$7" || exit
            exit 10
        )
        code=$?
        [ "$code" = 10 ] || exit "$code"
        looked=whole
        [ -n "$entered" ] || { given_up "the directory $1" "$2" "$3"; exit; }
        [ "$4" = bytes_back ] || { differs "left alone, for it is another file now, or none: $5"; exit 3; } # it never had that mode
        ! edited "$5" || exit 3
        from_saved "$5" "$8"
    )
    judge $? "$1"
}
"""


class IsFile(Typed):
    """A path leads to a plain file, which can be read without waiting."""

    fields = ("path",)

    def __init__(self, path):
        super().__init__(path=path)

    def condition(self):
        return f"[ -f {quote(self.path)} ]"


class Settled(Typed):
    """No foreign edit had to be kept; otherwise the attack's own files stay beside it."""

    def condition(self):
        return '[ "$drifted" = 0 ]'


class FileBack(Typed):
    """Rename a file that was put aside back to its name: the same inode, and no data is written.

    parent and file are [device, inode]; before and after are checksums: a file that matches neither has a foreign edit.
    names: how many it had (hard links). home: see Mount.home() in _host/mounts.py.
    """

    fields = ("title", "path", "parent", "name", "aside", "fresh", "file", "before", "after", "names", "home")
    functions = _FILE_BACK

    def render(self):
        told = [self.path] + self.parent + [self.name, self.aside, self.fresh] + self.file + [self.before, self.after, self.names]
        return [comment(self.title)] + at_home(self.home, "file_back", told)


class InPlace(Typed):
    """Restore a file on the same inode: its bytes (how: bytes; before and after are checksums) or its mode (how: mode; both are octal).

    content: the checksum of its bytes, which identifies it elsewhere when only its mode was changed. home: see Mount.home() in _host/mounts.py.
    """

    fields = ("title", "path", "parent", "how", "name", "file", "before", "after", "content", "home")
    functions = _FILE_BACK + _IN_PLACE

    def render(self):
        told = [self.path] + self.parent + [f"{self.how}_back", self.name] + self.file + [self.before, self.after, self.content]
        return [comment(self.title)] + at_home(self.home, "in_place", told)
