# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Residue of attacks on this host: found by the marks that it carries, so also when the journal is lost."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue_net
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import HISTORY_KEPT
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.overview import lost
from ansible_collections.faultline.chaos.plugins.module_utils._marks import (
    BOOT_UNIT,
    BOOT_UNIT_FILE,
    CLUSTER_WATCHER,
    CRON,
    HIDDEN_PREFIX,
    PREFIX,
    SWEEP_SERVICE,
    SWEEP_TIMER,
    TC_PREF_FIRST,
    TC_PREF_LAST,
    WORKER_NAME,
    made_by_attack,
)

# Root qdiscs without classes: the kernel adds them by itself, and attacks never put a filter on one.
_USUAL_PLACES = ("/tmp", "/var/tmp", "/var/log", "/var/lib", "/srv", "/opt", "/home", "/root", "/etc")
_WITHOUT_FILTERS = ("noop", "noqueue", "mq", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel")


def residue(host, journal):
    """Descriptions of marks that no journal accounts for."""
    active = journal.ids()
    claimed = " ".join(journal.noted(each, "record.json") for each in active)
    found = []
    for finder in _AS_ROOT if host.is_root else _AS_ANYBODY:
        found += finder(host, journal, active, claimed)
    return found


def _interfaces(_host, _journal, _active, claimed):
    try:
        names = sorted(os.listdir("/sys/class/net"))
    except OSError:
        return []
    return [f"interface {name}" for name in names if made_by_attack(name) and name not in claimed]


def _described(host, _journal, active, _claimed):
    """Interfaces that an attack took down, identified by the description (ifalias) that it set."""
    names = sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else []
    marks = [(name, host.read(f"/sys/class/net/{name}/ifalias").strip()) for name in names]
    return ["interface {} has the description {}".format(*each) for each in marks if each[1].startswith(PREFIX) and each[1][len(PREFIX) :] not in active]


def _hooks(host, _journal, _active, claimed):
    """Managed tc filters on interfaces that no active attack names."""
    if not host.has_tool("tc"):
        return []
    found = []
    for name, parents in sorted(_parents(host).items()):
        if f'"{name}"' in claimed:
            continue
        for parent in parents:
            hook = [] if parent == "root" else [parent]  # without a hook tc shows the root qdisc; by the word root it shows nothing
            out = host.run([host.tool("tc"), "filter", "show", "dev", name] + hook, check=False)[1]
            for line in out.splitlines():
                words = line.split()
                if "pref" in words and TC_PREF_FIRST <= int(words[words.index("pref") + 1]) <= TC_PREF_LAST:
                    found.append(f"tc filters on {name} {parent}")
                    break
    return found


def _parents(host):
    """The hooks of every interface that may hold filters. One tc call lists all qdiscs, which is faster than three calls per interface.

    A filter disappears with its qdisc, and netem adds filters only to clsact or to a qdisc with classes (see _network/netem.py).
    """
    found = dict((name, set()) for name in os.listdir("/sys/class/net"))
    rc, out, _err = host.run([host.tool("tc"), "qdisc", "show"], check=False)
    if rc != 0:
        return dict((name, ("egress", "ingress", "root")) for name in found)
    for line in out.splitlines():
        words = line.split()
        if words[:1] != ["qdisc"] or "dev" not in words:
            continue
        parents = found.setdefault(words[words.index("dev") + 1], set())
        if words[1] == "clsact":
            parents.update(("egress", "ingress"))
        elif words[1] == "ingress":
            parents.add("ingress")
        elif "root" in words and words[1] not in _WITHOUT_FILTERS:
            parents.add("root")
    return dict((name, sorted(parents)) for name, parents in found.items())


def _units(host, _journal, active, _claimed):
    if not host.has_systemd:
        return []
    out = host.run([host.tool("systemctl"), "list-units", "--all", "--plain", "--no-legend", PREFIX + "*"], check=False)[1]
    names = [word for line in out.splitlines() for word in line.split()[:2] if word.startswith(PREFIX)]
    ours = set(f"{PREFIX}{each}{kind}" for each in active for kind in (".timer", ".service"))
    if active:
        ours.update((SWEEP_TIMER, SWEEP_SERVICE, BOOT_UNIT))
    left = [f"unit {name}" for name in names if name not in ours]
    if not active and os.path.exists(BOOT_UNIT_FILE):
        left.append(f"file {BOOT_UNIT_FILE}")
    return left


def _workers(_host, journal, active, claimed):
    found = []
    for process in processes():
        if process.name == WORKER_NAME % CLUSTER_WATCHER or _in_a_container(process.pid):
            continue
        if process.name.startswith(PREFIX) and f'"start": {process.start}' not in claimed:
            leader = _leader(process.pid)
            if leader == process.pid or '"pid": %d' % leader not in claimed:
                found.append("process %d %s" % (process.pid, process.name))
        elif process.argv[-1:] == ["timer"] and process.argv[1:2] and process.argv[1].startswith(journal.path):
            attack_id = os.path.basename(os.path.dirname(process.argv[1]))
            if attack_id not in active:
                found.append("process %d dead-man of %s" % (process.pid, attack_id))
    return found


def _in_a_container(pid):
    """Whether a process is in a pid namespace below this one; an audit of the container reports attacks in it."""
    try:
        return os.readlink("/proc/%d/ns/pid" % pid) != os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def _leader(pid):
    """The process group of a process; a worker's helpers are in its group."""
    try:
        return os.getpgid(pid)
    except OSError:
        return pid


def _cron(_host, _journal, active, _claimed):
    return [f"file {CRON}"] if not active and os.path.exists(CRON) else []


def _control_groups(_host, _journal, _active, claimed):
    return [f"control group {path}" for path in cgroup.attack_cgroups() if f'"{path}"' not in claimed]


def _files(_host, journal, _active, claimed):
    """Marked files and directories in mount points, in usual places, and where the attacks in the history acted. Nowhere else is searched."""
    places = set(_USUAL_PLACES)
    places.update(each.point for each in mounts.mounts() if each.kind not in mounts.PSEUDO | mounts.NETWORK)
    for attack in journal.history(HISTORY_KEPT) + journal.unended():
        held = [resource.partition(":")[2] for resource in attack.get("resources", [])]
        places.update(place for path in held if path.startswith("/") for place in (path, os.path.dirname(path)))
    return [f"file {path}" for path in _marked(places) if os.path.basename(path) not in claimed]


def _marked(places):
    """Paths with the mark of attacks in these directories, sorted; unreadable directories are skipped."""
    found = set()
    for place in places:
        try:
            found.update(os.path.join(place, name) for name in os.listdir(place) if name.startswith(HIDDEN_PREFIX))
        except OSError:
            continue
    return sorted(found)


def _lost(_host, journal, _active, _claimed):
    """Attacks that began and have neither an end nor a journal; an operator checks the target and removes the line."""
    line = "attack %s (%s) began at %s, its journal is gone: look at %s, then remove its line from %s/history.jsonl"
    return [
        line % (each["id"], each.get("module"), each.get("started"), ", ".join(each.get("resources") or []) or "the host", journal.path)
        for each in lost(journal)
    ]


# A new kind of mark is one finder: finder(host, journal, active ids, text of all their records) -> list of str.
_AS_ANYBODY = (_lost, _interfaces, _described, _workers)
_AS_ROOT = _AS_ANYBODY + (residue_net.rules, residue_net.elsewhere, _hooks, _units, _cron, _control_groups, _files)
