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

_NETWORK_NAMESPACE = r"""
network_namespace() { # network_namespace NUMBER DOOR: no process and no name leads to it any more -> what we did in it is gone as well
    same_boot || return 1
    tries=0
    while [ "$tries" -lt 3 ]; do
        for door in "$2" $(stat -L -c '%d:%i %n' /proc/[0-9]*/ns/net /run/netns/* /run/docker/netns/* 2>/dev/null | sed -n "s/^$1 //p"); do
            command exec 8<"$door" || continue
            [ "$(stat -L -c %d:%i /proc/self/fd/8)" = "$1" ] && return 0
        done 2>/dev/null
        [ "$door" != "$2" ] || break
        tries=$((tries + 1)) # the process behind a door has just ended: look again
    done
    exec 8<&-
    return 1
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
    """A network namespace (device and inode of its file) still exists; the guard keeps it open as a file, for nsenter --net=OPEN."""

    OPEN = "/proc/self/fd/8"
    fields = ("number", "door")  # door: the file that led to it; tried first
    functions = _NETWORK_NAMESPACE

    def __init__(self, number, door):
        super().__init__(number=number, door=door)

    def condition(self):
        return f"network_namespace {quote(self.number)} {quote(self.door)}"
