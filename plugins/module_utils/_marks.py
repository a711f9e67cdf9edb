# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Marks: every name, number and label by which a trace of an attack is known as such, on a host and in a cluster.

An attack puts them on what it makes, residue() looks for them, and attacks spare what bears them. The shell of _undo has them
as literal text, since it is read by people on the target; tests/unit/plugins/module_utils/test_marks.py compares the two.
"""

import re

# --- on a host -------------------------------------------------------------------------------------

PREFIX = "faultline-"  # of processes, systemd units, control groups, descriptions of interfaces, objects in a cluster; the id follows
HIDDEN_PREFIX = ".faultline-"  # of files and directories that lie beside those of others; the id follows
WORKER_NAME = PREFIX + "%s"  # of a process, as in /proc/PID/comm
CLUSTER_WATCHER = "kube"  # the worker that is the dead-man of an attack on a cluster: its journal is there, not on the host

ROOT_STATE = "/var/lib/faultline"  # the journals of root
BOOT_UNIT = PREFIX + "recover.service"
BOOT_UNIT_FILE = "/etc/systemd/system/" + BOOT_UNIT
SWEEP_TIMER, SWEEP_SERVICE = PREFIX + "sweep.timer", PREFIX + "sweep.service"
CRON = "/etc/cron.d/faultline"
RECOVERY = (BOOT_UNIT_FILE, CRON)  # there while any attack of root is active; everybody can see them

INTERFACE_PREFIX = "fl"  # of ifb devices: and 12 hex digits
TRIAL_INTERFACE = "fltest"  # in a throw-away network namespace
TABLE_PREFIX = "faultline_"  # of nft tables: and 12 hex digits
CHAIN_PREFIX = "FL"  # of iptables chains: and 12 hex digits and a letter
TC_PREF_FIRST, TC_PREF_LAST = 47000, 47999  # preferences of tc filters

_INTERFACE = re.compile(f"^{INTERFACE_PREFIX}[0-9a-f]{{12}}\\Z")


def made_by_attack(name):
    """Whether an interface is one that an attack added, by its name."""
    return _INTERFACE.match(name) is not None


# --- in a cluster ------------------------------------------------------------------------------------

LABEL_PREFIX = "faultline.chaos/"
MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "faultline.chaos"  # the label of all that attacks make, and its value
OF_OURS = f"{MANAGED_BY}={OURS}"  # as a selector
ID_LABEL, RUN_LABEL, ATTACK_LABEL, PART_LABEL = (LABEL_PREFIX + word for word in ("id", "run", "attack", "part"))
MARK = LABEL_PREFIX + "attack"  # the annotation on managed objects of others that an attack changed: its id
NONCE = LABEL_PREFIX + "nonce"  # the annotation on objects that an attack made: which making of that id
NEVER, NOBODY = LABEL_PREFIX + "never", LABEL_PREFIX + "nobody"  # labels that no node and no pod has


def object_name(attack_id):
    """The name of an object that an attack makes: its journal, its owner Job, what it injects."""
    return PREFIX + attack_id
