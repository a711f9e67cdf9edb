# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Program texts for a host under test: the monitor in Python, and lines for sh."""

from __future__ import annotations

from tests.faults.support.attacks import VICTIM, VICTIM_HERE

STATE = "/var/lib/faultline"
WORK = "/run/fltest"

# Records from files when the attack began and ended. Arguments: state directory, seconds, result file.
MONITOR = """
import json, os, subprocess, sys, threading, time
from glob import glob
state, seconds = sys.argv[1], float(sys.argv[2])

# By process: its name, which is read while it is young and seldom after, for all of them take as long as a sample; how many samples it was there.
names, samples = {}, 0

# A box of the lab shares the kernel with this machine, which sees what runs there.
def foreign(pid):
    try:
        return os.readlink("/proc/%s/ns/pid" % pid) != os.readlink("/proc/self/ns/pid")
    except OSError:
        return False

def comms():
    global names, samples
    samples += 1
    now = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        name, age = names.get(pid, ("", 0))
        if age < 20 or (int(pid) + samples) % 10 == 0:
            name = "" if foreign(pid) else text("/proc/%s/comm" % pid).strip()
        now[pid] = (name, age + 1)
    names = now
    return [name for pid, (name, _age) in now.items() if not name.startswith("faultline-") or not ended(pid)]

# Some first processes take their time to look after those that have ended.
def ended(pid):
    return ") Z " in text("/proc/%s/stat" % pid)

def text(path):
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return ""

def soft_files(name):
    found = []
    for path in glob("/proc/[0-9]*/comm"):
        try:
            with open(path) as stream, open(path[:-4] + "limits") as limits:
                if stream.read().strip() == name:
                    found += [int(line.split()[3]) for line in limits if line.startswith("Max open files")]
        except OSError:
            pass
    return found

def stopped(name):
    for path in glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as stream:
                if "(%s) T " % name in stream.read():
                    return True
        except OSError:
            pass
    return False

def uptime():
    with open("/proc/uptime") as stream:
        return float(stream.read().split()[0])

right = time.time() - uptime()

def clock_is_wrong():
    return abs(time.time() - uptime() - right) > 0.1

def deadline():
    try:
        with open(state + "/deadline") as stream:
            return int(stream.read()) / 100.0
    except (OSError, ValueError):
        return None

def fork():
    begin = time.monotonic()
    try:
        subprocess.call(["/bin/true"])
        forks.append((begin, (time.monotonic() - begin) * 1000))
    except OSError:
        pass # the attack takes them all

def fork_often():
    while True:
        fork()
        time.sleep(0.5)

def starved(since, until):
    during = [took for begin, took in forks if since <= begin <= until]
    if not during:
        fork()
        during = [forks[-1][1]]
    return sum(during) / len(during)

forks = []
threading.Thread(target=fork_often, daemon=True).start()
# From here on the monotonic clock differs from the uptime by this much; no attack can step it.
ahead = time.monotonic() - uptime()

found = {"active": None, "deadline": None, "clean": None, "closed": None, "fork_ms": None}
until = uptime() + seconds
journal = False
while uptime() < until:
    now = uptime()
    if os.path.isdir(state):
        journal, found["closed"] = True, None
        found["deadline"] = deadline() or found["deadline"]
    elif journal and found["closed"] is None:
        found["closed"] = now
    if ACTIVE:
        found["active"], found["clean"] = found["active"] or now, None
    elif found["clean"] is None:
        found["clean"] = now
    if found["closed"] and found["clean"] and now > found["closed"] + 0.7 or os.path.exists(sys.argv[3] + ".stop"):
        break
    time.sleep(0.05)
# What a fork and exec took while the attack was being undone.
end = found["closed"] or uptime()
found["fork_ms"] = starved((found["deadline"] or end) + ahead - 1, end + ahead)
with open(sys.argv[3], "w") as stream:
    json.dump(found, stream)
os.rename(sys.argv[3], sys.argv[3] + ".done")
"""

# Filters files of /proc to processes of this pid namespace, because this machine also sees the processes of its boxes.
_OURS = """ours() {
    while IFS= read -r line; do
        p=${line#/proc/} p=${p%%/*}
        [ "$(readlink "/proc/$p/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || echo "$line"
    done
}"""

# A fork is slow on a lab host, so one grep reads the files of all processes.
# The watcher of an attack on a cluster, faultline-kube, is no residue on this host.
LEFT = f"""{_OURS}
ls -A {STATE} 2>/dev/null | grep -vx -e control.sh -e lock -e history.jsonl | sed 's/^/journal /'
ls -d /etc/systemd/system/faultline* /etc/systemd/system/*/faultline* /etc/cron.d/faultline /sys/class/net/fl???????????? 2>/dev/null
ls -d /sys/fs/cgroup/faultline-* /sys/fs/cgroup/memory/faultline-* /sys/fs/cgroup/pids/faultline-* /sys/fs/cgroup/blkio/faultline-* 2>/dev/null
[ ! -d /run/systemd/system ] || systemctl list-units --all --plain --no-legend 'faultline*' | sed 's/^/unit /'
grep -sH '^faultline-' /proc/[0-9]*/comm | grep -v ':faultline-kube$' | ours | sed 's/^/process /'
grep -lszx '.*/revert\\.sh' /proc/[0-9]*/cmdline | ours | sed 's/^/undo /'
"""

ALIVE = "pgrep -x -r S,R,D,T"  # excludes zombies, which some machines keep for a while

# Ends modules that a test left hanging at one of their steps.
# Spares the victim, because it may have inherited the environment of a crashed module.
END_HANGING = f"""{_OURS}
for environ in $(grep -lsz '^FAULTLINE_TEST_CRASH=' /proc/[0-9]*/environ | ours); do
    pid=${{environ#/proc/}} pid=${{pid%/environ}}
    grep -qsx -e {VICTIM} -e {VICTIM_HERE} /proc/$pid/comm || kill -KILL $pid 2>/dev/null
done
"""

# After a test: restore broken programs, end hanging modules, undo everything.
CLEAN_UP = f"""grep -oE ' /(usr/[^ ]*bin|sys/fs/cgroup/system.slice)/[^ ]* ' /proc/mounts | while read -r m; do umount $m; done
{END_HANGING}
pkill -f {WORK}/[m].py
rm -rf {WORK}
[ ! -e {STATE}/control.sh ] || {{ sh {STATE}/control.sh revert-all; sh {STATE}/control.sh sweep; }}
:
"""


def waiting_until_nothing(seconds: float) -> str:
    """A shell program that repeats LEFT until it prints nothing or the time is over, and prints the last output."""
    repeat = f'while found=$(left); [ -n "$found" ] && [ $n -lt {int(2 * seconds)} ]; do n=$((n + 1)); sleep 0.5; done; echo "$found"'
    return f"left() {{\n{LEFT}:\n}}\nn=0; {repeat}"
