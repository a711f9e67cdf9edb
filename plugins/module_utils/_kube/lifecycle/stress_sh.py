# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Shell programs for a container, as argv: burn CPU, hold memory, measure both, stop them. They need only sh, and sleep for memory.

Variable parts are passed as arguments, never as program text. Each program is one line, so that read takes a whole command line of /proc.
"""

STRESS = "stress="  # precedes the word in the command line of the programs to find; the finding programs have the word without it

# $1 stress=WORD, $2 seconds, $3 CPU workers, $4 MiB of memory. Time is counted since boot, because that clock cannot be set.
# Workers stay children of the first shell, so that process 1 of the container inherits no zombies.
_START = (
    "read -r up rest </proc/uptime || exit 3; end=$((${up%%.*} + $2)); cpus=$3; mib=$4; "
    "now() { read -r up rest </proc/uptime && [ ${up%%.*} -lt $end ]; }; "
    "spin() { while now; do i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; done; }; "
    # 16 bytes doubled 16 times are 1 MiB. More MiB go into more variables, because further doubling would temporarily need three times the memory
    "hold() { stop=; trap 'stop=1' TERM; c=faultline-chaos.; n=0; while [ $n -lt 16 ]; do c=$c$c; n=$((n + 1)); done; n=1; "
    'while [ $n -lt $mib ] && [ -z "$stop" ] && now; do eval "m$n=\\$c"; n=$((n + 1)); done; '
    'while [ -z "$stop" ] && now; do sleep 1 || break; done; }; '
    "{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null; "
    "n=0; while [ $n -lt $cpus ]; do spin </dev/null >/dev/null 2>&1 & n=$((n + 1)); done; "
    "if [ $mib -gt 0 ]; then hold </dev/null >/dev/null 2>&1 & fi; "
    "trap : TERM; echo started; exec </dev/null >/dev/null 2>&1; wait; wait; wait"
)
# $1 WORD. Prints the number of processes; exits with 1 when some do not end.
_STOP = (
    'word=$1; all=0; round=0; while [ $round -lt 4000 ]; do left=0; for d in /proc/[0-9]*; do line=; { read -r line <"$d/cmdline"; } 2>/dev/null; '
    'case $line in *"stress=$word"*) ;; *) continue ;; esac; '
    'state=; { read -r state <"$d/stat"; } 2>/dev/null; case ${state##*) } in Z*|"") continue ;; esac; '
    'if [ $round -eq 0 ]; then all=$((all + 1)); fi; left=$((left + 1)); kill -TERM "${d#/proc/}" 2>/dev/null; done; '
    "[ $left -eq 0 ] && { echo $all; exit 0; }; read -r up rest </proc/uptime; [ $round -eq 0 ] && end=$((${up%%.*} + 8)); "
    '[ ${up%%.*} -ge $end ] && { echo "$left still run"; exit 1; }; round=$((round + 1)); done; echo "$left still run"; exit 1'
)
# $1 WORD. Prints time since boot, CPU ticks, KiB of memory, number of processes.
_MEASURE = (
    'word=$1; ticks=0; rss=0; n=0; for d in /proc/[0-9]*; do line=; { read -r line <"$d/cmdline"; } 2>/dev/null; '
    'case $line in *"stress=$word"*) ;; *) continue ;; esac; '
    'line=; { read -r line <"$d/stat"; } 2>/dev/null; [ -n "$line" ] || continue; set -f; set -- ${line##*) }; set +f; '
    "ticks=$((ticks + ${12} + ${13})); n=$((n + 1)); "
    '{ while read -r key value unit; do [ "$key" = VmRSS: ] && rss=$((rss + value)); done <"$d/status"; } 2>/dev/null; done; '
    "read -r up rest </proc/uptime; echo $up $ticks $rss $n"
)
# Prints memory use, inactive page cache (reclaimable), limit, and whether sleep and /proc/uptime exist; control groups of version 1 and 2.
_LOOK = (
    "used=; { read -r used </sys/fs/cgroup/memory.current || read -r used </sys/fs/cgroup/memory/memory.usage_in_bytes; } 2>/dev/null; "
    "idle=0; for f in /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat; do "
    '{ while read -r key value; do case $key in inactive_file|total_inactive_file) idle=$value ;; esac; done <"$f"; } 2>/dev/null; done; '
    "limit=; { read -r limit </sys/fs/cgroup/memory.max || read -r limit </sys/fs/cgroup/memory/memory.limit_in_bytes; } 2>/dev/null; "
    "sleep 0 2>/dev/null && sleeps=yes || sleeps=no; "
    '[ -r /proc/uptime ] && clock=yes || clock=no; echo "${used:-none} $idle ${limit:-none} $sleeps $clock"'
)


def start(word, seconds, cpus, mib):
    return ["sh", "-c", _START, "sh", STRESS + word, str(seconds), str(cpus), str(mib)]


def stop(word):
    return ["sh", "-c", _STOP, "sh", word]


def measure(word):
    return ["sh", "-c", _MEASURE, "sh", word]


def look():
    return ["sh", "-c", _LOOK]
