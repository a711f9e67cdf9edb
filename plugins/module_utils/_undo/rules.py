# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The reading of the packet filter rules of an attack: are all of them there, only they, and at work? And the packets that they have counted."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, words

_RULES = r"""
rules() { # rules HOW TITLE PASSES HITS MORE COMMAND...: hits hold packets up, and are counted in $met; MORE: a worker may have added some
    kind=$1 title=$2 passes=$3 hits=$4 more=$5 chain='' wrong=''
    shift 5
    ask "$@" || { part 1 "$title"; return; }
    while read -r line; do
        case $kind$line in
        nft'chain '*) chain=yes; continue ;;
        nft'}'*) chain=; continue ;;
        nft*flags*dormant*) [ -n "$chain" ] || wrong='switched off'; continue ;;
        nft | nft'type '* | nft'comment '*) continue ;;
        nft*'counter packets '*) line=${line#*counter packets } ;;
        nft*) [ -z "$chain" ] || line='0 bytes 0 ?' ;;
        iptables[0-9]*) ;;
        *) continue ;;
        esac
        [ -n "$chain" ] || [ "$kind" = iptables ] || continue
        set -f
        set -- $line
        set +f
        [ "$kind" = iptables ] || shift
        case ${3-} in
        accept | RETURN) passes=$((passes - 1)) ;;
        drop | reject | redirect | DROP | REJECT | REDIRECT)
            hits=$((hits - 1))
            number "${line%% *}"
            met=$((${met:-0} + n))
            ;;
        *) wrong='rules of somebody else are among them' ;;
        esac
    done <<EOF
$said
EOF
    met=${met:-0}
    if [ "$passes" -gt 0 ] || [ "$hits" -gt 0 ]; then wrong='not all are there'
    elif [ "$passes" -lt 0 ] || { [ -z "$more" ] && [ "$hits" -lt 0 ]; }; then wrong='rules of somebody else are among them'; fi
    [ -z "$wrong" ]
    part $? "$title${wrong:+ ($wrong)}"
}
"""


class Rules(Typed):
    """As many rules as were added, in a table of nft (list table) or in a chain of iptables (-n -v -x -L CHAIN), and no other ones.

    passes: how many of them let packets pass. hits: how many drop, reject or redirect. more: a worker may have added hits.
    """

    fields = ("how", "title", "passes", "hits", "more", "argv", "guards")
    functions = _RULES

    def __init__(self, how, title, passes, hits, more, argv, guards):
        super().__init__(how=how, title=title, passes=int(passes), hits=int(hits), more=bool(more), argv=list(argv), guards=list(guards))

    def render(self):
        title = quote(self.title)
        numbers = "%d %d %s" % (self.passes, self.hits, "more" if self.more else "''")
        return [f"if {all_hold(self.guards)}; then rules {self.how} {title} {numbers} {words(self.argv)}", f"else part 1 {title}; fi"]
