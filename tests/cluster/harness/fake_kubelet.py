# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fake_kubelet.py SERVER CA TOKEN_FILE COUNT [--taint]: nodes fake1, fake2 ... that only say that they run pods.

Their pods become Running at once (those of a Job: Succeeded) and go when they are told to. For tests of the API alone, and of
many pods. --taint: only pods that tolerate fake=true:NoSchedule come here.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import threading
import time

from api import MERGE, STRATEGIC, Api, ApiError

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
HEARTBEAT = 4
CAPACITY = {"cpu": "32", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
PRESSURES = {"MemoryPressure": "KubeletHasSufficientMemory", "DiskPressure": "KubeletHasNoDiskPressure", "PIDPressure": "KubeletHasSufficientPID"}

numbers = itertools.count(1)


def now(digits: str = "") -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime(f"%Y-%m-%dT%H:%M:%S{digits}Z")


class Node:
    def __init__(self, api: Api, number: int, taint: bool) -> None:
        self.api, self.number, self.name, self.taint = api, number, f"fake{number}", taint

    def register(self) -> None:
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "type": "fake",
            "topology.kubernetes.io/zone": "fake",
        }
        taints = [{"key": "fake", "value": "true", "effect": "NoSchedule"}] if self.taint else []
        node = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": self.name, "labels": labels}, "spec": {"taints": taints}}
        self.api.call("POST", "/api/v1/nodes", node)
        self.report()
        self.renew()

    def report(self) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a fake kubelet says so"}
        conditions = [ready, *({"type": kind, "status": "False", "reason": reason, "message": reason} for kind, reason in PRESSURES.items())]
        info = {
            "kubeletVersion": "v1.20.2",
            "kubeProxyVersion": "v1.20.2",
            "containerRuntimeVersion": "fake://1",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "osImage": "fake",
            "kernelVersion": "0",
            "machineID": self.name,
            "systemUUID": self.name,
            "bootID": self.name,
        }
        status = {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "nodeInfo": info,
            "addresses": [{"type": "InternalIP", "address": self.address}, {"type": "Hostname", "address": self.name}],
            "conditions": [{**c, "lastHeartbeatTime": now(), "lastTransitionTime": now()} for c in conditions],
        }
        self.api.call("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status}, STRATEGIC)

    def renew(self) -> None:
        spec = {"renewTime": now(".%f"), "holderIdentity": self.name, "leaseDurationSeconds": 40}
        try:
            self.api.call("PATCH", f"{LEASES}/{self.name}", {"spec": spec}, MERGE)
        except ApiError as e:
            if e.status != 404:
                raise
            self.api.call("POST", LEASES, {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": self.name}, "spec": spec})

    @property
    def address(self) -> str:
        return f"10.98.{self.number // 250}.{self.number % 250 + 1}"

    def follow(self) -> None:
        """Look after the pods that the scheduler gives us, for good."""
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.name}"
        while True:
            try:
                listed = self.api.get(path)
                for pod in listed["items"]:
                    self.attend(pod)
                for event in self.api.watch(path, listed["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self.attend(event["object"])
            except ApiError as e:
                print(self.name, e)
                time.sleep(0.5)

    def attend(self, pod: dict) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        try:
            if meta.get("deletionTimestamp"):
                options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
                self.api.call("DELETE", path, options)
            elif pod.get("status", {}).get("phase") == "Pending":
                self.api.call("PATCH", f"{path}/status", {"status": self.status_of(pod)}, STRATEGIC)
        except ApiError as e:
            if e.status not in (404, 409):  # gone, or changed: there is an event of that as well
                raise

    def status_of(self, pod: dict) -> dict:
        ends = any(owner["kind"] == "Job" and owner.get("controller") for owner in pod["metadata"].get("ownerReferences", []))
        n = next(numbers)
        address = f"10.245.{n // 250 % 250}.{n % 250 + 1}"
        state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}} if ends else {"running": {"startedAt": now()}}
        conditions = {"Initialized": "True", "Ready": str(not ends), "ContainersReady": str(not ends)}
        return {
            "phase": "Succeeded" if ends else "Running",
            "startTime": now(),
            "hostIP": self.address,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": kind, "status": status, "lastTransitionTime": now()} for kind, status in conditions.items()],
            "containerStatuses": [
                {
                    "name": c["name"],
                    "image": c["image"],
                    "imageID": c["image"],
                    "containerID": f"fake://{pod['metadata']['uid']}/{c['name']}",
                    "ready": not ends,
                    "started": not ends,
                    "restartCount": 0,
                    "state": state,
                    "lastState": {},
                }
                for c in pod["spec"]["containers"]
            ],
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("server", "ca", "token_file"):
        parser.add_argument(name)
    parser.add_argument("count", type=int)
    parser.add_argument("--taint", action="store_true")
    options = parser.parse_args()
    api = Api(options.server, options.ca, options.token_file)
    nodes = [Node(api, i + 1, options.taint) for i in range(options.count)]
    for node in nodes:
        node.register()
        threading.Thread(target=node.follow, daemon=True).start()
    for beat in itertools.count():
        for node in nodes:
            try:
                node.renew()
                if beat % 5 == 0:
                    node.report()
            except ApiError as e:
                print(node.name, e)
        time.sleep(HEARTBEAT)


if __name__ == "__main__":
    main()
