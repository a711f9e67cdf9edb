# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""An undo guard that finds a network interface by its number: it may have another name by now, and another one may have its name.

Its name then stands for LINK in the words of the steps and guards after it (see typed.py). What the kernel drops when an interface is moved to another
network namespace or removed (queueing disciplines, filters, sysctls, routes) needs no undo there.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK, Typed, words

SHOWN = r"""
# Run by sh in a network namespace, with IP NUMBER NAME MARK BEFORE AFTER [ADDRESS]: names of the interfaces that have the number, the name, the mark
# as their description, or the address, and a file BEFORE(name)AFTER. /sys shows the interfaces of the host only.
shown='links=$("$1" -o link show) || exit
seen=
while read -r number name rest; do
    [ -z "$name" ] || seen=1
    hit=
    [ "$number" != "$2:" ] || hit=1
    [ -z "$3" ] || case $name in "$3:" | "$3@"*) hit=1 ;; esac
    [ -z "$4" ] || case $rest in *"    alias $4" | *"    alias $4\\"*) hit=1 ;; esac
    [ -z "${7-}" ] || case " $rest " in *" link/ether $7 "*) hit=1 ;; esac
    [ -n "$hit" ] || continue
    name=${name%:}
    case $name in *@*) # its peer stands behind an @, but both may have one in their names
        short=${name%@*}
        until case $("$1" -o link show dev "$short" 2>/dev/null) in "$number "*) ;; *) false ;; esac; do
            case $short in *@*) short=${short%@*} ;; *) short=$name && break ;; esac
        done
        name=$short ;;
    esac
    [ -n "$5" ] && [ ! -e "$5$name$6" ] || printf "%s\n" "$name"
done <<LINKS
$links
LINKS
[ -n "$seen" ]'
unclear() { problem "cannot tell whether the interface $was (number $number) is still there"; return 1; }
"""

_FIND_LINK = r"""
find_link() { # find_link NUMBER NAME BEFORE AFTER [IP ENTER...]: $link is its name by now; fails when it, or its file BEFORE$link$AFTER, is gone
    number=$1 was=$2 head=$3 tail=$4 link=
    shift 4
    if [ $# = 0 ]; then
        link_here && { [ -z "$head" ] || [ -e "$head$link$tail" ]; }
        return
    fi
    tool=$1
    shift
    ask "$@" sh -c "$shown" sh "$tool" "$number" '' '' "$head" "$tail" || { unclear; return; }
    link=$said
    [ -n "$link" ]
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
    unclear
}
"""


class FindLink(Typed):
    """The interface with this number still exists in the network, under whatever name, and has the file. It stays unclear: the undo fails.

    name: the one that it had. path: with LINK in it, empty for none. ip: the program ip, needed in another network namespace only.
    enter: see kernel_files.py.
    """

    fields = ("number", "name", "path", "ip", "enter")
    functions = (SHOWN, _FIND_LINK)

    def __init__(self, number, name, path="", ip=None, enter=()):
        super().__init__(number=str(number), name=name, path=path, ip=ip, enter=list(enter))

    def condition(self):
        head, tail = self.path.split(LINK) if self.path else ("", "")
        inside = f" {words([self.ip])} {words(self.enter)}" if self.enter else ""
        return f"find_link {quote(self.number)} {quote(self.name)} {quote(head)} {quote(tail)}{inside}"
