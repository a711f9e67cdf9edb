# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo steps for control groups: find one, empty one, remove one."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, comment, word

_FIND = r"""
removed=
find_group() { # find_group PATH TOP [INODE]: $link is where that group is by now; without INODE, the one that is noted (see make in _host/cgroup.py)
    same_boot || return 1
    link=$1 inode=$3
    [ -n "$inode" ] || while read -r number noted; do
        [ "$noted" != "$1" ] || inode=$number
    done 2>/dev/null <"$dir/groups"
    [ -n "$inode" ] || { [ -d "$1" ]; return; }
    case " $removed " in *" $inode "*) return 1 ;; esac
    [ "$(stat -c %i "$1" 2>/dev/null)" != "$inode" ] || return 0
    case $(stat -f -c %t "$2" 2>/dev/null) in 27e0eb | 63677270) shown=1 ;; *) shown= ;; esac # version 1 and 2
    while read -r _ _ _ _ point _; do
        case $point in "$2"/*) shown= ;; esac
    done 2>/dev/null </proc/self/mountinfo
    times=0
    until link=$(find "$2" -xdev -type d -inum "$inode" 2>/dev/null) || [ -n "$link" ]; do # it fails when another group goes meanwhile
        times=$((times + 1))
        [ "$times" -lt 5 ] || { shown=; break; }
    done
    [ -z "$link" ] || return 0
    [ -n "$shown" ] || problem "the control group that was $1 cannot be looked for: $2 is not mounted, or something is mounted over it"
    return 1
}
"""

_REMOVE = r"""
remove_cgroup() { # remove_cgroup DIR: once its last process is gone
    tries=0
    until rmdir "$1" 2>/dev/null || [ ! -d "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { problem "the control group $1 is not empty"; return; }
        sleep 0.1 2>/dev/null || sleep 1
    done
    removed="$removed $inode"
}
"""

_EMPTY = r"""
empty_cgroup() { # empty_cgroup FROM TO TOP: its processes go back to where they came from, or to the top when that is gone
    to=$2
    [ -d "$to" ] || to=$3
    tries=0
    while [ "$tries" -lt 50 ] && [ -n "$(cat "$1/cgroup.procs" 2>/dev/null)" ]; do # what they start meanwhile is in there, too
        [ "$tries" = 0 ] || sleep 0.1 2>/dev/null || sleep 1
        tries=$((tries + 1))
        for pid in $(cat "$1/cgroup.procs" 2>/dev/null); do
            (echo "$pid" >"$to/cgroup.procs") 2>/dev/null # it may have ended
        done
    done
}
"""


class FindGroup(Typed):
    """A control group is still there, which may be renamed in version 1; its directory is LINK then. top: the mount point of the hierarchy."""

    fields = ("path", "top", "inode")
    functions = _FIND

    def __init__(self, path, top, inode=None):
        super().__init__(path=path, top=top, inode=inode)

    def condition(self):
        return " ".join(["find_group", quote(self.path), quote(self.top)] + ([str(self.inode)] if self.inode else []))


class EmptyCgroup(Typed):
    """Move the processes of an attack's control group back to the group that they came from (back), or to top when that is gone."""

    fields = ("title", "path", "back", "top", "guards")
    functions = _EMPTY

    def __init__(self, title, path, back, top, guards):
        super().__init__(title=title, path=path, back=back, top=top, guards=list(guards))

    def render(self):
        words = " ".join(word(each) for each in (self.path, self.back, self.top))
        return [comment(self.title), f"if {all_hold(self.guards)}; then empty_cgroup {words}; fi"]


class RemoveCgroup(Typed):
    """Remove an attack's control group; it is retried, because the kernel refuses until the last process has ended."""

    fields = ("title", "path", "guards")
    functions = _REMOVE

    def __init__(self, title, path, guards):
        super().__init__(title=title, path=path, guards=list(guards))

    def render(self):
        return [comment(self.title), f"if {all_hold(self.guards)}; then remove_cgroup {word(self.path)}; fi"]
