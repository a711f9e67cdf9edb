# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""control.sh: list and revert attacks, halt them all, or renew leases, on the host itself. Only POSIX sh and coreutils, as machinery.py."""

from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import COMMON

CONTROL = (
    r"""#!/bin/sh
# faultline.chaos on this host, by hand and for the machines:
#   list             what is active here
#   revert ID        undo one attack          revert-all   undo every attack: the halt button
#   sweep            undo what is overdue or from before a reboot (the recovery timer and the boot unit run this)
#   renew RUN SECS   move the deadlines of a run's leases        watch, tidy   start recovery; remove it once nothing is active
"""
    + COMMON
    + r"""
state=$(cd "$(dirname "$0")" && pwd)
units=/etc/systemd/system
effective_uid

systemctl() { # within 10 s: while we hold the lock, no attack can begin
    limit 10
    ($limiter systemctl "$@" </dev/null 8<&-)
}
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
        [ "$worst$2" != 0hand ] || { printf 'faultline %s: its undo ended without a word\n' "$1" >&2; return 5; }
        return "$worst"
    fi
    [ -d "$state/$1" ] || { printf 'faultline %s: not active here\n' "$1" >&2; return 3; }
    printf 'faultline %s: damaged: its undo does not match its checksum\n' "$1" >&2
    return 5
}
each() { # each HOW: every attack at once; a bad one never stops the others
    undos=
    for id in $(attacks); do
        revert "$id" "$1" &
        undos="$undos $!"
    done
    result=0
    for undo in $undos; do
        wait "$undo" || { rc=$?; [ "$rc" = 3 ] || result=$rc; } # 3: gone by now
    done
    return "$result"
}
missing() { # names attacks whose journal is not where it was; whether there are any
    found=1
    for dir in "$state"/*/revert.sh; do
        dir=${dir%/revert.sh}
        case ${dir##*/} in *[!a-z0-9_-]*) ;; *) continue ;; esac
        [ -d "$dir" ] && found=0 && printf 'faultline: %s is a journal under another name: give it its own again: %s\n' "$dir" \
            "$(sed -n "s/^id='\{0,1\}\([a-z0-9_-]*\)'\{0,1\}\$/\1/p" "$dir/revert.sh")" >&2
    done
    sed -n '/"event": "began"/s/^{"id": "\([a-z0-9_-]*\)".*"started": "\([^"]*\)".*/\1 \2/p' "$state/history.jsonl" 2>/dev/null | {
        while read -r id began; do
            for dir in "$state/$id" "$state/.gone-$id" "$state/.new-$id"; do [ ! -d "$dir" ] || continue 2; done
            ! grep -q "\"id\": \"$id\".*\"started\": \"$began\".*\"ended\"" "$state/history.jsonl" || continue
            found=0
            printf 'faultline %s: it began at %s, has not ended, and its journal is gone\n' "$id" "$began" >&2
        done
        return "$found"
    }
}
renew() { # renew RUN SECONDS: prints each id and its seconds until the undo; 3 when nothing is active under that run
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
        printf '%s\n' "$next" >"$dir/.deadline.$$" && mv "$dir/.deadline.$$" "$dir/deadline" && found=0 &&
            printf '%s %s\n' "$id" "$(((next - up + 99) / 100))"
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
tidy() { # the recovery units go with the last attack, unless another one is beginning and has the lock
    [ "$state" = /var/lib/faultline ] && [ "$uid" = 0 ] || return 0
    if command -v flock >/dev/null 2>&1 && [ -r "$state/lock" ]; then
        exec 8<"$state/lock"
        tries=0
        until flock -n 8; do
            tries=$((tries + 1))
            [ "$tries" -lt 5 ] || return 0 # the next sweep does it
            sleep 1
        done
        # Left by an injector that died before it published; the lock keeps others out.
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
    [ "$state" = /var/lib/faultline ] && [ -d /run/systemd/system ] && [ "$uid" = 0 ] || return 0
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
revert-all)
    each hand
    worst=$?
    if missing && [ "$worst" = 0 ]; then worst=5; fi
    exit "$worst"
    ;;
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
