# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The undo step for the attack's own directory in a foreign one (OwnDirectory in _host/filesystem.py): it goes, wherever it or its files were moved to."""

from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import HUNT, at_home
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

_REMOVE_OWN = (
    HUNT
    + r"""
newline='
'
nothing_at() { # nothing_at PATH: also no link that leads nowhere by now
    { [ ! -e "$1" ] && [ ! -L "$1" ]; } || problem "$1 stays: it is not what was made. Look, and remove it"
}
remove_own() { # remove_own DIRECTORY SECONDS: ours, as noted when it was made and before anything was put into it
    [ ! -e "$dir/reserve" ] || true 2>/dev/null >"$dir/reserve" # space for what the undo itself has to write
    [ ! -e "$dir/removed" ] || { nothing_at "$1"; return; }
    made=
    read -r made 2>/dev/null <"$dir/made"
    if [ -z "$made" ]; then
        rmdir "$1" 2>/dev/null || [ ! -e "$1" ] || problem "$1 cannot be removed: it is not what was made, or does not get empty"
        return 0
    fi
    set -- "$1" "$2" $made # 3 device 4 inode 5 the inode of the directory above 6 that of data
    was_in "${1%/*}" "$3" "$5"
    code=1
    if leads "$1" "$3" "$4"; then
        (cd -P "${1%/*}/" && unmake "${1##*/}" "$@")
        code=$?
    fi
    [ "$code" != 1 ] || ! ended || return 0
    [ "$code" != 1 ] || {
        (
            hunt "$4"
            all=$?
            while next_find; do
                place_of "$name"
                [ -d "./$name" ] && [ -e "./$name/keep/${1##*/.}" ] || {
                    # Not filled yet, or emptied; else it is another one that has our inode number by now.
                    { [ -z "$6" ] || [ -e "$dir/emptied" ]; } && [ "$(stat -c '%a %u' "./$name")" = "700 $uid" ] && rmdir "./$name" 2>/dev/null && exit 0
                    continue
                }
                enough
                unmake "$name" "$1" "$2" "$(stat -c %d "./$name")" "$4" "$5" "$6" || exit 2 # it may be mounted under another number by now
                say "removed, where somebody had moved it to: $place" >&2
                exit 0
            done
            [ "$all" = 0 ] || unknown "$1" "$3" "$4" && exit $((all * 3))
            exit 2
        )
        code=$?
        nothing_at "$1"
    }
    [ ! -e "$dir/edited" ] || drifted=1 # given up, as accepted
    case $code in 0) true 2>/dev/null >"$dir/removed" ;; 3) ;; *) failed=1 ;; esac
}
unmake() ( # unmake NAME, and as remove_own; where NAME is. 0 done, 1 it is another one, 2 not all of it is gone
    cd -P "./$1" 2>/dev/null || exit 1
    kept=0 count=0 links=0 names=0 inodes=' ' data=
    for each in ./keep/*; do [ ! -e "$each" ] || kept=$((kept + 1)); done
    listed=$(stat -c '%i %h %d' . ./keep/* ./data ./data/*.* ./data/d*/mark 2>/dev/null)
    set -f
    IFS='
'
    for each in $listed; do
        inode=${each%% *} rest=${each#* }
        if [ "$count" = 0 ]; then
            [ "$inode" = "$5" ] && { [ "${rest#* }" = "$4" ] || ! same_boot; } || exit 1
        elif [ "$count" -le "$kept" ]; then
            inodes="$inodes$inode " links=$((links + ${rest% *})) names=$((names + 1))
        else
            [ "$inode" != "$7" ] || data=1
            case $inodes in *" $inode "*) names=$((names + 1)) ;; esac
        fi
        count=$((count + 1))
    done
    [ "$count" -gt 0 ] || exit 1
    unset IFS
    set +f
    here=$(pwd -P 2>/dev/null; echo /) # none where nothing else can be mounted: see hunter
    case $here in
    /?*) while read -r _ _ _ _ point _; do
        plainly
        case $point in "${here%?/}"/*) problem "$point is mounted in what has to be removed: unmount it"; exit 2 ;; esac
    done </proc/self/mountinfo ;;
    esac
    for each in ./keep/*; do # this frees the space, whoever has it open or under another name
        [ ! -f "$each" ] || [ -L "$each" ] || true 2>/dev/null >"$each"
    done
    if [ "$links" != "$names" ] || { [ -n "$7" ] && [ -z "$data" ] && [ ! -e "$dir/emptied" ]; }; then
        # They have other names than those that we gave, or data is elsewhere.
        try_for "$3" rm -rf ./data
        [ ! -e ./data ] || exit 2
        [ -z "$data" ] || true 2>/dev/null >"$dir/emptied"
        strays "$7" || exit 2
    fi
    [ -z "$data" ] || true 2>/dev/null >"$dir/emptied"
    try_for "$3" rm -rf ./data
    [ ! -e ./data ] || exit 2
    case $(stat -c %h ./keep/* 2>/dev/null) in *[!1"$newline"]*) strays "$7" || exit 2 ;; esac # linked or moved meanwhile
    try_for "$3" rm -rf ./keep
    [ ! -e ./keep ] || exit 2
    [ "$at_late" = 0 ] || ! fails sync -f . || fails sync
    rmdir "../$1" 2>/dev/null || { problem "$2 cannot be removed: somebody uses it, or put something into it"; exit 2; }
    if true 2>/dev/null >./here; then # that was another one
        rm -f ./here
        problem "$2 is being moved by somebody"
        exit 2
    fi
    exit 0
)
empty_files() { # one of many directories with what uses up the inodes; whether there were any
    set --
    for file in ./f[0-9][0-9][0-9]; do [ ! -f "$file" ] || [ -s "$file" ] || set -- "$@" "$file"; done
    [ $# -gt 0 ] && rm -f "$@"
}
strays() { # strays DATA: in our directory, the other names of what is in keep, and where data is
    keep=$(stat -c %i ./keep)
    for each in ./keep/*; do
        set -- "$1" $(stat -c '%d %i %h' "$each")
        case $4 in '' | 1) continue ;; esac
        (
            hunt "$3"
            while next_find; do
                inode=$(stat -c %i .)
                [ "$inode" != "$keep" ] && [ "$(stat -c %i "./$name")" = "$3" ] || continue
                place_of "$name"
                say "removed, where somebody had moved or linked it to: $place" >&2
                here=$(readlink /proc/self/cwd; echo /)
                here=${here%?/}
                rm -f "./$name"
                [ "$name" != mark ] || ! empty_files || inode=$1
                [ "$inode" != "$1" ] || { rmdir "../${here##*/}" 2>/dev/null && [ "$name" != mark ] && true 2>/dev/null >"$dir/emptied"; }
            done
        )
        [ "$(stat -c %h "$each")" = 1 ] || unknown "another name of what is in $each" "$2" "$3" || return 1
    done
    [ ! -e "$dir/emptied" ] && [ -n "$1" ] || return 0
    (
        hunt "$1" || { unknown "its directory data" "$2" "$1"; exit $?; }
        while next_find; do
            [ -d "./$name" ] && [ "$(stat -c '%i %a %u' "./$name")" = "$1 700 $uid" ] || continue
            rmdir "./$name" 2>/dev/null || { place_of "$name"; problem "$place was moved out of our directory, and is not empty: remove it"; exit 1; }
        done
        exit 0
    )
}
"""
)


class RemoveOwn(Typed):
    """Free the space reserved for the undo, then remove the attack's own directory (see OwnDirectory in _host/filesystem.py).

    size (bytes) and files: its expected content, which sets the time limit. Some file systems read and write for every few MiB that they free.
    home: see Mount.home() in _host/mounts.py.
    """

    fields = ("title", "path", "seconds", "home")
    functions = _REMOVE_OWN

    def __init__(self, title, path, home, seconds=None, size=0, files=0):
        seconds = seconds or min(3600, 60 + size // (20 << 20) + files // 200)
        super().__init__(title=title, path=path, seconds=seconds, home=home)

    def render(self):
        return [comment(self.title)] + at_home(self.home, "remove_own", [self.path, self.seconds])
