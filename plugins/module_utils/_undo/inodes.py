# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Files and directories by identity (device and inode), wherever they were moved to on their file system.

An inode number is given to another file once its own is gone. So each user of a find has a second proof that it is ours: a name that only we use
inside of it, another name of the same inode that we still hold, or its checksum.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed

IS_INODE = r"""
is_inode() { # is_inode PATH DEVICE INODE: that very file; a device may have another number after a reboot
    set -- "$2" "$3" $(stat -L -c '%d %i' "$1" 2>/dev/null)
    [ $# = 4 ] && [ "$2" = "$4" ] && { [ "$1" = "$3" ] || ! same_boot; }
}
"""

# hunter is a program of its own, because it wants a mount namespace of its own: there it takes away what is mounted over the file system, and looks at all of
# it by a mount that shows no other. For each find it leaves a process in the directory: /proc/PID/cwd leads there, also from outside of the namespace.
HUNT = (
    IS_INODE
    + r"""
plainly='
plainly() { # $point without the escapes of the kernel
    case $point in *\\*) point=$(printf "$(printf %s "$point" | sed "s/%/%%/g")/") && point=${point%/} ;; esac
}
'
eval "$plainly"
hunter=$plainly'
device=$1 inode=$2 number=$3 fsid=$4 view=$5 looked=nowhere round=1 first= seen= private=
sitter="cd -P \"\${1%/*}\" && [ \"\$(stat -c %i \"./\${1##*/}\")\" = $inode ] || exit
sleep 60 </dev/null >/dev/null 2>&1 4>&- &
printf \"%s %s/\" \$! \"\${1##*/}\""
ours() { # ours ID POINT: $device is what it shows, and when something is mounted over it, not any more
    times=0
    [ -n "$device" ] || device=$(stat -c %d "$2")
    until [ "$(stat -c %d "$2")" = "$device" ]; do
        times=$((times + 1)) over= after=
        [ -n "$private" ] && [ -n "$number" ] && [ "$times" -lt 30 ] || return 1
        while read -r other _ _ _ point _; do
            plainly
            [ -z "$after" ] || case $2 in "${point%/}"/* | "$point") over=$point ;; esac
            [ "$other" != "$1" ] || after=1
        done </proc/self/mountinfo
        [ -n "$over" ] && umount -l "$over" || return 1
    done
    [ -z "$fsid" ] || [ "$(stat -f -c %i "$2")" = "$fsid" ]
}
search() { # search DIRECTORY: whether all of it could be read; what vanishes meanwhile is no reason
    said=$(cd -P "$1" && { find . -xdev -inum "$inode" ! -name . -exec sh -c "$sitter" sh {} \; >&4 </dev/null; echo "rc $?"; } 2>&1)
    case $said in *"rc 0" | *"No such file or directory"*"rc 1") ;; *) return 1 ;; esac
    IFS="
"
    set -f
    for each in $said; do
        case $each in "rc 0" | "rc 1" | *"No such file or directory") ;; *) return 1 ;; esac
    done
}
exec 4>&1
mount --make-rprivate / && private=1
cat /proc/self/mountinfo /proc/self/mountinfo | {
    while read -r id _ major root point rest; do # first those that show all of a file system
        [ "$id" != "$first" ] || round=2
        [ -n "$first" ] || first=$id
        case $looked$round$root in whole*) break ;; *1/ | *2/?*) ;; *) continue ;; esac
        case $seen in *" $root "*) continue ;; esac
        plainly
        place=$point
        if [ -n "$number" ]; then
            [ "$major" = "$number" ] || continue
        else
            case " $rest" in *" - proc "* | *" - sysfs "* | *" - cgroup"* | *" - autofs "* | *" - nfs"* | *" - cifs "* | *" - fuse"*) continue ;; esac
            if [ -n "$device" ]; then [ "$(stat -c %d "$point")" = "$device" ]; else [ "$(stat -f -c %i "$point")" = "$fsid" ]; fi || continue
        fi
        ours "$id" "$place" || { looked=hidden; continue; }
        seen="$seen $root " all= shown=$place
        if [ -n "$private" ] && mount --bind "$place" "$view"; then
            shown=$view
            case "$root $rest" in "/ "*) all=1 ;; *" - btrfs "*) [ "$(stat -c %i "$view")" != 256 ] || all=1 ;; esac
        elif [ "$root" = / ]; then
            all=1
            while read -r _ _ _ _ point _; do
                plainly
                case $point in "${place%/}"/*) all= ;; esac # what is below that mount cannot be seen
            done </proc/self/mountinfo
        fi
        looked=part
        if (search "$shown") && [ -n "$all" ]; then looked=whole; fi
        [ "$shown" = "$place" ] || umount -l "$view"
    done
    printf "= %s" "$looked"
}
'
home() { # home NUMBER FSID POINT WHERE IN-MEMORY LATE: the file system of what follows; see Mount.home in _host/mounts.py
    at_number=$1 at_fsid=$2 at_point=$3 at=$4 at_memory=$5 at_late=$6
}
mounted() { case " $(cat "$@" 2>/dev/null)" in *" $at_number "*) ;; *) return 1 ;; esac; } # mounted MOUNTINFO...: as it was
ended() { # what was in memory is gone with a reboot, and with its file system (1)
    [ "$at_memory" != 0 ] || return 1
    same_boot || return 0
    [ "$at_memory" = 1 ] || return 1
    mounted /proc/[0-9]*/mountinfo || return 0
    [ -n "$at_fsid" ] || return 1
    seen=' ' # a later one may have its number by now
    for each in /proc/self/mountinfo $(grep -l " $at_number " /proc/[0-9]*/mountinfo 2>/dev/null); do
        each=${each%/mountinfo}
        while read -r mount _ major _ point _; do
            [ "$major" = "$at_number" ] || continue
            case $seen in *" $mount "*) continue ;; esac
            seen="$seen$mount "
            plainly
            case "$(stat -c %d "$each/root$point" 2>/dev/null) $(stat -f -c %i "$each/root$point" 2>/dev/null)" in
            "$at_device $at_fsid") return 1 ;;
            "$at_device "*) ;;
            *) return 1 ;; # hidden by another mount
            esac
        done 2>/dev/null <"$each/mountinfo"
    done
    return 0
}
was_in() { at_parent=$1 at_device=$2 at_above=$3; } # was_in DIRECTORY DEVICE INODE; files of an overlay may have other devices
hunt() { # hunt INODE: $finds; whether it is known that these are all
    number=$at_number device=$at_device
    if ! same_boot || ! mounted /proc/self/mountinfo; then # it has another number by now, or is not mounted
        number='' device=''
        ! leads "$at_parent/." '[0-9]*' "$at_above" || device=${led% *}
    fi
    own=
    [ -z "$(command -v unshare)" ] || fails unshare -m true || own='unshare -m'
    finds='' looked=nowhere
    [ -n "$number$device$at_fsid" ] || return 1
    limit 600
    finds=$($limiter $own sh -c "$hunter" sh "$device" "$1" "$number" "$at_fsid" "$dir" 2>/dev/null </dev/null 9>&-)
    looked=${finds##*= }
    case $finds in *"= $looked") finds=${finds%"= $looked"} ;; */*) looked='not in time' finds=${finds%/*}/ ;; *) looked='not in time' finds= ;; esac
    # Without an id it may be another file system under the same number.
    [ "$looked$at_fsid" != whole ] || leads "$at_parent/." '[0-9]*' "$at_above" || looked=another
    [ "$looked" = whole ]
}
leads() { # leads PATH DEVICE INODE: now, without a link at its end; on a dead mount the answer takes a minute
    limit
    led=$($limiter stat -c '%d %i' "$1" 2>/dev/null </dev/null 9>&-)
    case $led in $2" $3") ;; *" $3") ! same_boot ;; *) return 1 ;; esac
}
next_find() { # go to the next of $finds, into its directory: $name
    cd / && [ -n "$finds" ] || return 1
    sitter=${finds%% *} name=${finds#* }
    finds=${name#*/} name=${name%%/*}
    cd "/proc/$sitter/cwd" 2>/dev/null
    set -- $?
    kill "$sitter" 2>/dev/null
    [ "$1" = 0 ] || next_find
}
enough() { # no more of $finds
    while [ -n "$finds" ]; do
        kill "${finds%% *}" 2>/dev/null
        finds=${finds#*/}
    done
}
place_of() { # place_of NAME: $place is where we are, for people, and for paths that are checked again
    place=$(readlink /proc/self/cwd) place=${place#"$dir"}
    place=${at_point%/}${place%/}/$1
    [ "$(stat -c %i "$place" 2>/dev/null)" = "$(stat -c %i "./$1")" ] || place="$(readlink /proc/self/cwd)/$1 on $at"
}
unknown() { # unknown WHAT DEVICE INODE: neither there nor known to be gone; given up once that is accepted
    help="if that is right, give it up: revert with accept_drift: true (id $id)"
    case $looked in
    nowhere | hidden | another) why="that is not mounted here, or hidden" help="mount it again, then run: sh $state/control.sh revert $id" ;;
    whole) why="it is not there any more" ;;
    *) why="not all of that could be searched" help="try again: sh $state/control.sh revert $id; when it is gone, ${help#*, }" ;;
    esac
    why="$1 (device $2, inode $3) is not found on $at: $why"
    [ "$accept" = 1 ] || { problem "$why; $help"; return 1; }
    say "given up, as accepted: $why" >&2
    true 2>/dev/null >"$dir/edited"
}
"""
)


class IsInode(Typed):
    """A path leads to the recorded file or directory: the same inode, and within one boot the same device."""

    fields = ("path", "device", "inode")
    functions = IS_INODE

    def __init__(self, path, device, inode):
        super().__init__(path=path, device=device, inode=inode)

    def condition(self):
        return "is_inode %s %d %d" % (quote(self.path), self.device, self.inode)


def at_home(home, function, told):
    """The call of a shell function that hunts, after home: the file system (Mount.home() in _host/mounts.py)."""
    return [" ".join([name] + [quote(str(word)) for word in words]) for name, words in (("home", home), (function, told))]
