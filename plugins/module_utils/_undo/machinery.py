# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The shell that reverts: the fixed part of every revert.sh, and control.sh, the host's own halt button.

Only POSIX sh and coreutils; no Python, so that an undo works on a host where Python was the first thing to break.
"""

# Exit codes of revert.sh, and so of everything that runs it.
REVERTED, STUCK, DAMAGED, DRIFTED = 0, 4, 5, 6

_COMMON = r"""
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
umask 077

number() { # $n is the text as a decimal number, 0 when it is none; to sh's arithmetic 08 would be an error
    n=$1
    case $n in '' | *[!0-9]* | ????????????????*) n=0 ;; esac
    while [ "${#n}" -gt 1 ] && [ "${n#0}" != "$n" ]; do n=${n#0}; done
}
now() { # centiseconds since boot, suspend included; nobody can set this clock
    read -r up _ </proc/uptime
    number "${up%.*}${up#*.}"
    up=$n
}
intact() { # the undo is what was written, byte by byte
    command -v sha256sum >/dev/null 2>&1 || return 0
    (cd "$1" && sha256sum -c sums) >/dev/null 2>&1
}
deadline_of() { # an unreadable deadline is a passed one
    due=0
    read -r due 2>/dev/null <"$1/deadline"
    number "$due"
    due=$n
}
"""

MACHINERY = (
    r"""
# --- The machinery: the same in every attack. ------------------------------------
"""
    + _COMMON
    + r"""
dir=$state/$id
failed=0 drifted=0 limits=

limit() { # limit [SECONDS]: so that nothing hangs for ever; some old timeout(1) has other words
    [ -n "$limits" ] || { limits=none; timeout -k 5 60 true >/dev/null 2>&1 && limits=some; }
    limiter='exec'
    [ "$limits" = none ] || limiter="exec timeout -k 5 ${1:-60}"
}

say() { printf 'faultline %s: %s\n' "$id" "$*"; }
problem() {
    failed=1
    say "$*" >&2
    printf '%s\n' "$*" >>"$dir/stuck" 2>/dev/null
}
same_boot() { read -r boot_now </proc/sys/kernel/random/boot_id && [ "$boot_now" = "$boot" ]; }
holds() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
ask() { # ask COMMAND...: $said is what a program prints; when it fails, nothing can be concluded from that
    limit
    said=$($limiter "$@" 2>/dev/null </dev/null 9>&-) && return 0
    problem "rc $? from: $*"
    return 1
}
prints() {
    text=$1
    shift
    ask "$@" || return 1
    case $said in *"$text"*) return 0 ;; esac
    return 1
}
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
fails() {
    limit
    ! ($limiter "$@" >/dev/null 2>&1 </dev/null 9>&-)
}
running() { # running NAME: a process of that name, as in /proc/PID/comm
    for comm in /proc/[0-9]*/comm; do
        read -r name 2>/dev/null <"$comm" && [ "$name" = "$1" ] && return 0
    done
    return 1
}
comes_back() { # comes_back NAME TITLE: what was started again needs a moment
    tries=0
    until running "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || { problem "$2"; return; }
        sleep 0.5 2>/dev/null || sleep 1
    done
}
started() { # started PID: $start is the clock tick in which that process began, empty when there is none
    start=
    read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    set -- ${line##*) }
    [ "$1" != Z ] && [ "$1" != X ] && start=${20}
}
alive() { started "$1" && [ "$start" = "$2" ]; } # alive PID START: that very process, not a later one with its number
helpers() { # helpers PID: our processes in the group of a leader that is gone; a stranger's cannot have our name, group and session
    for comm in /proc/[0-9]*/comm; do
        read -r name 2>/dev/null <"$comm" || continue
        case $name in faultline-*) ;; *) continue ;; esac
        read -r line 2>/dev/null <"${comm%comm}stat" || continue
        set -- "$1" "${line%% *}" ${line##*) }
        [ "$5" = "$1" ] && [ "$6" = "$1" ] && [ "$3" != Z ] && [ "$3" != X ] && printf '%s ' "$2"
    done
}
kill_group() { # kill_group PID START: a worker and its helpers, which outlive a leader that the kernel took
    same_boot || return 0
    tries=0
    while :; do
        if alive "$1" "$2"; then kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1" 2>/dev/null
        else
            orphans=$(helpers "$1")
            [ -n "$orphans" ] || return 0
            kill -s KILL $orphans 2>/dev/null
        fi
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || { problem "process $1 does not end"; return; } # 100 GB of memory take a while to be freed
        sleep 0.1 2>/dev/null || sleep 1
    done
}
relieve() { # end the workers with builtins alone: they may hold the memory or the processes that all the rest needs
    same_boot || return 0
    now
    patience=$((up + 100))
    set -- $workers
    while [ $# -ge 2 ]; do
        while alive "$1" "$2" && [ "$up" -lt "$patience" ]; do
            kill -s KILL -- "-$1" 2>/dev/null
            now
        done
        shift 2
    done
}
try() { try_for 60 "$@"; }
try_for() { # try_for SECONDS PROGRAM...: never a builtin, and not for ever; what it starts gets neither our lock (fd 9) nor our privileges
    limit "$1"
    shift
    (
        umask 022
        [ "$(id -u)" != 0 ] || echo 0 2>/dev/null >/proc/self/oom_score_adj
        $limiter "$@" </dev/null 9>&-
    ) || problem "rc $? from: $*"
}
left() { problem "still there: $1"; }
same() { # same FILE TITLE COUNTERS COMMAND...: prints what it printed before the attack, but for the counters
    was=$(cat "$dir/before/$1")
    title=$2
    script='s/[[:space:]]*$//;/^$/d'
    for counter in $3; do script="s/ $counter [0-9]*//g;$script"; done
    shift 3
    ask "$@" || return
    is=$(printf '%s\n' "$said" | sed -e "$script" | sort)
    [ "$is" = "$was" ] && return 0
    drifted=1
    say "differs from before: $title" >&2
    printf 'differs from before: %s\nbefore:\n%s\nnow:\n%s\n' "$title" "$was" "$is" >>"$dir/stuck" 2>/dev/null
}
end_injector() { # our own injector hangs past the deadline: end it, and the tool it waits for, which would still act after the undo
    same_boot && alive $injector || return 0
    kill -s STOP ${injector%% *}
    if ! tools=$(cat "/proc/${injector%% *}/task/${injector%% *}/children" 2>/dev/null); then
        tools=
        for stat in /proc/[0-9]*/stat; do
            read -r line 2>/dev/null <"$stat" || continue
            set -- ${line##*) }
            [ "$2" = "${injector%% *}" ] && tools="$tools ${line%% *}"
        done
    fi
    kill -s KILL $tools ${injector%% *} 2>/dev/null
}
lock() { # one undo of this attack at a time, and none while it is being injected
    [ "$locked" = 0 ] || return 0
    now
    patience=$((up + 6000 + slow * 100))
    if ! command -v flock >/dev/null 2>&1; then
        started "$self"
        until ln -s "$self $start" "$dir/undoing" 2>/dev/null; do
            [ -d "$dir" ] || return 0
            holder=$(readlink "$dir/undoing")
            alive "${holder% *}" "${holder#* }" || rm -f "$dir/undoing"
            wait_for_lock || return 1
        done
        case $how in timer | sweep) end_injector ;; esac
        while same_boot && alive $injector; do wait_for_lock || return 1; done
        return 0
    fi
    [ -r "$dir/lock" ] || return 0
    exec 9<"$dir/lock" # for reading, so that it works on a file system that went read-only
    until flock -n 9; do
        case $how in timer | sweep) end_injector ;; esac
        wait_for_lock || return 1
    done
}
wait_for_lock() {
    now
    [ "$up" -lt "$patience" ] || return 1
    sleep 0.2 2>/dev/null || sleep 1
}
disarm() { # disarm DIR: the other dead-men of this attack; never ourselves
    if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ]; then
        systemctl stop "faultline-$id.timer" >/dev/null 2>&1
        [ "$how" = timer ] || systemctl stop "faultline-$id.service" >/dev/null 2>&1
        systemctl reset-failed "faultline-$id.service" >/dev/null 2>&1
    fi
    same_boot && [ -e "$1/watchers" ] && while read -r pid since; do
        [ "$pid" = "$self" ] || { alive "$pid" "$since" && kill -s KILL -- "-$pid"; }
    done <"$1/watchers"
}
finish() { # the record moves to the history
    gone=$state/.gone-$id
    rm -rf "$gone"
    mv "$dir" "$gone" || { problem "undone, but its journal cannot be removed"; return 1; }
    printf '%s, "ended": "%s", "by": "%s", "result": "%s"}\n' "$(cat "$gone/history")" \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$how" "$1" 2>/dev/null >>"$state/history.jsonl"
    limit
    ($limiter sync "$state/history.jsonl" >/dev/null 2>&1 9>&-) # after a power cut, an attack without its end would look lost
    disarm "$gone"
    rm -rf "$gone"
    [ -e "$state/control.sh" ] && sh "$state/control.sh" tidy
    return 0
}
there() { # is this still our attack, and is its undo what was written? A later attack may have the same id
    [ -d "$dir" ] || exit 0
    intact "$dir" || { [ -d "$dir" ] || exit 0; problem "damaged: this undo does not match its checksum"; exit 5; }
    case $(cat "$dir/revert.sh") in *"injector='$injector'"*) ;; *) exit 0 ;; esac
}
revert() (
    [ -d "$dir" ] || exit 0
    lock || { problem "the lock $dir/lock is held by somebody else"; exit 4; }
    there
    [ ! -e "$dir/stuck" ] || rm -f "$dir/stuck"
    undo
    check
    if [ "$failed" = 0 ] && { [ "$drifted" = 0 ] || [ "$accept" = 1 ]; }; then
        result=reverted
        [ "$drifted" = 0 ] || result=drifted
        finish "$result" && say "$result" && exit 0
    fi
    rm -f "$dir/undoing"
    command -v logger >/dev/null 2>&1 && logger -t faultline -p daemon.err "attack $id could not be reverted; see $dir/stuck"
    [ "$failed" = 0 ] && exit 6
    exit 4
)
due() { # also once the journal is gone, after a reboot, and when the deadline or the clock cannot be right
    { [ -d "$dir" ] && same_boot; } || return 0
    deadline_of "$dir"
    now
    left=$((due - up))
    [ "$left" -le 0 ] || [ "$due" -gt "$limit" ] || [ "$up" -lt "$began" ]
}
wait_deadline() {
    until due; do
        if [ "$left" -gt 500 ]; then sleep 5
        elif [ "$left" -ge 100 ]; then sleep 1
        else sleep "0.$(printf %02d "$left")" 2>/dev/null || sleep 1; fi
    done
}
give_way() { # for 2 s to the attack's own dead-man, so that a sweep in the history tells that it did not come
    while [ -d "$dir" ] && same_boot && due && [ "$left" -le 0 ] && [ "$left" -gt -200 ]; do sleep 0.2 2>/dev/null || sleep 1; done
}
again() { # no process can be started, which ends a shell: so the watcher begins anew, without one; slowly, with builtins alone
    now
    patience=$((up + 50))
    while [ "$up" -lt "$patience" ]; do now; done
    exec /bin/sh "$0" timer
}
main() { # main [timer|sweep|module|worker|hand] [accept] [locked]: accept a drifted state; our caller holds the lock
    how=${1:-hand} accept=0 locked=0 self=$$
    for word; do
        case $word in accept) accept=1 ;; locked) locked=1 ;; esac
    done
    if [ "$how" != timer ]; then
        [ "$how" != sweep ] || due || exit 0
        relieve
        [ "$how" != sweep ] || give_way
        revert
        exit $?
    fi
    [ -n "${BASH_VERSION-}" ] || trap again EXIT # bash tries again by itself, and comes here also when it is stopped
    pause=5
    while :; do
        wait_deadline
        relieve
        revert && trap - EXIT && exit 0
        sleep "$pause"
        [ "$pause" -ge 60 ] || pause=$((pause * 2))
    done
}
main "$@"; exit $?
"""
)

CONTROL = (
    r"""#!/bin/sh
# faultline.chaos on this host, by hand and for the machines:
#   list             what is active here
#   revert ID        undo one attack          revert-all   undo every attack: the halt button
#   sweep            undo what is overdue or from before a reboot (the recovery timer and the boot unit run this)
#   renew RUN SECS   move the deadlines of a run's leases        watch, tidy   start recovery; remove it once nothing is active
"""
    + _COMMON
    + r"""
state=$(cd "$(dirname "$0")" && pwd)
units=/etc/systemd/system

attacks() { # their ids
    for dir in "$state"/*/; do
        dir=${dir%/}
        case ${dir##*/} in *[!a-z0-9_-]*) ;; *) printf '%s\n' "${dir##*/}" ;; esac
    done
}
revert() { # revert ID HOW
    if intact "$state/$1"; then
        sh "$state/$1/revert.sh" "$2"
        worst=$?
        [ -d "$state/$1" ] || return 0
        return "$worst"
    fi
    [ -d "$state/$1" ] || { printf 'faultline %s: not active here\n' "$1" >&2; return 3; }
    printf 'faultline %s: damaged: its undo does not match its checksum\n' "$1" >&2
    return 5
}
each() { # each HOW: every attack at once; a bad one never keeps the others from being undone
    undos=
    for id in $(attacks); do
        revert "$id" "$1" &
        undos="$undos $!"
    done
    result=0
    for undo in $undos; do
        wait "$undo" || { rc=$?; [ "$rc" = 3 ] || result=$rc; } # 3: somebody else was faster
    done
    return "$result"
}
renew() { # renew RUN SECONDS; 3 when nothing is active under that run
    case $2 in '' | *[!0-9]*) echo "renew: SECONDS must be a whole number" >&2; return 2 ;; esac
    number "$2"
    seconds=$n
    found=3
    for id in $(attacks); do
        dir=$state/$id
        [ "$(cat "$dir/run" 2>/dev/null)" = "$1" ] || continue
        deadline_of "$dir"
        now
        number "$(cat "$dir/limit" 2>/dev/null)"
        [ "$due" -gt "$up" ] && [ "$due" -le "$n" ] || continue
        next=$((up + seconds * 100))
        [ "$next" -le "$n" ] || next=$n
        [ "$next" -gt "$due" ] || next=$due
        printf '%s\n' "$next" >"$dir/.deadline.$$" && mv "$dir/.deadline.$$" "$dir/deadline" && found=0
    done 2>/dev/null
    return "$found"
}
orphans() { # dead-men whose attack is gone, of an undo that was killed at its very end
    [ -d /run/systemd/system ] || return 0
    systemctl list-units --all --plain --no-legend 'faultline-*' 2>/dev/null | while read -r unit other _; do
        case $unit in faultline-*) ;; *) unit=$other ;; esac # a mark of failed units stands before the name
        case $unit in faultline-recover.* | faultline-sweep.*) continue ;; esac
        id=${unit#faultline-}
        [ -e "$state/${id%.*}" ] || {
            systemctl stop "$unit"
            systemctl reset-failed "$unit"
        } >/dev/null 2>&1
    done
}
tidy() { # the recovery units go with the last attack, but not while another one is beginning (it holds the lock)
    [ "$state" = /var/lib/faultline ] && [ "$(id -u)" = 0 ] || return 0
    if command -v flock >/dev/null 2>&1 && [ -r "$state/lock" ]; then
        exec 8<"$state/lock"
        tries=0
        until flock -n 8; do
            tries=$((tries + 1))
            [ "$tries" -lt 5 ] || return 0 # the next sweep does it
            sleep 1
        done
        # Of an injector that died before it published: nobody writes these while we hold the lock.
        rm -rf "$state"/.new-* "$state"/control.sh.*.tmp "$state"/history.jsonl.*.tmp
        rm -f "$units"/faultline-recover.service.*.tmp /etc/cron.d/faultline.*.tmp
    fi
    [ "${1:-}" != orphans ] || orphans
    [ -z "$(attacks)" ] || return 0
    rm -f /etc/cron.d/faultline
    rm -f "$units/faultline-recover.service" "$units/multi-user.target.wants/faultline-recover.service"
    [ -d /run/systemd/system ] || return 0
    systemctl stop faultline-sweep.timer >/dev/null 2>&1
    systemctl reset-failed faultline-sweep.service faultline-recover.service >/dev/null 2>&1
    # After a reboot the unit is in memory, and stays there without its file until systemd looks again.
    case $(systemctl show --property=LoadState faultline-recover.service 2>/dev/null) in
    LoadState=loaded) systemctl daemon-reload >/dev/null 2>&1 ;;
    esac
    return 0
}
watch() { # a sweep every 30 s while any attack is active, for the one whose own timer was stopped
    [ "$state" = /var/lib/faultline ] && [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] || return 0
    tries=0
    while ! systemctl is-active --quiet faultline-sweep.timer; do
        systemctl reset-failed faultline-sweep.service >/dev/null 2>&1 # of a sweep that found something stuck
        systemd-run --quiet --unit=faultline-sweep --description='faultline.chaos: undo what is overdue' \
            --on-active=30 --on-unit-inactive=30 --timer-property=AccuracySec=1s \
            --property=OOMScoreAdjust=-1000 --property=KillMode=process /bin/sh "$state/control.sh" sweep && return 0
        tries=$((tries + 1))
        [ "$tries" -lt 3 ] || return 1
        sleep 1 # the last sweep is just ending, and has the name
    done
}
list() {
    for id in $(attacks); do
        dir=$state/$id
        deadline_of "$dir"
        now
        printf '%s due in %s s%s\n' "$id" "$(((due - up) / 100))" "$([ -e "$dir/stuck" ] && echo ' STUCK')"
    done
}

case ${1:-} in
list) list ;;
revert) revert "${2:?which id?}" hand ;;
revert-all) each hand ;;
sweep)
    each sweep
    worst=$?
    # What is left after a boot needs the timer again.
    if [ -n "$(attacks)" ]; then watch; fi
    tidy orphans
    exit "$worst"
    ;;
renew) renew "${2:?which run?}" "${3:-}" ;;
watch) watch ;;
tidy) tidy ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
"""
)
