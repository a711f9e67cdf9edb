# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The reading of packets that tc, nft or iptables have counted for an attack."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, words

_PACKETS = r"""
packets() { # packets HOW COMMAND...: adds what its rules have counted to $met; those that let pass do not count
    counts=$1 ours=
    shift
    ask "$@" || { looking=1; return; } # whether the rules are there is for a part to say
    while read -r line; do
        case $counts$line in
        nft*'counter packets '*' accept'*) continue ;;
        nft*'counter packets '*) line=${line#*counter packets } ;;
        iptables[0-9]*)
            set -f
            set -- $line
            set +f
            case $3 in ACCEPT | RETURN) continue ;; esac
            ;;
        netem*'qdisc netem '"${counts#netem }"*) ours=1; continue ;;
        netem*'qdisc '*) ours=; continue ;;
        netem*' pkt (dropped '*)
            [ -n "$ours" ] || continue
            ours=${line#*dropped }
            number "${ours%%,*}"
            met=$((${met:-0} + n)) line=${line#* bytes } ours=
            ;;
        *) continue ;;
        esac
        number "${line%% *}"
        met=$((${met:-0} + n))
    done <<EOF
$said
EOF
    met=${met:-0}
}
"""


class Packets(Typed):
    """How many packets an attack has met. how: nft, iptables (-n -v -x -L CHAIN), or "netem HANDLE" (tc -s qdisc show)."""

    fields = ("how", "argv", "guards")
    functions = _PACKETS

    def __init__(self, how, argv, guards=()):
        super().__init__(how=how, argv=list(argv), guards=list(guards))

    def render(self):
        act = f"packets {quote(self.how)} {words(self.argv)}"
        return [f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act, "looking=1"]
