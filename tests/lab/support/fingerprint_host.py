# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a host (python3 -) and prints, as one JSON object, everything that an attack could change there.

Times, counters and process numbers are left out: two fingerprints of an idle host are equal. A fork is slow on a lab
host, so files and processes are read directly, and programs are run only for state that is in no file.
"""

import glob
import hashlib
import json
import os
import pwd
import re
import subprocess
import time

TREES = (
    "/etc",
    "/root",
    "/home",
    "/opt",
    "/usr/local",
    "/var/spool/cron",
    "/var/lib/faultline",
    "/var/log/faultline",
    "/run/systemd/system",
    "/run/systemd/transient",
)
RUNTIME = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/lib/systemd/timers")
SYSCTLS = ("kernel", "vm", "net/core", "net/ipv4", "net/ipv6", "fs")
NETWORK = ("link show", "addr show", "route show table all", "rule show", "neigh show nud permanent")  # IPv4 and IPv6, except for the rules
LIMITS = ("cpu.max", "memory.max", "memory.high", "pids.max", "io.max", "cgroup.freeze", "cpu.weight", "memory.swap.max")


def ask(*argv, batch=()):
    """The output lines of a program, if it exists. batch is its standard input."""
    try:
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE)
    except OSError:
        return []
    return p.communicate("\n".join(batch).encode())[0].decode("utf-8", "replace").splitlines()


def settled():
    """Wait until the kernel knows that nobody else has the addresses of IPv6: until then they look different."""
    until = time.monotonic() + 5
    while time.monotonic() < until and any("dadfailed" not in line for line in ask("ip", "-o", "-6", "addr", "show", "tentative")):
        time.sleep(0.2)


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def walk(trees):
    """Every path below some directories, without leaving their file systems."""
    for tree in trees:
        if not os.path.lexists(tree):
            continue
        device = os.lstat(tree).st_dev
        yield tree
        for directory, names, files in os.walk(tree):
            names[:] = [n for n in names if os.lstat(os.path.join(directory, n)).st_dev == device]
            for name in names + files:
                yield os.path.join(directory, name)


def describe(path, content):
    """Type, mode, owner, target, extended attributes and (content) a digest of a file; None when it is gone."""
    try:
        st = os.lstat(path)
        words = [oct(st.st_mode), str(st.st_uid), str(st.st_gid), path]
        if os.path.islink(path):
            words.append("-> " + os.readlink(path))
        elif content and (st.st_mode & 0o170000) == 0o100000:
            with open(path, "rb") as f:
                words.append(hashlib.sha256(f.read()).hexdigest()[:16])
        if content:
            words += [f"{a}={os.getxattr(path, a, follow_symlinks=False).hex()}" for a in sorted(os.listxattr(path, follow_symlinks=False))]
        return " ".join(words)
    except OSError:
        return None


def files(trees, content):
    return sorted(filter(None, (describe(p, content) for p in walk(trees))))


def processes():
    """Processes whose parent has pid 0 or 1, with the attributes that an attack can change."""
    out = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        text = read(stat)
        if not text:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        if rest[1] not in ("0", "1") or name.startswith(("kworker", "(sd-pam)")):
            continue
        pid = stat.split("/")[2]
        try:
            owner = pwd.getpwuid(os.stat("/proc/" + pid).st_uid).pw_name
            cpus = sorted(os.sched_getaffinity(int(pid)))
        except (OSError, KeyError):
            continue
        state = "stopped" if rest[0] in "Tt" else "zombie" if rest[0] == "Z" else "alive"
        oom = read(f"/proc/{pid}/oom_score_adj")
        out.append(f"{name} {owner} {state} nice={rest[16]} policy={rest[38]} oom={oom} cpus={cpus}")
    return sorted(out)


def sysctls():
    out = []
    for path in walk("/proc/sys/" + s for s in SYSCTLS):
        if "/neigh/" not in path and os.path.isfile(path) and os.stat(path).st_mode & 0o600 == 0o600:
            out.append(f"{path[10:]} = {' '.join(read(path).split())}")
    return sorted(out)


def cgroups():
    out = []
    for directory in walk(["/sys/fs/cgroup"]):
        if os.path.isdir(directory):
            limits = [f"{n}={read(os.path.join(directory, n))}" for n in LIMITS if os.path.exists(os.path.join(directory, n))]
            out.append(" ".join([directory] + limits))
    return sorted(out)


def qdiscs():
    batch = ["qdisc show"]
    for device in sorted(os.listdir("/sys/class/net")):
        batch += [what % device for what in ("class show dev %s", "filter show dev %s", "filter show dev %s ingress", "filter show dev %s egress")]
    return ask("tc", "-force", "-batch", "-", batch=batch)


def units():
    """Units in use and their states; systemd unloads idle units at any time. Enabled units show as links in /etc."""
    if not os.path.isdir("/run/systemd/system"):
        return sorted(glob.glob("/etc/rc?.d/*"))
    columns = [
        line.replace("\u25cf", " ").replace("*", " ").split()
        for line in ask("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", "--full")
    ]
    return sorted(" ".join(c[:4]) for c in columns if c and c[2] != "inactive" and not c[0].endswith((".target", ".device")))


def main():
    settled()
    rules = []
    for save in ("iptables-legacy-save", "ip6tables-legacy-save"):
        rules += [re.sub(r"\[\d+:\d+\]", "", line) for line in ask(save) if not line.startswith("#")]
    print(
        json.dumps(
            {
                "qdiscs": qdiscs(),
                "network": [line for line in ask("ip", "-d", "-batch", "-", batch=NETWORK) if "valid_lft" not in line] + ask("ip", "-6", "rule", "show"),
                "nft": ask("nft", "list", "ruleset"),
                "iptables": rules,
                "units": units(),
                "processes": processes(),
                "cgroups": cgroups(),
                "mounts": sorted(" ".join(line.split()[:4]) for line in read("/proc/mounts").splitlines()),
                "files": files(TREES, True),
                "runtime": files(RUNTIME, False),
                "sysctls": sysctls(),
                "hostname": [read("/proc/sys/kernel/hostname")],
                "clock": [read("/sys/devices/system/clocksource/clocksource0/current_clocksource"), os.path.realpath("/etc/localtime")],
                "time": [time.time()],
            }
        )
    )


main()
