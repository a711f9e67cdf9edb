# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""What is active, overdue, stuck or left behind on this host: the view that attack_info, revert and lease share."""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._host import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._process import processes

OVERDUE_AFTER = 3.0  # seconds past its deadline before an attack counts as overdue
INTERFACE_PREFIX = "fl"  # of the ifb devices that network attacks add: fl and 12 hex digits
TC_PREF_FIRST, TC_PREF_LAST = 47000, 47999  # of the tc filters that network attacks add


def remaining(journal, attack_id):
    """Seconds until the dead-man acts; negative when it should have; a deadline that cannot be right has passed."""
    due, limit = journal.number(attack_id, "deadline"), journal.number(attack_id, "limit")
    if due is None or limit is None or due > limit:
        return -OVERDUE_AFTER - 1
    return due / 100.0 - uptime()


def attacks(journal, boot_id):
    """All attacks, as attack_info returns them."""
    found = [describe(journal, boot_id, each) for each in journal.ids()]
    return [each for each in found if os.path.isdir(os.path.dirname(each["undo"]))]  # not what was undone while we looked


def describe(journal, boot_id, attack_id):
    """One attack as attack_info returns it."""
    found = {"id": attack_id, "undo": journal.script(attack_id)}
    try:
        record = journal.load(attack_id)
    except JournalDamaged as error:
        found.update(status="damaged", reason=str(error), run_id=journal.noted(attack_id, "run").strip() or None)
        return found
    for key in ("module", "run_id", "started", "deadline", "deadman", "resources"):
        found[key] = record[key]
    found["remaining"] = round(remaining(journal, attack_id), 2)
    found["effect"] = journal.effect(attack_id)
    stuck = journal.noted(attack_id, "stuck").strip()
    if not journal.script_intact(attack_id):
        found.update(status="damaged", reason="its revert.sh does not match its checksum; the revert module writes it again")
    elif stuck:
        found.update(status="stuck", reason=stuck)
    elif record["boot_id"] != boot_id or found["remaining"] < -OVERDUE_AFTER:
        found["status"] = "overdue"
    else:
        found["status"] = "active"
    return found


def chosen(journal, attack_id=None, run_id=None, everything=False):
    """Ids of the attacks that a control module is asked for."""
    if attack_id is not None:
        return [attack_id] if attack_id in journal.ids() else []
    if everything:
        return journal.ids()
    return [each for each in journal.ids() if run_id in (_run_of(journal, each), journal.noted(each, "run").strip())]


def _run_of(journal, attack_id):
    try:
        return journal.load(attack_id)["run_id"]
    except JournalDamaged:
        return None


def residue(host, journal):
    """Marks of our attacks that no journal accounts for. Found by name and number, so also when the journal is lost."""
    active = journal.ids()
    claimed = " ".join(journal.noted(each, "record.json") for each in active)
    found = []
    found += ["interface %s" % name for name in _interfaces() if name not in claimed]
    if host.is_root:
        found += _hooks(host, claimed)
        found += _units(host, active)
    found += _workers(journal, claimed, active)
    if not active and os.path.exists("/etc/cron.d/faultline") and host.is_root:
        found.append("file /etc/cron.d/faultline")
    return found


def _interfaces():
    try:
        names = sorted(os.listdir("/sys/class/net"))
    except OSError:
        return []
    return [name for name in names if name.startswith(INTERFACE_PREFIX) and len(name) == 14]


def _hooks(host, claimed):
    """Our filters on interfaces that no active attack names."""
    if not host.has_tool("tc"):
        return []
    found = []
    for name in sorted(os.listdir("/sys/class/net")):
        if '"%s"' % name in claimed:
            continue
        for parent in ("egress", "ingress", "root"):
            out = host.run([host.tool("tc"), "filter", "show", "dev", name, parent], check=False)[1]
            for line in out.splitlines():
                words = line.split()
                if "pref" in words and TC_PREF_FIRST <= int(words[words.index("pref") + 1]) <= TC_PREF_LAST:
                    found.append("tc filters on %s %s" % (name, parent))
                    break
    return found


def _units(host, active):
    if not host.has_systemd:
        return []
    out = host.run(
        [host.tool("systemctl"), "list-units", "--all", "--plain", "--no-legend", "faultline-*"], check=False
    )[1]
    names = [word for line in out.splitlines() for word in line.split()[:2] if word.startswith("faultline-")]
    ours = set("faultline-%s%s" % (each, kind) for each in active for kind in (".timer", ".service"))
    if active:
        ours.update(("faultline-sweep.timer", "faultline-sweep.service", "faultline-recover.service"))
    left = ["unit %s" % name for name in names if name not in ours]
    if not active and os.path.exists("/etc/systemd/system/faultline-recover.service"):
        left.append("file /etc/systemd/system/faultline-recover.service")
    return left


def _workers(journal, claimed, active):
    found = []
    for process in processes():
        if process.name.startswith("faultline-") and '"start": %s' % process.start not in claimed:
            leader = _leader(process.pid)
            if leader == process.pid or '"pid": %d' % leader not in claimed:
                found.append("process %d %s" % (process.pid, process.name))
        elif process.argv[-1:] == ["timer"] and process.argv[1:2] and process.argv[1].startswith(journal.path):
            attack_id = os.path.basename(os.path.dirname(process.argv[1]))
            if attack_id not in active:
                found.append("process %d dead-man of %s" % (process.pid, attack_id))
    return found


def _leader(pid):
    """The process group of a process; a worker's helpers are in its group."""
    try:
        return os.getpgid(pid)
    except OSError:
        return pid


def check_choice(params, names):
    """Errors: BadOption when no or an empty way of choosing is given."""
    for name in names:
        if isinstance(params[name], str) and not params[name].strip():
            raise BadOption(name, params[name], "give the name of an attack or a run")
    if not any(params[name] for name in names):
        raise AttackError("one of %s is needed: say what to act on" % ", ".join(names))
