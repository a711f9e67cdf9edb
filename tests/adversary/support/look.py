# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a host that shares nothing with the product or with its fingerprint: what an attack or a neighbour could have changed.

Runs on the host under test: as a program that prints JSON (lab), or inside of agent.py. Python 3.6, standard library. Two looks at
equal hosts are equal, so process numbers, inodes, times of the clock and counters are left out. {section: sorted lines}.
"""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time

OLD = 1000000000  # the time of last change that the tests give to all files of a host: whatever has another one was changed
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/usr/local/bin")
# Of the product, on a host where all is well; and what the first call of some program leaves.
EXPECTED = ("/var/lib/faultline/control.sh", "/var/lib/faultline/history.jsonl", "/var/lib/faultline/lock", "/run/xtables.lock")
LIMITS = ("Max open files", "Max processes", "Max locked memory")
# Words of ip that number things, or count.
_NUMBERS = r" (?:link-netnsid|link-netns|iflink|new-netnsid|promiscuity|allmulti|valid_lft|preferred_lft|expires|error|\w+_timer) +\S+|@if\d+"
SPACE = 2  # blocks or inodes that make no difference


def read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read(1 << 20).decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def ask(line):
    done = subprocess.Popen(["/bin/sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return done.communicate()[0].decode("utf-8", "backslashreplace").splitlines()


def shown(path):
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\n", "\\n")


def describe(path, name):
    """One file: type and mode, owner, links, content, target, attributes, and whether it was changed since the host was made."""
    found = os.lstat(path)
    words = [stat.filemode(found.st_mode), str(found.st_uid), str(found.st_gid), shown(name)]
    if stat.S_ISLNK(found.st_mode):
        words.append("-> " + shown(os.readlink(path)))
    elif stat.S_ISREG(found.st_mode):
        content = hashlib.sha1()
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                content.update(block)
        words += [f"links={found.st_nlink}", f"size={found.st_size}", content.hexdigest()[:12]]
        words.append("old" if int(found.st_mtime) == OLD else "new")
    if not stat.S_ISLNK(found.st_mode):
        words += [f"{each}={os.getxattr(path, each).hex()}" for each in sorted(os.listxattr(path))]
    return " ".join(words)


def tree(top, name):
    """Every file below a directory, which has this name in the lines; through mounts, not through links."""
    lines = []
    for directory, names, files in os.walk(top):
        for each in sorted(names) + sorted(files):
            path = os.path.join(directory, each)
            called = name + path[len(top) :]
            if called in EXPECTED:
                continue
            try:
                lines.append(describe(path, called))
            except OSError as error:
                lines.append(f"{shown(called)}: {type(error).__name__}")
    return lines


def space(path, name):
    found = os.statvfs(path)
    return [f"{name} blocks {found.f_bfree}", f"{name} inodes {found.f_ffree}"]


def mounts():
    lines = []
    for line in read("/proc/self/mountinfo").splitlines():
        fields, _dash, kind = line.partition(" - ")
        words = fields.split()
        options = ",".join(sorted(words[5].split(",") + kind.split()[-1].split(",")))
        root = re.sub(r"\d+", "N", words[3]) if "[" in words[3] else words[3]
        lines.append(" ".join([words[4], root, kind.split()[0], options]))
    return lines


def processes(without):
    lines = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in without:
            continue
        at = "/proc/" + pid + "/"
        text = read(at + "stat")
        if not text:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        status = dict(each.split(":", 1) for each in read(at + "status").splitlines() if ":" in each)
        limits = [" ".join(line.split()[-3:-1]) for line in read(at + "limits").splitlines() if line.startswith(LIMITS)]
        groups = ",".join(sorted(set(line.rpartition(":")[2] for line in read(at + "cgroup").splitlines())))
        state = {"T": "stopped", "t": "stopped", "Z": "zombie"}.get(rest[0], "alive")
        words = [shown(name), state, "uid=" + status.get("Uid", "?").split()[0], "nice=" + rest[16], "oom=" + read(at + "oom_score_adj").strip()]
        words += ["cpus=" + status.get("Cpus_allowed_list", "?").strip(), "files=" + "/".join(limits), "groups=" + groups]
        words.append(shown(read(at + "cmdline").replace("\0", " ").strip()))
        lines.append(" ".join(words))
    return lines


def network(enter=""):
    """Devices with their numbers left out, addresses, routes, rules, queues with their counters left out, packet filters, listeners."""
    lines = []
    batch = ("link show", "addr show", "route show table all", "rule show", "neigh show nud permanent")
    listing = "\n".join(batch)
    for line in ask(f"{enter}ip -d -o -batch - <<'ALL'\n{listing}\nALL\n{enter}ip -6 rule show"):
        line = re.sub(r"^\d+: ", "", line)
        line = re.sub(_NUMBERS, "", line)
        line = line.replace(" state LOWERLAYERDOWN ", " state DOWN ")  # which of the two depends on the order in which the two ends went down
        lines.append(" ".join(line.replace("\\", " ").split()))
    devices = [each.split(":")[1].split("@")[0].strip() for each in ask(enter + "ip -o link show")]
    batch = []
    for device in sorted(devices):
        batch += [f"qdisc show dev {device}", f"class show dev {device}"]
        batch += [f"filter show dev {device} {hook}" for hook in ("", "ingress", "egress", "root")]
    listing = "\n".join(batch)
    for line in ask(f"{enter}tc -force -batch - <<'ALL'\n{listing}\nALL"):
        lines.append("tc " + " ".join(line.split()))
    for save in ("nft -s list ruleset", "iptables-legacy-save", "ip6tables-legacy-save"):
        table = []
        for each in ask(enter + save):
            each = re.sub(r"\[\d+:\d+\]|counter packets \d+ bytes \d+", "", each).rstrip()
            if each and not each.startswith("#"):
                table.append(each)
        lines += [f"{save.partition('-')[0]} {number:03}: {each}" for number, each in enumerate(without_empty(table))]
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for each in read("/proc/net/" + kind).splitlines()[1:] if not enter else []:
            if each.split()[3] in ("0A", "07"):
                lines.append(f"listens {kind} {each.split()[1]}")
    return [enter + each for each in lines]


def without_empty(lines):
    """Without tables of iptables that have no rule and no chain: to list a table makes it."""
    out, table = [], []
    for line in lines:
        table.append(line)
        if line == "COMMIT":
            if any(not each.startswith((":", "*", "COMMIT")) or each.startswith(":") and each.split()[1] not in ("ACCEPT",) for each in table):
                out += table
            table = []
    return out + table


def sysctls(top="/proc/sys/net"):
    lines = []
    for directory, _names, files in os.walk(top):
        for each in files:
            path = os.path.join(directory, each)
            if "/neigh/" in path or each in ("nf_conntrack_count", "tcp_fastopen_key", "stable_secret", "flush"):
                continue
            lines.append(f"{path[10:]} = {' '.join(read(path).split())}")
    return lines


def groups():
    lines = []
    for directory, _names, files in os.walk("/sys/fs/cgroup"):
        names = [each for each in sorted(files) if each.endswith((".max", "limit_in_bytes", "_bps_device", ".freeze"))]
        lines.append(" ".join([directory] + [f"{each}={' '.join(read(os.path.join(directory, each)).split())}" for each in names]))
    return lines


def services():
    if os.path.isdir("/run/systemd/system"):
        units = [line.replace("*", " ").split()[:4] for line in ask("systemctl list-units --all --plain --no-legend --no-pager --full")]
        return [" ".join(each) for each in units if each[2:3] != ["inactive"] and not each[0].endswith((".target", ".device", ".slice", ".scope"))]
    names = [each for each in sorted(os.listdir("/etc/init.d")) if each.startswith("flv")]
    return [f"{each} {ask(f'/etc/init.d/{each} status >/dev/null 2>&1; echo $?')}" for each in names]


def look(held, without):
    """held: {name: descriptor or path} of directories to enter, whatever is mounted over them; without: processes of the tests."""
    files, free = [], []
    tops = {name: f"/proc/self/fd/{each}" if isinstance(each, int) else each for name, each in held.items()}
    for name, top in sorted(tops.items()):
        files += tree(top + "/.", name + ":")
        if name != "etc":
            free += space(top + "/.", name)
    for place in PLACES + ("/srv", "/var/lib/faultline"):
        files += tree(place, place)
    namespaces = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    net = network()
    for name in sorted(namespaces):
        net += network(f"ip netns exec {name} ")
    found = {
        "files": files,
        "mounts": mounts(),
        "processes": processes(without),
        "network": net,
        "sysctls": sysctls(),
        "groups": groups(),
        "services": services(),
        "host": ["name " + read("/proc/sys/kernel/hostname").strip(), "zone " + os.path.realpath("/etc/localtime")],
    }
    found = {name: sorted(lines) for name, lines in found.items()}
    found["space"] = free  # numbers, compared with some slack
    found["clock"] = [str(time.time())]
    return found


if __name__ == "__main__":
    json.dump(look(json.loads(sys.argv[1]), {os.getpid(), os.getppid()}), sys.stdout)
