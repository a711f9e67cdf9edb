# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo steps for files: the attack's own directory, a foreign file, the io controller of control groups.

A user may replace a name by a symbolic link between a check and its use. So every step first enters the directory, compares its device and
inode with the recorded ones, and then uses only names without a slash, or an open file.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

_IS_INODE = r"""
is_inode() { # is_inode PATH DEVICE INODE: that very file; a device may have another number after a reboot
    set -- "$2" "$3" $(stat -L -c '%d %i' "$1" 2>/dev/null)
    [ $# = 4 ] && [ "$2" = "$4" ] && { [ "$1" = "$3" ] || ! same_boot; }
}
"""

_IO_OURS = r"""
io_ours() { # io_ours DIRECTORY: its groups have the io controller, and none of them uses it or hands it on
    case " $(cat "$1/cgroup.subtree_control" 2>/dev/null) " in *" io "*) ;; *) return 1 ;; esac
    for group in "$1"/*/; do
        case " $(cat "${group}cgroup.subtree_control" 2>/dev/null) " in *" io "*) return 1 ;; esac
        [ -z "$(cat "${group}io.max" "${group}io.latency" 2>/dev/null)" ] || return 1
        case $(cat "${group}io.weight" 2>/dev/null) in '' | 'default 100') ;; *) return 1 ;; esac
    done
}
"""

_REMOVE_OWN = (
    _IS_INODE
    + r"""
remove_own() { # remove_own DIRECTORY SECONDS: ours, as noted when it was made and before anything was put into it
    rm -f "$dir/reserve" # space for what the undo itself has to write
    [ -e "$1" ] || return 0
    made=$(cat "$dir/made" 2>/dev/null)
    [ -z "$made" ] || (cd -P "$1" 2>/dev/null && is_inode . $made && try_for "$2" rm -rf ./data)
    rmdir "$1" 2>/dev/null || [ ! -e "$1" ] || problem "$1 cannot be removed: it is not what was made, or does not get empty"
}
"""
)

_FILE_BACK = (
    _IS_INODE
    + r"""
edited() { # edited NAME: somebody changed the file meanwhile; theirs stays, unless that is to be overwritten
    [ "$accept" = 0 ] || { say "overwritten, as accepted: $1"; : 2>/dev/null >"$dir/edited"; return 1; }
    say "left alone, for somebody else changed it during the attack: $1" >&2
    printf 'left alone, for somebody else changed it during the attack: %s\n' "$1" 2>/dev/null >>"$dir/stuck"
}
another() { # another NAME: it never had what we did to the other one
    say "left alone, for it is another file now, or none: $1" >&2
    printf 'left alone, for it is another file now, or none: %s\n' "$1" 2>/dev/null >>"$dir/stuck"
}
elsewhere() { # elsewhere DIRECTORY: moved, removed, or not mounted yet; given up once that is accepted
    [ "$accept" = 1 ] || { problem "$1 is not the directory that it was"; return 1; }
    say "given up, as accepted: $1 is not the directory that it was" >&2
    return 3
}
sum_of() { # $sum is the checksum of a plain file; - when it is none
    sum=-
    [ -f "$1" ] && [ ! -L "$1" ] && sum=$(sha256sum <"$1") && sum=${sum%% *}
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
name_back() { # name_back NAME ASIDE FRESH DEVICE INODE BEFORE AFTER: in its directory; 0 done, 1 problem, 3 drift
    rm -f "./$3"
    if [ -e "./$2" ]; then
        is_inode "./$2" "$4" "$5" || { problem "./$2 is not what was put aside"; return 1; }
        if is_inode "./$1" "$4" "$5"; then rm -f "./$2"; return; fi # two names of one file: not yet swapped
    else
        # Nothing was done yet, or all is undone; else somebody removed what was put aside.
        { [ -e "$dir/swapped" ] && ! is_inode "./$1" "$4" "$5"; } || return 0
    fi
    if [ -e "./$1" ] || [ -L "./$1" ]; then
        sum_of "./$1"
        [ "$sum" = "$7" ] || ! edited "$1" || return 3
    fi
    if [ ! -e "./$2" ]; then
        from_saved "$2" "$6" || return 1
    fi
    mv -f -T "./$2" "./$1" || { problem "$1 cannot be put back"; return 1; }
}
file_back() { # file_back PARENT DEVICE INODE NAME...: see name_back
    (
        cd -P "$1" 2>/dev/null && is_inode . "$2" "$3" || { elsewhere "$1"; exit $?; }
        shift 3
        name_back "$@"
    )
    judge $? "$1"
}
"""
)

_BYTES_BACK = r"""
attributes() { # attributes FD: mode, owner, times and extended attributes as they were
    cp --attributes-only --preserve=mode,ownership,timestamps,xattr "$dir/saved" "/proc/self/fd/$1" && return 0
    problem "the attributes cannot be restored"
    return 1
}
bytes_back() { # bytes_back NAME DEVICE INODE BEFORE AFTER: the same inode gets its bytes again
    [ -e "$dir/swapped" ] || return 0 # nothing was written yet
    [ -f "./$1" ] && [ ! -L "./$1" ] && is_inode "./$1" "$2" "$3" || { ! edited "$1" || return 3; from_saved "$1" "$4"; return; }
    command exec 7<>"./$1" && is_inode /proc/self/fd/7 "$2" "$3" || { problem "$1 cannot be opened"; return 1; }
    sum=$(sha256sum </proc/self/fd/7)
    if [ "${sum%% *}" != "$4" ]; then
        # torn: we were interrupted while we wrote
        [ "${sum%% *}" = "$5" ] || [ -e "$dir/torn" ] || ! edited "$1" || return 3
        sum_of "$dir/saved"
        [ "$sum" = "$4" ] || { problem "the saved copy $dir/saved cannot be used"; return 1; }
        : 2>/dev/null >"$dir/torn"
        # Never shorter than it has to be meanwhile: who has it mapped would die of that.
        dd if="$dir/saved" of=/proc/self/fd/7 bs=64k conv=notrunc 2>/dev/null && truncate -r "$dir/saved" /proc/self/fd/7 ||
            { problem "the bytes cannot be restored"; return 1; }
    fi
    attributes 7 && rm -f "$dir/torn"
}
mode_back() { # mode_back NAME DEVICE INODE BEFORE AFTER
    id=$(stat -c '%d %i' "./$1" 2>/dev/null) # of the name itself, not of what it leads to
    [ "${id#* }" = "$3" ] && { [ "${id% *}" = "$2" ] || ! same_boot; } || { another "$1"; return 3; }
    mode=$(stat -c %a "./$1")
    [ "$mode" != "$4" ] || return 0
    [ "$mode" = "$5" ] || ! edited "$1" || return 3
    # By an open file, for the name may be another's by now: even a pipe's, which would keep us waiting for ever.
    set -- "$1" "$id" "$4" 'exec 7<"./$1" && [ "$(stat -L -c "%d %i" /proc/self/fd/7)" = "$2" ] && chmod "$3" /proc/self/fd/7'
    limit
    ($limiter sh -c "$4" sh "$1" "$2" "$3" </dev/null 9>&-) || { problem "the mode of $1 cannot be restored"; return 1; }
}
in_place() { # in_place PARENT DEVICE INODE HOW NAME...: see bytes_back and mode_back
    (
        cd -P "$1" 2>/dev/null && is_inode . "$2" "$3" || { elsewhere "$1"; exit $?; }
        shift 3
        "$@"
    )
    judge $? "$1"
}
"""


class IsInode(Typed):
    """A path leads to the recorded file or directory: the same inode, and within one boot the same device."""

    fields = ("path", "device", "inode")
    functions = _IS_INODE

    def __init__(self, path, device, inode):
        super().__init__(path=path, device=device, inode=inode)

    def condition(self):
        return "is_inode %s %d %d" % (quote(self.path), self.device, self.inode)


class Settled(Typed):
    """No foreign edit had to be kept; otherwise the attack's own files stay beside it."""

    def condition(self):
        return '[ "$drifted" = 0 ]'


class IoController(Typed):
    """The control groups in a directory have the io controller, and none of them uses it."""

    fields = ("path",)
    functions = _IO_OURS

    def __init__(self, path):
        super().__init__(path=path)

    def condition(self):
        return f"io_ours {quote(self.path)}"


class RemoveOwn(Typed):
    """Free the space reserved for the undo, then remove the attack's own directory (see OwnDirectory in _host/filesystem.py).

    size (bytes) and files: its expected content, which sets the time limit. Some file systems read and write for every few MiB that they free.
    """

    fields = ("title", "path", "seconds")
    functions = _REMOVE_OWN

    def __init__(self, title, path, seconds=None, size=0, files=0):
        seconds = seconds or min(3600, 60 + size // (20 << 20) + files // 200)
        super().__init__(title=title, path=path, seconds=seconds)

    def render(self):
        return [comment(self.title), "remove_own %s %d" % (quote(self.path), self.seconds)]


class FileBack(Typed):
    """Rename a file that was put aside back to its name: the same inode, and no data is written.

    parent and file are [device, inode]; before and after are checksums: a file that matches neither has a foreign edit.
    """

    fields = ("title", "path", "parent", "name", "aside", "fresh", "file", "before", "after")
    functions = _FILE_BACK

    def render(self):
        told = [self.path] + self.parent + [self.name, self.aside, self.fresh] + self.file + [self.before, self.after]
        return [comment(self.title), "file_back {}".format(" ".join(quote(str(word)) for word in told))]


class InPlace(Typed):
    """Restore a file on the same inode: its bytes (how: bytes; before and after are checksums) or its mode (how: mode; both are octal)."""

    fields = ("title", "path", "parent", "how", "name", "file", "before", "after")
    functions = _FILE_BACK + _BYTES_BACK

    def render(self):
        told = [self.path] + self.parent + [f"{self.how}_back", self.name] + self.file + [self.before, self.after]
        return [comment(self.title), "in_place {}".format(" ".join(quote(str(word)) for word in told))]
