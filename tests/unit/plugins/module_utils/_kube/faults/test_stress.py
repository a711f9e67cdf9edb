# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What k8s_pod_stress refuses, how much memory it takes, and how its programs are found again."""

from __future__ import annotations

import time

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import NotFound
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import stress as kube_stress
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.stress import MIB, Container, choose_container, how_much, memory_limit
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import undo_stress as kube_undo
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.making import Making
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.undo import from_dict
from ansible_collections.faultline.chaos.plugins.modules.k8s_pod_stress import PodStress

PODS = "/api/v1/namespaces/shop/pods"


def stress(**params) -> PodStress:
    unset = {name: option.get("default") for name, option in PodStress.options.items()}
    given = {**unset, "namespaces": ["shop"], "label_selector": "app=web", "protected": [], "lease": None, **params}
    return PodStress(given)


@pytest.mark.parametrize(
    ("option", "value"),
    [("cpus", value) for value in (-1, 65, True, 1.5)]
    + [("memory", value) for value in ("0", "1MiB", "10XB", "-5", "", True, "100TiB", "80%")]
    + [("memory_percent", value) for value in (0, 96, 101, "50 %", "half", -1, True)]
    + [("reserve", value) for value in ("0", "1MiB", "10XB", None, True)]
    + [("wait", value) for value in ("0s", "6m", "soon", None)]
    + [("container", value) for value in ("", "*", "a b", "../x", "a;id")]
    + [("namespaces", value) for value in ([], ["kube-system"], ["*"], [""])]
    + [("label_selector", value) for value in ("", "*", None)],
)
def test_options_that_are_refused(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        stress(**{"cpus": 1, option: value}).validate()


def test_something_must_be_asked_for() -> None:
    with pytest.raises(BadOption, match="^cpus: .*ask for something"):
        stress().validate()


def wishes(memory: int | None = None, percent: float | None = None, reserve: int = 16) -> dict:
    return {"memory": memory and memory * MIB, "percent": percent, "reserve": reserve * MIB}


@pytest.mark.parametrize(
    ("wish", "limit", "used", "taken"),
    [(wishes(50), 100, 10, 50), (wishes(74), 100, 10, 74), (wishes(percent=80), 100, 10, 70), (wishes(percent=50), 1000, 100, 400)],
)
def test_how_much_memory(wish: dict, limit: int, used: int, taken: int) -> None:
    assert how_much(wish, limit * MIB, used * MIB, "x") == (taken, None)


def test_a_percentage_never_touches_the_reserve() -> None:
    taken, note = how_much(wishes(percent=95), 100 * MIB, 10 * MIB, "shop/web main")
    assert taken == 74 and note == "shop/web main: 74 MiB instead of 85, to keep the reserve under its limit"


TOO_MUCH = [(wishes(75), 10, "memory"), (wishes(percent=50), 48, "memory_percent"), (wishes(percent=95), 90, "memory_percent")]


@pytest.mark.parametrize(("wish", "used", "option"), TOO_MUCH)
def test_what_does_not_fit_under_the_limit_is_refused(wish: dict, used: int, option: str) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        how_much(wish, 100 * MIB, used * MIB, "x")


def pod(**container) -> dict:
    status = {"containerStatuses": [{"name": "main", "containerID": "containerd://1", "state": {"running": {}}}]}
    return {"metadata": {"name": "web-1", "namespace": "shop", "uid": "u"}, "spec": {"containers": [{"name": "main", **container}]}, "status": status}


def test_containers_by_name() -> None:
    two = {"metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    assert choose_container(pod(), None) == "main" and choose_container(two, "b") == "b"
    for found, named, told in ((two, None, "name one container of the pod web-1: a, b"), (two, "c", "it has a, b")):
        with pytest.raises(BadOption, match="^container: ") as refused:
            choose_container(found, named)
        assert told in str(refused.value)


def test_limits() -> None:
    assert memory_limit(pod(), "main") is None
    assert memory_limit(pod(resources={"limits": {"memory": "64Mi"}}), "main") == 64 * MIB


class Exec:
    """A container that answers; what was run is in seen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self.answers = list(answers)
        self.seen: list[list[str]] = []
        for module in (kube_stress, kube_undo):
            monkeypatch.setattr(module.kube_exec, "run", self.run)

    def run(self, _cluster, _namespace, _pod, _container, argv, timeout=30.0, enough=None):
        self.seen.append(argv)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def container(**more) -> Container:
    wish = {"cpus": 2, **wishes(40), "ends": time.monotonic() + 60}
    return Container(pod(resources={"limits": {"memory": "96Mi"}}), "main", {**wish, **more})


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (kube_exec.NoProgram("x"), "has no sh"),
        ((0, "", ""), "does not answer"),
        ((127, "", "sh: error"), "does not answer: sh: error"),
        ((0, "1048576 0 max yes no", ""), "has no /proc/uptime"),
        ((0, "1048576 0 max no yes", ""), "has no sleep"),
        ((0, "none 0 none yes yes", ""), "cannot be read there"),
        ((0, "\u00b2 0 max yes yes", ""), "cannot be read there"),
        ((0, "83886080 0 max yes yes", ""), "has room for 0 MiB"),
        ((0, "1048576 0 41943040 yes yes", ""), "under its limit of 40 MiB"),
    ],
)
def test_containers_that_cannot_be_stressed(monkeypatch: pytest.MonkeyPatch, answer: object, told: str) -> None:
    Exec(monkeypatch, answer)
    with pytest.raises(AttackError, match=told):
        container().prepare(None)


def test_page_cache_that_the_kernel_gives_back_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    Exec(monkeypatch, (0, "83886080 73400320 max yes yes", ""))
    step = container()
    step.prepare(None)
    assert step.mib == 40


def test_the_programs_end_before_the_deadline_and_bear_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Exec(monkeypatch, (0, "1048576 0 max yes yes", ""), (None, "started\n", "")).seen
    step, making = container(), Making("x", "host-1-abc", {})
    step.prepare(None)
    step.apply(None, making)
    word, seconds, cpus, mib = seen[1][4:]
    assert word == "stress=faultline-host-1-abc" and 55 <= int(seconds) < 60 and (cpus, mib) == ("2", "38")
    assert step.undo(making).word == "faultline-host-1-abc"


@pytest.mark.parametrize(("answer", "ends"), [((1, "", "sh: cannot fork"), 60), ((None, "", ""), 60), (None, 0.5)])
def test_programs_that_do_not_start(monkeypatch: pytest.MonkeyPatch, answer: object, ends: float) -> None:
    Exec(monkeypatch, answer)
    with pytest.raises(AttackError, match="did not start|deadline is too near"):
        container(ends=time.monotonic() + ends).apply(None, Making("x", "n", {}))


def undo() -> kube_undo.StopStress:
    step = kube_undo.StopStress("shop", "web-1", "u", "main", "containerd://1", "faultline-n")
    return from_dict(step.to_dict())


@pytest.mark.parametrize(("answer", "verdict"), [((0, "2\n", ""), "done"), ((0, "0\n", ""), "already gone"), (NotFound("x"), "already gone")])
def test_the_undo(kube, monkeypatch: pytest.MonkeyPatch, answer: object, verdict: str) -> None:
    Exec(monkeypatch, answer)
    kube.put(PODS, "web-1", **{key: value for key, value in pod().items() if key != "metadata"}, metadata={"uid": "u"})
    assert undo().run(kube.cluster, None)[0] == verdict


def test_an_undo_that_does_not_succeed_is_tried_again(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    Exec(monkeypatch, (1, "1 still run\n", ""))
    kube.put(PODS, "web-1", **{key: value for key, value in pod().items() if key != "metadata"}, metadata={"uid": "u"})
    with pytest.raises(AttackError, match="do not end: 1 still run"):
        undo().run(kube.cluster, None)


@pytest.mark.parametrize("change", ["no pod", "another uid", "another container", "ended"])
def test_strangers_are_not_touched(kube, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    seen = Exec(monkeypatch).seen
    found = pod()
    if change == "another container":
        found["status"]["containerStatuses"][0]["containerID"] = "containerd://2"
    if change == "ended":
        found["status"]["containerStatuses"][0]["state"] = {"terminated": {}}
    if change != "no pod":
        kube.put(PODS, "web-1", spec=found["spec"], status=found["status"], metadata={"uid": "v" if change == "another uid" else "u"})
    assert undo().run(kube.cluster, None)[0] == "already gone" and not seen
