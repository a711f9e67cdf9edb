# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Residue of attacks on this host: found by the marks that it carries, so also when the journal is lost."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._errors import visible
from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import residue_net
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import HISTORY_KEPT
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.missing import lost, lost_line
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.others import deadman_place, names, start_of
from ansible_collections.faultline.chaos.plugins.module_utils._marks import (
    BOOT_UNIT,
    BOOT_UNIT_FILE,
    CLUSTER_WATCHER,
    CRON,
    HIDDEN_PREFIX,
    PREFIX,
    SWEEP_SERVICE,
    SWEEP_TIMER,
    WORKER_NAME,
)
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import words

_USUAL_PLACES = ("/tmp", "/var/tmp", "/var/log", "/var/lib", "/srv", "/opt", "/home", "/root", "/etc")
_SHOWN = 5  # foreign marks of a kind and a user


class Search:
    """What a search for marks found that no journal accounts for.

    residue: of root, of this user, or of an attack that has not ended. foreign: of other users, who may give anything such a name.
    unseen: where nobody could look. All are text for people.
    """

    def __init__(self, host, journal):
        self.host = host
        self.journal = journal
        self.active = journal.ids()
        self.claimed = " ".join(journal.noted(each, "record.json") for each in self.active)
        unended = journal.unended()
        self.unended = set(each["id"] for each in unended)
        self.resources = [str(held) for each in journal.history(HISTORY_KEPT) + unended for held in each.get("resources") or []]
        self.residue, self.unseen = [], []
        self._foreign = {}

    def add(self, kind, name, uid=0, attack_id=None, more="", helps=()):
        """A mark. uid: of who made it. attack_id: that it names. helps: the command that removes it."""
        if uid in (0, os.geteuid()) or attack_id in self.unended:
            owner = " of uid %d" % uid if kind in ("file", "process") or uid else ""
            self.residue.append(visible("%s %s%s%s%s" % (kind, name, more, owner, ": " + words(helps) if helps else "")))
        else:
            names_of = self._foreign.setdefault((uid, kind), [0, []])
            names_of[0] += 1
            names_of[1] += [name + more] if len(names_of[1]) < _SHOWN else []

    @property
    def foreign(self):
        return [
            visible("%s of uid %d: %s%s" % (kind, uid, ", ".join(shown), " and %d more" % (count - len(shown)) if count > len(shown) else ""))
            for (uid, kind), (count, shown) in sorted(self._foreign.items())
        ]


def search(host, journal):
    """Looks for every kind of mark."""
    found = Search(host, journal)
    for finder in _AS_ROOT if host.is_root else _AS_ANYBODY:
        finder(found)
    return found


def _units(found):
    host, active = found.host, found.active
    if not host.has_systemd:
        return
    out = host.run([host.tool("systemctl"), "list-units", "--all", "--plain", "--no-legend", PREFIX + "*"], check=False)[1]
    ours = set(f"{PREFIX}{each}{kind}" for each in active for kind in (".timer", ".service"))
    if active:
        ours.update((SWEEP_TIMER, SWEEP_SERVICE, BOOT_UNIT))
    for name in [word for line in out.split("\n") for word in line.split()[:2] if word.startswith(PREFIX)]:
        if name not in ours:
            found.add("unit", name, helps=["systemctl", "stop", name])
    if not active and os.path.exists(BOOT_UNIT_FILE):
        found.add("file", BOOT_UNIT_FILE, helps=["rm", BOOT_UNIT_FILE])


def _workers(found):
    ours, here = (0, os.geteuid()), _pid_namespace("self")
    for pid, name in names():
        place = deadman_place(pid, name)
        if not place and (not name.startswith(PREFIX) or name == WORKER_NAME % CLUSTER_WATCHER) or _pid_namespace(pid) not in (here, None):
            continue  # of a container, whose own audit tells it
        uid = _uid(pid)
        if place:
            attack_id = os.path.basename(place)
            if os.path.dirname(place) == found.journal.path and attack_id not in found.active:
                found.add("process", "%d dead-man of %s" % (pid, attack_id), uid, helps=["kill", str(pid)])
        elif uid not in ours or _unclaimed(found, pid):
            found.add("process", "%d %s" % (pid, name), uid, helps=["kill", "-9", str(pid)])


def _unclaimed(found, pid):
    """Whether a process runs that is neither the worker of an active attack nor in the group of one."""
    start, leader = start_time(pid), _leader(pid)
    return start is not None and f'"start": {start}' not in found.claimed and (leader == pid or '"pid": %d' % leader not in found.claimed)


def _pid_namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _leader(pid):
    """The process group of a process; a worker's helpers are in its group."""
    try:
        return os.getpgid(pid)
    except OSError:
        return pid


def _uid(pid):
    """The real uid: a program of root that another user starts under such a name has only the effective one."""
    for line in start_of("/proc/%d/status" % pid, 4096).split(b"\n"):
        if line.startswith(b"Uid:"):
            return int(line.split()[1])
    return 0  # it ended


def _cron(found):
    if not found.active and os.path.exists(CRON):
        found.add("file", CRON, helps=["rm", CRON])


def _control_groups(found):
    for path in cgroup.attack_cgroups():
        if f'"{path}"' not in found.claimed:
            found.add("control group", path, _owner(path), os.path.basename(path)[len(PREFIX) :], helps=["rmdir", path])


def _files(found):
    """Marked files and directories in mount points, in usual places, and where the attacks in the history acted. Nowhere else is searched."""
    places = set(_USUAL_PLACES)
    foreign = mounts.PSEUDO | mounts.NETWORK
    places.update(each.point for each in mounts.mounts() if each.kind not in foreign and not each.kind.startswith("fuse."))
    held = [resource.partition(":")[2] for resource in found.resources]
    places.update(place for path in held if path.startswith("/") for place in (path, os.path.dirname(path)))
    for path in _marked(places):
        name = os.path.basename(path)
        if name not in found.claimed:
            found.add("file", path, _owner(path), name[len(HIDDEN_PREFIX) :].partition(".")[0], helps=["rm", "-r", path])


def _owner(path):
    try:
        return os.lstat(path).st_uid
    except OSError:
        return 0


def _marked(places):
    """Paths with the mark of attacks in these directories, sorted; unreadable directories are skipped. A directory may have any number of names."""
    found = set()
    for place in places:
        try:
            with os.scandir(place) as entries:
                found.update(os.path.join(place, each.name) for each in entries if each.name.startswith(HIDDEN_PREFIX))
        except OSError:
            continue
    return sorted(found)


def _lost(found):
    """Attacks that began and have neither an end nor a journal."""
    found.residue += [visible(lost_line(found.journal, each)) for each in lost(found.journal)]


# A new kind of mark is one finder: finder(Search), which calls its add().
_AS_ANYBODY = (_lost, residue_net.here, _workers)
_AS_ROOT = _AS_ANYBODY + (residue_net.elsewhere, _units, _cron, _control_groups, _files)
