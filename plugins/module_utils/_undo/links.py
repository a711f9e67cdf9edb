# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""An undo guard that finds a network interface by its number: it may have another name by now, and another one may have its name.

Its name then stands for LINK in the paths of the steps and guards after it (see kernel_files.py).
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import LINK
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, words

_FIND_LINK = r"""
find_link() { # find_link NUMBER NAME BEFORE AFTER [IP ENTER...]: $link is its name by now; fails when it, or its file BEFORE$link$AFTER, is gone
    number=$1 was=$2 head=$3 tail=$4 link=
    shift 4
    if [ $# = 0 ]; then
        link_here && [ -e "$head$link$tail" ]
        return
    fi
    tool=$1
    shift
    # /sys shows the interfaces of the host only.
    if ask "$@" sh -c '
        links=$("$1" -o link show) || exit
        name= seen=
        while read -r number word _; do
            [ -z "$word" ] || seen=1
            [ "$number" != "$2:" ] || name=${word%:}
        done <<LINKS
$links
LINKS
        [ -n "$seen" ] || exit 1
        case $name in *@*) # its peer stands behind the @, unless the @ is in its name
            case $("$1" -o link show dev "${name%@*}" 2>/dev/null) in "$2: "*) name=${name%@*} ;; esac ;;
        esac
        [ -z "$name" ] || [ ! -e "$3$name$4" ] || printf "%s\n" "$name"
    ' sh "$tool" "$number" "$head" "$tail"; then
        link=$said
        [ -n "$link" ]
        return
    fi
    problem "cannot tell whether the interface $was (number $number) is still there"
    return 1
}
link_here() {
    tries=0
    while [ "$tries" -lt 3 ]; do
        seen='' missed=''
        for file in /sys/class/net/*/ifindex; do
            index=
            read -r index 2>/dev/null <"$file" || missed=1 # it was renamed or removed just now: look again
            [ -z "$index" ] || seen=1
            [ "$index" = "$number" ] || continue
            link=${file%/ifindex}
            link=${link##*/}
            return 0
        done
        [ -n "$missed" ] || [ -z "$seen" ] || return 1
        tries=$((tries + 1))
    done
    problem "cannot tell whether the interface $was (number $number) is still there"
    return 1
}
"""


class FindLink(Typed):
    """The interface with this number still exists in the network, under whatever name, and has the file. It stays unclear: the undo fails.

    name: the one that it had. path: with LINK in it. ip: the program ip, needed in another network namespace only. enter: see kernel_files.py.
    """

    fields = ("number", "name", "path", "ip", "enter")
    functions = _FIND_LINK

    def __init__(self, number, name, path, ip=None, enter=()):
        super().__init__(number=str(number), name=name, path=path, ip=ip, enter=list(enter))

    def condition(self):
        head, tail = self.path.split(LINK)
        inside = f" {words([self.ip])} {words(self.enter)}" if self.enter else ""
        return f"find_link {quote(self.number)} {quote(self.name)} {quote(head)} {quote(tail)}{inside}"
