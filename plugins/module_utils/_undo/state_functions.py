# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Shell functions that continue stopped processes and set a clock back; they use the functions of machinery.py."""

FREEZE = r"""
stopped() { # stopped PID START: that very process is stopped, or will be as soon as the kernel lets it (SIGSTOP is pending)
    same_boot && alive "$1" "$2" || return 1
    while read -r key value _; do
        case $key$value in State:T | ShdPnd:*[4567cdef]????) return 0 ;; esac
    done 2>/dev/null <"/proc/$1/status"
    return 1
}
go_on() { # go_on PID: kill is a builtin, so that no package is needed for it
    kill -s CONT "$1" 2>/dev/null || ! [ -e "/proc/$1" ] || problem "process $1 cannot be continued"
}
"""

# date (coreutils) adds the step to the time that it reads itself, so the step is exact to some microseconds, however slowly date starts.
# The time that date needs to start is measured with this same function when the attack is planned.
CLOCK = r"""
clock_ahead() { # clock_ahead OFFSET SLOW: $ahead is how many ns the clock is ahead of BOOTTIME + OFFSET; the quickest looks are right
    ahead= close=0 looks=0
    while [ "$close" -lt 4 ] && [ "$looks" -lt 30 ]; do # four that agree, or the best of many on a busy host
        looks=$((looks + 1))
        read -r tick _ </proc/uptime
        up=$tick
        while [ "$up" = "$tick" ]; do read -r up _ </proc/uptime; done
        real=$(date -u +%s%N 2>/dev/null)
        case $real in '' | *[!0-9]*) return 1 ;; esac
        number "${up%.*}${up#*.}"
        real=$((real - n * 10000000 - $1 - $2))
        if [ -z "$ahead" ] || [ "$((real + 1000000))" -lt "$ahead" ]; then ahead=$real close=0; fi
        [ "$real" -ge "$ahead" ] || ahead=$real
        [ "$((real - 1000000))" -gt "$ahead" ] || close=$((close + 1))
    done
}
clock_near() { [ "$ahead" -lt "$1" ] && [ "$ahead" -gt "-$1" ]; }
set_clock() { # set_clock OFFSET SLOW: the clock is BOOTTIME + OFFSET again
    for try in 1 2 3 4; do
        clock_ahead "$1" "$2" || { problem "the clock cannot be read with date"; return; }
        if clock_near 8000000; then return; fi
        sign=-
        case $ahead in -*) sign=+ ;; esac
        step=00000000${ahead#-}
        rest=${step%?????????}
        number "$rest"
        try date -u -s "$sign$n.${step#"$rest"} seconds" >/dev/null
    done
    clock_ahead "$1" "$2"
    clock_near 50000000 || problem "the clock is $((ahead / 1000000)) ms from where it would be"
}
"""
