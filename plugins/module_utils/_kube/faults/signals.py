# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Send signals to the processes of a container from inside, with a program of its own image. Options never become shell text.

From inside, process 1 receives only the signals that it handles; the kernel drops the others, including KILL.
"""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.exec import NoProgram

# Signal numbers of Linux on the architectures that Kubernetes supports.
SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15}
DEFAULT = "kubectl.kubernetes.io/default-container"
# Commands that send a signal, without the arguments -SIGNAL PROCESS; the last two use the kill built into a shell.
_WAYS = (["kill"], ["busybox", "kill"], ["sh", "-c", 'kill "$1" "$2"', "sh"], ["bash", "-c", 'kill "$1" "$2"', "bash"])
_CANNOT_RUN = (126, 127)
FIRST, OTHERS = "1", "-1"


class Victim:
    """A running container, and its state before the attack."""

    def __init__(self, pod, container):
        self.namespace = pod["metadata"]["namespace"]
        self.pod = pod["metadata"]["name"]
        self.uid = pod["metadata"]["uid"]
        self.container = container
        found = status_of(pod, container)
        self.id = found.get("containerID") or ""
        self.restarts = found.get("restartCount", 0)
        self.way = None  # the command that sends a signal in it, one of _WAYS

    def __str__(self):
        return f"{self.namespace}/{self.pod} container {self.container}"


# --- pure ---------------------------------------------------------------------------------------


def choose_container(pod, name):
    """The name of the container to hit. Errors: AttackError."""
    meta = pod["metadata"]
    names = [each["name"] for each in pod["spec"]["containers"]]
    wanted = name or (meta.get("annotations") or {}).get(DEFAULT) or (names[0] if len(names) == 1 else None)
    told = "pod {}/{}".format(meta["namespace"], meta["name"])
    if wanted is None:
        raise AttackError("container: {} has several: choose one of {}".format(told, ", ".join(names)), option="container")
    if wanted not in names:
        raise AttackError("container: {} has no container {}, but {}".format(told, wanted, ", ".join(names)), option="container")
    return wanted


def refuse_shared(pod):
    """Errors: AttackError for a pod whose containers share process 1."""
    meta, spec = pod["metadata"], pod["spec"]
    if spec.get("hostPID"):
        raise AttackError(
            "pod {}/{} sees all processes of its node (hostPID): a signal from within could hit the node itself".format(meta["namespace"], meta["name"])
        )
    if spec.get("shareProcessNamespace"):
        raise AttackError(
            "the containers of pod {}/{} share their processes (shareProcessNamespace): one cannot be hit alone".format(meta["namespace"], meta["name"])
        )


def status_of(pod, container):
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        if each["name"] == container:
            return each
    return {}


def handled(status_file):
    """The signals that a process handles, from the text of /proc/PID/status; None when they are not listed."""
    for line in status_file.split("\n"):
        key, _colon, value = line.partition(":")
        if key == "SigCgt":
            try:
                mask = int(value.strip(), 16)
            except ValueError:
                return None
            return sorted(name for name, number in SIGNALS.items() if mask >> (number - 1) & 1)
    return None


def ended(victim, pod):
    """None while a container still runs, else how it ended and whether it was restarted."""
    if pod is None or pod["metadata"]["uid"] != victim.uid:
        return {"pod_gone": True, "restarted": False}
    now = status_of(pod, victim.container)
    state, last = now.get("state") or {}, (now.get("lastState") or {}).get("terminated") or {}
    runs = "running" in state
    if runs and now.get("containerID") == victim.id:
        return None
    if not runs and "terminated" not in state and not last:
        return None  # its status is not written yet
    end = last if runs or last.get("containerID") == victim.id else state.get("terminated") or last
    told = {"pod_gone": False, "restarted": runs and now.get("restartCount", 0) > victim.restarts, "restarts": now.get("restartCount", 0)}
    told["exit_code"] = end.get("exitCode")
    return told


# --- in the container ---------------------------------------------------------------------------


def prepare(cluster, victim, signal, target):
    """Find a command that can send a signal, without sending one. Errors: AttackError that names an alternative."""
    instead = "use process_kill on its node; k8s_pod_location_info says which that is"
    for way in _WAYS:
        status = _run(cluster, victim, way + ["-0", FIRST])
        if status == 0:
            victim.way = way
            break
        if status not in _CANNOT_RUN:
            raise AttackError(f"{victim}: its user may not send signals to process 1: {instead}")
    else:
        raise AttackError(f"{victim}: its image has neither kill nor a shell: {instead}")
    if target == FIRST:
        known = _handled(cluster, victim)
        if known is not None and signal not in known:
            raise AttackError(
                "{}: its process 1 does not handle {}, and the kernel drops that; it handles {}. Take another signal, processes: others, or {}".format(
                    victim, signal, ", ".join(known) or "none of those that can be sent", instead
                )
            )


def _handled(cluster, victim):
    for way in (["cat"], ["busybox", "cat"]):
        try:
            status, output, _errors = kube_exec.run(cluster, victim.namespace, victim.pod, victim.container, way + ["/proc/1/status"])
        except NoProgram:
            continue
        return handled(output) if status == 0 else None
    return None


def _run(cluster, victim, argv):
    try:
        return kube_exec.run(cluster, victim.namespace, victim.pod, victim.container, argv)[0]
    except NoProgram:
        return _CANNOT_RUN[1]


def send(cluster, victim, signal, target):
    """Send the signal. Returns the exit status, which proves nothing: a container that ends kills the sending program, too."""
    return _run(cluster, victim, victim.way + ["-" + signal, target])
