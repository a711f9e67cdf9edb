# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""CPU load that is held at a set point, whatever other processes do.

One burner per CPU works for a share of each turn (about 0.1 s) and sleeps for the rest. Their leader reads the load of every CPU from
/proc/stat twice a second and adjusts the shares: an integral controller with feed-forward of the set point, its output limited to 0..1
against wind-up (K. J. Astrom, R. M. Murray: Feedback Systems, 2nd edition, chapter 11; the idea of a closed loop for CPU load:
G. Carlucci, CPULoadGenerator). An open loop would miss the set point because of other load, late wake-ups and time stolen by hypervisors.
"""

import mmap
import os
import random
import re
import signal
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes

TURN = 0.1  # seconds: a burner works, then sleeps
LOOK = 0.5  # seconds between two looks at /proc/stat
SETTLING = 2.0  # seconds that the load needs to reach its set point; they do not count in its mean
GAIN = 0.7  # share of the error that is corrected at each look: a burst of other load is corrected after two looks
HIGHEST = 8191  # the kernel's own limit of CPU numbers
_RANGE = r"^(0|[1-9][0-9]{0,4})(?:-(0|[1-9][0-9]{0,4}))?\Z"


def numbers(option, values):
    """CPU numbers from ["0", "2-3"]: sorted, without duplicates. Errors: BadOption."""
    if not values:
        raise BadOption(option, values, "name at least one CPU, or leave the option out for all of them")
    found = set()
    for value in values:
        match = re.match(_RANGE, value)
        if not match:
            raise BadOption(option, value, "write CPU numbers and ranges, such as 0 or 2-3")
        first = int(match.group(1))
        last = first if match.group(2) is None else int(match.group(2))
        if last < first or last > HIGHEST:
            raise BadOption(option, value, "write a range from low to high, and no number over %d" % HIGHEST)
        found.update(range(first, last + 1))
    return sorted(found)


def ranges(cpus):
    """The inverse of numbers(), as text for people: [0, 1, 2, 5] -> "0-2,5"."""
    runs = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else "%d-%d" % (first, last) for first, last in runs)


def usage(text):
    """{CPU: (busy, all)} in clock ticks since boot, from /proc/stat. Only online CPUs have a line there.

    Busy is all time except idle and I/O wait, as top and monitoring count it; stolen time is busy, because no process can use it.
    """
    found = {}
    for line in text.split("\n"):
        fields = line.split()
        if fields and re.match(r"cpu[0-9]+\Z", fields[0]):
            ticks = [int(field) for field in fields[1:9]]  # the later fields, guest time, are already part of user time
            found[int(fields[0][3:])] = (sum(ticks) - sum(ticks[3:5]), sum(ticks))
    return found


def look():
    return usage(Host.read("/proc/stat"))


def load(before, after):
    """Load of a CPU in percent between two (busy, all) pairs; None when no time has passed (idle and iowait may even decrease)."""
    passed = after[1] - before[1]
    if passed <= 0:
        return None
    return min(100.0, max(0.0, 100.0 * (after[0] - before[0]) / passed))


def measure(cpus, seconds):
    """{CPU: load in percent} over the next seconds; a CPU that went offline is left out."""
    before = look()
    time.sleep(seconds)
    after = look()
    loads = dict((cpu, load(before[cpu], after[cpu])) for cpu in cpus if cpu in before and cpu in after)
    return dict((cpu, percent) for cpu, percent in loads.items() if percent is not None)


def allowed():
    """CPUs that are online and allowed for this process."""
    return sorted(os.sched_getaffinity(0) & set(look()))


def unknown():
    """CPUs that this process may use and that /proc/stat does not show: a container that renumbers them (lxcfs) does that."""
    return sorted(os.sched_getaffinity(0) - set(look()))


def usable(cpu):
    """Whether this process may run on a CPU, tested by pinning it there for a moment."""
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        return False
    os.sched_setaffinity(0, own)
    return True


class Controller:
    """Controls one CPU: the share of time that its burner works. target and measured are total loads in percent, all programs included."""

    def __init__(self, target, others):
        self.target = target
        self.share = self._within((target - others) / 100.0)

    def step(self, target, measured):
        self.share = self._within(self.share + (target - self.target + GAIN * (self.target - measured)) / 100.0)
        self.target = target
        return self.share

    @staticmethod
    def _within(share):
        return min(1.0, max(0.0, share))


def target(percent, ramp, elapsed):
    """The current set point: rises linearly during the ramp."""
    return percent if elapsed >= ramp else percent * elapsed / ramp


def drive(others, percent, ramp, until, figures):
    """The leader: start a burner on each CPU of others ({CPU: load before}) and control them. until: in seconds since boot; figures: keep their load."""
    cpus = sorted(others)
    begun = uptime()
    shares = memoryview(mmap.mmap(-1, 8 * len(cpus))).cast("d")  # shared with the burners
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a burner killed by the OOM killer is not restarted and leaves no zombie
    controllers = {}
    for index, cpu in enumerate(cpus):
        controllers[cpu] = Controller(target(percent, ramp, 0.0), others[cpu])
        shares[index] = controllers[cpu].share
    leader = os.getpid()
    for index, cpu in enumerate(cpus):
        if os.fork() == 0:
            try:
                _burn(shares, index, cpu, leader, until)
            finally:
                os._exit(0)
    before = look()
    while uptime() < until:
        time.sleep(LOOK)
        after = look()
        wanted = target(percent, ramp, uptime() - begun)
        loads = []
        for index, cpu in enumerate(cpus):
            measured = load(before[cpu], after[cpu]) if cpu in before and cpu in after else None
            if measured is not None:
                shares[index] = controllers[cpu].step(wanted, measured)
                loads.append(measured)
        if uptime() - begun >= ramp + SETTLING:
            figures.mean(sum(loads) / max(1, len(loads)))
        figures.keep()
        before = after


def burners(leader):
    """Pids of a leader's burners."""
    found = []
    for process in processes():
        try:
            if process.pid != leader and os.getpgid(process.pid) == leader:
                found.append(process.pid)
        except OSError:
            continue  # it just ended
    return found


def _burn(shares, index, cpu, leader, until):
    """A burner: work for its share of each turn. It ends with its leader, or at the deadline."""
    os.sched_setaffinity(0, {cpu})
    chance = random.Random(os.getpid())
    while os.getppid() == leader and uptime() < until:
        # Turns vary in length: constant ones could stay in phase with the clock tick by which the kernel samples the load.
        turn = TURN * chance.uniform(0.7, 1.3)
        begin = time.monotonic()
        end = begin + turn * shares[index]
        while time.monotonic() < end:
            pass
        rest = begin + turn - time.monotonic()
        if rest > 0:
            time.sleep(rest)
