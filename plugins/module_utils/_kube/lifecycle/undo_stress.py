# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The undo of stress programs in containers, for k8s_pod_stress and k8s_revert."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import stress_sh
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DONE, GONE, STEPS, Step


class StopStress(Step):
    """Stop the stress programs in a container: those with the word in their command line, only in the container with this id."""

    fields = ("namespace", "pod", "uid", "container", "container_id", "word")

    def __init__(self, namespace, pod, uid, container, container_id, word):
        self.namespace = namespace
        self.pod = pod
        self.uid = uid
        self.container = container
        self.container_id = container_id
        self.word = word

    def render(self):
        return f"Pod {self.namespace}/{self.pod}, container {self.container}: end the programs {self.word}"

    def run(self, cluster, seal):
        named = f"container {self.container} of Pod {self.namespace}/{self.pod}"
        found = cluster.find(POD, self.pod, self.namespace)
        if found is None or found["metadata"]["uid"] != self.uid:
            return GONE, f"{named} is gone"
        if running_id(found, self.container) != self.container_id:
            return GONE, f"{named} ended or was started anew since"
        try:
            status, output, errors = kube_exec.run(cluster, self.namespace, self.pod, self.container, stress_sh.stop(self.word))
        except NotFound:
            return GONE, f"{named} is gone"
        if status != 0:
            raise AttackError("the programs in the {} do not end: {}".format(named, (output + errors).strip()[:200] or "no answer"))
        return (DONE, f"{named}: our programs ended") if output.strip() != "0" else (GONE, f"{named}: nothing of ours runs")


def running_id(pod, container):
    """The id of a running container of a pod, or None."""
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        if each["name"] == container and (each.get("state") or {}).get("running") is not None:
            return each.get("containerID")
    return None


STEPS["StopStress"] = StopStress
