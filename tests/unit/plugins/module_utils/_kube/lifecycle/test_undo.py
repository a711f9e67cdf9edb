# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo steps on objects of a cluster: three-way, by uid, and as often as one likes."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, NODE
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.pointer import ABSENT, operations, read
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.making import Making
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.seal import Seal
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.steps import AddTaint, Create, SetFields, cordon
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import DONE, DRIFTED, GONE, from_dict

WEB = "/apis/apps/v1/namespaces/shop/deployments"
MAKING = Making("scale-1", "nonce-1", {"app.kubernetes.io/managed-by": "faultline.chaos"})


def undo_of(step):
    """As it comes out of a journal."""
    return from_dict(step.undo(MAKING).to_dict())


def deployment(kube) -> dict:
    containers = [{"name": "proxy", "image": "p:1"}, {"name": "web", "image": "w:1"}]
    return kube.put(WEB, "web", spec={"replicas": 3, "template": {"spec": {"containers": containers}}})


def content(kube) -> dict:
    """All objects without what the server owns."""
    found = copy.deepcopy(kube.objects)
    for each in found.values():
        each["metadata"].pop("resourceVersion")
        if each["metadata"].get("annotations") == {}:
            del each["metadata"]["annotations"]
    return found


def test_fields_are_set_and_put_back(kube) -> None:
    deployment(kube)
    before = content(kube)
    image = "/spec/template/spec/containers/name=web/image"
    changes = {"/spec/replicas": 0, image: "w:broken", "/metadata/labels/a~1b": "c", "/spec/template/spec/nodeSelector/x": "y"}
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), changes)
    step.prepare(kube.cluster)
    assert content(kube) == before  # a dry run keeps nothing
    step.apply(kube.cluster, MAKING)
    now = kube.cluster.get(DEPLOYMENT, "web", "shop")
    assert read(now, image) == "w:broken" and now["spec"]["replicas"] == 0 and now["metadata"]["labels"] == {"a/b": "c"}
    assert now["metadata"]["annotations"] == {"faultline.chaos/attack": "scale-1"}
    undo = undo_of(step)
    assert undo.run(kube.cluster, MAKING.seal)[0] == DONE
    assert undo.run(kube.cluster, MAKING.seal)[0] == GONE
    after = content(kube)[WEB + "/web"]
    after["metadata"].pop("labels")  # an empty map here; a real server leaves it out
    assert after["spec"]["template"]["spec"].pop("nodeSelector") == {}
    assert {WEB + "/web": after} == before


def test_a_foreign_edit_is_kept_and_reported(kube) -> None:
    deployment(kube)
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0, "/spec/paused": True})
    step.apply(kube.cluster, MAKING)
    kube.objects[WEB + "/web"]["spec"]["replicas"] = 7
    verdict, told = undo_of(step).run(kube.cluster, MAKING.seal)
    assert verdict == DRIFTED and "/spec/replicas is 7 by now, and kept" in told
    assert kube.objects[WEB + "/web"]["spec"]["replicas"] == 7 and "paused" not in kube.objects[WEB + "/web"]["spec"]
    assert "annotations" not in kube.objects[WEB + "/web"]["metadata"]


def test_fields_that_belong_together_are_kept_together(kube) -> None:
    """A request above its limit is refused by the cluster, so the undo would be stuck for ever."""
    deployment(kube)
    resources = "/spec/template/spec/containers/name=web/resources"
    kube.objects[WEB + "/web"]["spec"]["template"]["spec"]["containers"][1]["resources"] = {"requests": {"cpu": "2"}, "limits": {"cpu": "4"}}
    changes = {resources + "/requests/cpu": "1m", resources + "/limits/cpu": "1m"}
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), changes, together=True)
    step.apply(kube.cluster, MAKING)
    now = kube.objects[WEB + "/web"]["spec"]["template"]["spec"]["containers"][1]["resources"]
    now["limits"]["cpu"] = "1"
    verdict, told = undo_of(step).run(kube.cluster, MAKING.seal)
    assert verdict == DRIFTED and "limits/cpu is '1' by now, and kept" in told and "requests/cpu, which must fit to that, is kept" in told
    assert read(kube.objects[WEB + "/web"], resources) == {"requests": {"cpu": "1m"}, "limits": {"cpu": "1"}}
    assert "annotations" not in kube.objects[WEB + "/web"]["metadata"]


def test_of_fields_that_belong_together_one_may_be_back_already(kube) -> None:
    deployment(kube)
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0, "/spec/paused": True}, together=True)
    step.apply(kube.cluster, MAKING)
    kube.objects[WEB + "/web"]["spec"]["replicas"] = 3
    assert undo_of(step).run(kube.cluster, MAKING.seal)[0] == DONE
    assert "paused" not in kube.objects[WEB + "/web"]["spec"]


@pytest.mark.parametrize("marks", [{}, {"faultline.chaos/attack": "another-1"}], ids=["unmarked", "of another"])
def test_an_equal_change_of_somebody_else_is_kept(kube, marks: dict) -> None:
    """We died before we changed anything, or somebody took our mark off: what is there is not ours."""
    deployment(kube)
    kube.put("/api/v1/nodes", "n", spec={})
    taint = {"key": "chaos", "effect": "NoSchedule", "value": "1"}
    fields = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0})
    steps = [fields, AddTaint(kube.cluster.get(NODE, "n"), taint)]
    kube.objects[WEB + "/web"]["spec"]["replicas"] = 0
    kube.objects["/api/v1/nodes/n"]["spec"]["taints"] = [taint]
    for path in (WEB + "/web", "/api/v1/nodes/n"):
        kube.objects[path]["metadata"]["annotations"] = dict(marks)
    theirs = copy.deepcopy(kube.objects)
    for step in steps:  # from a journal: not known which of the two
        with pytest.raises(AttackError, match="is as scale-1 set it .*, but bears (no mark|the mark 'another-1'): somebody took its mark off"):
            undo_of(step).run(kube.cluster, MAKING.seal)
    for step in steps:  # in the memory of who died before the change
        verdict, told = step.undo(MAKING).run(kube.cluster, MAKING.seal)
        assert verdict == GONE and "does not bear the mark of scale-1" in told
    assert kube.objects == theirs


def test_the_mark_comes_and_goes_with_the_change(kube) -> None:
    """In one patch: wherever we die, there are both or neither."""
    deployment(kube)
    kube.put("/api/v1/nodes", "n", spec={})
    bodies = []
    kube.trouble.append(lambda method, _path, body: bodies.append(body) if method == "PATCH" else None)
    steps = [SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0})]
    steps.append(AddTaint(kube.cluster.get(NODE, "n"), {"key": "chaos", "effect": "NoSchedule"}))
    for step in steps:
        step.apply(kube.cluster, MAKING)
        undo_of(step).run(kube.cluster, MAKING.seal)
    assert len(bodies) == 4
    for body in bodies:
        paths = {each["path"] for each in body if each["op"] != "test"}
        assert paths & {"/spec/replicas", "/spec/taints"} and any(path.startswith("/metadata/annotations") for path in paths)


def test_an_object_made_anew_is_left_alone(kube) -> None:
    deployment(kube)
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0})
    step.apply(kube.cluster, MAKING)
    kube.put(WEB, "web", spec={"replicas": 0})
    verdict, told = undo_of(step).run(kube.cluster, MAKING.seal)
    assert verdict == GONE and "made anew" in told
    assert kube.objects[WEB + "/web"]["spec"]["replicas"] == 0
    del kube.objects[WEB + "/web"]
    assert undo_of(step).run(kube.cluster, MAKING.seal)[0] == GONE


def test_somebody_faster_makes_it_look_again(kube) -> None:
    deployment(kube)
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0})
    once = []

    def meddle(method, path, _body):
        if method == "PATCH" and not once:
            once.append(1)
            kube.objects[WEB + "/web"]["metadata"]["resourceVersion"] = "999"
            kube.objects[WEB + "/web"]["metadata"]["labels"] = {"new": "one"}

    kube.trouble.append(meddle)
    step.apply(kube.cluster, MAKING)
    assert kube.objects[WEB + "/web"]["spec"]["replicas"] == 0 and kube.objects[WEB + "/web"]["metadata"]["labels"] == {"new": "one"}


def test_a_change_between_plan_and_deed_is_refused(kube) -> None:
    deployment(kube)
    step = SetFields(DEPLOYMENT, kube.cluster.get(DEPLOYMENT, "web", "shop"), {"/spec/replicas": 0})
    kube.objects[WEB + "/web"]["spec"]["replicas"] = 5
    with pytest.raises(AttackError, match="changed while the attack was planned"):
        step.apply(kube.cluster, MAKING)
    assert kube.objects[WEB + "/web"]["spec"]["replicas"] == 5


def test_only_what_we_made_is_deleted(kube) -> None:
    step = Create(NETWORK_POLICY, {"metadata": {"name": "p", "namespace": "shop"}, "spec": {}})
    made = step.apply(kube.cluster, MAKING)
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "faultline.chaos"
    undo, found = undo_of(step), kube.objects["/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/p"]["metadata"]
    found["annotations"]["faultline.chaos/nonce"] = "x"
    journal = Seal("scale-1", "j", "hash", born="2999-01-01T00:00:00Z", place="shop/faultline-scale-1")
    assert undo.run(kube.cluster, journal)[0] == GONE and kube.names("networkpolicies") == ["p"]  # it was there before the journal
    with pytest.raises(AttackError, match="does not bear the nonce of scale-1: .*delete configmap faultline-scale-1"):
        undo.run(kube.cluster, Seal("scale-1", "j", "hash", born="2026-01-01T00:00:00Z", place="shop/faultline-scale-1"))
    found["annotations"]["faultline.chaos/nonce"] = "nonce-1"
    assert undo.run(kube.cluster, MAKING.seal)[0] == DONE and kube.names("networkpolicies") == []
    assert undo.run(kube.cluster, MAKING.seal)[0] == GONE


def test_a_taint_comes_and_goes_among_others(kube) -> None:
    theirs = [{"key": "gpu", "effect": "NoSchedule", "value": "yes"}]
    kube.put("/api/v1/nodes", "n", spec={"taints": copy.deepcopy(theirs)})
    step = AddTaint(kube.cluster.get(NODE, "n"), {"key": "chaos", "effect": "NoExecute", "value": "1"})
    step.apply(kube.cluster, MAKING)
    taints = kube.objects["/api/v1/nodes/n"]["spec"]["taints"]
    assert len(taints) == 2
    taints[1]["timeAdded"] = "2026-01-01T00:00:00Z"  # the server adds this
    assert undo_of(step).run(kube.cluster, MAKING.seal)[0] == DONE
    assert kube.objects["/api/v1/nodes/n"]["spec"]["taints"] == theirs
    assert undo_of(step).run(kube.cluster, MAKING.seal)[0] == GONE


def test_a_taint_that_is_there_or_was_changed(kube) -> None:
    kube.put("/api/v1/nodes", "n", spec={})
    node, taint = kube.cluster.get(NODE, "n"), {"key": "chaos", "effect": "NoSchedule", "value": "1"}
    step = AddTaint(node, taint)
    step.apply(kube.cluster, MAKING)
    with pytest.raises(NotRestorable):
        AddTaint(kube.cluster.get(NODE, "n"), taint)
    kube.objects["/api/v1/nodes/n"]["spec"]["taints"][0]["value"] = "2"
    assert undo_of(step).run(kube.cluster, MAKING.seal)[0] == DRIFTED
    assert kube.objects["/api/v1/nodes/n"]["spec"]["taints"][0]["value"] == "2"


def test_a_node_that_is_cordoned_stays_so(kube) -> None:
    assert cordon(kube.put("/api/v1/nodes", "a", spec={"unschedulable": True})) == []
    (step,) = cordon(kube.put("/api/v1/nodes", "b", spec={}))
    step.apply(kube.cluster, MAKING)
    assert kube.objects["/api/v1/nodes/b"]["spec"] == {"unschedulable": True}
    assert undo_of(step).run(kube.cluster, MAKING.seal)[0] == DONE
    assert kube.objects["/api/v1/nodes/b"]["spec"] == {}


def test_an_object_marked_by_another_attack_is_refused(kube) -> None:
    found = kube.put("/api/v1/namespaces/shop/configmaps", "c", data={"a": "1"})
    found["metadata"]["annotations"] = {"faultline.chaos/attack": "other-1"}
    with pytest.raises(AttackError, match="bears the mark of the attack other-1"):
        SetFields(CONFIG_MAP, found, {"/data/a": "2"}).apply(kube.cluster, MAKING)


@pytest.mark.parametrize("told", [{"step": "Nothing"}, {"step": "RemoveTaint"}, {}, {"step": "DeleteCreated", "kind": 1}])
def test_steps_that_are_not_known_are_damage(told: dict) -> None:
    with pytest.raises(JournalDamaged):
        from_dict(told)


def test_pointers() -> None:
    found = {"a": [{"name": "x", "v": 1}], "m": {"k/y": None}}
    assert read(found, "/a/name=x/v") == 1 and read(found, "/a/0/v") == 1
    assert read(found, "/a/name=z/v") is ABSENT and read(found, "/a/7") is ABSENT and read(found, "/b/c") is ABSENT
    assert read(found, "/m/k~1y") is None
    assert operations(found, "/m/q/r", 2) == [{"op": "add", "path": "/m/q", "value": {}}, {"op": "add", "path": "/m/q/r", "value": 2}]
    assert operations(found, "/m/q", ABSENT) == []
    with pytest.raises(AttackError, match="there is nothing at"):
        operations(found, "/a/name=z/v", 2)
