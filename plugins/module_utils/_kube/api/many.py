# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Delete or evict many objects of a cluster in parallel."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import is_other_object
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD, path
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pool import in_pool


def delete_all(cluster, rows, grace=None, kind=POD):
    """Delete exactly these objects, in parallel. Returns [(row, "deleted" | "already gone" | an AttackError)]."""

    def one(row):
        meta = row["metadata"]
        gone = not cluster.delete(kind, meta["name"], meta.get("namespace"), meta["uid"], grace)
        return "already gone" if gone else "deleted"

    return in_pool(one, rows)


def evict_all(cluster, rows, grace=None):
    """Evict exactly these pods. Returns [(row, "evicted" | "already gone" | an AttackError)]; Refused where a disruption budget forbids it."""
    version = eviction_version(cluster)
    return in_pool(lambda row: _evict(cluster, row, version, grace), rows)


def eviction_version(cluster):
    """The API version of Eviction in this cluster: policy/v1 from 1.22, policy/v1beta1 before."""
    told = cluster.request("GET", "/api/v1").get("resources") or []
    for each in told:
        if each.get("name") == "pods/eviction":
            return "{}/{}".format(each.get("group") or "policy", each.get("version") or "v1beta1")
    raise AttackError("this cluster does not know evictions")


def _evict(cluster, row, version, grace):
    meta = row["metadata"]
    options = {"preconditions": {"uid": meta["uid"]}}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    body = {
        "apiVersion": version,
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "deleteOptions": options,
    }
    try:
        cluster.request("POST", path(POD, meta["namespace"], meta["name"], "eviction"), body=body)
    except NotFound:
        return "already gone"
    except Conflict as error:
        if not is_other_object(error):
            raise
        return "already gone"
    return "evicted"
