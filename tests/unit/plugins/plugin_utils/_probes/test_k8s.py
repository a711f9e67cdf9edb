# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of a cluster, and the renewal of its leases, against a small API server over HTTP. (tests/cluster has a real one.)"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster as kube_cluster, connection as kube_connection
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle.journal import VERSION, Journal
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.leases import NOTHING_ACTIVE, ClusterRenewal, Lease
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.steady_state import bind, read_settings
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.base import Measurement, Probe
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes
from tests.unit.support.kube_server import Answer, KubeServer

DEPLOYMENTS, PODS = "/apis/apps/v1/namespaces/shop/deployments", "/api/v1/namespaces/shop/pods"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeServer]:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for spec in kube_connection.AUTH_OPTIONS.values():
        monkeypatch.delenv(spec["fallback"][1][0], raising=False)
    found = KubeServer()
    yield found
    found.close()


def probe(server: KubeServer, **options: t.Any) -> Probe:
    return read_probes([{"name": "shop", "type": "k8s", "host": server.url, "namespace": "shop", **options}])[0]


def workload(server: KubeServer, ready: int, wanted: int = 3, name: str = "web", seen: int = 1) -> None:
    status = {"readyReplicas": ready, "observedGeneration": seen}
    server.put(DEPLOYMENTS, name, spec={"replicas": wanted}, status=status, metadata={"labels": {"app": name}})


def pod(server: KubeServer, name: str, ready: bool = True, phase: str = "Running", restarts: int = 0, **meta: t.Any) -> None:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    statuses = [{"name": "main", "restartCount": restarts, "state": {} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}}]
    status = {"phase": phase, "conditions": conditions, "containerStatuses": statuses}
    server.put(PODS, name, status=status, metadata={"labels": {"app": "web"}, **meta})


def restart(server: KubeServer, name: str, count: int) -> None:
    server.objects[f"{PODS}/{name}"]["status"]["containerStatuses"][0]["restartCount"] = count


def test_a_workload_is_available_when_all_of_it_is_ready(server: KubeServer) -> None:
    web = probe(server, kind="deployment", object="web")
    assert web.attempt(2.0) == Measurement(False, 0, "there is no deployment web in namespace shop")
    workload(server, 2)
    assert web.attempt(2.0) == Measurement(False, 2, "2 of 3 are ready, at least 3 expected")
    workload(server, 3)
    assert web.attempt(2.0) == Measurement(True, 3)
    assert web.target == f"deployment shop/web of {server.url}"


def test_a_workload_that_nobody_wants_is_not_available(server: KubeServer) -> None:
    workload(server, 0, wanted=0)
    assert probe(server, kind="deployment", object="web").attempt(2.0) == Measurement(False, 0, "0 of 0 are ready, at least 1 expected")
    assert probe(server, kind="deployment", object="web", expect={"ready_min": 0}).attempt(2.0) == Measurement(True, 0)


def test_a_change_that_the_controller_has_not_seen(server: KubeServer) -> None:
    workload(server, 3, seen=0)
    outcome = probe(server, kind="deployment", object="web").attempt(2.0)
    assert not outcome.ok and "its controller has not seen it" in outcome.detail


@pytest.mark.parametrize(("least", "ok"), [(2, True), (3, False), ("66%", True), ("67%", False), ("99%", False), ("100%", False), ("0%", True)])
def test_ready_min(server: KubeServer, least: t.Any, ok: bool) -> None:
    workload(server, 2)
    assert probe(server, kind="deployment", object="web", expect={"ready_min": least}).attempt(2.0).ok is ok


def test_workloads_of_a_selector_are_added_up(server: KubeServer) -> None:
    workload(server, 3)
    workload(server, 1, name="api")
    assert probe(server, kind="deployment", label_selector="app!=db", expect={"ready_min": 4}).attempt(2.0) == Measurement(True, 4)
    assert probe(server, kind="deployment", label_selector="app=api").attempt(2.0) == Measurement(False, 1, "1 of 3 are ready, at least 3 expected")


def test_a_daemon_set(server: KubeServer) -> None:
    status = {"desiredNumberScheduled": 2, "numberReady": 1, "observedGeneration": 1}
    server.put("/apis/apps/v1/namespaces/shop/daemonsets", "agent", spec={}, status=status)
    assert probe(server, kind="daemonset", object="agent").attempt(2.0) == Measurement(False, 1, "1 of 2 are ready, at least 2 expected")


def test_pods_are_ready(server: KubeServer) -> None:
    pods = probe(server, kind="pod", label_selector="app=web")
    assert pods.attempt(2.0) == Measurement(False, 0, "there is no pod app=web in namespace shop")
    pod(server, "web-1")
    pod(server, "job-1", ready=False, phase="Succeeded")
    assert pods.attempt(2.0) == Measurement(True, 1)
    pod(server, "web-2", ready=False)
    assert pods.attempt(2.0) == Measurement(False, 1, "1 of 2 are ready, at least 2 expected: web-2 waits: CrashLoopBackOff")
    pod(server, "web-2", deletionTimestamp="2026-01-01T00:00:00Z")
    assert "web-2 is being deleted" in pods.attempt(2.0).detail


def test_restarts_count_from_the_first_look(server: KubeServer) -> None:
    pod(server, "web-1", restarts=7)
    calm = probe(server, kind="pod", label_selector="app=web", expect={"ready_min": 1, "restarts_max": 1})
    assert calm.attempt(2.0).ok
    restart(server, "web-1", 8)
    assert calm.attempt(2.0).ok
    pod(server, "web-2", restarts=1)
    outcome = calm.attempt(2.0)
    assert outcome == Measurement(False, 2, "2 restarts since the probe began, at most 1 expected: container main of pod web-2")
    del server.objects[f"{PODS}/web-2"]
    assert not calm.attempt(2.0).ok, "what happened is not forgotten with its pod"
    assert probe(server, kind="pod", label_selector="app=web", expect={"restarts_max": 0}).attempt(2.0).ok


def test_a_claim_is_bound(server: KubeServer) -> None:
    server.put("/api/v1/namespaces/shop/persistentvolumeclaims", "data", status={"phase": "Pending"})
    data = probe(server, kind="persistentvolumeclaim", object="data")
    assert data.attempt(2.0) == Measurement(False, 0, "data is Pending")
    server.put("/api/v1/namespaces/shop/persistentvolumeclaims", "data", status={"phase": "Bound"})
    assert data.attempt(2.0) == Measurement(True, 1)


def test_events_since_the_probe_began(server: KubeServer) -> None:
    def event(name: str, reason: str, when: float) -> None:
        server.put("/api/v1/namespaces/shop/events", name, reason=reason, lastTimestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))

    calm = probe(server, kind="event", expect={"json": "length([?reason=='FailedScheduling']) == `0`"})
    event("old", "FailedScheduling", time.time() - 60)
    assert calm.attempt(2.0) == Measurement(True, 0)
    event("other", "Scheduled", time.time() + 2)
    assert calm.attempt(2.0) == Measurement(True, 1)
    event("new", "FailedScheduling", time.time() + 2)
    outcome = calm.attempt(2.0)
    assert not outcome.ok and outcome.value == 2 and outcome.detail.startswith("event length(")


def test_a_rule_over_one_object(server: KubeServer) -> None:
    workload(server, 3)
    assert probe(server, kind="deployment", object="web", expect={"json": "spec.replicas == `3`"}).attempt(2.0).ok
    outcome = probe(server, kind="deployment", object="web", expect={"json": "spec.replicas == `4`"}).attempt(2.0)
    assert outcome == Measurement(False, 3, "deployment spec.replicas == `4` is false: spec.replicas is 3")


def test_a_busy_server_is_one_failed_attempt(server: KubeServer) -> None:
    workload(server, 3)
    web = probe(server, kind="deployment", object="web")
    server.fail(1, Answer(503, "ServiceUnavailable", "try again"))
    assert web.attempt(2.0) == Measurement(False, None, "get deployments web in namespace shop failed (503): try again")
    assert web.attempt(2.0).ok
    server.fail(1, Answer(401, "Unauthorized", "Unauthorized"))
    assert "does not accept the credentials" in web.attempt(2.0).detail


def test_nobody_answers(server: KubeServer) -> None:
    web = probe(server, kind="deployment", object="web", host="http://127.0.0.1:9")
    outcome = web.attempt(1.0)
    assert not outcome.ok and "http://127.0.0.1:9 cannot be reached" in outcome.detail


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "pods"}, "probe 'shop': kind: 'pods' is refused: choose one of .* did you mean pod"),
        ({"kind": None}, "probe 'shop': kind is required"),
        ({"namespace": None}, "namespace is required"),
        ({"namespace": "Shop*"}, "namespace: 'Shop\\*' is refused"),
        ({"object": None}, "object: None is refused: name the deployment, or give a label_selector"),
        ({"label_selector": "app=web"}, "it names one object already"),
        ({"object": None, "label_selector": "*"}, "label_selector: '\\*' is refused"),
        ({"kind": "pod", "object": None, "field_selector": "a b"}, "field_selector: 'a b' is refused"),
        ({"expect": {"ready_min": -1}}, "expect: ready_min"),
        ({"expect": {"ready_min": "half"}}, "expect: ready_min"),
        ({"expect": {"restarts_max": 0}}, "only pods restart"),
        ({"kind": "persistentvolumeclaim", "expect": {"ready_min": 1}}, "a persistentvolumeclaim is never ready"),
        ({"kind": "event", "object": None}, "expect: json is required"),
        ({"expect": {"status": 200}}, "no such option"),
        ({"host": "kube.example.com"}, "probe 'shop': host: 'kube.example.com' is refused: give a URL"),
        ({"host": None, "kubeconfig": "/nowhere/config"}, "probe 'shop': kubeconfig: '/nowhere/config' is refused: there is no such file"),
        ({"api_key": 5}, "api_key: '\\(not shown\\)' is refused"),
        ({"validate_certs": "perhaps"}, "validate_certs"),
    ],
    ids=str,
)
def test_refused(server: KubeServer, options: dict[str, t.Any], told: str) -> None:
    given = {"kind": "deployment", "object": "web", **options}
    with pytest.raises(BadOption, match=told):
        probe(server, **{name: value for name, value in given.items() if value is not None or name in ("host", "namespace")})


def test_without_the_library(server: KubeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_connection, "LIBRARY_ERROR", "Traceback")
    with pytest.raises(BadOption, match="needs the Python library kubernetes on the controller: .* -m pip install kubernetes"):
        probe(server, kind="deployment", object="web")


# --- leases of attacks in the cluster, which are renewed from the controller while probes watch ---------


def journalled(server: KubeServer, left: float, limit: float = 300.0) -> tuple[Journal, str]:
    cluster = kube_cluster.Cluster({}, kube_connection.configuration({"host": server.url}))
    now = cluster.now()
    record = dict.fromkeys(("injector", "identity", "nonce", "started"), "x") | {"version": VERSION, "id": "a", "module": "k8s_scale", "run_id": "run-1"}
    record |= {"resources": [], "namespaces": ["shop"], "deadman": "watcher", "undo": []}
    Journal(cluster).publish("shop", record, now + left, now + limit, "nothing")
    return Journal(cluster), "a"


def test_a_lease_is_renewed_for_so_long_from_now_and_never_beyond_its_limit(server: KubeServer) -> None:
    journal, name = journalled(server, left=5.0)
    renewal = ClusterRenewal({"host": server.url, "namespaces": ["shop"], "verify_ssl": "no"})
    limit, before = journal.find("shop", name).limit, time.time()
    first = renewal.renew(Lease("run-1", 30.0), 2.0)
    assert (first.rc, first.stdout) in ((0, "a 30\n"), (0, "a 31\n"))
    # The server tells its time in whole seconds.
    assert before + 29.0 <= journal.find("shop", name).deadline <= time.time() + 30.0
    [told] = renewal.renew(Lease("run-1", 3000.0), 2.0).stdout.splitlines()
    assert 290 < int(told.removeprefix("a ")) <= 301, "at most the duration"
    assert journal.find("shop", name).deadline == limit


def test_a_lease_that_ran_out_is_not_renewed(server: KubeServer) -> None:
    journal, name = journalled(server, left=-1.0)
    deadline = journal.find("shop", name).deadline
    assert ClusterRenewal({"host": server.url}).renew(Lease("run-1", 30.0), 2.0).rc == NOTHING_ACTIVE
    assert ClusterRenewal({"host": server.url}).renew(Lease("another", 30.0), 2.0).rc == NOTHING_ACTIVE
    assert journal.find("shop", name).deadline == deadline


def test_a_renewal_that_cannot_be_is_refused_before_it_is_needed(server: KubeServer) -> None:
    settings = read_settings({"probes": [{"name": "x", "type": "command", "argv": ["true"]}], "renew": {"cluster": {}, "run_id": "r", "lease": 30}})
    settings.lease_cluster.update(kubeconfig="/nowhere/config")
    with pytest.raises(BadOption, match="renew: cluster: .*'/nowhere/config' is refused: there is no such file"):
        bind(settings, None, False)
