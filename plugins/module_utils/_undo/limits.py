# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo of a lowered limit for the processes that inherited it: descendants that the attacked process started during the attack."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

# A process older than the injector did not inherit its limit from the attack, even if the number is the same.
_HEIRS = r"""
of_the_attack() { # of_the_attack: $young are the processes that began after our injector, each as PID:PARENT:START
    young=
    for each in /proc/[0-9]*; do
        each=${each#/proc/}
        stat_of "$each" || { [ $? != 2 ] || [ "$uid" != 0 ] || problem "process $each cannot be looked at"; continue; }
        set -- $stat
        number "${20-}"
        [ "$n" -lt "${injector#* }" ] || young="$young $each:$2:$n"
    done
}
limited() { # limited PID SOFT HARD: it has these limits of open files
    seen=
    while read -r one two three soft hard _; do
        [ "$one $two $three $soft $hard" != "Max open files $2 $3" ] || return 0
        seen=yes
    done 2>/dev/null <"/proc/$1/limits"
    [ -n "$seen" ] || ! started "$1" || problem "the limits of process $1 cannot be read"
    return 1
}
has_heirs() { # has_heirs PID SOFT HARD: $heirs are those that it began, and theirs, which still have its lowered limits, each as PID:START
    of_the_attack
    known=" $1 " kin= heirs= more=yes
    while [ -n "$more" ]; do
        more=
        for each in $young; do
            rest=${each#*:}
            case $known in *" ${each%%:*} "*) continue ;; esac
            case $known in *" ${rest%:*} "*) known="$known${each%%:*} " kin="$kin ${each%%:*}:${rest#*:}" more=yes ;; esac
        done
    done
    for each in $kin; do
        if limited "${each%:*}" "$2" "$3"; then heirs="$heirs $each"; fi
    done
    [ -n "$heirs" ]
}
heirs_back() { # heirs_back PRLIMIT PID LOWEST SOFT HARD: again while there are new ones; whether none is left is for the check to say
    limit
    rounds=0
    while [ "$rounds" -lt 5 ] && has_heirs "$2" "$3" "$5"; do
        for each in $heirs; do
            if alive "${each%:*}" "${each#*:}"; then
                ($limiter "$1" --pid "${each%:*}" "--nofile=$4:$5" >/dev/null 2>&1 </dev/null 9>&-)
            fi
        done
        rounds=$((rounds + 1))
    done
}
"""


class HasHeirs(Typed):
    """The process (pid, start time) is alive, and descendants that it started during the attack still have its lowered limits of open files."""

    fields = ("pid", "start", "soft", "hard")
    functions = _HEIRS

    def __init__(self, pid, start, soft, hard):
        super().__init__(pid=pid, start=start, soft=str(soft), hard=str(hard))

    def condition(self):
        who = quote(str(self.pid))
        return f"lives {who} {quote(str(self.start))} && has_heirs {who} {quote(self.soft)} {quote(self.hard)}"


class HeirsBack(Typed):
    """Give descendants that the process started during the attack its former soft limit (back); those with other limits are left alone."""

    fields = ("title", "prlimit", "pid", "start", "lowest", "back", "hard")
    functions = _HEIRS

    def __init__(self, title, prlimit, pid, start, lowest, back, hard):
        super().__init__(title=title, prlimit=prlimit, pid=pid, start=start, lowest=str(lowest), back=str(back), hard=str(hard))

    def render(self):
        told = " ".join(quote(str(word)) for word in (self.prlimit, self.pid, self.lowest, self.back, self.hard))
        return [comment(self.title), f"if lives {quote(str(self.pid))} {quote(str(self.start))}; then heirs_back {told}; fi"]
