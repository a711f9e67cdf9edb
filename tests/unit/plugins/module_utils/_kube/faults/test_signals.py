# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals from within a container: which way they can be sent, what would have no effect, and what proves that a container ended."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.exec import NoProgram
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults import signals
from ansible_collections.faultline.chaos.plugins.module_utils._kube.faults.signals import FIRST, OTHERS, Victim


def pod(**status: Any) -> dict:
    told = {"name": "main", "containerID": "containerd://old", "restartCount": 2, "state": {"running": {}}, **status}
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"containerStatuses": [told]},
    }


class Image:
    """What is in an image, as exec sees it."""

    def __init__(self, *programs: str, allowed: bool = True, status: str = "SigCgt:\t0000000000004002\n") -> None:
        self.programs, self.allowed, self.status = programs, allowed, status
        self.calls: list[list[str]] = []

    def run(self, _cluster: Any, namespace: str, name: str, container: str, argv: list[str], timeout: float = 30.0) -> tuple[int, str, str]:
        assert (namespace, name, container) == ("shop", "web", "main")
        self.calls.append(argv)
        if argv[0] not in self.programs:
            raise NoProgram(f"{argv[0]} cannot be run in the container")
        if argv[-1] == "/proc/1/status":
            return (0, self.status, "") if self.status else (1, "", "denied")
        return (0 if self.allowed else 1), "", ""


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch):
    def make(*words: str, **more: Any) -> Image:
        made = Image(*words, **more)
        monkeypatch.setattr(kube_exec, "run", made.run)
        return made

    return make


@pytest.mark.parametrize(
    "programs, sent",
    [
        (["kill", "sh"], ["kill", "-TERM", "1"]),
        (["busybox"], ["busybox", "kill", "-TERM", "1"]),
        (["sh"], ["sh", "-c", 'kill "$1" "$2"', "sh", "-TERM", "1"]),
        (["bash"], ["bash", "-c", 'kill "$1" "$2"', "bash", "-TERM", "1"]),
    ],
)
def test_the_way_that_an_image_has(image, programs: list[str], sent: list[str]) -> None:
    made, victim = image(*programs), Victim(pod(), "main")
    signals.prepare(None, victim, "TERM", FIRST)
    assert all("-0" in argv or "/proc/1/status" in argv for argv in made.calls), "a signal was sent while looking"
    signals.send(None, victim, "TERM", FIRST)
    assert made.calls[-1] == sent


def test_an_image_with_nothing_is_refused(image) -> None:
    image("pause")
    with pytest.raises(AttackError, match="shop/web container main: its image has neither kill nor a shell: use process_kill on its node"):
        signals.prepare(None, Victim(pod(), "main"), "TERM", FIRST)


def test_a_user_that_may_not_is_refused(image) -> None:
    image("kill", allowed=False)
    with pytest.raises(AttackError, match="its user may not send signals to process 1"):
        signals.prepare(None, Victim(pod(), "main"), "TERM", FIRST)


def test_a_signal_that_process_1_does_not_handle_is_refused(image) -> None:
    image("kill", "cat")
    with pytest.raises(AttackError, match="its process 1 does not handle QUIT, and the kernel drops that; it handles INT, TERM"):
        signals.prepare(None, Victim(pod(), "main"), "QUIT", FIRST)
    signals.prepare(None, Victim(pod(), "main"), "QUIT", OTHERS)


@pytest.mark.parametrize("status", ["", "Name:\tx\n", "SigCgt:\tzz\n"])
def test_what_process_1_handles_may_be_unknown(image, status: str) -> None:
    image("kill", "cat", status=status)
    signals.prepare(None, Victim(pod(), "main"), "QUIT", FIRST)


def test_without_cat_it_is_unknown(image) -> None:
    image("kill")
    signals.prepare(None, Victim(pod(), "main"), "QUIT", FIRST)


def test_the_mask_of_handled_signals() -> None:
    assert signals.handled("Name:\tsh\nSigCgt:\t0000000000014a07\n") == ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"]
    assert signals.handled("SigCgt:\t0000000000000000\n") == []
    assert signals.handled("Name:\tx\rSigCgt:\t4000\nSigCgt:\t0000000000000000\n") == [], "the kernel does not escape that in a name"


@pytest.mark.parametrize("field, told", [("hostPID", "could hit the node itself"), ("shareProcessNamespace", "one cannot be hit alone")])
def test_process_1_of_somebody_else_is_refused(field: str, told: str) -> None:
    found = pod()
    signals.refuse_shared(found)
    found["spec"][field] = True
    with pytest.raises(AttackError, match=told):
        signals.refuse_shared(found)


def test_which_container() -> None:
    found = pod()
    assert signals.choose_container(found, None) == "main"
    found["spec"]["containers"].append({"name": "log"})
    with pytest.raises(AttackError, match="pod shop/web has several: choose one of main, log"):
        signals.choose_container(found, None)
    with pytest.raises(AttackError, match="pod shop/web has no container db, but main, log"):
        signals.choose_container(found, "db")
    found["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "log"}
    assert signals.choose_container(found, None) == "log"
    assert signals.choose_container(found, "main") == "main"


OLD_END = {"terminated": {"exitCode": 7, "containerID": "containerd://old"}}


@pytest.mark.parametrize(
    "status, restarted, code",
    [
        ({"containerID": "containerd://new", "restartCount": 3, "lastState": OLD_END}, True, 7),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": OLD_END}, False, 7),
        ({"state": {"terminated": {"exitCode": 0, "containerID": "containerd://old"}}}, False, 0),
        ({"state": OLD_END, "lastState": {"terminated": {"exitCode": 1, "containerID": "containerd://older"}}}, False, 7),
    ],
)
def test_what_proves_that_it_ended(status: dict, restarted: bool, code: int) -> None:
    told = signals.ended(Victim(pod(), "main"), pod(**status))
    assert told is not None and (told["restarted"], told["exit_code"], told["pod_gone"]) == (restarted, code, False)


def test_what_proves_nothing() -> None:
    victim = Victim(pod(), "main")
    assert signals.ended(victim, pod()) is None
    assert signals.ended(victim, pod(state={"waiting": {}})) is None


def test_a_pod_that_is_gone_or_another_one() -> None:
    victim, other = Victim(pod(), "main"), pod()
    other["metadata"]["uid"] = "another"
    for found in (None, other):
        assert signals.ended(victim, found) == {"pod_gone": True, "restarted": False}
