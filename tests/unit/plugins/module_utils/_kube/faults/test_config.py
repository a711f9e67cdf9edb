# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Misconfigurations by name: what they refuse, and what they change."""

from __future__ import annotations

import base64
import copy

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import DEPLOYMENT
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, joined, operations, read
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.config import FAULTS, POD, changes_of, check
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import Lifecycle
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.making import Making
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import SetFields
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import from_dict
from ansible_collections.faultline.chaos.plugins.modules.k8s_config_fault import ConfigFault

WEB = POD + "/containers/name=web"
PRESENT = {"state": "present", "id": None, "run_id": None, "max_duration": "1h", "lease": None, "journal_namespace": "default", "protected": []}


def options(fault: str, **more) -> dict:
    unset = dict.fromkeys(("kind", "container", "key", "value"))
    return {"fault": fault, "namespace": "shop", "name": "web", **unset, "remove": False, "wait": "0s", **more}


def workload(**pod) -> dict:
    container = {
        "name": "web",
        "image": "web:1",
        "env": [{"name": "COLOR", "value": "blue"}, {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1"}},
    }
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", **pod}
    return {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": spec}}}


PORTS = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "x", "port": 81}]
SERVICE = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": PORTS}}
CLAIM = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "e", "emptyDir": {}}]}
SCALER = {"metadata": {"name": "web"}, "spec": {"minReplicas": 2, "maxReplicas": 4, "targetCPUUtilizationPercentage": 60, "scaleTargetRef": {"name": "web"}}}
CONFIG = {"metadata": {"name": "web"}, "data": {"a.b": "1"}, "binaryData": {"logo": "AAEC"}}
PROBE = {"tcpSocket": {"port": 1}, "periodSeconds": 2, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 1}
AFFINITY = {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/os"}]}

CHANGES = [
    ("config_map_value", {"key": "a.b", "value": "2"}, CONFIG, {"/data/a.b": "2"}),
    ("config_map_value", {"key": "a.b", "remove": True}, CONFIG, {"/data/a.b": ABSENT}),
    ("config_map_value", {"key": "logo", "value": "x"}, CONFIG, {"/binaryData/logo": "eA=="}),
    ("secret_value", {"key": "k", "remove": True}, {"metadata": {"name": "web"}, "data": {"k": "eA=="}}, {"/data/k": ABSENT}),
    ("service_selector", {}, SERVICE, {"/spec/selector/faultline.chaos~1nobody": "true"}),
    ("service_target_port", {"key": "http"}, SERVICE, {"/spec/ports/name=http/targetPort": 1}),
    ("service_target_port", {"key": "81", "value": "9"}, SERVICE, {"/spec/ports/name=x/targetPort": 9}),
    ("readiness_probe", {}, workload(), {WEB + "/readinessProbe": PROBE}),
    ("image", {}, workload(), {WEB + "/image": "faultline.invalid/no-such-image:1"}),
    ("image", {"value": "web:0"}, workload(), {WEB + "/image": "web:0"}),
    ("command", {}, workload(), {WEB + "/command": ["/faultline-no-such-command"]}),
    ("environment", {"key": "COLOR", "value": "red"}, workload(), {WEB + "/env/name=COLOR/value": "red"}),
    ("environment", {"key": "KEY", "value": "x"}, workload(), {WEB + "/env/name=KEY/value": "x", WEB + "/env/name=KEY/valueFrom": ABSENT}),
    ("environment", {"key": "KEY", "remove": True}, workload(), {WEB + "/env": [{"name": "COLOR", "value": "blue"}]}),
    ("resource_requests", {}, workload(), {WEB + "/resources/requests/cpu": "10000", WEB + "/resources/limits/cpu": "10000"}),
    ("resource_requests", {"key": "memory"}, workload(), {WEB + "/resources/requests/memory": "1Pi"}),
    ("resource_limits", {}, workload(), {WEB + "/resources/limits/memory": "8Mi", WEB + "/resources/requests/memory": "8Mi"}),
    ("resource_limits", {"key": "cpu", "remove": True}, workload(), {WEB + "/resources/limits/cpu": ABSENT}),
    ("init_container", {}, workload(), {POD + "/initContainers": [{"name": "faultline-init", "image": "web:1", "command": ["/faultline-no-such-command"]}]}),
    ("volume_claim", {}, workload(**CLAIM), {POD + "/volumes/name=d/persistentVolumeClaim/claimName": "faultline-no-such-claim"}),
    ("node_selector", {}, workload(), {POD + "/nodeSelector": {"kubernetes.io/hostname": "faultline-no-such-node"}}),
    ("node_selector", {}, workload(nodeSelector={"a": "b"}), {POD + "/nodeSelector/kubernetes.io~1hostname": "faultline-no-such-node"}),
    ("anti_affinity", {}, workload(), {POD + "/affinity": {"podAntiAffinity": AFFINITY}}),
    ("anti_affinity", {}, workload(affinity={"nodeAffinity": {}}), {POD + "/affinity/podAntiAffinity": AFFINITY}),
    ("dns", {}, workload(), {POD + "/dnsPolicy": "None", POD + "/dnsConfig": {"nameservers": ["192.0.2.1"]}}),
    ("replicas_zero", {}, workload(), {"/spec/replicas": 0}),
    ("autoscaler_target", {}, SCALER, {"/spec/targetCPUUtilizationPercentage": 1000}),
    ("autoscaler_maximum", {}, SCALER, {"/spec/maxReplicas": 1, "/spec/minReplicas": 1}),
    ("autoscaler_maximum", {"value": "3"}, SCALER, {"/spec/maxReplicas": 3}),
    ("autoscaler_reference", {}, SCALER, {"/spec/scaleTargetRef/name": "faultline-no-such-workload"}),
]


@pytest.mark.parametrize(("fault", "more", "found", "wanted"), CHANGES, ids=[f"{case[0]} {case[1]}" for case in CHANGES])
def test_what_a_fault_changes(fault: str, more: dict, found: dict, wanted: dict) -> None:
    check(options(fault, **more))
    assert changes_of(found, options(fault, **more)) == wanted


@pytest.mark.parametrize(("fault", "more", "found"), [case[:3] for case in CHANGES if "spec" in case[2]])
def test_its_undo_leaves_what_was_there(kube, fault: str, more: dict, found: dict) -> None:
    """By the same steps as on a cluster; an empty map that was not there before is a difference."""
    before = copy.deepcopy(kube.put("/apis/apps/v1/namespaces/shop/deployments", "web", spec=copy.deepcopy(found["spec"])))
    step = SetFields(DEPLOYMENT, before, changes_of(before, options(fault, **more)))
    making = Making("x", "nonce", {})
    step.prepare(kube.cluster)
    step.apply(kube.cluster, making)
    assert kube.objects["/apis/apps/v1/namespaces/shop/deployments/web"]["spec"] != before["spec"]
    verdict, told = from_dict(step.undo(making).to_dict()).run(kube.cluster, making.seal)
    assert verdict == "done", told
    assert kube.objects["/apis/apps/v1/namespaces/shop/deployments/web"]["spec"] == before["spec"]


def test_a_wrong_secret_is_made_up() -> None:
    found = {"metadata": {"name": "web"}, "type": "Opaque", "data": {"k": "eA=="}}
    first, second = (changes_of(found, options("secret_value", key="k"))["/data/k"] for _each in range(2))
    assert base64.b64decode(first).startswith(b"faultline-") and first != second


def test_every_fault_is_tested() -> None:
    assert {case[0] for case in CHANGES} | {"liveness_probe", "autoscaler_behavior"} == set(FAULTS)


BAD = [
    ("image", {"name": "Web"}, "name"),
    ("image", {"name": "*"}, "name"),
    ("image", {"name": "web; id"}, "name"),
    ("image", {"name": ""}, "name"),
    ("image", {"container": "../x"}, "container"),
    ("image", {"value": ""}, "value"),
    ("image", {"value": "a b"}, "value"),
    ("image", {"value": "a\0b"}, "value"),
    ("image", {"key": "x"}, "key"),
    ("image", {"remove": True}, "remove"),
    ("command", {"value": "sh -c id"}, "value"),
    ("service_selector", {"kind": "Deployment"}, "kind"),
    ("service_selector", {"container": "web"}, "container"),
    ("service_selector", {"value": "x"}, "value"),
    ("service_target_port", {"value": "0"}, "value"),
    ("service_target_port", {"value": "65536"}, "value"),
    ("service_target_port", {"value": "80-22"}, "value"),
    ("config_map_value", {"value": "x"}, "key"),
    ("config_map_value", {"key": "a"}, "value"),
    ("config_map_value", {"key": "a", "value": "x", "remove": True}, "remove"),
    ("config_map_value", {"key": "a*", "value": "x"}, "key"),
    ("config_map_value", {"key": "", "value": "x"}, "key"),
    ("config_map_value", {"key": "a\nb", "value": "x"}, "key"),
    ("config_map_value", {"key": "a", "value": "x" * 70000}, "value"),
    ("secret_value", {"key": "a", "value": "hunter2"}, "value"),
    ("environment", {"key": "A=B", "value": "x"}, "key"),
    ("resource_requests", {"value": "many"}, "value"),
    ("resource_requests", {"value": "0"}, "value"),
    ("resource_limits", {"value": "-1"}, "value"),
    ("volume_claim", {"value": "No"}, "value"),
    ("dns", {"value": "300.1.1.1"}, "value"),
    ("dns", {"value": "dns.example"}, "value"),
    ("replicas_zero", {"kind": "DaemonSet"}, "kind"),
    ("autoscaler_target", {"value": "0"}, "value"),
    ("autoscaler_maximum", {"value": "1.5"}, "value"),
    ("autoscaler_reference", {"value": "../x"}, "value"),
]


@pytest.mark.parametrize(("fault", "more", "option"), BAD)
def test_options_that_are_refused(fault: str, more: dict, option: str) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        check(options(fault, **more))


def test_a_refused_value_for_a_secret_is_not_told() -> None:
    with pytest.raises(BadOption) as refused:
        check(options("secret_value", key="a", value="hunter2"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("wait", ["-1", "6m", "soon", None, True])
def test_waits_that_are_refused(wait: object) -> None:
    with pytest.raises(BadOption, match="^wait: "):
        ConfigFault(options("image", wait=wait)).validate()


TWO = workload(containers=[{"name": "a", "image": "x"}, {"name": "b", "image": "y"}])
MISFITS = [
    ("image", {}, TWO, "container", "name one container of web: a, b"),
    ("image", {"container": "c"}, TWO, "container", "it has a, b"),
    ("image", {"value": "web:1"}, workload(), "fault", "so already"),
    ("config_map_value", {"key": "no", "value": "x"}, CONFIG, "key", "no such key"),
    ("config_map_value", {"key": "a.b", "value": "x"}, {**CONFIG, "immutable": True}, "name", "immutable"),
    ("secret_value", {"key": "token"}, {"type": "kubernetes.io/service-account-token", "data": {"token": "eA=="}}, "name", "made anew"),
    ("service_selector", {}, {"spec": {}}, "name", "no selector"),
    ("service_target_port", {}, SERVICE, "key", "http, x"),
    ("service_target_port", {"key": "82"}, SERVICE, "key", "http, x"),
    ("environment", {"key": "NO", "remove": True}, workload(), "key", "no such variable"),
    ("resource_requests", {"key": "disk"}, workload(), "key", "cpu or memory"),
    ("volume_claim", {}, workload(), "key", "has none"),
    ("volume_claim", {"key": "e"}, workload(**CLAIM), "key", "d"),
    ("autoscaler_target", {}, {"spec": {"maxReplicas": 2}}, "name", "no target"),
]


@pytest.mark.parametrize(("fault", "more", "found", "option", "told"), MISFITS)
def test_objects_that_do_not_fit(fault: str, more: dict, found: dict, option: str, told: str) -> None:
    with pytest.raises(BadOption, match=f"^{option}: ") as refused:
        changes_of(found, options(fault, **more))
    assert told in str(refused.value)


def lifecycle(kube, check_mode: bool = False, **more) -> dict:
    return Lifecycle({**PRESENT, **options(**more), "duration": "60s"}, check_mode, True, ConfigFault, kube.cluster).run()


def test_ordered_pods_are_refused(kube) -> None:
    kube.put("/api/v1/namespaces", "shop")
    kube.put("/apis/apps/v1/namespaces/shop/statefulsets", "web", spec={**workload()["spec"], "podManagementPolicy": "OrderedReady"})
    with pytest.raises(NotRestorable, match="could not be put back"):
        lifecycle(kube, fault="image", kind="StatefulSet")


def test_an_opted_out_object_is_spared(kube) -> None:
    kube.put("/api/v1/namespaces", "shop")
    kube.put("/apis/apps/v1/namespaces/shop/deployments", "web", metadata={"labels": {"faultline.chaos/opt-out": "true"}}, spec=workload()["spec"])
    with pytest.raises(BadOption, match="^name: .*spared: opted out"):
        lifecycle(kube, fault="image")


@pytest.mark.parametrize("namespace", ["kube-system", "*", "", "shop; id"])
def test_namespaces_that_are_refused(kube, namespace: str) -> None:
    with pytest.raises(AttackError, match="^namespace: "):
        lifecycle(kube, fault="image", namespace=namespace)
    assert not kube.requests


def test_a_secret_is_in_no_text_of_a_plan(kube) -> None:
    kube.put("/api/v1/namespaces", "shop")
    kube.put("/api/v1/namespaces/shop/secrets", "web", data={"k": "aHVudGVyMg=="})
    planned = lifecycle(kube, True, fault="secret_value", key="k")
    assert planned["status"] == "planned" and "aHVudGVyMg" not in repr(planned) and "ZmF1bHRsaW5l" not in repr(planned)
    assert planned["diff"]["before"] != planned["diff"]["after"]


def test_operations_apply_to_the_object_as_read() -> None:
    found = workload()
    changes = changes_of(found, options("environment", key="KEY", value="x"))
    wanted = joined([each for at, value in sorted(changes.items()) for each in operations(found, at, value)])
    assert [(each["op"], each["path"].rpartition("/")[2]) for each in wanted] == [("add", "value"), ("remove", "valueFrom")]
    assert read(found, WEB + "/env/name=KEY/value") is ABSENT
