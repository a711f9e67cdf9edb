# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How full nodes are, as the scheduler counts; the pods that hold a place; and what k8s_capacity refuses."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.capacity import FreeCapacity, placeholder, requested, why_not
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.attack import Lifecycle
from ansible_collections.faultline.chaos.plugins.modules.k8s_capacity import Capacity


def wants(cpu: str | None = None, memory: str | None = None, **more) -> dict:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"resources": {"requests": requests}, **more}


def pod(*containers: dict, **spec) -> dict:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}}


@pytest.mark.parametrize(
    ("found", "cpu", "memory"),
    [
        (pod(), "0", "0"),
        (pod({}), "0", "0"),
        (pod(wants("500m", "1Gi"), wants("1", "1Mi")), "1.5", str(2**30 + 2**20)),
        (pod(wants("100m"), initContainers=[wants("2"), wants("1")]), "2", "0"),
        (pod(wants("100m"), initContainers=[wants("50m")]), "0.1", "0"),
        # one that stays beside the others counts with them, and with those that come after it
        (pod(wants("100m"), initContainers=[wants("200m", restartPolicy="Always"), wants("1")]), "1.2", "0"),
        (pod(wants("1"), initContainers=[wants("200m", restartPolicy="Always"), wants("300m")]), "1.2", "0"),
        (pod(wants("100m", "1Mi"), overhead={"cpu": "250m", "memory": "1Mi"}), "0.35", str(2 * 2**20)),
    ],
)
def test_what_a_pod_requests(found: dict, cpu: str, memory: str) -> None:
    assert requested(found) == {"cpu": Decimal(cpu), "memory": Decimal(memory)}


def node(name: str = "n", cpu: str = "4", memory: str = "8Gi", pods: str = "3", **spec) -> dict:
    status = {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods}, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def test_what_is_missing() -> None:
    free = FreeCapacity(node(), [pod(wants("1", "2Gi"))])
    assert free.missing("cpu", fill=95) == Decimal("2.8")
    assert free.missing("cpu", leave=Decimal("0.25")) == Decimal("2.75")
    assert free.missing("memory", fill=50) == 2 * 2**30
    assert free.missing("memory", leave=Decimal(2**20)) == 6 * 2**30 - 2**20
    assert free.missing("cpu", fill=25) == free.missing("cpu", fill=10) == free.missing("cpu", leave=Decimal(3)) == 0
    assert free.slots == 2
    assert (free.percent("cpu"), free.percent("memory")) == (25.0, 25.0)


def test_a_fraction_is_never_rounded_up() -> None:
    free = FreeCapacity(node(cpu="3", memory="1000"), [])
    assert free.missing("cpu", fill=33.3333) == Decimal("0.999")
    assert free.missing("memory", fill=33.39) == 333


LOST = {**node(), "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}


@pytest.mark.parametrize(("found", "told"), [(node(), None), (node(unschedulable=True), "is cordoned"), (LOST, "is not ready")])
def test_nodes_that_take_nothing(found: dict, told: str | None) -> None:
    assert why_not(found) == told


def test_the_pod_is_for_one_node_and_as_harmless_as_can_be() -> None:
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "PreferNoSchedule"}, {"key": "c", "effect": "NoExecute"}]
    made = placeholder("p", "chaos", node("n", taints=taints), {"cpu": Decimal("1.5"), "memory": Decimal(2**20)}, "pause:1", "low")
    spec = made["spec"]
    term = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]
    assert [each["key"] for each in spec["tolerations"]] == ["a", "c"]
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "1500m", "memory": "1048576"}}
    assert spec["priorityClassName"] == "low" and spec["terminationGracePeriodSeconds"] == 0 and not spec["automountServiceAccountToken"]
    bare = placeholder("p", "chaos", node(), {"cpu": Decimal(1), "memory": Decimal(0)}, "pause:1", None)["spec"]
    assert "priorityClassName" not in bare and bare["containers"][0]["resources"] == {"requests": {"cpu": "1000m"}}


def options(**more) -> dict:
    unset = {name: option.get("default") for name, option in Capacity.options.items()}
    return {**unset, "namespace": "chaos", "names": ["n"], **more}


@pytest.mark.parametrize(
    ("option", "value"),
    [("fill_cpu", value) for value in (0, 101, "50 %", "half", -1, True, "nan")]
    + [("fill_memory", value) for value in (0, "101%")]
    + [("leave_cpu", value) for value in ("", "-1", "1 core", "1GB")]
    + [("leave_memory", value) for value in ("10XB", "-5Mi")]
    + [("priority_class", value) for value in ("", "*", "High", "a b")]
    + [("image", value) for value in ("", "a b", "a\nb", "x" * 513)]
    + [("wait", value) for value in ("0s", "6m", "soon", None)]
    + [("names", value) for value in ([], ["*"], [""], ["n; id"])]
    + [("label_selector", value) for value in ("", "*")],
)
def test_options_that_are_refused(option: str, value: object) -> None:
    given = {"fill_cpu": "50%"} if option != "fill_memory" else {}
    if option == "leave_cpu":
        given = {}
    with pytest.raises(BadOption, match=f"^{option}: "):
        Capacity(options(**{**given, option: value})).validate()


def test_all_nodes_need_an_explicit_wish() -> None:
    with pytest.raises(BadOption, match="^names: .*all: true"):
        Capacity(options(names=None, fill_cpu="50%")).validate()


@pytest.fixture
def cluster(kube):
    kube.put("/api/v1/namespaces", "chaos")
    for name, spec in (("n", {}), ("cordoned", {"unschedulable": True}), ("crowded", {})):
        made = node(name, pods="0" if name == "crowded" else "3", **spec)
        kube.put("/api/v1/nodes", name, spec=made["spec"], status=made["status"])
    return kube


def planned(cluster, **more) -> dict:
    common = {"state": "present", "id": None, "run_id": None, "max_duration": "1h", "lease": None, "journal_namespace": "default", "protected": []}
    return Lifecycle({**common, **options(**more), "duration": "60s"}, True, True, Capacity, cluster.cluster).run()


def test_a_plan_changes_nothing(cluster) -> None:
    before = set(cluster.objects)
    assert "n: pod faultline-capacity-" in planned(cluster, fill_cpu="50%")["diff"]["after"]
    assert set(cluster.objects) == before and {method for method, _path in cluster.requests} == {"GET"}


def test_a_cordoned_node_is_left_out_with_a_note(cluster) -> None:
    assert planned(cluster, names=["n", "cordoned"], fill_cpu="50%")["notes"] == ["cordoned is cordoned, and is left out"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"names": ["cordoned"], "fill_cpu": "50%"}, "no node can take a pod: cordoned is cordoned"),
        ({"names": ["crowded"], "fill_cpu": "50%"}, "takes no more pods"),
        ({"leave_cpu": "4"}, "every node is as full already"),
        ({"names": ["no"], "fill_cpu": "50%"}, "names: 'no' is refused"),
        ({"fill_cpu": "50%", "priority_class": "no"}, "there is no such PriorityClass"),
        ({"fill_cpu": "50%", "priority_class": "high"}, "would push others out"),
    ],
)
def test_what_cannot_be_done_is_refused(cluster, more: dict, told: str) -> None:
    cluster.put("/apis/scheduling.k8s.io/v1/priorityclasses", "high", value=1000)
    with pytest.raises(AttackError) as refused:
        planned(cluster, **more)
    assert told in str(refused.value)


def test_a_default_that_pushes_others_out_is_refused_too(cluster) -> None:
    cluster.put("/apis/scheduling.k8s.io/v1/priorityclasses", "default", value=5, globalDefault=True)
    cluster.put("/apis/scheduling.k8s.io/v1/priorityclasses", "low", value=-5)
    with pytest.raises(BadOption, match="^priority_class: "):
        planned(cluster, fill_cpu="50%")
    assert planned(cluster, fill_cpu="50%", priority_class="low")["status"] == "planned"
