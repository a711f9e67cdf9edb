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

now() { # centiseconds since boot, suspend included; nobody can set this clock
    read -r up _ </proc/uptime
    up=${up%.*}${up#*.}
}
boot_now() { cat /proc/sys/kernel/random/boot_id; }
intact() { # the undo is what was written, byte by byte
    command -v sha256sum >/dev/null 2>&1 || return 0
    (cd "$1" && sha256sum -c sums) >/dev/null 2>&1
}
deadline_of() { # an unreadable deadline is a passed one
    due=0
    read -r due 2>/dev/null <"$1/deadline"
    case $due in '' | *[!0-9]*) due=0 ;; esac
}
"""

MACHINERY = (
    r"""
# --- The machinery: the same in every attack. ------------------------------------
"""
    + _COMMON
    + r"""
dir=$state/$id
failed=0 drifted=0

say() { printf 'faultline %s: %s\n' "$id" "$*"; }
problem() {
    failed=1
    say "$*" >&2
    printf '%s\n' "$*" >>"$dir/stuck" 2>/dev/null
}
same_boot() { [ "$(boot_now)" = "$boot" ]; }
holds() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
prints() {
    text=$1
    shift
    case $("$@" 2>/dev/null) in *"$text"*) return 0 ;; esac
    return 1
}
only_our_filters() {
    "$@" 2>/dev/null | while read -r word rest; do
        case "$word $rest" in
        filter*" pref 47"[0-9][0-9][0-9]" "*) ;;
        filter*) echo another ;;
        esac
    done | { ! grep -q another; }
}
fails() { ! "$@" >/dev/null 2>&1; }
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
alive() { # alive PID START: that very process, not a later one with its number
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    want=$2
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$want" ]
}
kill_group() {
    same_boot && alive "$1" "$2" || return 0
    kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1" 2>/dev/null
    tries=0
    while alive "$1" "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || { problem "process $1 does not end"; return; }
        sleep 0.1 2>/dev/null || sleep 1
    done
}
try() { # the lock (fd 9) is ours, not our children's: a daemon started here would keep it
    "$@" 9>&- || problem "rc $? from: $*"
}
left() { problem "still there: $1"; }
same() { # same FILE TITLE COUNTERS COMMAND...: prints what it printed before the attack, but for the counters
    was=$(cat "$dir/before/$1")
    title=$2
    script='s/[[:space:]]*$//;/^$/d'
    for counter in $3; do script="s/ $counter [0-9]*//;$script"; done
    shift 3
    is=$("$@" 2>/dev/null | sed -e "$script" | sort)
    [ "$is" = "$was" ] && return 0
    drifted=1
    say "differs from before: $title" >&2
    printf 'differs from before: %s\nbefore:\n%s\nnow:\n%s\n' "$title" "$was" "$is" >>"$dir/stuck" 2>/dev/null
}
lock() { # one undo at a time; our own injector that hangs with the lock past the deadline is ended
    [ "$locked" = 0 ] || return 0
    waited=0
    if ! command -v flock >/dev/null 2>&1; then
        until mkdir "$dir/undoing" 2>/dev/null; do
            [ -d "$dir" ] || return 0
            waited=$((waited + 1))
            [ -d "/proc/$(cat "$dir/undoing/pid" 2>/dev/null)/fd" ] || rm -rf "$dir/undoing"
            [ "$waited" -lt 60 ] || return 1
            sleep 1
        done
        echo $$ >"$dir/undoing/pid" 2>/dev/null
        return 0
    fi
    [ -r "$state/lock" ] || return 0
    exec 9<"$state/lock" # for reading, so that it works on a file system that went read-only
    until flock -n 9; do
        waited=$((waited + 1))
        if [ "$how" = timer ] && alive $injector; then kill -s KILL ${injector%% *}; fi
        [ "$waited" -lt 60 ] || return 1
        sleep 1
    done
}
disarm() { # the other dead-men of this attack; never ourselves
    if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ]; then
        systemctl stop "faultline-$id.timer" >/dev/null 2>&1
        [ "$how" = timer ] || systemctl stop "faultline-$id.service" >/dev/null 2>&1
    fi
    [ -e "$1/watchers" ] && while read -r pid start; do
        [ "$pid" = "$self" ] || { alive "$pid" "$start" && kill -s KILL -- "-$pid"; }
    done <"$1/watchers"
}
finish() { # the record moves to the history
    gone=$state/.gone-$id
    rm -rf "$gone"
    mv "$dir" "$gone" || { problem "undone, but its journal cannot be removed"; return 1; }
    printf '%s, "ended": "%s", "by": "%s", "result": "%s"}\n' "$(cat "$gone/history")" \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$how" "$1" 2>/dev/null >>"$state/history.jsonl"
    disarm "$gone"
    rm -rf "$gone"
    [ -e "$state/control.sh" ] && sh "$state/control.sh" tidy
    return 0
}
revert() (
    [ -d "$dir" ] || exit 0
    intact "$dir" || { problem "damaged: this undo does not match its checksum"; exit 5; }
    lock || { problem "the lock $state/lock is held by somebody else"; exit 4; }
    [ -d "$dir" ] || exit 0
    rm -f "$dir/stuck"
    undo
    check
    if [ "$failed" = 0 ] && { [ "$drifted" = 0 ] || [ "$accept" = 1 ]; }; then
        result=reverted
        [ "$drifted" = 0 ] || result=drifted
        finish "$result" && say "$result" && exit 0
    fi
    rm -rf "$dir/undoing"
    command -v logger >/dev/null 2>&1 && logger -t faultline -p daemon.err "attack $id could not be reverted; see $dir/stuck"
    [ "$failed" = 0 ] && exit 6
    exit 4
)
wait_deadline() {
    while [ -d "$dir" ] && same_boot; do
        deadline_of "$dir"
        now
        left=$((due - up))
        [ "$left" -gt 0 ] || return 0
        if [ "$left" -gt 500 ]; then sleep 5
        elif [ "$left" -ge 100 ]; then sleep 1
        else sleep "0.$(printf %02d "$left")" 2>/dev/null || sleep 1; fi
    done
}
main() { # main [timer|sweep|module|hand] [accept] [locked]: accept a drifted state; our caller holds the lock
    how=${1:-hand} accept=0 locked=0 self=$$
    for word; do
        case $word in accept) accept=1 ;; locked) locked=1 ;; esac
    done
    if [ "$how" != timer ]; then
        revert
        exit $?
    fi
    pause=5
    while :; do
        wait_deadline
        revert && exit 0
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

attacks() { for dir in "$state"/*/; do [ -e "$dir/revert.sh" ] && printf '%s\n' "${dir%/}"; done; }
revert() { # revert DIR HOW
    if intact "$1"; then sh "$1/revert.sh" "$2"
    else
        printf 'faultline %s: damaged: its undo does not match its checksum\n' "${1##*/}" >&2
        return 5
    fi
}
each() { # each HOW: every attack that is due, or all of them; a bad one never keeps the others from being undone
    worst=0
    for dir in $(attacks); do
        if [ "$1" = sweep ]; then
            deadline_of "$dir"
            now
            [ "$due" -gt "$up" ] && [ "$(cat "$dir/boot" 2>/dev/null)" = "$(boot_now)" ] && continue
        fi
        revert "$dir" "$1" || worst=$?
    done
    return "$worst"
}
renew() { # renew RUN SECONDS; 3 when nothing is active under that run
    case $2 in '' | *[!0-9]*) echo "renew: SECONDS must be a whole number" >&2; return 2 ;; esac
    found=3
    for dir in $(attacks); do
        [ "$(cat "$dir/run" 2>/dev/null)" = "$1" ] || continue
        deadline_of "$dir"
        now
        [ "$due" -gt "$up" ] || continue
        next=$((up + $2 * 100))
        limit=$(cat "$dir/limit" 2>/dev/null)
        [ "$next" -le "${limit:-0}" ] || next=${limit:-0}
        [ "$next" -gt "$due" ] || next=$due
        printf '%s\n' "$next" >"$dir/.deadline" && mv "$dir/.deadline" "$dir/deadline" && found=0
    done
    return "$found"
}
tidy() {
    [ -z "$(attacks)" ] || return 0
    [ "$(id -u)" = 0 ] || return 0
    rm -f /etc/cron.d/faultline
    rm -f "$units/faultline-recover.service" "$units/multi-user.target.wants/faultline-recover.service"
    [ ! -d /run/systemd/system ] || systemctl stop faultline-sweep.timer >/dev/null 2>&1
    return 0
}
watch() { # a sweep every 30 s while any attack is active, for the one whose own timer was stopped
    [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] || return 0
    systemctl is-active --quiet faultline-sweep.timer && return 0
    systemd-run --quiet --unit=faultline-sweep --description='faultline.chaos: undo what is overdue' \
        --on-active=30 --on-unit-inactive=30 --timer-property=AccuracySec=1s \
        --property=OOMScoreAdjust=-1000 --property=KillMode=process /bin/sh "$state/control.sh" sweep
}
list() {
    for dir in $(attacks); do
        deadline_of "$dir"
        now
        printf '%s due in %s s%s\n' "${dir##*/}" "$(((due - up) / 100))" "$([ -e "$dir/stuck" ] && echo ' STUCK')"
    done
}

case ${1:-} in
list) list ;;
revert) revert "$state/${2:?which id?}" hand ;;
revert-all) each hand ;;
sweep)
    each sweep
    worst=$?
    # What is left after a boot needs the timer again. Whoever holds the lock is about to attack, or tidies up himself.
    if [ -n "$(attacks)" ]; then watch
    elif [ -r "$state/lock" ] && command -v flock >/dev/null 2>&1; then (flock -n 9 && tidy) 9<"$state/lock"; fi
    exit "$worst"
    ;;
renew) renew "${2:?which run?}" "${3:-}" ;;
watch) watch ;;
tidy) tidy ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
"""
)
