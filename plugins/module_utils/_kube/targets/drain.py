# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Sort the pods of a node into those that leave, stay or block a drain, by the rules of kubectl drain."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import DAEMON_SET, POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import is_protected
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.evict import named
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.spare import opted_out, owner_of, read_namespace, spared

MIRROR = "kubernetes.io/config.mirror"  # the annotation of mirror pods, which represent static pods in the API


class Pods:
    """The pods of a node, sorted."""

    def __init__(self):
        self.go = []
        self.stay = {}  # {name: reason}
        self.refused = {}  # {fix: [names]}

    def refuse(self, name, fix):
        self.refused.setdefault(fix, []).append(name)

    def check(self, what):
        """Errors: AttackError that names every blocking pod and the fix."""
        if self.refused:
            told = ["{} ({})".format(", ".join(sorted(names)), fix) for fix, names in sorted(self.refused.items())]
            raise AttackError("{} is refused because of pods on it: {}".format(what, "; ".join(told)))


def for_drain(pods, params, has_daemon_set, is_out=None):
    """Sort the pods of a node for a drain.

    has_daemon_set(namespace, name): whether that DaemonSet exists. is_out(namespace): whether that namespace opted out.
    """
    found = Pods()
    for pod in pods:
        name, owner = named(pod), owner_of(pod)
        if params["namespaces"] and pod["metadata"]["namespace"] not in params["namespaces"]:
            continue
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            found.stay[name] = "a static pod of its node"
        elif is_protected(pod["metadata"]["namespace"], params["protected"]):
            found.stay[name] = "in a protected namespace"
        elif is_out is not None and is_out(pod["metadata"]["namespace"]):
            found.stay[name] = "in a namespace that opted out"
        elif spared(pod, False) is not None:
            found.stay[name] = spared(pod, False)
        elif pod["metadata"].get("deletionTimestamp"):
            found.stay[name] = "on its way out already"
        elif is_finished(pod):
            found.go.append(pod)
        elif owner is not None and owner[0] == "DaemonSet" and has_daemon_set(pod["metadata"]["namespace"], owner[1]):
            if not params["ignore_daemonsets"]:
                found.refuse(name, "a DaemonSet makes it anew at once: set ignore_daemonsets: true to let it stay")
            found.stay[name] = "of a DaemonSet"
        else:
            _is_lost(found, pod, params, owner is None or owner[0] == "DaemonSet")
            found.go.append(pod)
    return found


def for_taint(pods, params, taint, is_out=None):
    """Sort the pods of a node for an evicting taint. It ignores disruption budgets, so pods that must stay have to tolerate it."""
    found = Pods()
    for pod in pods:
        name, owner = named(pod), owner_of(pod)
        if tolerates(pod, taint):
            found.stay[name] = "tolerates the taint"
        elif MIRROR in (pod["metadata"].get("annotations") or {}):
            found.stay[name] = "a static pod of its node"
        elif pod["metadata"].get("deletionTimestamp"):
            found.stay[name] = "on its way out already"
        else:
            if is_protected(pod["metadata"]["namespace"], params["protected"]):
                found.refuse(name, "in a protected namespace, and does not tolerate the taint: take another node")
            elif is_out is not None and is_out(pod["metadata"]["namespace"]):
                found.refuse(name, "in a namespace that opted out, and does not tolerate the taint: take another node")
            elif spared(pod, False) is not None:
                found.refuse(name, f"is spared, because it {spared(pod, False)}, and does not tolerate the taint: take another node")
            elif not is_finished(pod):
                _is_lost(found, pod, params, owner is None)
            found.go.append(pod)
    return found


def _is_lost(found, pod, params, unmanaged):
    """Refuse a pod that would be lost, or lose its data, unless the options allow it."""
    if unmanaged and not params["force"]:
        found.refuse(named(pod), "nobody replaces it, for it has no owner: set force: true to lose it")
    if not params["delete_emptydir_data"] and any("emptyDir" in volume for volume in pod["spec"].get("volumes") or []):
        found.refuse(named(pod), "it keeps data in an emptyDir: set delete_emptydir_data: true to lose them")


def is_finished(pod):
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def tolerates(pod, taint):
    """Whether a pod tolerates a taint without a time limit."""
    return any(_fits(each, taint) and each.get("tolerationSeconds") is None for each in pod["spec"].get("tolerations") or [])


def _fits(toleration, taint):
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def on_node(cluster, name, selector=None):
    """The whole pods of one node: some hundred at most."""
    return cluster.whole(POD, None, selector, f"spec.nodeName={name}")


def daemon_sets(cluster):
    """Return a function (namespace, name) that tells whether that DaemonSet exists. Answers are cached."""
    known = {}

    def has(namespace, name):
        if (namespace, name) not in known:
            known[(namespace, name)] = cluster.find(DAEMON_SET, name, namespace) is not None
        return known[(namespace, name)]

    return has


def namespaces_out(cluster):
    """Return a function that tells whether a namespace opted out. Answers are cached; False when the credentials may not read namespaces."""
    known = {}

    def out(namespace):
        if namespace not in known:
            found = read_namespace(cluster, namespace)[1]
            known[namespace] = found is not None and opted_out(found)
        return known[namespace]

    return out
