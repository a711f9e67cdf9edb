# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A control group of its own that caps the stressors of one attack.

It is named faultline-ID and lies at the root of the mounted hierarchy: the host's root, or the container's. It is optional. Where
control groups cannot be written, or lack a controller, the stressors are only a process group, with the caps that they set themselves.
Foreign groups are never changed, and no controller is enabled.
"""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import write_proc
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX
from ansible_collections.faultline.chaos.plugins.module_utils._undo.cgroups import FindGroup, RemoveCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Gone
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK


class AttackCgroup:
    """One attack's control group, capped at memory (bytes) and tasks (number)."""

    def __init__(self, attack_id, memory, tasks):
        self.id = attack_id
        self.name = PREFIX + attack_id
        self.memory = int(memory)
        self.tasks = int(tasks)
        self._places = self._find()

    def _find(self):
        """[(directory, Hierarchy, controllers)]; empty where it is not permitted, or when this process has a memory limit, which must keep applying."""
        found = {}
        if os.geteuid() != 0 or cgroup.memory_limits():
            return []
        for controller, hierarchy in sorted(cgroup.hierarchies().items()):
            if os.access(hierarchy.point, os.W_OK) and hierarchy.has(controller):
                directory = os.path.join(hierarchy.point, self.name)
                found.setdefault(directory, (directory, hierarchy, []))[2].append(controller)
        return [found[directory] for directory in sorted(found)]

    @property
    def directories(self):
        return [directory for directory, _hierarchy, _controllers in self._places]

    def notes(self):
        return [] if self._places else ["no control group of its own here: the attack is a process group, capped by limits of its own"]

    def undo(self, undo):
        """Add to an undo the steps that remove the group once it is empty, and the checks."""
        for directory, hierarchy, _controllers in self._places:
            there = [FindGroup(directory, hierarchy.point)]
            undo.steps.append(RemoveCgroup(f"remove the control group {self.name}", LINK, there))
            undo.checks.append(Gone(f"the control group {directory}", there))

    def enter(self, journal, pid):
        """Create the group and move a worker into it; its children follow. Returns whether the worker is in it, with a cap."""
        capped = False
        for directory, hierarchy, controllers in self._places:
            try:
                if not os.path.isdir(directory):
                    cgroup.make(journal, self.id, directory)
            except OSError:
                continue
            for name, value in self._caps(hierarchy.version, controllers):
                capped = write_proc(os.path.join(directory, name), value) or capped
            if not write_proc(os.path.join(directory, "cgroup.procs"), str(pid)):
                capped = False
        return capped

    def _caps(self, version, controllers):
        caps = []
        if "memory" in controllers:
            # No swap: swapped-out memory would put no pressure on the host, and fill the swap.
            one = [("memory.swappiness", "0"), ("memory.limit_in_bytes", str(self.memory))]
            caps += one if version == 1 else [("memory.swap.max", "0"), ("memory.max", str(self.memory))]
        if "pids" in controllers:
            caps.append(("pids.max", str(self.tasks)))
        return caps
