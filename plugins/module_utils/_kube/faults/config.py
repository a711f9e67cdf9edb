# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Misconfigurations by name: the kinds they apply to, and what they change in an object. Pure.

The function of a fault takes the object as read from the server and the options of the module, and returns {pointer: value or ABSENT}.
"""

import base64
import copy
import ipaddress
import os

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import quantity
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import (
    AUTOSCALER,
    AUTOSCALERS_V2,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import check_name
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, escape, read
from ansible_collections.faultline.chaos.plugins.module_utils._marks import NOBODY, PREFIX

WORKLOADS = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFUL_SET, "DaemonSet": DAEMON_SET}
POD = "/spec/template/spec"
_NO_COMMAND = f"/{PREFIX}no-such-command"
_LONGEST = 65536  # bytes of a value
_FAILING_PROBE = {"tcpSocket": {"port": 1}, "periodSeconds": 2, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 1}


class Fault:
    """One misconfiguration."""

    def __init__(self, change, kinds=None, key=None, value=None, remove=False, container=False, template=False, private=False):
        self.change = change
        self.kinds = kinds  # None: the workload kind of the option kind; else the first of these that the cluster serves
        self.key = key  # None: not used; else "needed" or "optional"
        self.value = value  # None: not used; "needed"; or a check function, then the value is optional
        self.remove = remove  # whether the option remove is allowed
        self.container = container
        self.template = template  # changes the pod template of a workload, which causes a rollout
        self.private = private  # the previous value may be secret


# --- checks of values ---------------------------------------------------------------------------


def _text(value):
    if "\0" in value or len(value.encode("utf-8")) > _LONGEST:
        raise BadOption("value", value[:60], "give at most %d bytes of text, without NUL" % _LONGEST)


def _word(value):
    _text(value)
    if not value or any(letter.isspace() for letter in value):
        raise BadOption("value", value, "give one word without spaces")


def _name(value):
    check_name("value", value)


def _port(value):
    _units.port("value", value)


def _address(value):
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise BadOption("value", value, "give the IP address of a name server")


def _replicas(value):
    _units.integer("value", value, 1, 1000)


def _percentage(value):
    _units.integer("value", value, 1, 1000)


def _quantity(value):
    if quantity.amount("value", value) == 0:
        raise BadOption("value", value, "give an amount above 0")


# --- ConfigMap and Secret -----------------------------------------------------------------------


def _config_map_value(found, params):
    place = "binaryData" if params["key"] in (found.get("binaryData") or {}) else "data"
    at = _existing_key(found, place, params)
    if params["remove"] or place == "data":
        return {at: ABSENT if params["remove"] else params["value"]}
    return {at: _encoded(params["value"].encode("utf-8"))}


def _secret_value(found, params):
    if found.get("type") == "kubernetes.io/service-account-token":
        raise BadOption("name", params["name"], "the token of a service account is made anew by the cluster, and could not be put back")
    at = _existing_key(found, "data", params)
    if params["remove"]:
        return {at: ABSENT}
    wrong = base64.b16encode(os.urandom(8)).lower()  # random, so that it is never another valid secret
    return {at: _encoded(PREFIX.encode("ascii") + wrong)}


def _existing_key(found, place, params):
    if params["key"] not in (found.get(place) or {}):
        raise BadOption("key", params["key"], "{} has no such key".format(params["name"]))
    if found.get("immutable"):
        raise BadOption("name", params["name"], "it is immutable")
    return "/{}/{}".format(place, escape(params["key"]))


def _encoded(data):
    return base64.b64encode(data).decode("ascii")


# --- Service ------------------------------------------------------------------------------------


def _service_selector(found, params):
    if not found["spec"].get("selector"):
        raise BadOption("name", params["name"], "this Service has no selector: its endpoints are somebody else's work")
    return {"/spec/selector/" + escape(NOBODY): "true"}


def _service_target_port(found, params):
    ports = found["spec"].get("ports") or []
    if params["key"] is not None:
        ports = [each for each in ports if params["key"] in (each.get("name"), str(each["port"]))]
    if len(ports) != 1:
        told = ", ".join(str(each.get("name") or each["port"]) for each in found["spec"].get("ports") or [])
        raise BadOption("key", params["key"], "name one port of this Service: %s" % (told or "it has none"))
    which = "name={}".format(ports[0]["name"]) if ports[0].get("name") else "port={}".format(ports[0]["port"])
    return {f"/spec/ports/{which}/targetPort": int(params["value"] or 1)}


# --- the pods of a workload ---------------------------------------------------------------------


def container_of(found, params):
    """The container that the option names, or the only one. Errors: BadOption."""
    containers = read(found, POD + "/containers")
    names = [each["name"] for each in containers]
    if params["container"] is None and len(names) > 1:
        raise BadOption("container", None, "name one container of {}: {}".format(params["name"], ", ".join(names)))
    for each in containers:
        if params["container"] in (None, each["name"]):
            return each
    raise BadOption("container", params["container"], "{} has no such container; it has {}".format(params["name"], ", ".join(names)))


def _inside(found, params, rest):
    return "{}/containers/name={}/{}".format(POD, container_of(found, params)["name"], rest)


def _probe(word):
    def change(found, params):
        return {_inside(found, params, word): ABSENT if params["remove"] else dict(_FAILING_PROBE)}

    return change


def _image(found, params):
    return {_inside(found, params, "image"): params["value"] or "faultline.invalid/no-such-image:1"}


def _command(found, params):
    return {_inside(found, params, "command"): [params["value"] or _NO_COMMAND]}


def _environment(found, params):
    container = container_of(found, params)
    listed = container.get("env") or []
    same = [each for each in listed if each["name"] == params["key"]]
    if len(same) > 1:
        raise BadOption("key", params["key"], "the container has it more than once")
    if same and not params["remove"]:
        at = _inside(found, params, "env/name={}".format(escape(params["key"])))
        return {at + "/value": params["value"], at + "/valueFrom": ABSENT}
    if not same and params["remove"]:
        raise BadOption("key", params["key"], "the container has no such variable of its own")
    others = [each for each in listed if each["name"] != params["key"]]
    wanted = others if params["remove"] else listed + [{"name": params["key"], "value": params["value"]}]
    return {_inside(found, params, "env"): wanted or ABSENT}


def _resource_requests(found, params):
    """By default more than any node has. Raises an existing limit, too, because a limit must not be below the request."""
    which = _resource(params, "cpu")
    value = params["value"] or {"cpu": "10000", "memory": "1Pi"}[which]
    changes = {_inside(found, params, "resources/requests/" + which): value}
    if which in _resources(found, params, "limits"):
        changes[_inside(found, params, "resources/limits/" + which)] = value
    return changes


def _resource_limits(found, params):
    """By default too little for the container to work; or remove the limit. Lowers a request that is above the new limit."""
    which = _resource(params, "memory")
    at = _inside(found, params, "resources/limits/" + which)
    if params["remove"]:
        return {at: ABSENT}
    value = params["value"] or {"cpu": "1m", "memory": "8Mi"}[which]
    request = _resources(found, params, "requests").get(which)
    changes = {at: value}
    if request is not None and quantity.known(request) > quantity.known(value):
        changes[_inside(found, params, "resources/requests/" + which)] = value
    return changes


def _resource(params, default):
    which = params["key"] or default
    if which not in ("cpu", "memory"):
        raise BadOption("key", which, "take cpu or memory")
    return which


def _resources(found, params, word):
    return (container_of(found, params).get("resources") or {}).get(word) or {}


def _init_container(found, params):
    """Add a failing init container with the image of the first container, so that no image has to be pulled."""
    listed = read(found, POD + "/initContainers")
    listed = [] if listed in (ABSENT, None) else listed
    image = read(found, POD + "/containers")[0]["image"]
    mine = {"name": PREFIX + "init", "image": image, "command": [params["value"] or _NO_COMMAND]}
    return {POD + "/initContainers": copy.deepcopy(listed) + [mine]}


def _volume_claim(found, params):
    volumes = read(found, POD + "/volumes")
    claims = [each for each in ([] if volumes in (ABSENT, None) else volumes) if each.get("persistentVolumeClaim")]
    names = [each["name"] for each in claims]
    if params["key"] is None and len(names) != 1 or params["key"] is not None and params["key"] not in names:
        raise BadOption("key", params["key"], "name one volume with a claim: %s" % (", ".join(names) or "{} has none".format(params["name"])))
    at = "{}/volumes/name={}/persistentVolumeClaim/claimName".format(POD, params["key"] or names[0])
    return {at: params["value"] or PREFIX + "no-such-claim"}


def _node_selector(found, params):
    return {POD + "/nodeSelector/kubernetes.io~1hostname": params["value"] or PREFIX + "no-such-node"}


def _anti_affinity(found, params):
    """Each pod of the workload excludes the others from the whole cluster, because all nodes have the same operating system."""
    term = {"labelSelector": found["spec"]["selector"], "topologyKey": "kubernetes.io/os"}
    return {POD + "/affinity/podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _dns(found, params):
    return {POD + "/dnsPolicy": "None", POD + "/dnsConfig": {"nameservers": [params["value"] or "192.0.2.1"]}}


def _replicas_zero(found, params):
    return {"/spec/replicas": 0}


# --- HorizontalPodAutoscaler --------------------------------------------------------------------


def _autoscaler_target(found, params):
    at = "/spec/targetCPUUtilizationPercentage"
    if read(found, at) is ABSENT:
        raise BadOption("name", params["name"], "this autoscaler has no target for the use of CPU")
    return {at: int(params["value"] or 1000)}


def _autoscaler_maximum(found, params):
    value = int(params["value"] or 1)
    changes = {"/spec/maxReplicas": value}
    if (found["spec"].get("minReplicas") or 1) > value:
        changes["/spec/minReplicas"] = value
    return changes


def _autoscaler_reference(found, params):
    return {"/spec/scaleTargetRef/name": params["value"] or PREFIX + "no-such-workload"}


def _autoscaler_behavior(found, params):
    """Scale down to the minimum at once, without a stabilization window."""
    policies = [{"type": "Percent", "value": 100, "periodSeconds": 1}]
    return {"/spec/behavior/scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": policies}}


FAULTS = {
    "config_map_value": Fault(_config_map_value, (CONFIG_MAP,), key="needed", value="needed", remove=True),
    "secret_value": Fault(_secret_value, (SECRET,), key="needed", remove=True, private=True),
    "service_selector": Fault(_service_selector, (SERVICE,)),
    "service_target_port": Fault(_service_target_port, (SERVICE,), key="optional", value=_port),
    "readiness_probe": Fault(_probe("readinessProbe"), remove=True, container=True, template=True),
    "liveness_probe": Fault(_probe("livenessProbe"), remove=True, container=True, template=True),
    "image": Fault(_image, value=_word, container=True, template=True),
    "command": Fault(_command, value=_word, container=True, template=True),
    "environment": Fault(_environment, key="needed", value="needed", remove=True, container=True, template=True, private=True),
    "resource_requests": Fault(_resource_requests, key="optional", value=_quantity, container=True, template=True),
    "resource_limits": Fault(_resource_limits, key="optional", value=_quantity, remove=True, container=True, template=True),
    "init_container": Fault(_init_container, value=_word, template=True),
    "volume_claim": Fault(_volume_claim, key="optional", value=_name, template=True),
    "node_selector": Fault(_node_selector, value=_name, template=True),
    "anti_affinity": Fault(_anti_affinity, template=True),
    "dns": Fault(_dns, value=_address, template=True),
    "replicas_zero": Fault(_replicas_zero),
    "autoscaler_target": Fault(_autoscaler_target, (AUTOSCALER,), value=_percentage),
    "autoscaler_maximum": Fault(_autoscaler_maximum, (AUTOSCALER,), value=_replicas),
    "autoscaler_reference": Fault(_autoscaler_reference, (AUTOSCALER,), value=_name),
    "autoscaler_behavior": Fault(_autoscaler_behavior, AUTOSCALERS_V2),
}


def check(params):
    """Check the options of the fault without any request. Errors: BadOption."""
    named, fault = params["fault"], FAULTS[params["fault"]]
    used = {"kind": fault.kinds is None, "container": fault.container, "key": fault.key is not None, "value": fault.value is not None}
    for option in sorted(used):
        if params[option] is not None and not used[option]:
            shown = params[option] if option != "value" else "..."
            raise BadOption(option, shown, f"the fault {named} does not use it")
    if params["remove"] and (not fault.remove or params["value"] is not None):
        raise BadOption("remove", True, f"the fault {named} cannot remove" if not fault.remove else "give either remove or a value")
    check_name("name", params["name"])
    if params["container"] is not None:
        check_name("container", params["container"])
    if params["key"] is not None and (not params["key"] or len(params["key"]) > 253 or set(params["key"]) & set("\0\n\r/=*")):
        raise BadOption("key", params["key"], "give one exact key, no pattern")
    if fault.key == "needed" and params["key"] is None:
        raise BadOption("key", None, f"say which key the fault {named} is for")
    if fault.value == "needed" and params["value"] is None and not params["remove"]:
        raise BadOption("value", None, "give the wrong value, or set remove: true")
    if params["fault"] == "replicas_zero" and params["kind"] == "DaemonSet":
        raise BadOption("kind", "DaemonSet", "it has no replicas")
    if params["value"] is not None:
        (_text if fault.value == "needed" else fault.value)(params["value"])


def changes_of(found, params):
    """{pointer: value or ABSENT} of a fault for an object, without values that are set already. Errors: BadOption."""
    wanted = FAULTS[params["fault"]].change(found, params)
    changes = dict(_from_the_top(found, at, value) for at, value in wanted.items() if read(found, at) != value)
    if not changes:
        raise BadOption("fault", params["fault"], "{} is so already".format(params["name"]))
    return changes


def _from_the_top(found, at, value):
    """Set the outermost missing map as a whole, because an undo of only the inner value would leave an empty map."""
    parent, _slash, word = at.rpartition("/")
    while value is not ABSENT and read(found, parent) in (ABSENT, None):
        at, value = parent, {word.replace("~1", "/").replace("~0", "~"): value}
        parent, _slash, word = at.rpartition("/")
    return at, value
