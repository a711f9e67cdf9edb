# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guards for the network: the filters of an interface, and a network namespace that still exists."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, words

_ONLY_OUR_FILTERS = r"""
only_our_filters() {
    ask "$@" || return 1
    while read -r word rest; do
        case "$word $rest" in
        filter*" pref 47"[0-9][0-9][0-9]" "*) ;;
        filter*) return 1 ;;
        esac
    done <<EOF
$said
EOF
}
"""

NETWORKS = r"""
network=
networks() { # networks [all]: "INODE DOOR" of what leads to network namespaces: processes and names; with all also threads, open files and mounts
    stat -L -c '%i %n' /proc/[0-9]*/ns/net /run/netns/* /run/docker/netns/*
    [ $# != 0 ] || return 0
    stat -L -c '%i %n' /proc/[0-9]*/task/[0-9]*/ns/net
    ls -l /proc/[0-9]*/fd | sed -n -e 's|^\(/proc/[0-9]*/fd\):$|\1|' -e 't directory' -e 's|.* \([0-9]*\) -> net:\[\([0-9]*\)\]$|\2 \1|' -e 't file' \
        -e d -e ':directory' -e h -e d -e ':file' -e G -e 's| \([0-9]*\)\n\(.*\)| \2/\1|p'
    stat -L -c '%i %n' /proc/[0-9]*/ns/mnt | sort -u -k 1,1 | while read -r _ process; do
        process=${process%/ns/mnt}
        sed -n "s|^[^ ]* [^ ]* [^ ]* net:\[\([0-9]*\)\] \([^ ]*\) .* - nsfs .*|\1 $process/root\2|p" "$process/mountinfo"
    done
} 2>/dev/null
every_network() { # $listed is all that networks shows, our own namespace at least
    listed=$(networks all)
    case "
$listed" in *"
$(stat -L -c %i /proc/self/ns/net) "*) return 0 ;; esac
    problem "cannot look for network namespaces: stat does not work, or there are too many processes"
    return 1
}
open_network() { # open_network DOOR: as file 8. A path through foreign mounts may hang, so another process opens it first
    way=$1 holder='' patience=10
    case $way in /proc/*/root/*)
        case $way in *\\*) way=$(printf "$(printf %s "$way" | sed 's/%/%%/g')") ;; esac
        sh -c 'exec 8<"$1" && exec sleep 60' sh "$way" </dev/null >/dev/null 2>&1 8<&- 9>&- &
        holder=$!
        until [ -e "/proc/$holder/fd/8" ] || [ "$patience" = 0 ]; do
            patience=$((patience - 1))
            sleep 0.2 2>/dev/null || sleep 1
        done
        way=/proc/$holder/fd/8 ;;
    esac
    { command exec 8<"$way"; } 2>/dev/null
    set -- $?
    [ -z "$holder" ] || kill "$holder" 2>/dev/null
    return "$1"
}
"""

_NETWORK_NAMESPACE = r"""
network_namespace() { # network_namespace NUMBER DOOR BORN: opened as file 8; what we did in one that is gone is gone as well
    same_boot || return 1
    [ "$network" != "$1" ] || return 0
    [ "$network" != "no $1" ] || return 1
    born=1
    for look in '' quick all all all; do # again where the process behind a door has just ended
        case $look in
        '') doors=$2 ;;
        quick) doors=$(networks | sed -n "s/^${1#*:} //p") ;;
        *)
            every_network || return 1
            doors=$(printf '%s\n' "$listed" | sed -n "s/^${1#*:} //p")
            [ -n "$doors" ] || break ;;
        esac
        while IFS= read -r door; do
            [ -n "$door" ] && open_network "$door" && [ "$(stat -L -c %d:%i /proc/self/fd/8 2>/dev/null)" = "$1" ] || continue
            born "$3" || return 1
            [ -n "$born" ] || break 2 # a later one has the number of ours
            network=$1
            return 0
        done <<DOORS
$doors
DOORS
    done
    exec 8<&-
    if [ -n "$doors" ] && [ -n "$born" ]; then
        problem "the network namespace net:[${1#*:}] is still there, but cannot be entered by" $doors
        return 1
    fi
    network="no $1"
    return 1
}
born() { # born INODE: $born says whether the kernel's own netlink socket in the namespace that is open is that one; each new namespace has a new one
    born=1
    [ -n "$1" ] || return 0
    ask nsenter --net=/proc/self/fd/8 cat /proc/net/netlink || return 1
    born=
    while read -r _ family pid _ _ _ _ _ _ inode _; do
        [ "$family $pid $inode" != "0 0 $1" ] || born=1
    done <<SAID
$said
SAID
    return 0
}
"""


class OnlyOurFilters(Typed):
    """Every tc filter that a command lists has a managed preference (TC_PREF_FIRST to TC_PREF_LAST); none is foreign."""

    fields = ("argv",)
    functions = _ONLY_OUR_FILTERS

    def __init__(self, argv):
        super().__init__(argv=list(argv))

    def condition(self):
        return f"only_our_filters {words(self.argv)}"


class NetworkNamespace(Typed):
    """A network namespace (device and inode of its file) still exists; the guard keeps it open as a file, for nsenter --net=OPEN.

    A later namespace may have the same number. born tells them apart: see birth() in _host/placed.py; empty where the kernel does not show it.
    """

    OPEN = "/proc/self/fd/8"
    fields = ("number", "door", "born")  # door: the file that led to it; tried first
    functions = (NETWORKS, _NETWORK_NAMESPACE)

    def __init__(self, number, door, born=""):
        super().__init__(number=number, door=door, born=born)

    def condition(self):
        return f"network_namespace {quote(self.number)} {quote(self.door)} {quote(self.born)}"
