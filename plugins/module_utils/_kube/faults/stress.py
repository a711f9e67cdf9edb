# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""CPU and memory stress inside a container by its own shell. The programs end by themselves; the undo ends them sooner."""

import re
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec, quantity
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import stress_sh
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo_stress import StopStress, running_id
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX

MIB = 1024 * 1024
OVERHEAD = 2  # MiB that the shells use beside the memory they hold; 0.6 for busybox, up to 3 for others
LEAST = OVERHEAD + 1
_TICKS = 100.0  # ticks of CPU time per second, on every Linux that runs a kubelet
_STARTED = "started\n"
_DIGITS = r"[0-9]{1,18}\Z"


class Container:
    """A container to stress: a step of a plan, and its measurement."""

    def __init__(self, pod, name, wishes):
        self.namespace = pod["metadata"]["namespace"]
        self.pod = pod["metadata"]["name"]
        self.uid = pod["metadata"]["uid"]
        self.name = name
        self.id = running_id(pod, name)
        self.limit = memory_limit(pod, name)
        self.wishes = wishes  # {"cpus", "memory" or "percent", "reserve", "ends": monotonic time}
        self.mib = 0
        self.word = ""
        self.notes = []

    def __str__(self):
        return f"{self.namespace}/{self.pod} {self.name}"

    def prepare(self, cluster):
        """Check that the image has the needed programs, and compute how much memory to take. Errors: AttackError, BadOption."""
        try:
            status, output, errors = self._run(cluster, stress_sh.look())
        except kube_exec.NoProgram:
            raise AttackError(f"the image of {self} has no sh, and cannot be stressed from inside: choose another container")
        words = output.split()
        if status != 0 or len(words) != 5:
            raise AttackError(f"the shell of {self} does not answer: {(output + errors).strip()[:200]}")
        used, idle, limit, sleeps, clock = words
        if clock != "yes":
            raise AttackError(f"{self} has no /proc/uptime, so nothing could end by itself there")
        if self.wishes["memory"] is None and self.wishes["percent"] is None:
            return
        if sleeps != "yes":
            raise AttackError(f"the image of {self} has no sleep, which is needed to hold memory")
        if not re.match(_DIGITS, used):
            raise AttackError(f"how much memory {self} uses cannot be read there: its control group is not in /sys/fs/cgroup")
        limit = min([self.limit] + ([int(limit)] if re.match(_DIGITS, limit) else []))
        self.mib, note = how_much(self.wishes, limit, max(0, int(used) - int(idle)), str(self))
        self.notes += [note] if note else []

    def undo(self, making):
        return StopStress(self.namespace, self.pod, self.uid, self.name, self.id, _word(making))

    def apply(self, cluster, making):
        self.word = _word(making)
        seconds = int(self.wishes["ends"] - time.monotonic())
        if seconds < 1:
            raise AttackError("the deadline is too near to begin: the cluster is slow, give it a longer duration")
        argv = stress_sh.start(self.word, seconds, self.wishes["cpus"], max(0, self.mib - OVERHEAD))
        status, output, errors = self._run(cluster, argv, enough=lambda text: _STARTED in text)
        if _STARTED not in output:
            raise AttackError(f"the programs in {self} did not start ({status}): {(output + errors).strip()[:200]}")
        return None

    def measure(self, cluster):
        """(seconds since boot, CPU seconds, MiB, number of processes)."""
        _status, output, errors = self._run(cluster, stress_sh.measure(self.word))
        words = output.split()
        if len(words) != 4:
            raise AttackError(f"the programs in {self} cannot be measured: {(output + errors).strip()[:200]}")
        return float(words[0]), int(words[1]) / _TICKS, int(words[2]) / 1024.0, int(words[3])

    def _run(self, cluster, argv, enough=None):
        return kube_exec.run(cluster, self.namespace, self.pod, self.name, argv, enough=enough)


def _word(making):
    return PREFIX + making.nonce


def choose_container(pod, named):
    """The name of the container to stress. Errors: BadOption."""
    names = [each["name"] for each in pod["spec"]["containers"]]
    if named is not None and named not in names:
        raise BadOption("container", named, "the pod {} has no such container; it has {}".format(pod["metadata"]["name"], ", ".join(names)))
    if named is None and len(names) > 1:
        raise BadOption("container", None, "name one container of the pod {}: {}".format(pod["metadata"]["name"], ", ".join(names)))
    return named or names[0]


def memory_limit(pod, name):
    """The memory limit of a container in bytes, or None."""
    for each in pod["spec"]["containers"]:
        if each["name"] == name:
            limit = ((each.get("resources") or {}).get("limits") or {}).get("memory")
            return int(quantity.known(limit)) if limit is not None else None
    return None


def how_much(wishes, limit, used, named):
    """(MiB to take, a note or None). Errors: BadOption when the limit leaves too little."""
    room = (limit - used - wishes["reserve"]) // MIB
    if wishes["memory"] is not None:
        wanted = -(-wishes["memory"] // MIB)
        if wanted > room:
            raise BadOption("memory", "%d MiB" % wanted, "%s has room for %d MiB under its limit of %d MiB" % (named, max(0, room), limit // MIB))
        note = None
    else:
        asked = int(limit * wishes["percent"] / 100.0 - used) // MIB
        wanted = min(asked, room)
        note = "%s: %d MiB instead of %d, to keep the reserve under its limit" % (named, wanted, asked) if wanted < asked else None
    if wanted < LEAST:
        raise BadOption("memory_percent", wishes["percent"], "%s uses %d of %d MiB, which leaves too little to take" % (named, used // MIB, limit // MIB))
    return wanted, note
