# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The undo step that sets a clock back, the reading of a clock that is off, and the shell function that measures how long it takes."""

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

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


_CLOCK_OFF = r"""
clock_off() { # clock_off OFFSET SLOW ASKED: $asked and $measured are seconds, how far the clock is off in the direction that ASKED (ms) has
    same_boot && clock_ahead "$1" "$2" || { looking=unclear; part 1 'the wrong time'; return; }
    off=$((ahead / 1000000)) want=$3
    case $want in -*) off=$((0 - off)) want=${want#-} ;; esac
    [ "$off" -ge 0 ] || off=0
    asked=$((want / 1000)).$(printf %03d $((want % 1000))) measured=$((off / 1000)).$(printf %03d $((off % 1000)))
    [ "$((off * 2))" -ge "$want" ]
    part $? 'the wrong time'
}
"""


class ClockOff(Typed):
    """A reading: the clock is still wrong, and by how much. As SetClock; asked_ms: the wanted difference."""

    fields = ("offset_ns", "slow_ns", "asked_ms")
    functions = CLOCK + _CLOCK_OFF

    def __init__(self, offset_ns, slow_ns, asked_ms):
        super().__init__(offset_ns=int(offset_ns), slow_ns=int(slow_ns), asked_ms=int(asked_ms))

    def render(self):
        return ["clock_off %d %d %d" % (self.offset_ns, self.slow_ns, self.asked_ms)]


class SetClock(Typed):
    """Set the clock to what it would be without the attack: BOOTTIME plus offset_ns, in the same boot.

    slow_ns: how long the shell takes to read the clock on this host, measured when the attack was planned.
    """

    fields = ("title", "offset_ns", "slow_ns")
    functions = CLOCK

    def __init__(self, title, offset_ns, slow_ns):
        super().__init__(title=title, offset_ns=int(offset_ns), slow_ns=int(slow_ns))

    def render(self):
        return [comment(self.title), "if same_boot; then set_clock %d %d; fi" % (self.offset_ns, self.slow_ns)]
