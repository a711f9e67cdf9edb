# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guards and steps that find a network interface by its mark, the attack's id as its description: it keeps that under another name and in another
network namespace, where it may lose its number. Its name then stands for LINK, as in links.py.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.links import SHOWN
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import NETWORKS
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment, word, words

_FIND_MARKED = r"""
find_marked() { # find_marked MARK NAME NUMBER ADDRESS [IP ENTER...]: $link has our mark as its description, or else the name, or number and address
    mark=$1 was=$2 number=$3 address=$4 link='' own=
    shift 4
    [ -n "$number" ] || own=$address # what is above an interface of somebody else may have the same
    if [ $# = 0 ]; then
        marked_here
        return
    fi
    tool=$1
    shift
    ask "$@" sh -c "$shown" sh "$tool" '' "$was" "$mark" '' '' "$own" || { unclear; return; }
    link=${said%%"
"*}
    case "
$said
" in *"
$was
"*) link=$was ;; esac
    [ -n "$link" ]
}
marked_here() {
    tries=0
    while [ "$tries" -lt 3 ]; do
        link='' doubt='' seen='' missed=''
        for each in /sys/class/net/*/ifindex; do
            each=${each%/ifindex} index='' alias='' mac=''
            read -r index 2>/dev/null <"$each/ifindex" || missed=1
            IFS= read -r alias 2>/dev/null <"$each/ifalias"
            read -r mac 2>/dev/null <"$each/address"
            each=${each##*/}
            [ -z "$index" ] || seen=1
            if [ "$alias" = "$mark" ]; then
                [ -n "$link" ] && [ "$index" != "$number" ] && [ "$each" != "$was" ] || link=$each
            elif [ -z "$number" ]; then
                [ "$each" != "$was" ] || link=$each
                [ -z "$own" ] || [ "$mac" != "$own" ] || link=${link:-$each}
            elif [ "$index" = "$number" ]; then
                if [ "$mac" = "$address" ]; then link=${link:-$each}; else doubt=$each; fi
            fi
        done
        [ -z "$link" ] || return 0
        if [ -n "$doubt" ]; then
            problem "cannot tell whether $doubt (number $number) is the interface $was: it has another description and another address. If it is:" \
                "ip link set dev $doubt alias $mark"
            return 1
        fi
        [ -n "$missed" ] || [ -z "$seen" ] || return 1
        tries=$((tries + 1))
    done
    unclear
}
"""

_ON_MARKED = r"""
on_marked() { # on_marked MARK ADDRESS IP WORDS...: ip WORDS dev NAME, for each interface with our mark or our address, in every network namespace
    (on_each_marked "$@"; exit "$failed") || failed=1 # file 8 stays what it is
}
on_each_marked() {
    mark=$1 address=$2 tool=$3
    shift 3
    looked=' '
    for round in 1 2 3; do # what ends meanwhile is not there any more the next time
        every_network || return 1
        while read -r inode door; do
            case $looked in *" $inode "*) continue ;; esac
            if open_network "$door"; then
                # Another file: its name is no namespace, or a mount on top hides the namespace, which nobody can enter then.
                [ "$(stat -L -c %d:%i /proc/self/fd/8 2>/dev/null)" = "$(stat -L -c %d /proc/self/ns/net):$inode" ] || continue
                looked="$looked$inode "
                ask nsenter --net=/proc/self/fd/8 sh -c "$shown" sh "$tool" '' '' "$mark" '' '' "$address" || continue
                while IFS= read -r each; do
                    [ -z "$each" ] || try nsenter --net=/proc/self/fd/8 "$tool" "$@" dev "$each"
                done <<SAID
$said
SAID
            elif [ "$round" = 3 ] && [ -e "$door" ]; then
                problem "cannot look into the network namespace net:[$inode] by $door for an interface with the description $mark"
            fi
        done <<LISTED
$listed
LISTED
    done
}
"""


class FindMarked(Typed):
    """The interface with this mark as its description is in the network, under whatever name. Without the mark it is known by its number and hardware
    address; an interface of our own (number None) by its name or its address. It stays unclear: the undo fails."""

    fields = ("mark", "name", "number", "address", "ip", "enter")
    functions = (SHOWN, _FIND_MARKED)

    def __init__(self, mark, name, number=None, address="", ip=None, enter=()):
        super().__init__(mark=mark, name=name, number=number and str(number), address=address, ip=ip, enter=list(enter))

    def condition(self):
        inside = f" {words([self.ip])} {words(self.enter)}" if self.enter else ""
        return f"find_marked {quote(self.mark)} {quote(self.name)} {quote(self.number or '')} {quote(self.address)}{inside}"


class NotFound(Typed):
    """The guard before has found no interface."""

    def condition(self):
        return '[ -z "$link" ]'


class OnMarked(Typed):
    """Run ip with these words, and "dev" with its name, for each interface with the mark as its description, in whichever network namespace it is.

    address: of an interface of our own, which is known by it as well.
    """

    fields = ("title", "mark", "ip", "argv", "address")
    functions = (NETWORKS, SHOWN, _ON_MARKED)

    def __init__(self, title, mark, ip, argv, address=""):
        super().__init__(title=title, mark=mark, ip=ip, argv=list(argv), address=address)

    def render(self):
        return [comment(self.title), " ".join(["on_marked"] + [word(each) for each in [self.mark, self.address, self.ip] + self.argv])]
