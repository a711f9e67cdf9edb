# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Marks: every name, number and label that identifies a trace of an attack, on a host and in a cluster.

An attack marks what it creates, residue() searches for the marks, and attacks never choose marked objects. The shell of _undo has
them as literal text, because people read it on the target; tests/unit/plugins/module_utils/test_marks.py compares the two.
"""

import re

# --- on a host -------------------------------------------------------------------------------------

PREFIX = "faultline-"  # of processes, systemd units, control groups, descriptions of interfaces, objects in a cluster; the id follows
HIDDEN_PREFIX = ".faultline-"  # of files and directories that lie beside foreign ones; the id follows
WORKER_NAME = PREFIX + "%s"  # of a process, as in /proc/PID/comm
CLUSTER_WATCHER = "kube"  # the worker that is the dead-man timer of an attack on a cluster; its journal is in the cluster

ROOT_STATE = "/var/lib/faultline"  # the journals of root
USER_STATE = ".local/state/faultline"  # those of another user, in the home
BOOT_UNIT = PREFIX + "recover.service"
BOOT_UNIT_FILE = "/etc/systemd/system/" + BOOT_UNIT
SWEEP_TIMER, SWEEP_SERVICE = PREFIX + "sweep.timer", PREFIX + "sweep.service"
CRON = "/etc/cron.d/faultline"
RECOVERY = (BOOT_UNIT_FILE, CRON)  # exist while any attack of root is active; visible to every user

INTERFACE_PREFIX = "fl"  # of ifb devices; 12 hex digits follow
TRIAL_INTERFACE = "fltest"  # in a throw-away network namespace
TABLE_PREFIX = "faultline_"  # of nft tables; 12 hex digits follow
CHAIN_PREFIX = "FL"  # of iptables chains; 12 hex digits and a letter follow
TC_PREF_FIRST, TC_PREF_LAST = 47000, 47999  # preferences of tc filters

_INTERFACE = f"^{INTERFACE_PREFIX}[0-9a-f]{{12}}\\Z"


def made_by_attack(name):
    """Whether an attack added the interface of this name."""
    return re.match(_INTERFACE, name) is not None


# --- in a cluster ------------------------------------------------------------------------------------

LABEL_PREFIX = "faultline.chaos/"
MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "faultline.chaos"  # label and value on every object that an attack creates
OF_OURS = f"{MANAGED_BY}={OURS}"  # the same as a selector
ID_LABEL, RUN_LABEL, ATTACK_LABEL, PART_LABEL = (LABEL_PREFIX + word for word in ("id", "run", "attack", "part"))
MARK = LABEL_PREFIX + "attack"  # annotation on foreign objects that an attack changed; its value is the attack's id
NONCE = LABEL_PREFIX + "nonce"  # annotation on objects that an attack created; unique per injection
NEVER, NOBODY = LABEL_PREFIX + "never", LABEL_PREFIX + "nobody"  # labels that no node and no pod has


def object_name(attack_id):
    """The name of an object that an attack creates: its journal, its owner Job, the injected objects."""
    return PREFIX + attack_id
