# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Test whether one pod reaches another, from inside, with a program of its own image."""

import ipaddress
import re
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_label_selector, matches, selector_parts
from ansible_collections.faultline.chaos.plugins.module_utils._kube.targets.recovery import is_ready

_PATIENCE = 4.0  # seconds for one attempt
_SETTLE = 10.0  # seconds for the nodes to apply a policy
_PYTHON = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
# Such a sidecar accepts the connection inside the pod, whether or not the network lets it through.
SIDECARS = "a sidecar of a service mesh, such as Istio's, takes outgoing connections itself, and then this proves nothing: set probe: skip"
ENFORCED, UNKNOWN = "enforced", "unknown"


def _ways(ip, port):
    """Commands that may exist in an image and can connect, least intrusive first. No argument comes from an option."""
    url = "http://%s:%d/" % (ip, port)
    return [
        ["nc", "-z", "-w", "2", ip, str(port)],
        ["python3", "-c", _PYTHON, ip, str(port)],
        ["bash", "-c", "exec 3<>/dev/tcp/$0/$1", ip, str(port)],
        ["curl", "-s", "-o", "/dev/null", "-m", "2", url],
        ["wget", "-q", "-O", "/dev/null", "-T", "2", url],
        ["wget", "-q", "-O", "/dev/null", url],
    ]


class Path:
    """A connection from one pod to another, and the command that tests it."""

    def __init__(self, cluster, source, target, argv):
        self.cluster = cluster
        self.source = source
        self.target = target
        self.argv = argv

    def __str__(self):
        return "{} to {}".format(self.source["metadata"]["name"], self.target["metadata"]["name"])

    def works(self):
        """Whether the connection works now. A hanging attempt counts as failed."""
        meta = self.source["metadata"]
        status, _output, _errors = kube_exec.run(
            self.cluster, meta["namespace"], meta["name"], self.source["spec"]["containers"][0]["name"], self.argv, _PATIENCE
        )
        return status == 0


def find_path(cluster, namespace, selector, inbound, allowed=()):
    """A working path into (or out of) the selected pods from (or to) another pod of the namespace that is not allowed.

    allowed: peers as a NetworkPolicy has them. Returns (Path or None, the reason for None).
    """
    if any("namespaceSelector" in peer for peer in allowed):
        return None, "pods of allowed namespaces cannot be told from others here"
    pods = [each for each in cluster.whole(POD, namespace, fields="status.phase=Running") if is_ready(each) and each["status"].get("podIP")]
    pods = [each for each in pods if not each["spec"].get("hostNetwork")]  # they have the addresses of their nodes, which policies do not block
    inside = [each for each in pods if matches(selector, each["metadata"].get("labels") or {})]
    outside = [each for each in pods if not matches(selector, each["metadata"].get("labels") or {})] or inside
    outside = [each for each in outside if not _allowed(each, allowed)]
    sources, targets = (outside, inside) if inbound else (inside, outside)
    targets = [each for each in targets if _port(each)]
    why = "no ready pod with a TCP port to try it with"
    for source in sources[:2]:
        for target in targets[:2]:
            if source is target:
                continue
            for argv in _ways(target["status"]["podIP"], _port(target)):
                path = Path(cluster, source, target, argv)
                try:
                    if path.works():
                        return path, ""
                    why = "no program in {} connects to {}".format(source["metadata"]["name"], target["metadata"]["name"])
                except kube_exec.NoProgram:
                    why = "the image of {} has nothing to connect with".format(source["metadata"]["name"])
                except AttackError as error:
                    return None, str(error)
    return None, why


def enforced(path, seconds=_SETTLE):
    """Whether a working path stops working within the given time. Two failures in a row are needed, because a single packet may be lost."""
    until, failed = time.monotonic() + seconds, 0
    while True:
        failed = 0 if path.works() else failed + 1
        if failed == 2:
            return True
        if not failed and time.monotonic() >= until:
            return False
        time.sleep(0.5)


def _allowed(pod, peers):
    address = ipaddress.ip_address(pod["status"]["podIP"])
    for peer in peers:
        if "podSelector" in peer and matches(peer["podSelector"], pod["metadata"].get("labels") or {}):
            return True
        if "ipBlock" in peer and address in ipaddress.ip_network(peer["ipBlock"]["cidr"]):
            return True
    return False


def _port(pod):
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("protocol", "TCP") == "TCP":
                return port["containerPort"]
    return None


def to_selector(option, value):
    """A selector of an object (matchLabels, matchExpressions) from the text of an option. Errors: BadOption."""
    check_label_selector(option, value)
    labels, expressions = {}, []
    for part in selector_parts(value):
        listed = re.match(r"^(\S+) (in|notin) ?\(([^)]*)\)\Z", part)
        if listed:
            values = [each.strip() for each in listed.group(3).split(",")]
            expressions.append({"key": listed.group(1), "operator": "In" if listed.group(2) == "in" else "NotIn", "values": values})
        elif "!=" in part:
            key, _sign, wanted = part.partition("!=")
            expressions.append({"key": key.strip(), "operator": "NotIn", "values": [wanted.strip()]})
        elif "=" in part:
            key, _sign, wanted = part.replace("==", "=").partition("=")
            labels[key.strip()] = wanted.strip()
        else:
            expressions.append({"key": part.lstrip("!"), "operator": "DoesNotExist" if part.startswith("!") else "Exists"})
    selector = {"matchLabels": labels} if labels else {}
    if expressions:
        selector["matchExpressions"] = expressions
    return selector
