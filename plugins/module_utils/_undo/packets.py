# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The reading of packets that the netem of an attack has counted."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, words

_PACKETS = r"""
packets() { # packets HANDLE COMMAND...: adds what the netem of that handle has met to $met
    handle=$1 ours=
    shift
    ask "$@" || { looking=1; return; } # whether it is there is for a part to say
    while read -r line; do
        case $line in
        "qdisc netem $handle"*) ours=1 ;;
        'qdisc '*) ours= ;;
        *' pkt (dropped '*)
            [ -n "$ours" ] || continue
            ours=${line#*dropped }
            number "${ours%%,*}"
            met=$((${met:-0} + n)) line=${line#* bytes } ours=
            number "${line%% *}"
            met=$((met + n))
            ;;
        esac
    done <<EOF
$said
EOF
    met=${met:-0}
}
"""


class Packets(Typed):
    """How many packets the netem of a handle has met, dropped ones included. argv: tc -s qdisc show."""

    fields = ("handle", "argv", "guards")
    functions = _PACKETS

    def __init__(self, handle, argv, guards=()):
        super().__init__(handle=handle, argv=list(argv), guards=list(guards))

    def render(self):
        act = f"packets {quote(self.handle)} {words(self.argv)}"
        return [f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act, "looking=1"]
