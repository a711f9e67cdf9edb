# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guard and check: whether what was killed runs again."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed

_RUNS_AGAIN = r"""
trimmed() { # trimmed TEXT: $text, without blanks at the end
    text=$1
    while [ "${text% }" != "$text" ]; do text=${text% }; done
}
alike() { # alike PID: it meets the criteria $a_name (as the kernel cuts it), $a_program, $a_line and $a_uid; an empty one is none
    [ -z "$a_name" ] || holds "/proc/$1/comm" "$a_name" || return 1
    key='' owner=''
    [ -z "$a_uid" ] || while read -r key _ owner _; do [ "$key" != Uid: ] || break; done 2>/dev/null <"/proc/$1/status"
    [ -z "$a_uid" ] || [ "$key$owner" = "Uid:$a_uid" ] || return 1
    if [ -n "$a_program" ]; then
        text=$(head -c 4096 "/proc/$1/cmdline" 2>/dev/null 9>&- | tr '\0' / 9>&-)
        case "/$text/" in *"/$a_program/"*) ;; *) return 1 ;; esac
    fi
    if [ -n "$a_line" ]; then
        trimmed "$(head -c "$((${#a_line} + 4096))" "/proc/$1/cmdline" 2>/dev/null 9>&- | tr '\0' ' ' 9>&-)"
        [ "$text" = "$a_line" ] || return 1
    fi
}
listens() { # listens PORT UID: a socket listens on that port (in hex), of that user; sed, for read takes each byte of a long /proc file anew
    sockets=$(sed -n "/^ *[0-9]*: [0-9A-F]*:$1 [0-9A-F]*:0000 0A /p" /proc/net/tcp /proc/net/tcp6 2>/dev/null 9>&-)
    while read -r _ _ _ _ _ _ _ owner _; do
        [ -z "$owner" ] || { [ -n "$2" ] && [ "$owner" != "$2" ]; } || return 0
    done <<EOF
$sockets
EOF
    return 1
}
ours() { # ours PID: it began since the attack, or was counted before it
    started "$1" || return 1
    [ "$start" -ge "$since" ] || case " $a_known " in *" $1:$start "*) ;; *) return 1 ;; esac
}
runs_again() { # runs_again COUNT KNOWN NAME PROGRAM LINE UID PORT FILE: by what chose the victims, without children of those that meet it too
    a_known=$2 a_name=$3 a_program=$4 a_line=$5 a_uid=$6 since=${injector#* }
    same_boot || since=0 a_known=
    [ -z "$7" ] || listens "$7" "$6" || return 1
    if [ -n "$8" ]; then
        [ -f "$8" ] || return 1
        limit
        number "$($limiter head -c 64 -- "$8" 2>/dev/null </dev/null 9>&-)"
        alike "$n" && ours "$n"
        return
    fi
    met=' ' all='' counted=0
    [ -n "$3$5" ] || return 0
    for each in /proc/[0-9]*; do
        each=${each#/proc/}
        alike "$each" && started "$each" || continue
        stat=${stat#* }
        met="$met$each " all="$all $each:${stat%% *}"
    done
    for each in $all; do
        case $met in *" ${each#*:} "*) continue ;; esac
        if ours "${each%:*}"; then counted=$((counted + 1)); fi
    done
    [ "$counted" -ge "$1" ]
}
"""

_COMES_BACK = r"""
comes_back() { # comes_back TITLE WORD...: as runs_again; what was started again needs a moment
    title=$1 tries=0
    shift
    until runs_again "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || { problem "$title"; return; }
        sleep 0.5 2>/dev/null || sleep 1
    done
}
"""


class Missing(Typed):
    """Fewer processes meet these criteria than count, as it was before the attack. known: "PID:START" of those; port: in hex."""

    fields = ("count", "known", "name", "program", "line", "uid", "port", "pid_file")
    functions = _RUNS_AGAIN

    def __init__(self, count, known=(), name="", program="", line="", uid="", port="", pid_file=""):
        super().__init__(count=count, known=list(known), name=name, program=program, line=line, uid=uid, port=port, pid_file=pid_file)

    def told(self):
        given = (self.count, " ".join(self.known), self.name, self.program, self.line, self.uid, self.port, self.pid_file)
        return " ".join(quote(str(word)) for word in given)

    def condition(self):
        return f"! runs_again {self.told()}"


class ComesBack(Typed):
    """What is missing must run again within 10 s."""

    fields = ("title", "guards")
    functions = _COMES_BACK

    def __init__(self, title, missing):
        super().__init__(title=title, guards=[missing])

    def render(self):
        return [f"comes_back {quote(self.title)} {self.guards[0].told()}"]
