# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The kinds of objects that attacks know, and their paths in the API. Pure."""

import collections
from urllib.parse import quote

Kind = collections.namedtuple("Kind", "api_version kind plural namespaced")

NAMESPACE = Kind("v1", "Namespace", "namespaces", False)
NODE = Kind("v1", "Node", "nodes", False)
POD = Kind("v1", "Pod", "pods", True)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps", True)
SECRET = Kind("v1", "Secret", "secrets", True)
SERVICE = Kind("v1", "Service", "services", True)
EVENT = Kind("v1", "Event", "events", True)
RESOURCE_QUOTA = Kind("v1", "ResourceQuota", "resourcequotas", True)
REPLICATION_CONTROLLER = Kind("v1", "ReplicationController", "replicationcontrollers", True)
PERSISTENT_VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments", True)
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets", True)
DAEMON_SET = Kind("apps/v1", "DaemonSet", "daemonsets", True)
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets", True)
JOB = Kind("batch/v1", "Job", "jobs", True)
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True)
AUTOSCALER = Kind("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True)
# spec.behavior exists since v2beta2; Cluster.serving() selects the version.
AUTOSCALERS_V2 = tuple(AUTOSCALER._replace(api_version="autoscaling/" + version) for version in ("v2", "v2beta2"))
# Kubernetes before 1.21 serves only the second one; Cluster.serving() selects.
POD_DISRUPTION_BUDGETS = (
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", True),
    Kind("policy/v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", True),
)
# Owners of pods, by the kind in ownerReferences.
OWNERS = dict((kind.kind, kind) for kind in (REPLICA_SET, STATEFUL_SET, DAEMON_SET, JOB, REPLICATION_CONTROLLER))
# The kinds that attacks create, beside the owner Job, and those that they change. An undo touches no others.
MADE = (NETWORK_POLICY, RESOURCE_QUOTA, POD)
CHANGED = (NODE, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CONFIG_MAP, SECRET, SERVICE, AUTOSCALER) + AUTOSCALERS_V2


def path(kind, namespace=None, name=None, sub=None):
    """The path of a collection, an object or a subresource of it."""
    words = ["/api" if "/" not in kind.api_version else "/apis", kind.api_version]
    if kind.namespaced and namespace is not None:
        words += ["namespaces", quote(namespace, safe="")]
    words.append(kind.plural)
    if name is not None:
        words.append(quote(name, safe=""))
    if sub is not None:
        words.append(sub)
    return "/".join(words)


def label(kind, namespace, name):
    """The name of an object for messages: Deployment shop/web."""
    return "{} {}".format(kind.kind, name if namespace is None else f"{namespace}/{name}")
