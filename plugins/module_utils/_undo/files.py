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
edited() { # edited NAME [ORIGINAL]: somebody changed the file meanwhile; theirs stays, unless that is to be overwritten
    [ "$accept" = 0 ] || { say "overwritten, as accepted: $1"; true 2>/dev/null >"$dir/edited"; return 1; }
    differs "left alone, for somebody else changed it during the attack: $1; the original is ${2:-$dir/saved}, and accept_drift puts it OVER what they wrote"
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
facts='%d %i %h %a %u %g %.9Y %.9Z' # device, inode, number of names, mode, owner, group, when its bytes changed, when anything of it changed
look_at() { # look_at NAME ASIDE: $above, $own and $put are the facts of this directory, NAME and ASIDE
    above='' own='' put=''
    set -f
    IFS='
'
    for each in $(stat -c "$facts %n" . "./$1" "./$2" 2>/dev/null); do
        case $each in *" .") above=${each% .} ;; *" ./$1") own=${each%" ./$1"} ;; *" ./$2") put=${each%" ./$2"} ;; esac
    done
    unset IFS
    set +f
}
that() { # that FACTS DEVICE INODE: as is_inode
    set -- $1 "$2" "$3"
    [ $# = 10 ] && [ "$2" = "${10}" ] && { [ "$1" = "$9" ] || ! same_boot; }
}
was_made() { # $copy: device and inode of what the attack made; $made: its other facts, as far as it came, after x when it has extended attributes
    copy='' made=''
    { read -r copy; read -r made; } 2>/dev/null <"$dir/swapped"
    read -r made 2>/dev/null <"$dir/made"
}
changed() { # changed FACTS: mode, owner, times or attributes are not what the attack made; whatever somebody does to them sets the last time
    [ -n "$made" ] || return 1
    is=${1#* * * } was=${made#? }
    case $is in
    *.*) ;;
    *) set -- $was; was="$1 $2 $3"; [ $# = 3 ] || was="$was ${4%.*} ${5%.*}" ;; # a stat that knows no fractions
    esac
    case "$is " in "$was "*) return 1 ;; esac
}
keep() { # keep FD, after changed: $dir/theirs gets the attributes of that file, but for the time of the attack's own write
    rm -f "$dir/theirs"
    cp --attributes-only --preserve=mode,ownership,timestamps,xattr "/proc/self/fd/$1" "$dir/theirs" 2>/dev/null || return 1
    set -- $was
    was=${4-}
    set -- $is
    [ -n "$was" ] && [ "$was" != "$4" ] || cp --attributes-only --preserve=timestamps "$dir/saved" "$dir/theirs"
}
attributes() { # attributes FD FILE WHAT: those of a file of ours
    cp --attributes-only --preserve="$3" "$dir/$2" "/proc/self/fd/$1" && return 0
    problem "the attributes cannot be restored"
    return 1
}
told() { # what stays different, at every try
    [ -s "$dir/told" ] || return 0
    differs "$(cat "$dir/told")"
    return 3
}
tell() { printf '%s\n' "$1" 2>/dev/null >"$dir/told"; }
hand_over() { # hand_over NAME DEVICE INODE: put back; it gets what somebody else gave the changed copy, which is open as 5 and has no name any more
    now=$(stat -L -c "$facts" /proc/self/fd/5)
    that "$now" $copy || { tell "put back in place of another file: $1"; return 0; } # swapped at the last moment
    changed "$now"
    tell "put back, but somebody else changed mode, owner, time or attributes of what the attack made, which is lost (mode, owner, group, time: ${is% *}): $1"
    keep 5 && { command exec 7<>"./$1"; } 2>/dev/null && is_inode /proc/self/fd/7 "$2" "$3" || return 0
    cp --attributes-only --preserve=mode,ownership,timestamps,xattr "$dir/theirs" /proc/self/fd/7 2>/dev/null || return 0
    case $made in
    x*) tell "put back with mode, owner, time and attributes that somebody else changed, but extended attributes that they took away are there again: $1" ;;
    *) rm -f "$dir/told" ;; # it has all of that now, and the checks name what is not as before
    esac
}
enter() { # enter PARENT DEVICE INODE NAME ASIDE
    leads "$1/." "$2" "$3" && cd -P "$1/" 2>/dev/null || return 1
    [ "$5" = . ] || sum_of "./$4" # before the look, for that tells what happens to it meanwhile
    look_at "$4" "$5" && that "$above" "$2" "$3"
}
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
not_mounted() { # not_mounted NAME: what the attack made has no name any more, but a container that started meanwhile may have it as a mount
    [ -n "$copy" ] && same_boot || return 0
    (
        limit
        script='s|^[^ ]* [^ ]* [^ ]* \([^ ]*\)//deleted \([^ ]*\) .*|\1 \2|p' seen=' ' name=$1 code=0
        found=$($limiter sed -n "$script" /proc/[0-9]*/mountinfo 2>/dev/null </dev/null 9>&-)
        set -f
        set -- $found
        set +f
        while [ $# -ge 2 ]; do
            root=$1 at=$2
            shift 2
            case $seen in *" $at "*) continue ;; esac
            point=${root##*/}
            plainly
            [ "$point" = "$name" ] || continue
            seen="$seen$at " point=$at
            plainly
            where="
$($limiter stat -L -c '%d %i %n' /proc/[0-9]*/root"$point" 2>/dev/null </dev/null 9>&-)
"
            case $where in *"
$copy /"*) ;; *) continue ;; esac
            where=${where#*"
$copy "}
            differs "what the attack made of $name is still mounted: unmount it, or restart what has it: ${where%%"
"*}"
            code=3
        done
        exit "$code"
    )
}
name_back() { # name_back NAME ASIDE FRESH DEVICE INODE BEFORE AFTER NAMES: in its directory, after sum_of and look_at; 0 done, 1 problem, 3 drift
    [ ! -e "./$3" ] || rm -f "./$3"
    was_made
    if [ -n "$put" ]; then
        that "$put" "$4" "$5" || { problem "./$2 is not what was put aside"; return 1; }
        if that "$own" "$4" "$5"; then rm -f "./$2"; return; fi # two names of one file: not yet swapped
    else
        # Nothing was done yet, or all is undone; else somebody removed what was put aside.
        [ -e "$dir/swapped" ] || return 0
        ! that "$own" "$4" "$5" || { copy_gone "$copy" "$7" && not_mounted "$1" && told; return; }
    fi
    theirs=
    if [ -n "$own" ]; then
        if [ "$sum" != "$7" ]; then ! edited "$1" "${put:+$2 beside it}" || return 3
        else
            if ! changed "$own"; then :
            elif ! that "$own" $copy; then tell "put back in place of another file with the same bytes (mode, owner, group, time: ${is% *}): $1"
            elif { command exec 5<>"./$1"; } 2>/dev/null; then
                theirs=1
                tell "put back, but what somebody else changed of its mode, owner, time or attributes may be lost: $1"
            else ! edited "$1" "${put:+$2 beside it}" || return 3; fi # it runs
        fi
    fi
    if [ -z "$put" ]; then
        original_here "$2" "$4" "$5" "$6" "$8"
        case $? in 1) from_saved "$2" "$6" || return 1 ;; 2) return 1 ;; esac
    fi
    mv -f -T "./$2" "./$1" || { problem "$1 cannot be put back"; return 1; }
    [ -z "$theirs" ] || { hand_over "$1" "$4" "$5"; exec 5>&-; }
    case $own in "$copy 1 "*) true 2>/dev/null >"$dir/settled" ;; esac
    copy_gone "$copy" "$7" && not_mounted "$1" && told
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
            sum_of "./$4"
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
bytes_back() { # bytes_back NAME DEVICE INODE BEFORE AFTER: the same inode gets its bytes again, and keeps what somebody else did to its attributes
    { command exec 7<>"./$1"; } 2>/dev/null && [ -f /proc/self/fd/7 ] || { problem "$1 cannot be opened"; return 1; }
    sum=$(sha256sum </proc/self/fd/7) sum=${sum%% *}
    now=$(stat -L -c "$facts" /proc/self/fd/7)
    that "$now" "$2" "$3" || { problem "$1 is another file by now"; return 1; }
    [ "$sum" != "$4" ] || [ ! -e "$dir/settled" ] || return 0
    was_made
    whose=''
    read -r whose 2>/dev/null <"$dir/torn" # we were interrupted while we wrote
    what=timestamps,xattr
    [ "$uid" = 0 ] || what=mode,$what # who is not root loses bits of it by writing
    if [ "$sum" != "$4" ] && [ "$sum" != "$5" ] && [ ! -e "$dir/torn" ]; then
        ! edited "$1" || return 3
        what=mode,ownership,timestamps,xattr
    elif [ "$whose" != theirs ]; then
        [ -z "$whose" ] || case $made in *.*) made=${made% * *} ;; esac # the times are ours by now
        ! changed "$now" || { keep 7 && whose=theirs; } || ! edited "$1" || return 3
    fi
    [ "$whose" = theirs ] || whose=saved
    if [ "$sum" != "$4" ]; then
        sum_of "$dir/saved"
        [ "$sum" = "$4" ] || { problem "the saved copy $dir/saved cannot be used"; return 1; }
        printf '%s\n' "$whose" 2>/dev/null >"$dir/torn"
        # Never shorter than it has to be meanwhile: who has it mapped would die of that.
        dd if="$dir/saved" of=/proc/self/fd/7 bs=64k conv=notrunc 2>/dev/null && truncate -r "$dir/saved" /proc/self/fd/7 ||
            { problem "the bytes cannot be restored"; return 1; }
    fi
    attributes 7 "$whose" "$what" && true 2>/dev/null >"$dir/settled" && rm -f "$dir/torn" "$dir/theirs"
}
mode_back() { # mode_back NAME DEVICE INODE BEFORE AFTER
    mode=$(stat -c %a "./$1")
    [ "$mode" != "$4" ] || return 0
    [ "$mode" = "$5" ] || ! edited "$1" "mode $4" || return 3
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
