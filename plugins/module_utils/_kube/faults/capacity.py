# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Free capacity of nodes as the scheduler counts it (allocatable less requests), and placeholder pods. Pure, except free_capacity()."""

from decimal import Decimal

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import quantity
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pool import in_pool

RESOURCES = ("cpu", "memory")
_BLOCKING = ("NoSchedule", "NoExecute")


def requested(pod):
    """{resource: amount} that the scheduler counts for a pod: the sum of its containers, or the largest init container if that is more."""
    spec, total = pod["spec"], {}
    for resource in RESOURCES:
        running = sum((_request(each, resource) for each in spec.get("containers") or []), Decimal(0))
        beside, most = Decimal(0), Decimal(0)
        for each in spec.get("initContainers") or []:
            if each.get("restartPolicy") == "Always":  # a sidecar: it runs beside the containers
                beside += _request(each, resource)
                most = max(most, beside)
            else:
                most = max(most, beside + _request(each, resource))
        overhead = quantity.known((spec.get("overhead") or {}).get(resource))
        total[resource] = max(running + beside, most) + overhead
    return total


def _request(container, resource):
    wants = container.get("resources") or {}
    return quantity.known((wants.get("requests") or {}).get(resource))


class FreeCapacity:
    """One node: its allocatable resources, the requests on it, and how many more pods fit."""

    def __init__(self, node, pods):
        self.name = node["metadata"]["name"]
        given = (node.get("status") or {}).get("allocatable") or {}
        self.allocatable = dict((resource, quantity.known(given.get(resource))) for resource in RESOURCES)
        counted = [requested(pod) for pod in pods]
        self.used = dict((resource, sum((each[resource] for each in counted), Decimal(0))) for resource in RESOURCES)
        self.slots = int(quantity.known(given.get("pods"))) - len(pods)

    def missing(self, resource, fill=None, leave=None):
        """The amount that a placeholder must request: up to fill percent, or until only leave is free. 0 when the node is that full already."""
        target = self.allocatable[resource] * Decimal(str(fill)) / 100 if fill is not None else self.allocatable[resource] - leave
        step = Decimal("0.001") if resource == "cpu" else Decimal(1)
        return max(Decimal(0), (target - self.used[resource]) // step * step)

    def percent(self, resource):
        given = self.allocatable[resource]
        return round(float(100 * self.used[resource] / given), 2) if given else 0.0


def free_capacity(cluster, nodes):
    """The free capacity of each node, from the current pods of the cluster."""

    def one(node):
        fields = "spec.nodeName={},status.phase!=Succeeded,status.phase!=Failed".format(node["metadata"]["name"])
        return FreeCapacity(node, cluster.whole(POD, None, fields=fields))

    found = in_pool(one, nodes)
    for _node, answer in found:
        if isinstance(answer, Exception):
            raise answer
    return [answer for _node, answer in found]


def why_not(node):
    """The reason why the scheduler would put no pod on a node, or None."""
    if (node.get("spec") or {}).get("unschedulable"):
        return "is cordoned"
    ready = [each for each in (node.get("status") or {}).get("conditions") or [] if each["type"] == "Ready"]
    return None if ready and ready[0]["status"] == "True" else "is not ready"


def placeholder(name, namespace, node, wants, image, priority_class):
    """An idle pod that requests the resources wants on exactly this node."""
    requests = {}
    if wants.get("cpu"):
        requests["cpu"] = quantity.milli(wants["cpu"])
    if wants.get("memory"):
        requests["memory"] = "%d" % wants["memory"]
    container = {
        "name": "placeholder",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": requests},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True},
    }
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node["metadata"]["name"]]}]}
    taints = [each for each in (node.get("spec") or {}).get("taints") or [] if each.get("effect") in _BLOCKING]
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}},
        "tolerations": [{"key": each["key"], "operator": "Exists", "effect": each["effect"]} for each in taints],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    if priority_class is not None:
        spec["priorityClassName"] = priority_class
    # Without this an autoscaler never removes the node, because the pod has no owner.
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
    return {"metadata": {"name": name, "namespace": namespace, "annotations": annotations}, "spec": spec}
