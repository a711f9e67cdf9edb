# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The fixed shell part of every revert.sh, and the functions that it shares with control.sh.

Only POSIX sh and coreutils; no Python, so that an undo works on a host where Python is broken.
"""

COMMON = r"""
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
intact() { # the undo is what was written, byte by byte; without sha256sum: to its last line
    if command -v sha256sum >/dev/null 2>&1; then
        summed=
        while read -r _ name; do [ "$name" != revert.sh ] || summed=yes; done 2>/dev/null <"$1/sums"
        [ -n "$summed" ] && (cd "$1" && sha256sum -c sums) >/dev/null 2>&1
        return
    fi
    last=
    while IFS= read -r line; do last=$line; done 2>/dev/null <"$1/revert.sh"
    [ "$last" = 'main "$@"; exit $?' ]
}
effective_uid() { # $uid, without a process: under a fault each one may take long
    uid=
    while read -r key _ uid _; do [ "$key" != Uid: ] || break; done 2>/dev/null </proc/self/status
}
limits=
limit() { # limit [SECONDS]: so that nothing hangs for ever; some old timeout(1) has other words
    [ -n "$limits" ] || { limits=none; timeout -k 5 60 true >/dev/null 2>&1 && limits=some; }
    limiter='exec'
    [ "$limits" = none ] || limiter="exec timeout -k 5 ${1:-60}"
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
    + COMMON
    + r"""
dir=$state/$id
failed=0 drifted=0 looking=0 reading=
effective_uid

printable() { # $told, without what a terminal would obey, which a name may hold: controls, and what changes the direction of a text
    told=$*
    case $told in *[![:print:]]*) ;; *) return ;; esac
    obeyed=$(printf 's/\302[\200-\237]/?/g;s/\330\234/?/g;s/\342\200[\213-\217\250-\256]/?/g;s/\342\201[\240-\257]/?/g')
    told=$(printf %s "$told" | tr '[:cntrl:]' '?' | sed -e "$obeyed" 2>/dev/null) && [ -n "$told" ] || told=$(printf %s "$*" | tr -c '[:print:]' '?')
}
say() {
    printable "$*"
    printf 'faultline %s: %s\n' "$id" "$told"
}
problem() {
    [ "$looking" = 0 ] || { looking=unclear; return; }
    failed=1
    say "$*" >&2
    printf '%s\n' "$told" >>"$dir/stuck" 2>/dev/null
}
as_kernel() { # as_kernel PATH: nothing is mounted over a file of the kernel, but the same part of /proc, as containers have it
    while read -r _ _ _ root point rest; do
        case $point in /proc/*) ;; *) continue ;; esac
        case $1/ in "$point"/*) ;; *) continue ;; esac
        case $root:$rest in "${point#/proc}:"*" - proc "*) ;; *) return 1 ;; esac
    done 2>/dev/null </proc/self/mountinfo
}
look_at_boot() { # $boot_is same or other; unknown where that is not proved, for a boot id that is hidden is no reboot
    boot_now='' boot_is=same
    read -r boot_now 2>/dev/null </proc/sys/kernel/random/boot_id
    [ "$boot_now" != "$boot" ] || return 0
    boot_is=unknown
    case $boot_now in ????????-????-????-????-????????????) ;; *) return 0 ;; esac
    if as_kernel /proc/sys/kernel/random/boot_id; then boot_is=other
    elif [ "$init" != 0 ] && started 1 && [ "$start" != "$init" ]; then boot_is=other; fi # systemd-nspawn mounts a boot id of its own
}
same_boot() {
    look_at_boot
    [ "$boot_is" != unknown ] || problem "it is not known whether the host has rebooted: /proc/sys/kernel/random/boot_id is hidden, for example by a mount"
    [ "$boot_is" = same ]
}
holds() { # holds FILE TEXT: a small file has exactly this text
    held='' between=''
    while IFS= read -r line || [ -n "$line" ]; do
        held=$held$between$line between='
'
    done 2>/dev/null <"$1"
    [ "$held" = "$2" ]
}
ask() { # ask COMMAND...: $said is what a program prints; when it fails, nothing can be concluded from that
    if [ "$looking" = 0 ]; then limit; else limit 5; fi
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
fails() {
    limit
    ! ($limiter "$@" >/dev/null 2>&1 </dev/null 9>&-)
}
stat_of() { # stat_of PID: $stat is what follows its name, in which any byte may be; 1: there is no such process; 2: that cannot be known
    stat=
    while IFS= read -r line || [ -n "$line" ]; do stat="$stat $line"; done 2>/dev/null <"/proc/$1/stat"
    case $stat in " $1 ("*') '*) stat=${stat##*) }; return 0 ;; esac # the number is in it, for /proc/PID may be covered by another process's
    if [ -e "/proc/$1" ] || kill -s 0 "$1" 2>/dev/null; then return 2; fi
    [ "$uid" = 0 ] || [ -e /proc/1 ] || case $(kill -s 0 "$1" 2>&1) in *'o such '*) ;; *) return 2 ;; esac # hidepid
    return 1
}
started() { # started PID: $start is the clock tick in which that process began; it has not ended while it has threads
    start=
    stat_of "$1" || return
    set -- $stat
    case $1 in Z | X) [ "${18}" -gt 1 ] || return 1 ;; esac
    start=${20}
}
alive() { started "$1" && [ "$start" = "$2" ]; } # alive PID START: that very process, not a later one with its number; 2: as stat_of
lives() { # lives PID START: likewise, in this boot; where neither that nor its end can be proved, the undo is stuck
    same_boot || return 1
    alive "$1" "$2" && return 0
    [ $? = 1 ] || problem "process $1 cannot be looked at, so that it ended is not known"
    return 1
}
helpers() { # helpers PID: our processes in the group of a leader that is gone; a stranger's cannot have our name, group and session
    for comm in /proc/[0-9]*/comm; do
        read -r name 2>/dev/null <"$comm" || continue
        case $name in faultline-*) ;; *) continue ;; esac
        comm=${comm%/comm}
        stat_of "${comm#/proc/}" || continue
        set -- "$1" "${comm#/proc/}" $stat
        [ "$5" = "$1" ] && [ "$6" = "$1" ] && [ "$3" != Z ] && [ "$3" != X ] && printf '%s ' "$2"
    done
}
kill_group() { # kill_group PID START: a worker and its helpers, which outlive a leader that the kernel took
    same_boot || return 0
    tries=0
    while :; do
        if alive "$1" "$2"; then kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1" 2>/dev/null
        elif [ $? = 2 ]; then problem "process $1 cannot be looked at"; return
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
        [ "$uid" != 0 ] || echo 0 2>/dev/null >/proc/self/oom_score_adj
        $limiter "$@" </dev/null 9>&-
    ) || problem "rc $? from: $*"
}
left() { problem "still $1"; }
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
        for each in /proc/[0-9]*; do
            stat_of "${each#/proc/}" || continue
            set -- $stat
            [ "$2" = "${injector%% *}" ] && tools="$tools ${each#/proc/}"
        done
    fi
    kill -s KILL $tools ${injector%% *} 2>/dev/null
}
part() { # part RC TITLE: of the guards of one part of the attack's effect; a program that fails proves nothing
    if [ "$looking" = unclear ]; then [ "$in_place" = false ] || in_place=null
    elif [ "$1" != 0 ]; then in_place=false lost=${lost:+$lost, }$2
    else in_place=${in_place:-true}; fi
    looking=1
}
look_again() { # the second reading of the effect, before it is undone: $reading as JSON, kept for the next try. Changes nothing
    [ -z "$reading" ] && ! read -r reading 2>/dev/null <"$dir/reading" && [ -d "$dir" ] || return 0
    in_place='' lost='' met='' asked='' measured='' looking=1
    look
    looking=0
    [ -z "$in_place" ] || reading=", \"in_place\": $in_place"
    [ -z "$lost" ] || reading="$reading, \"lost\": \"$lost\""
    for figure in "met:$met" "asked:$asked" "measured:$measured"; do
        case ${figure#*:} in '' | *[!0-9.]* | .* | *. | *.*.*) ;; *) reading="$reading, \"${figure%%:*}\": ${figure#*:}" ;; esac
    done
    reading=${reading#, }
    [ "$how" = look ] || printf '%s\n' "$reading" 2>/dev/null >"$dir/reading"
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
            alive "${holder% *}" "${holder#* }" || [ $? = 2 ] || rm -f "$dir/undoing"
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
    if [ -d /run/systemd/system ] && [ "$uid" = 0 ]; then
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
    [ -z "$reading" ] || reading=", \"reading\": {$reading}"
    printf '%s, "ended": "%s", "by": "%s", "result": "%s"%s}\n' "$(cat "$gone/history")" \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$how" "$1" "$reading" 2>/dev/null >>"$state/history.jsonl"
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
    while IFS= read -r line; do case $line in injector=*) break ;; esac; done <"$dir/revert.sh"
    case $line in
    "injector='$injector'") ;;
    injector=*) exit 0 ;;
    *) problem "damaged: $dir/revert.sh is cut"; exit 5 ;;
    esac
}
revert() (
    [ -d "$dir" ] || exit 0
    lock || { problem "the lock $dir/lock is held by somebody else"; exit 4; }
    there
    [ ! -e "$dir/stuck" ] || mv -f "$dir/stuck" "$dir/stuck.was" # what is told while this one runs
    undo
    check
    if [ "$failed" = 0 ] && { [ "$drifted" = 0 ] || [ "$accept" = 1 ]; }; then
        result=reverted
        [ "$drifted" = 0 ] || result=drifted
        finish "$result" && say "$result" && exit 0
    fi
    rm -f "$dir/undoing"
    command -v logger >/dev/null 2>&1 && logger -t faultline -p daemon.err "attack $id could not be reverted; see $dir/stuck"
    [ "$failed" = 0 ] || exit 4
    echo "to close it: revert with accept_drift: true (id $id)" 2>/dev/null >>"$dir/stuck"
    exit 6
)
in_history() { # the end of this very attack; that its journal is not there proves nothing
    while IFS= read -r line; do
        case $line in *"\"id\": \"$id\""*"\"started\": \"$written\""*'"ended": '*) return 0 ;; esac
    done 2>/dev/null <"$state/history.jsonl"
    return 1
}
due() { # also once the attack has ended, after a reboot, and when the deadline or the clock cannot be right
    if [ ! -d "$dir" ]; then # something may be mounted over it, or it was moved away for a while
        [ ! -d "$state/.gone-$id" ] || return 0 # undone, and then that undo was killed
        now
        left=501
        [ "$up" -gt "$limit" ] || in_history
        return
    fi
    look_at_boot
    [ "$boot_is" != other ] || return 0
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
    while [ -d "$dir" ] && due && [ "$left" -le 0 ] && [ "$left" -gt -200 ]; do sleep 0.2 2>/dev/null || sleep 1; done
}
again() { # no process can be started, which ends a shell: so the watcher begins anew, without one; slowly, with builtins alone
    now
    patience=$((up + 50))
    while [ "$up" -lt "$patience" ]; do now; done
    exec /bin/sh "$0" timer
}
main() { # main [timer|sweep|module|worker|hand|look] [accept] [locked]: accept a drifted state; our caller holds the lock
    how=${1:-hand} accept=0 locked=0 self=$$
    for word; do
        case $word in accept) accept=1 ;; locked) locked=1 ;; esac
    done
    if [ "$how" != timer ]; then
        [ "$how" != sweep ] || due || exit 0
        [ "$locked" = 1 ] || look_again
        case $how in look | module) [ -z "$reading" ] || say "reading {$reading}" ;; esac
        [ "$how" != look ] || exit 0
        relieve
        [ "$how" != sweep ] || give_way
        revert
        exit $?
    fi
    [ -n "${BASH_VERSION-}" ] || trap again EXIT # bash tries again by itself, and comes here also when it is stopped
    pause=5
    while :; do
        wait_deadline
        look_again
        relieve
        revert && trap - EXIT && exit 0
        sleep "$pause"
        [ "$pause" -ge 60 ] || pause=$((pause * 2))
    done
}
main "$@"; exit $?
"""
)
